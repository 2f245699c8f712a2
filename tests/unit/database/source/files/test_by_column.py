"""Plain lines read by column give what the same lines give one by one: rows, rejects with their reasons, notes."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scorer.database.source.files import by_column, csv_blocks
from scorer.database.source.files.by_column import copy_file
from scorer.database.source.files.by_row import Copied, copy_rows
from scorer.database.source.files.csv_blocks import Blocks
from scorer.database.source.files.csv_dialect import PLAIN, FieldError, Writing, zone_named
from scorer.database.source.files.csv_fields import NULL, Column, ColumnType, read_field
from scorer.database.source.files.csv_rows import Lines, read_header, read_rows
from scorer.errors import UserError

NAMES = ("id", "code", "at", "value", "ignored")
TYPES = {
    "id": [ColumnType("int8", must_have=True), ColumnType("int2"), ColumnType("int4")],
    "code": [ColumnType("text", must_have=True), ColumnType("varchar"), ColumnType("bpchar", length=3)],
    "at": [ColumnType("timestamptz"), ColumnType("timestamp"), ColumnType("date"), ColumnType("text")],
    "value": [
        ColumnType("float8"),
        ColumnType("float4"),
        ColumnType("numeric"),
        ColumnType("mood", words=("NaN", "1")),
    ],
}
FIELDS = {
    "id": ["1", "-7", "+3", "12345", "32768", "2147483648", "9" * 19, "007", " 1", "1.0", "", "NULL", "x", "\N{ARABIC-INDIC DIGIT ONE}"],
    "code": ["HR", "P1", "a b", "NA", "na ", "null", "N2", "é", "a\\b", "a\tb", "a\0b", " HR", "", "x" * 30, "None", "A\N{NO-BREAK SPACE}"],
    "at": [
        *("2025-06-01T12:00:00Z", "2025-06-01 12:00:00.123456+01:00", "2024-02-29T00:00Z", "2025-02-29T00:00Z"),
        *("2025-04-31 00:00Z", "1900-12-31 23:59:59-14:59", "2025-06-01T24:00Z", "2025-06-01 12:00:60Z", "0001-01-01 00:00+01:00"),
        *("2025-06-01 12:00", "2025-03-30 02:30", "2025-06-01", "01.06.2025 12:00", "2025-06-01 12:00:00.1234567Z", "NULL", "", "soon"),
    ],
    "value": ["93.5", "-1", "1,5", "1.234", "1e3", "1e999", "0." + "0" * 50 + "1", "NaN", "inf", ".", "-", "", "n/a", "5 mmol", " 3.70"],
    "ignored": ["", "a remark", "two\nlines", 'a "word"', "x,y", "\ufeff", "a\rb"],
}  # fmt: skip
WRITINGS = [
    PLAIN,
    Writing(zone=zone_named("Europe/Berlin")),
    Writing(dialect="de", zone=zone_named("Europe/Berlin"), null_words=frozenset({"HR", "1", "93.5"})),
    Writing(dialect="us", null_words=frozenset({"2025-06-01T12:00:00Z"})),
]


def columns_of(types: dict[str, ColumnType]) -> list[Column]:
    return [*(Column(name, NAMES.index(name), each) for name, each in types.items()), Column("unit", None, ColumnType("text"))]  # fmt: skip


def quoted(field: str, how: int, separator: str) -> str:
    """The field as tools write it: as it stands, in quotes, or in quotes where that is needed."""
    needs = how == 2 or (how == 1 and any(each in field for each in (separator, '"', "\n", "\r")))
    return '"' + field.replace('"', '""') + '"' if needs else field


@st.composite
def documents(draw: st.DrawFn) -> tuple[bytes, str]:
    """A file and its separator: rows of usual and of dirty fields, some broken in one more place."""
    separator = draw(st.sampled_from([",", ";", "\t"]))
    of_row = st.tuples(
        *(st.one_of(st.just(FIELDS[name][0]), st.sampled_from(FIELDS[name])) for name in NAMES),
        st.sampled_from([0, 1, 1, 1, 2]),
        st.sampled_from(["\n", "\n", "\n", "\r\n", "\n\n", "\r\n\r\n", "\r"]),
        st.sampled_from([5, 5, 5, 5, 5, 4, 6]),
    )
    lines = [separator.join(NAMES) + "\n"]
    for *fields, how, end, many in draw(st.lists(of_row, max_size=30)):
        lines.append(separator.join(quoted(each, how, separator) for each in (*fields, "more")[:many]) + end)
    text = "".join(lines)
    for place, what in draw(
        st.lists(
            st.tuples(st.integers(0, 2000), st.sampled_from(['"', "\r", "\0", "\ufeff", "\n", "", "é"])), max_size=3
        )
    ):
        at = len(lines[0]) + place % (len(text) - len(lines[0]) + 1)
        text = text[:at] + what + text[at + (what == "") :]
    return draw(st.sampled_from(["", "\ufeff"])).encode() + text.encode(), separator


def plainly(content: bytes, columns: list[Column], writing: Writing) -> Copied:
    """What the rows give, each by itself, the lines as Python finds them."""
    lines = Lines(io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline=""), path=Path("a.csv"))
    header = read_header(lines, required=NAMES)
    return copy_rows([*read_rows(lines, header=header, loaded=NAMES[:-1])], columns, writing=writing)


def in_bulk(content: bytes, columns: list[Column], writing: Writing) -> tuple[Copied, int]:
    """The same by `copy_file`; and in how many pieces."""
    blocks = Blocks(io.BufferedReader(io.BytesIO(content)))  # type: ignore[arg-type]
    lines = Lines(blocks, path=Path("a.csv"))
    header = read_header(lines, required=NAMES)
    pieces = [*copy_file(lines, blocks, header=header, loaded=NAMES[:-1], columns=columns, writing=writing, most=7)]
    rejected = [each for piece in pieces for each in piece.rejected]
    notes = sum((piece.notes for piece in pieces), Counter())
    return Copied(sum(each.read for each in pieces), b"".join(each.text for each in pieces), rejected, notes), len(
        pieces
    )


def settled(text: bytes, columns: list[Column], writing: Writing) -> list[list[str]]:
    """The lines of COPY, moments in one way of writing them."""
    moments = [place for place, each in enumerate(columns, start=1) if each.type.name == "timestamptz"]
    rows = [line.split("\t") for line in text.decode().split("\n")[:-1]]
    for row in rows:
        for place in moments:
            if row[place] != NULL:
                row[place] = read_field(row[place], ColumnType("timestamptz"), Writing()).text
    return rows


@given(
    documents(),
    st.fixed_dictionaries({name: st.sampled_from(each) for name, each in TYPES.items()}),
    st.sampled_from(WRITINGS),
    st.sampled_from([1, 60, 400, 1 << 20]),
    st.sampled_from([1, 3, 64]),
)
@settings(max_examples=400, deadline=None)
def test_a_file_gives_the_same_in_bulk_as_row_by_row(
    document: tuple[bytes, str], types: dict[str, ColumnType], writing: Writing, block: int, near: int
) -> None:
    content, _ = document
    columns = columns_of(types)
    expected = plainly(content, columns, writing)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_blocks, "BLOCK", block)
        patch.setattr(csv_blocks, "_NEAR", near)
        found, _ = in_bulk(content, columns, writing)
    assert found.rejected == expected.rejected
    assert settled(found.text, columns, writing) == settled(expected.text, columns, writing)
    assert (found.read, found.notes) == (expected.read, expected.notes)


@pytest.mark.parametrize(
    "kind", ["int2", "int4", "int8", "float4", "float8", "numeric", "text", "varchar", "timestamptz"]
)
@pytest.mark.parametrize("dialect", ["iso", "de", "us"])
def test_a_field_of_the_usual_form_is_one_that_can_be_read(kind: str, dialect: str) -> None:
    @given(st.from_regex(rf"\A(?:{by_column._USUAL[kind]})\Z"))
    @settings(max_examples=200, deadline=None)
    def check(field: str) -> None:
        read = read_field(field, ColumnType(kind, must_have=True), Writing(dialect=dialect))
        assert read.note is None
        if kind != "timestamptz":
            assert read.text == field

    if dialect == "de" and kind in by_column._OF_POINTS:
        with pytest.raises(FieldError):
            read_field("1.234", ColumnType(kind), Writing(dialect=dialect))
    else:
        check()


def test_what_is_not_utf_8_is_told_with_the_line_before_it() -> None:
    content = ",".join(NAMES).encode() + b"\n" + b"1,HR,,1,\n" * 500 + b"1,\xff,,1,\n" + b"1,HR,,1,\n" * 500
    with pytest.raises(UserError, match="is not UTF-8 after line 501;"):
        in_bulk(content, columns_of({name: each[0] for name, each in TYPES.items()}), PLAIN)


@pytest.mark.parametrize("quote", ["", '"'])
def test_most_lines_are_read_in_bulk(quote: str) -> None:
    row = ",".join(
        f"{quote}{each}{quote}" for each in ("1", "HR", "2025-06-01T12:00:00Z", "93.5", "a,b" if quote else "")
    )
    content = "".join([",".join(NAMES), "\r\n", *[row + "\r\n"] * 999, "1,HR,,soon,\r\n"]).encode()
    copied, pieces = in_bulk(content, columns_of({name: each[0] for name, each in TYPES.items()}), PLAIN)
    assert (copied.read, pieces) == (1000, 1)
    assert copied.text.count(b"\n") == 999
    assert [(each.line, each.reasons) for each in copied.rejected] == [(1001, ("value is not a number",))]
