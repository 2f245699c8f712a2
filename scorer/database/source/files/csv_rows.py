"""The rows of a CSV file, each with the line that it begins on, even where its quotes do not match.

Fields are separated by commas, or by what else separates the names of the columns on the first line.
"""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import compress
from pathlib import Path
from typing import NamedTuple, Self, TypeVar

from scorer.database.source.files.csv_blocks import Blocks
from scorer.errors import UserError

# A field may be a nurse's letter or a picture; one that is longer is more likely a quote that is never closed, and would fill
# the memory.
LONGEST_FIELD = 1 << 24
csv.field_size_limit(LONGEST_FIELD)

T = TypeVar("T")

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


class Header(NamedTuple):
    """The names of a file's columns, and what separates its fields."""

    names: tuple[str, ...]
    separator: str


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

    def pass_over(self, lines: int) -> None:
        """Count lines that were read in another way, between two rows."""
        self.begin_row()
        self.first += lines

    @property
    def has_given_back(self) -> bool:
        """Whether lines wait to be read again."""
        return bool(self._given_back)

    def give_back(self) -> None:
        """Give back the lines taken for the current row, except the first; they are read again."""
        self._given_back.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]

    def _read(self) -> str:
        return self.next_of(self._text)

    def next_of(self, read: Iterator[T]) -> T:
        """The next thing that is read of the file. Raises UserError where it cannot be."""
        try:
            return next(read)
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
def open_lines(path: Path) -> Iterator[tuple[Lines, Blocks, Callable[[], int]]]:
    """Open a file, unpacked if it is .gz. Gives its lines, their blocks, and what counts the bytes read.

    Raises UserError where it cannot be read; so does reading on, where it is not UTF-8 or cannot be unpacked.
    """
    try:
        raw = path.open("rb")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; see to it that it can.") from error
    with raw:
        blocks = Blocks(gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw)
        yield Lines(blocks, path=path), blocks, raw.tell


def read_header(lines: Lines, *, required: Sequence[str]) -> Header:
    """Read the names of the columns.

    The separator is the comma, unless another finds all the `required` names. Excel's `sep=;`, on a line before them, is read
    too. Raises UserError where there are no names.
    """
    first = next(lines, "")
    told = re.fullmatch(r"sep=([,;\t|])[\r\n]*", first)
    separators = list(SEPARATORS)
    if told is not None:
        separators, first = [told[1]], next(lines, "")
    found = {separator: _names(first, separator) for separator in separators}
    best = next((each for each, names in found.items() if set(required) <= set(names)), separators[0])
    if not found[best]:
        raise UserError(f"{lines.path} has no header; put the names of the columns on its first line.")
    return Header(found[best], best)


def _names(first: str, separator: str) -> tuple[str, ...]:
    """The names on the line `first`; none where it is blank or its quotes do not match."""
    try:
        return tuple(name.strip() for name in next(csv.reader([first], delimiter=separator, strict=True), []))
    except csv.Error:
        return ()


def read_rows(lines: Lines, *, header: Header, loaded: Sequence[str]) -> Iterator[Row]:
    """The rows after the header; `loaded` are the names of the columns that are not ignored.

    A quote that is never closed would swallow the rows after it. So several lines are one row only if they have the
    right number of fields and break in ignored columns (remarks, say); else the first is at fault, and the others are
    read again as rows of their own.
    """
    matters = [name in loaded for name in header.names]
    reader = csv.reader(lines, delimiter=header.separator, strict=True)
    while True:
        lines.begin_row()
        try:
            fields, fault = next(reader), None
        except StopIteration:
            return
        except csv.Error as error:
            fields, fault = [], _unread(error)
        if fault is None and len(lines.taken) > 1:
            fault = _broken(fields, header.names, matters)
        if fault is not None:
            lines.give_back()
            yield Row(lines.first, lines.taken[0], (), fault)
        elif fields:
            if len(fields) != len(header.names):
                fault = f"{len(fields)} fields where the header has {len(header.names)}"
            yield Row(lines.first, "".join(lines.taken), fields, fault)


_QUOTES = "the quotes do not match"


def _unread(error: csv.Error) -> str:
    """Why the reader could not go on, after its own words."""
    if "field larger than" in str(error):
        return f"a field of more than {LONGEST_FIELD:,} characters, or a quote that is never closed"
    return _QUOTES


def _broken(fields: Sequence[str], names: Sequence[str], matters: Sequence[bool]) -> str | None:
    """What is wrong with a row of several lines; None where it is one."""
    if len(fields) != len(names):
        return _QUOTES
    breaks = [name for name, field in compress(zip(names, fields, strict=True), matters) if re.search(r"[\r\n]", field)]
    return f"{breaks[0]} breaks its line, or the quotes do not match" if breaks else None


class Plain(NamedTuple):
    """Lines that are one row each, unless blank: the line that they begin on, and their text."""

    line: int
    text: bytes


def read_pieces(
    lines: Lines, blocks: Blocks, *, header: Header, loaded: Sequence[str], most: int
) -> Iterator[Plain | list[Row]]:
    """The rows after the header, in order: plain lines as they stand, others as `read_rows` has them.

    Lists are of at most `most` rows, and of fewer where they are long: a list must fit the memory.
    """
    rows = read_rows(lines, header=header, loaded=loaded)
    runs = blocks.runs(header.separator)
    while True:
        try:
            run = lines.next_of(runs)
        except StopIteration:
            return
        if run.is_plain and len(header.names) > 1:
            lines.begin_row()
            yield Plain(lines.first, run.text)
            lines.pass_over(run.text.count(b"\n") + (not run.text.endswith(b"\n")))
        else:
            blocks.take_lines(run)
            yield from chunks(_until_the_end_of_a_run(rows, lines, blocks), most=most)


def _until_the_end_of_a_run(rows: Iterator[Row], lines: Lines, blocks: Blocks) -> Iterator[Row]:
    """The rows up to one that ends where a run does."""
    while blocks.has_lines or lines.has_given_back:
        row = next(rows, None)
        if row is None:
            return
        yield row


def chunks(rows: Iterable[Row], *, most: int) -> Iterator[list[Row]]:
    """The rows in lists of at most `most`, and of fewer where they are long: a list must fit the memory."""
    chunk: list[Row] = []
    characters = 0
    for row in rows:
        chunk.append(row)
        characters += len(row.text)
        if len(chunk) >= most or characters >= LONGEST_FIELD:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk
