"""The rows of a CSV file, each with the line that it begins on, even where its quotes do not match."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import compress
from pathlib import Path
from typing import NamedTuple, Self

from scorer.errors import UserError


class Row(NamedTuple):
    """A row of a file: the line that it begins on (the header's is 1), its text, its fields or its fault."""

    line: int
    text: str
    fields: Sequence[str]
    fault: str | None


class Lines:
    """The lines of a file. Those taken for the current row, except the first, can be given back."""

    def __init__(self, text: Iterable[str], *, path: Path) -> None:
        self.path = path
        self.first = 1
        self.taken: list[str] = []
        self._given_back: deque[str] = deque()
        self._text = iter(text)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = self._given_back.popleft() if self._given_back else self._read()
        self.taken.append(line)
        return line

    def begin_row(self) -> None:
        """Begin the next row: lines taken before are not given back."""
        self.first += len(self.taken)
        self.taken = []

    def give_back(self) -> None:
        """Give back the lines taken for the current row, except the first; they are read again."""
        self._given_back.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]

    def _read(self) -> str:
        try:
            return next(self._text)
        except UnicodeDecodeError as error:
            raise UserError(f"{self.path} is not UTF-8 after line {self._reached}; write it anew as UTF-8.") from error
        except (OSError, EOFError, zlib.error) as error:
            raise UserError(
                f"{self.path} cannot be read after line {self._reached}: {error}; fetch or pack it anew."
            ) from error

    @property
    def _reached(self) -> int:
        return self.first + len(self.taken) - 1


@contextmanager
def open_lines(path: Path) -> Iterator[tuple[Lines, Callable[[], int]]]:
    """Open a file, unpacked if it is .gz. Gives its lines, and a function that counts the bytes read.

    Raises UserError where it cannot be read; so does reading on, where it is not UTF-8 or cannot be unpacked.
    """
    try:
        raw = path.open("rb")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; see to it that it can.") from error
    with raw:
        content = gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw
        yield Lines(io.TextIOWrapper(content, encoding="utf-8-sig", newline=""), path=path), raw.tell


def read_header(lines: Lines) -> list[str]:
    """Read the names of the columns. Raises UserError where the first line has none."""
    try:
        header = next(csv.reader(lines, strict=True), [])
    except csv.Error:
        header = []
    if not header:
        raise UserError(f"{lines.path} has no header; put the names of the columns on its first line.")
    return header


def read_rows(lines: Lines, *, header: Sequence[str], loaded: Sequence[str]) -> Iterator[Row]:
    """The rows after the header; `loaded` are the names of the columns that are not ignored.

    A quote that is never closed would swallow the rows after it. So several lines are one row only if they have the
    right number of fields and break in ignored columns (remarks, say); else the first is at fault, and the others are
    read again as rows of their own.
    """
    matters = [name in loaded for name in header]
    reader = csv.reader(lines, strict=True)
    while True:
        lines.begin_row()
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error:
            fields = None
        if fields is None or (len(lines.taken) > 1 and not _is_one_row(fields, matters)):
            lines.give_back()
            yield Row(lines.first, lines.taken[0], (), "the quotes do not match")
        elif fields:
            fault = None if len(fields) == len(header) else f"{len(fields)} fields where the header has {len(header)}"
            yield Row(lines.first, "".join(lines.taken), fields, fault)


def _is_one_row(fields: Sequence[str], matters: Sequence[bool]) -> bool:
    return len(fields) == len(matters) and not any(re.search(r"[\r\n]", field) for field in compress(fields, matters))
