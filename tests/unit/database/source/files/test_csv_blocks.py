"""Blocks of whole lines, and which of their lines are plain."""

from __future__ import annotations

import io
import zlib

import pytest

from scorer.database.source.files import csv_blocks
from scorer.database.source.files.csv_blocks import Blocks, Run, runs_of

PLAIN = b"1,a\n"


class Fails(io.BytesIO):
    """Bytes of a file that cannot be unpacked to its end."""

    def read1(self, size: int | None = -1, /) -> bytes:
        """What there is; then what unpacking raises."""
        if part := super().read1(size):
            return part
        raise zlib.error("damaged")


def blocks_of(content: bytes) -> Blocks:
    return Blocks(io.BytesIO(content))


@pytest.mark.parametrize("size", [1, 3, 10, 1000])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", ["", "4,d"])
def test_lines_are_those_that_python_finds(monkeypatch: pytest.MonkeyPatch, size: int, end: str, last: str) -> None:
    monkeypatch.setattr(csv_blocks, "BLOCK", size)
    content = (f"\ufeff1,é{end}{end}2,b{end}\n3,c{end}" + last).encode()
    expected = [*io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline="")]
    assert [*blocks_of(content)] == expected


def test_lines_before_a_failure_come_first() -> None:
    blocks = Blocks(Fails(b"1,a\n2,b\n3"))
    assert [next(blocks), next(blocks)] == ["1,a\n", "2,b\n"]
    with pytest.raises(zlib.error):
        next(blocks)


@pytest.mark.parametrize(
    "line", [b'1,"a\n', b'1,a"\n', b'1,"a"b\n', b'1,"a""b"\n', b"1,a\0\n", b"1,a\rb\n", b"1,\xff\n", b'1, "a"\n']
)
def test_a_line_that_may_be_read_in_two_ways_is_odd(line: bytes) -> None:
    assert [*runs_of(PLAIN * 100 + line, b",")] == [Run(PLAIN * 100, is_plain=True), Run(line, is_plain=False)]


@pytest.mark.parametrize(
    "line", [b"1,a\n", b'"1","a"\n', b'"",""\r\n', b"\n", b"\r\n", b'1,"a;b"\n', b"1,\xc3\xa9\n", b"1"]
)
def test_other_lines_are_plain(line: bytes) -> None:
    assert [*runs_of(PLAIN * 100 + line, b",")] == [Run(PLAIN * 100 + line, is_plain=True)]


def test_plain_lines_between_odd_ones_are_read_with_them() -> None:
    odd = b'1,"a\n'
    assert [*runs_of(odd + PLAIN * 10 + odd, b",")] == [Run(odd + PLAIN * 10 + odd, is_plain=False)]
    assert [run.is_plain for run in runs_of(odd + PLAIN * 100 + odd + PLAIN, b",")] == [False, True, False, True]
