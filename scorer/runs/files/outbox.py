"""The folder that results go to; a delivery is settled whole or not at all, whenever the process dies.

    OUT/predictions_ward3.csv, OUT/rejects_ward3.csv    what is made of a delivery
    OUT/.scorer/staged/                                 results that are being written
    OUT/.scorer/ready/                                  results that are complete, and the plan of what goes where
    OUT/.scorer/receipts/                               a file for each delivery that was scored, by its SHA-256

Results are written under `staged` and synchronised; its renaming to `ready` is the moment in which a delivery is settled. From then on
the plan is carried out, by this process or by the next: results to their names, the input to done/ or failed/, last the receipt. Each
step is a renaming that is either done or to be done.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scorer.errors import UserError

_PLAN, _RECEIPT = "plan.json", "receipt.json"
_LOCK = ".scorer.lock"
_LONGEST = 160  # bytes of a delivery's name in the names of its results, to which more is added; file systems take 255


class Outbox:
    """The folder of results; used by one process at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._own = folder / ".scorer"
        self.staged, self._ready, self._receipts = self._own / "staged", self._own / "ready", self._own / "receipts"

    def make(self) -> None:
        """Make the folders that are its own, and carry out what a process that died had settled."""
        self._receipts.mkdir(parents=True, exist_ok=True)
        self.finish()

    @property
    def has_plan(self) -> bool:
        """Whether a delivery is settled, and not all of the plan carried out."""
        return self._ready.exists()

    def clear(self) -> None:
        """Make the folder of results that are being written anew."""
        shutil.rmtree(self.staged, ignore_errors=True)
        self.staged.mkdir()

    def receipt(self, key: str) -> Mapping[str, Any] | None:
        """What was noted of the delivery with this SHA-256 as it was scored; None where it was not."""
        try:
            content: Mapping[str, Any] = json.loads((self._receipts / f"{key}.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return content

    def settle(
        self,
        *,
        moves: Sequence[tuple[Path, Path]],
        notes: Mapping[Path, str],
        key: str | None = None,
        receipt: Mapping[str, Any] | None = None,
    ) -> None:
        """Settle a delivery: `moves` are files and where they go, `notes` texts to be written.

        Last its receipt is kept.
        """
        plan = {
            # In full: whoever carries it out may have been started in another folder.
            "moves": [[str(self._as_ready(source).absolute()), str(target.absolute())] for source, target in moves],
            "notes": {str(path.absolute()): text for path, text in notes.items()},
            "key": key,
        }
        if receipt is not None:
            _write(self.staged / _RECEIPT, json.dumps(receipt, indent=1))
        _write(self.staged / _PLAN, json.dumps(plan))
        for path in self.staged.iterdir():
            _synchronise(path)
        _synchronise(self.staged)
        self.staged.rename(self._ready)
        _synchronise(self._own)
        self.finish()

    def finish(self) -> None:
        """Carry out the plan that is ready, if there is one."""
        if not self._ready.exists():
            return
        plan = json.loads((self._ready / _PLAN).read_text(encoding="utf-8"))
        folders = {self.folder}
        for path, text in plan["notes"].items():
            unfinished = Path(path).with_name(f".{Path(path).name}.part")
            _write(unfinished, text)
            _synchronise(unfinished)
            unfinished.rename(path)
            folders.add(Path(path).parent)
        for source, target in plan["moves"]:
            if os.path.lexists(source):
                Path(source).rename(target)
            folders |= {
                Path(target).parent,
                *([] if Path(source).parent == self._ready.absolute() else [Path(source).parent]),
            }
        for each in folders:
            _synchronise(each)
        if plan["key"] is not None and (self._ready / _RECEIPT).exists():
            (self._ready / _RECEIPT).rename(self._receipts / f"{plan['key']}.json")
            _synchronise(self._receipts)
        self._ready.rename(self.staged)  # with one step, so that no half of a plan is ever found ready
        shutil.rmtree(self.staged)

    def _as_ready(self, source: Path) -> Path:
        """The path of a file once its results are ready."""
        return self._ready / source.name if source.parent == self.staged else source


def printable(text: str) -> str:
    """The text, such as a file's name, with a mark for each character that cannot be shown.

    >>> printable("ward\\n3")
    'ward\ufffd3'
    """
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def free_name(name: str, taken: Sequence[tuple[Path, str]]) -> str:
    """The name, as far as it can be shown and leaves room, or with the first number that makes it free.

    Each of `taken` is a folder and a form, such as predictions_{}.csv.
    """
    name = printable(name).encode()[:_LONGEST].decode(errors="ignore")
    number, found = 1, name
    while any(os.path.lexists(folder / form.replace("{}", found)) for folder, form in taken):
        number += 1
        found = f"{name}-{number}"
    return found


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Within it no other process deals with the folder.

    Raises UserError where one does, or it cannot be written to.
    """
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise UserError(f"{folder} cannot be written to: {error.strerror}; see to it that it can.") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UserError(f"Another `scorer files` deals with {folder}; let it, or stop it first.") from error
        yield
    finally:
        os.close(lock)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _synchronise(path: Path) -> None:
    """Have the file, or the names in a folder, reach the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
