"""The folder that deliveries come into: what is there, what is complete, and what is at work.

    IN/ward3.csv                                          a delivery of one file
    IN/ward3.visits.csv, IN/ward3.patient_observations.csv    one of several, a file for each table
    IN/working/                                           the delivery in hand
    IN/done/, IN/failed/                                  what has been dealt with

A file is taken once it looks the same twice: so one that is still being written is let be. Better is a writer that gives it its name at the
end: hidden files, and those that do not end in .csv or .csv.gz, are never taken.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scorer.database.source.load_tables import File, Table
from scorer.errors import UserError
from scorer.runs.files.outbox import printable

WORKING, DONE, FAILED = "working", "done", "failed"
_FILE = re.compile(r"(?P<name>[^.~].*?)\.csv(?:\.gz)?", re.DOTALL)
_BLOCK = 1 << 20  # bytes

Look = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Delivery:
    """Files that are scored together, by the name of the table that each fills.

    `name` is what their results are called by. The one file of a delivery that is `alone` has no table in its name. `lacks` are the files
    that are still to come. `fault` is why it cannot be read at all.
    """

    name: str
    files: tuple[tuple[str, Path], ...]
    alone: bool
    lacks: tuple[str, ...] = ()
    fault: str | None = None

    @property
    def told(self) -> str:
        """The delivery's files, in words."""
        return printable(", ".join(path.name for _, path in self.files))

    def within(self, folder: Path) -> Delivery:
        """The same, with its files in another folder."""
        moved = tuple((table, folder / path.name) for table, path in self.files)
        return Delivery(self.name, moved, alone=self.alone, lacks=self.lacks, fault=self.fault)


