"""The file of the rows that could not be loaded: file, line, reason and row, for its owner alone."""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, Self, TextIO

from scorer.errors import UserError


class Rejected(NamedTuple):
    """A row that is not loaded: the line that it begins on, why, and its text."""

    line: int
    reasons: tuple[str, ...]
    text: str


class NothingLoaded(UserError):
    """No row of a file could be loaded: nothing is, and the reject file says why for each row."""


class RejectFile:
    """The reject file; made for the first row, removed where the load fails for another reason."""

    def __init__(self, path: Path) -> None:
        self.count = 0
        self.path = path
        self._file: TextIO | None = None
        self._reasons: Counter[tuple[str, str]] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        if self._file is not None:
            self._file.close()
            if failure is not None and not issubclass(failure, NothingLoaded):
                self.path.unlink(missing_ok=True)

    def add(self, file: str, rows: Iterable[Rejected]) -> None:
        """Write line, reasons and text of each of the rows of `file`."""
        for line, reasons, text in rows:
            if self._file is None:
                self._file = self._created()
                csv.writer(self._file).writerow(["file", "line", "reason", "row"])
            csv.writer(self._file).writerow([file, line, "; ".join(reasons), text.rstrip("\r\n")])
            self.count += 1
            self._reasons.update((file, re.sub(r"on line \d+", "on another line", reason)) for reason in reasons)

    def most_frequent(self, file: str) -> tuple[str, int]:
        """The reason that most rows of `file` have, and how many have it."""
        times = {reason: times for (name, reason), times in self._reasons.items() if name == file}
        reason = max(times, key=times.__getitem__)
        return reason, times[reason]

    def _created(self) -> TextIO:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.unlink(missing_ok=True)
            return open(
                self.path, "x", encoding="utf-8", errors="backslashreplace", newline="", opener=_for_its_owner_alone
            )
        except OSError as error:
            raise UserError(f"The reject file {self.path} cannot be written: {error.strerror}.") from error


def _for_its_owner_alone(path: str, flags: int) -> int:
    return os.open(path, flags, mode=0o600)
