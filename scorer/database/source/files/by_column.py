"""Plain lines by column: fields are read for all rows at once.

Rows that cannot be read are read again, one by one, for the reasons. A field that several rows have is read once, by the same function
as one of a single row. Those of the usual form, which is most of them, need not even that: they stand for COPY as they stand in the file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from scorer.database.source.files.by_row import Copied, FieldNote, copy_rows, told
from scorer.database.source.files.csv_blocks import Blocks
from scorer.database.source.files.csv_dialect import DIALECTS, FieldError, Writing
from scorer.database.source.files.csv_fields import NULL, Column, Field, read_field
from scorer.database.source.files.csv_rows import Header, Lines, Plain, read_pieces, read_rows
from scorer.types.arrays import Booleans, Integers

_REMEMBERED = 100_000  # fields of a column
_SMALL, _DECIMALS = r"-?[0-9]{1,15}", r"(?:\.[0-9]{1,20})?"
_MONTH_AND_DAY = "(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,6})?)?"
_OFFSET = "(?:Z|[+-](?:0[0-9]|1[0-4])(?::[0-5][0-9])?)"
# Fields that stand for COPY as they stand in the file, by the type of their column: PostgreSQL reads from them what it reads from what
# read_field makes of them. What is not of the form may be right as well.
_USUAL: Mapping[str, str] = {
    "int2": "-?[0-9]{1,4}",
    "int4": "-?[0-9]{1,9}",
    "int8": "-?[0-9]{1,18}",
    **dict.fromkeys(("float4", "float8", "numeric"), _SMALL + _DECIMALS),
    # No word for NULL begins with another letter than N, and none of those below is escaped.
    **dict.fromkeys(("text", "varchar"), r"[A-MO-Za-mo-z0-9](?:[ -\[\]-~]*[!-\[\]-~])?"),
    "timestamptz": f"(?:19|20)[0-9]{{2}}-{_MONTH_AND_DAY}[T ]{_CLOCK}{_OFFSET}",
}
_OF_POINTS = frozenset({"float4", "float8", "numeric"})


class Columns:
    """The columns to fill from a file, and what was read of their fields so far."""

    def __init__(self, columns: Sequence[Column], *, header: Header, loaded: Sequence[str], writing: Writing) -> None:
        self._columns = [_Column(each, writing) for each in columns]
        self._header, self._loaded, self._writing = header, loaded, writing

    def copy(self, plain: Plain) -> Copied:
        """The rows of plain lines for COPY, and the reasons of those that cannot be read."""
        starts, ends = _bounds(plain.text)
        table, places = self._table(plain.text, lines=len(starts))
        is_blank = _is_blank(plain.text, starts, ends)
        good = ~is_blank[places]
        read = [column.read(table) for column in self._columns]
        for texts, _ in read:
            if isinstance(texts, pa.Array) and texts.null_count:
                good &= texts.is_valid().to_numpy(zero_copy_only=False)
        notes: Counter[FieldNote] = Counter()
        for _, noted in read:
            notes.update(noted(good))
        is_left = ~is_blank
        is_left[places[good]] = False
        left = self._one_by_one(plain, np.flatnonzero(is_left), starts, ends)
        text = _lines_of_copy(plain.line + places, [texts for texts, _ in read], good)
        return Copied(int(good.sum()) + left.read, text + left.text, left.rejected, notes + left.notes)

    def _table(self, text: bytes, *, lines: int) -> tuple[pa.Table, Integers]:
        """The fields as dictionaries, columns by their position, and on which line (rows,) each row stands.

        A line with more or fewer fields than the header is no row of it.
        """
        wrong: list[int] = []

        def pass_over(row: Any) -> str:
            wrong.append(row.number - 1)
            return "skip"

        names = [str(position) for position in range(len(self._header.names))]
        wanted = [str(column.position) for column in self._columns if column.position is not None]
        table = pyarrow.csv.read_csv(
            pa.BufferReader(text),
            read_options=pyarrow.csv.ReadOptions(use_threads=False, column_names=names, block_size=len(text) + 1),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=self._header.separator, ignore_empty_lines=False, invalid_row_handler=pass_over
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                include_columns=wanted,
                column_types=dict.fromkeys(wanted, pa.dictionary(pa.int32(), pa.string())),
                strings_can_be_null=False,
            ),
        )
        return table, np.delete(np.arange(lines), wrong)

    def _one_by_one(self, plain: Plain, places: Integers, starts: Integers, ends: Integers) -> Copied:
        """The lines at `places` as rows by themselves."""
        lines = Lines((plain.text[starts[each] : ends[each] + 1].decode() for each in places), path=Path())
        rows = read_rows(lines, header=self._header, loaded=self._loaded)
        numbered = [row._replace(line=plain.line + int(each)) for row, each in zip(rows, places, strict=True)]
        return copy_rows(numbered, [column.column for column in self._columns], writing=self._writing)


class _Column:
    """A column to fill, and the fields of it that were read one by one."""

    def __init__(self, column: Column, writing: Writing) -> None:
        self.column, self.position, self._writing = column, column.position, writing
        self._read: dict[str, Field | None] = {}
        usual = _USUAL.get(column.type.name)
        if (
            column.type.words
            or column.type.length is not None
            or (column.type.name in _OF_POINTS and DIALECTS[writing.dialect].decimal != ".")
        ):
            usual = None
        self._usual = None if usual is None else rf"\A(?:{usual})\z"
        self._null_words = pa.array(sorted(writing.null_words), pa.string())

    def read(self, table: pa.Table) -> tuple[Any, Callable[[Booleans], Mapping[FieldNote, int]]]:
        """What the rows have for COPY, null where it cannot be read.

        And what counts the notes of those that are good (rows,).
        """
        if self.position is None:
            return NULL, lambda _: {}
        codes = table.column(str(self.position)).combine_chunks()
        fields = codes.dictionary
        is_odd = pc.invert(self._is_usual(fields))
        read = [self._field(each) for each in fields.filter(is_odd).to_pylist()]
        texts = pa.array([None if each is None else each.text for each in read], pa.string())
        noted = {
            int(place): told(fields[place].as_py(), each.note, self.column)
            for place, each in zip(np.flatnonzero(is_odd.to_numpy(zero_copy_only=False)), read, strict=True)
            if each is not None and each.note is not None
        }

        def count(good: Booleans) -> Mapping[FieldNote, int]:
            times = np.bincount(codes.indices.to_numpy()[good], minlength=len(fields)) if noted else ()
            counted: Counter[FieldNote] = Counter()
            for place, note in noted.items():
                counted[note] += int(times[place])
            return +counted

        return pc.replace_with_mask(fields, is_odd, texts).take(codes.indices), count

    def _is_usual(self, fields: pa.StringArray) -> pa.BooleanArray:
        if self._usual is None:
            return pa.array(np.zeros(len(fields), dtype=bool))
        usual = pc.match_substring_regex(fields, self._usual)
        return pc.and_not(usual, pc.is_in(fields, self._null_words)) if len(self._null_words) else usual

    def _field(self, text: str) -> Field | None:
        """The field as COPY reads it; None where it cannot be read."""
        if text not in self._read:
            if len(self._read) >= _REMEMBERED:
                self._read.clear()
            try:
                self._read[text] = read_field(text, self.column.type, self._writing)
            except FieldError:
                self._read[text] = None
        return self._read[text]


def _lines_of_copy(lines: Integers, columns: Sequence[Any], good: Booleans) -> bytes:
    """The `good` rows (rows,) as lines of COPY's text format; each begins with its line in the file."""
    fields: list[Any] = [pa.array(lines).cast(pa.string()), *columns]
    if not good.all():
        kept = pa.array(good)
        fields = [each.filter(kept) if isinstance(each, pa.Array) else each for each in fields]
    joined = pc.binary_join_element_wise(*fields, "\t")
    joined = pc.binary_join_element_wise(joined, "", "\n")
    _, offsets, text = joined.buffers()
    return b"" if text is None else text.to_pybytes()[: np.frombuffer(offsets, np.int32)[len(joined)]]