class Inbox:
    """The folder, as a job with these tables reads it.

    `alone` is the table that a file without one in its name fills, if any.
    """

    def __init__(self, folder: Path, tables: Sequence[Table], *, alone: Table | None) -> None:
        self.folder, self._tables, self._alone = folder, {table.name: table for table in tables}, alone
        self._seen: dict[str, Look] = {}

    def make(self) -> None:
        """Make the folders within it."""
        for each in (WORKING, DONE, FAILED):
            (self.folder / each).mkdir(exist_ok=True)

    def look(self) -> tuple[list[Delivery], list[Delivery]]:
        """Look at what is there. Returns the deliveries that are complete, and the others, by name.

        Complete is one whose files are all there and look as they did at the look before.
        """
        now = {path.name: seen for path in self._files(self.folder) if (seen := _look_at(path)) is not None}
        still = {name for name, seen in now.items() if self._seen.get(name) == seen}
        self._seen = now
        ready: list[Delivery] = []
        waiting: list[Delivery] = []
        for each in self._deliveries(self.folder / name for name in now):
            complete = not each.lacks and all(path.name in still for _, path in each.files)
            (ready if complete else waiting).append(each)
        return ready, waiting

    def left(self) -> list[Delivery]:
        """What a process that died had in hand: its files, with those that it had not come to move.

        Files whose others have gone are moved back to where they came: they wait for these.
        """
        at_work = list(self._files(self.folder / WORKING))
        lacking = {each.name for each in self._deliveries(at_work) if each.lacks}
        there = {self._place_of(path) for path in at_work}
        to_move = [
            path
            for path in (self._files(self.folder) if lacking else ())
            if self._place_of(path)[0] in lacking and self._place_of(path)[1] and self._place_of(path) not in there
        ]
        found = self._deliveries([*at_work, *to_move])
        for each in found:
            if each.lacks:
                self.give_back(each.within(self.folder / WORKING))
        return [each for each in found if not each.lacks]

    def take(self, delivery: Delivery) -> Delivery:
        """Move the delivery's files to where the one in hand lies. Returns it there.

        What comes in meanwhile is another. What may be missing is moved first: whoever finds all that is required in hand has all of the
        delivery. Raises FileNotFoundError where a file has gone.
        """
        taken = delivery.within(self.folder / WORKING)
        for (_, path), (_, place) in sorted(zip(delivery.files, taken.files, strict=True), key=self._is_required):
            if path != place:
                try:
                    path.rename(place)
                except FileNotFoundError:
                    self.give_back(taken)
                    raise
        return taken

    def give_back(self, delivery: Delivery) -> None:
        """Move the files of a delivery in hand back to where they came.

        Those are left of which others have come there meanwhile.
        """
        for _, path in delivery.files:
            if path.exists() and not (self.folder / path.name).exists():
                path.rename(self.folder / path.name)

    def tables_of(self, delivery: Delivery) -> tuple[File, ...]:
        """The delivery's files with their tables, in the order of loading."""
        if delivery.alone:
            assert self._alone is not None
            return (File(delivery.files[0][1], self._alone),)
        there = dict(delivery.files)
        return tuple(File(there[name], table) for name, table in self._tables.items() if name in there)

    def _is_required(self, pair: tuple[tuple[str, Path], object]) -> bool:
        table = self._tables.get(pair[0][0])
        return table is None or table.file == "required"

    def _files(self, folder: Path) -> Iterable[Path]:
        try:
            with os.scandir(folder) as entries:
                names = sorted(each.name for each in entries if _FILE.fullmatch(each.name) and _is_file(each))
        except OSError as error:
            raise UserError(f"{folder} cannot be read: {error.strerror}; see to it that it can.") from error
        return [folder / name for name in names]

    def _deliveries(self, paths: Iterable[Path]) -> list[Delivery]:
        found: list[Delivery] = []
        sets: dict[str, list[tuple[str, Path]]] = {}
        for path in paths:
            name, table = self._place_of(path)
            if table:
                sets.setdefault(name, []).append((table, path))
            else:
                found.append(self._of_one_file(name, path))
        return sorted([*found, *(self._of_several(name, files) for name, files in sets.items())], key=_by_name)

    def _place_of(self, path: Path) -> tuple[str, str]:
        """The name of the file's delivery, and of the table that it fills, if its name has one."""
        match = _FILE.fullmatch(path.name)
        assert match is not None
        name, _, table = match["name"].rpartition(".")
        return (name, table) if name and table in self._tables else (match["name"], "")

    def _of_one_file(self, name: str, path: Path) -> Delivery:
        fault = None
        if self._alone is None:
            needed = " and ".join(
                f"NAME.{each}.csv" for each, table in self._tables.items() if table.file == "required"
            )
            fault = f"{path.name} does not say which table it fills; a delivery of this job is {needed}."
        return Delivery(name, (("", path),), alone=True, fault=fault)

    def _of_several(self, name: str, files: list[tuple[str, Path]]) -> Delivery:
        tables = [table for table, _ in files]
        twice = next((table for table in tables if tables.count(table) > 1), None)
        lacks = tuple(
            f"{name}.{each}.csv"
            for each, table in self._tables.items()
            if table.file == "required" and each not in tables
        )
        fault = (
            None if twice is None else f"{name}.{twice} is there both as .csv and as .csv.gz; take one of them away."
        )
        return Delivery(name, tuple(files), alone=False, lacks=lacks, fault=fault)


def _by_name(delivery: Delivery) -> str:
    return delivery.name


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Whether it is one, or leads to one."""
    try:
        return entry.is_file()
    except OSError:  # a link that leads in a circle, or to where nobody may look
        return False


def _look_at(path: Path) -> Look | None:
    """What changes where a file does; None where it has gone."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def looks(delivery: Delivery) -> tuple[Look | None, ...]:
    """What changes where one of its files does."""
    return tuple(_look_at(path) for _, path in delivery.files)


def fingerprint(delivery: Delivery, *more: str) -> str:
    """The SHA-256 of what the delivery's files hold, whatever they are called.

    So it is of what `more` there is to be the same. Raises UserError where one cannot be read.
    """
    whole = hashlib.sha256("\0".join(more).encode())
    for table, path in sorted(delivery.files, key=lambda each: each[0]):
        digest = hashlib.sha256()
        try:
            with path.open("rb") as file:
                while block := file.read(_BLOCK):
                    digest.update(block)
        except OSError as error:
            raise UserError(f"{path.name} cannot be read: {error.strerror}; see to it that it can.") from error
        whole.update(f"\0{table}\0{digest.hexdigest()}".encode())
    return whole.hexdigest()
