"""A file in blocks of whole lines, and in each the runs of plain lines.

A plain line can only be read in one way: it is one row, whatever stands around it. All others (quotes within a field or over several
lines, NUL, a carriage return alone, what is not UTF-8) are odd: they are read one by one.
"""

from __future__ import annotations

import codecs
import zlib
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

BLOCK = 1 << 20  # bytes; a line that is longer is odd
_NEAR = 64  # lines: odd ones that are so near are one run with those between them
_NEWLINE, _RETURN, _QUOTE, _NUL = b"\n", b"\r", b'"', b"\0"

Places = npt.NDArray[np.int64]


class Content(Protocol):
    """What bytes are read from, no more than there are at hand."""

    def read1(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""


class Run(NamedTuple):
    """Lines that follow each other, all plain or all to be read one by one."""

    text: bytes
    is_plain: bool


class Blocks:
    """The lines of a file, one by one or in runs."""

    def __init__(self, content: Content) -> None:
        self._blocks = _blocks(content)
        self._lines: deque[bytes] = deque()
        self._runs: Iterator[Run] = (Run(block, is_plain=False) for block in self._blocks)

    def __iter__(self) -> Iterator[str]:
        """The lines that are left, one by one."""
        return self

    def __next__(self) -> str:
        """The next line. Raises UnicodeDecodeError where it is not UTF-8, and what unpacking raises."""
        while not self._lines:
            self.take_lines(next(self._runs))
        return self._lines.popleft().decode()

    def take_lines(self, run: Run) -> None:
        """Let the lines of `run` be the next ones."""
        self._lines.extend(run.text.splitlines(keepends=True))

    @property
    def has_lines(self) -> bool:
        """Whether a run that was begun is not at its end."""
        return bool(self._lines)

    def runs(self, separator: str) -> Iterator[Run]:
        """What is left of the file, in runs; a line that is asked for meanwhile is taken from the same."""
        self._runs = self._split(separator.encode())
        return self._runs

    def _split(self, separator: bytes) -> Iterator[Run]:
        begun = b"".join(self._lines)
        self._lines.clear()
        if begun:
            yield from runs_of(begun, separator)
        for block in self._blocks:
            yield from runs_of(block, separator)


def _blocks(content: Content) -> Iterator[bytes]:
    """Blocks of whole lines, without the mark of UTF-8 at the beginning.

    Where reading on fails, the lines before come first, then what was raised.
    """
    parts: list[bytes] = []
    is_first, size, failure = True, 0, None
    while True:
        try:
            part = content.read1(BLOCK)
        except (OSError, EOFError, zlib.error) as error:
            part, failure = b"", error
        parts.append(part)
        size += len(part)
        end = _end_of_lines(part)
        if part and (size < BLOCK or not end):
            continue
        text = b"".join(parts)
        end = end + len(text) - len(part) if part else _end_of_lines(text) if failure else len(text)
        block, parts, size = text[:end], [text[end:]], len(text) - end
        if is_first:
            block, is_first = block.removeprefix(codecs.BOM_UTF8), False
        if block:
            yield block
        if failure is not None:
            raise failure
        if not part:
            return


def _end_of_lines(text: bytes) -> int:
    """Where the last whole line of the text ends; 0 where there is none.

    >>> _end_of_lines(b"a,b\\nc"), _end_of_lines(b"a,b\\rc\\r")
    (4, 4)
    """
    # A return at the very end may be half of a line's end.
    return text.rfind(_NEWLINE) + 1 or text.rfind(_RETURN, 0, max(len(text) - 1, 0)) + 1


def runs_of(block: bytes, separator: bytes) -> Iterator[Run]:
    """The runs of a block, in order.

    >>> [run.is_plain for run in runs_of(b"1,a\\n" * 100 + b'1,"a\\nb"\\n', b",")]
    [True, False]
    """
    ends = _places(block, _NEWLINE)
    if not block.endswith(_NEWLINE):
        ends = np.append(ends, len(block) - 1)
    starts = np.concatenate([[0], ends[:-1] + 1])
    odd = _odd_lines(block, separator, starts, ends)
    at = 0
    for group in np.split(odd, np.flatnonzero(np.diff(odd) > _NEAR) + 1) if len(odd) else ():
        first, last = int(starts[group[0]]), int(ends[group[-1]]) + 1
        if first > at:
            yield Run(block[at:first], is_plain=True)
        yield Run(block[first:last], is_plain=False)
        at = last
    if at < len(block):
        yield Run(block[at:], is_plain=True)


def _odd_lines(block: bytes, separator: bytes, starts: Places, ends: Places) -> Places:
    """The numbers of the lines that are not plain, ascending."""
    odd = [np.flatnonzero(ends - starts >= BLOCK), _undecoded(block, starts)]
    if _NUL in block:
        odd.append(_line_of(_places(block, _NUL), ends))
    if _RETURN in block:
        returns = _places(block, _RETURN)
        odd.append(_line_of(returns[_at(block, returns + 1) != ord(_NEWLINE)], ends))
    if _QUOTE in block:
        odd.append(_oddly_quoted(block, ord(separator), ends))
    return np.unique(np.concatenate(odd))


def _undecoded(block: bytes, starts: Places) -> Places:
    """All lines from the first that is not UTF-8; all, where its mark stands among them."""
    none = np.empty(0, np.int64)
    if block.isascii():
        return none
    try:
        block.decode()
    except UnicodeDecodeError as error:
        return np.arange(np.searchsorted(starts, error.start, side="right") - 1, len(starts))
    marked = block.find(codecs.BOM_UTF8) >= 0
    return np.arange(len(starts)) if marked else none


def _oddly_quoted(block: bytes, separator: int, ends: Places) -> Places:
    """The lines in which a quote is anything but the first or the last character of a field."""
    quotes = _places(block, _QUOTE)
    line = _line_of(quotes, ends)
    first = np.searchsorted(line, line)  # of each quote, the first of its line
    opens = (np.arange(len(quotes)) - first) % 2 == 0
    last_of_line = np.append(line[1:] != line[:-1], [True])
    beside = np.where(opens, _at(block, quotes - 1), _at(block, quotes + 1))
    closing = ~opens & ((beside == ord(_RETURN)) | (quotes == len(block) - 1))
    is_plain = (beside == separator) | (beside == ord(_NEWLINE)) | closing | (opens & (quotes == 0))
    odd: Places = line[~is_plain | (opens & last_of_line)]
    return odd


def _places(block: bytes, character: bytes) -> Places:
    """Where the character stands in the block (n,)."""
    return np.flatnonzero(np.frombuffer(block, np.uint8) == ord(character))


def _line_of(places: Places, ends: Places) -> Places:
    return np.searchsorted(ends, places)


def _at(block: bytes, places: Places) -> npt.NDArray[np.uint8]:
    """The bytes at the places; at those outside any one."""
    return np.frombuffer(block, np.uint8).take(places, mode="clip")