def _bounds(text: bytes) -> tuple[Integers, Integers]:
    """Where each line begins and ends (lines,)."""
    characters = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(characters == ord("\n"))
    if not text.endswith(b"\n"):
        ends = np.append(ends, len(text))
    return np.concatenate([[0], ends[:-1] + 1]), ends


def _is_blank(text: bytes, starts: Integers, ends: Integers) -> Booleans:
    """Which lines (lines,) hold nothing but their own end."""
    length, first = ends - starts, np.frombuffer(text, np.uint8).take(starts, mode="clip")
    blank: Booleans = (length == 0) | ((length == 1) & (first == ord("\r")))
    return blank


def copy_file(
    lines: Lines,
    blocks: Blocks,
    *,
    header: Header,
    loaded: Sequence[str],
    columns: Sequence[Column],
    writing: Writing,
    most: int,
) -> Iterator[Copied]:
    """The rows of a file after its header, in order, for COPY.

    Of those that are read one by one there are at most `most` at a time.
    """
    in_bulk = Columns(columns, header=header, loaded=loaded, writing=writing)
    for piece in read_pieces(lines, blocks, header=header, loaded=loaded, most=most):
        yield in_bulk.copy(piece) if isinstance(piece, Plain) else copy_rows(piece, columns, writing=writing)
