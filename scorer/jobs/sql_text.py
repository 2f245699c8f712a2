r"""The text of SQL statements: where literals, comments and parameters stand in it.

A text means what psql takes it for. The pieces are those of PostgreSQL's own lexer (src/backend/parser/scan.l) with
standard_conforming_strings on, and `:name` is a parameter as psql has it, where no colon of SQL itself can stand: `a::type`, `f(a := 1)`,
`a[lo:hi]` and `JSON_OBJECT('a':b)` hold none. `\:` is a colon, and never a parameter's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from enum import Enum
from functools import lru_cache
from typing import NamedTuple


class Kind(Enum):
    """What a piece of a statement is."""

    CODE = "code"  # names, numbers, operators
    BLANK = "blank"
    LITERAL = "literal"  # of any quotes, a quoted name included
    LINE_COMMENT = "line comment"  # without the end of its line
    BLOCK_COMMENT = "block comment"
    PARAMETER = "parameter"  # with its colon
    ESCAPE = "escape"  # a colon or semicolon behind a backslash
    SEMICOLON = "semicolon"


class Piece(NamedTuple):
    """A piece of a statement; `ended` is false where the text ends within it."""

    kind: Kind
    text: str
    ended: bool = True


_LETTER = "A-Za-z_\u0080-\U0010ffff"
_PIECE = re.compile(
    rf"""
    (?P<blank>[\ \t\n\r\f\v]+)
  | (?P<line>--[^\n\r]*)
  | (?P<block>/\*)
  | (?P<escaped>[eE]')
  | (?P<literal>(?:[uU]&|[bBxXnN])?'(?:[^']|'')*+'?)
  | (?P<quoted>(?:[uU]&)?"(?:[^"]|"")*+"?)
  | (?P<dollar>\$(?:[{_LETTER}][{_LETTER}0-9]*)?\$)
  | (?P<word>[{_LETTER}][{_LETTER}0-9$]*)
  | (?P<number>\$?[0-9][0-9A-Za-z_.]*)
  | (?P<operator>::|:=)
  | (?P<parameter>:[A-Za-z_][A-Za-z0-9_]*+(?![{_LETTER}0-9$]))
  | (?P<escape>\\[:;])
  | (?P<semicolon>;)
  | (?P<open>[(\[])
  | (?P<close>[)\]])
  | (?P<other>[,=<>+*.]+|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_WITH_ESCAPES = re.compile(r"(?:[^'\\]|\\.|'')*+'", re.DOTALL)
# What lies between the parts of one literal: a line's end at least, and comments of a line.
_CONTINUES = re.compile(r"(?:[ \t\f\v]|--[^\r\n]*+)*+[\r\n](?:[ \t\n\r\f\v]|--[^\r\n]*+[\r\n])*+'")
_BLOCK_ENDS = re.compile(r"/\*|\*/")
_KINDS = {
    "blank": Kind.BLANK,
    "line": Kind.LINE_COMMENT,
    "block": Kind.BLOCK_COMMENT,
    "escaped": Kind.LITERAL,
    "literal": Kind.LITERAL,
    "quoted": Kind.LITERAL,
    "dollar": Kind.LITERAL,
    "parameter": Kind.PARAMETER,
    "escape": Kind.ESCAPE,
    "semicolon": Kind.SEMICOLON,
}
_NO_TOKENS = frozenset({"blank", "line", "block"})
_VALUES = frozenset({"escaped", "literal", "quoted", "dollar", "number", "parameter"})
# What stands beside statements, and is none.
BESIDE = frozenset({Kind.BLANK, Kind.LINE_COMMENT, Kind.BLOCK_COMMENT, Kind.SEMICOLON})


@lru_cache(maxsize=512)
def pieces_of(text: str) -> tuple[Piece, ...]:
    """The pieces of a text, in order; together they are the text."""
    return tuple(_pieces(text))


def _pieces(text: str) -> Iterator[Piece]:
    place, before, adjacent = 0, "", False
    opened: list[str] = []
    while found := _PIECE.match(text, place):
        what = str(found.lastgroup)
        start, (place, ended) = place, _end(text, found)
        if what == "parameter" and _is_colon_of_sql(before, adjacent=adjacent, within=opened[-1:]):
            what, place = "other", start + 1
        yield Piece(_KINDS.get(what, Kind.CODE), text[start:place], ended)
        if what == "open":
            opened.append(text[start])
        elif what == "close" and opened:
            opened.pop()
        adjacent = what not in _NO_TOKENS
        if adjacent:
            before = what


def _is_colon_of_sql(before: str, *, adjacent: bool, within: list[str]) -> bool:
    """Whether a colon before a name is SQL's own: behind the end of an operand no parameter can follow."""
    if before in _VALUES:
        return True
    if before == "close":
        return adjacent or within == ["["]
    return before == "word" and adjacent


def _end(text: str, found: re.Match[str]) -> tuple[int, bool]:
    """Where the piece that begins with `found` ends, and whether it does, or only the text."""
    what, end = found.lastgroup, found.end()
    if what == "literal":
        return end, _quotes(found[0], "'") > 1
    if what == "quoted":
        return end, _quotes(found[0], '"') > 1
    if what == "dollar":
        close = text.find(found[0], end)
        return (len(text), False) if close < 0 else (close + len(found[0]), True)
    if what == "escaped":
        return _end_of_escaped(text, end)
    if what == "block":
        return _end_of_block(text, end)
    return end, True


def _quotes(text: str, quote: str) -> int:
    """How many quotes there are, 2 for one that opens and one that ends it, 1 where the last is missing."""
    times = text.count(quote)
    return 1 if times % 2 else 2


def _end_of_escaped(text: str, place: int) -> tuple[int, bool]:
    while found := _WITH_ESCAPES.match(text, place):
        place = found.end()
        further = _CONTINUES.match(text, place)
        if further is None:
            return place, True
        place = further.end()
    return len(text), False


def _end_of_block(text: str, place: int) -> tuple[int, bool]:
    depth = 1
    for found in _BLOCK_ENDS.finditer(text, place):
        depth += 1 if found[0] == "/*" else -1
        if not depth:
            return found.end(), True
    return len(text), False


def parameters_of(text: str) -> tuple[str, ...]:
    """The names of a text's parameters, each once, in order.

    >>> parameters_of("SELECT :a, ':b', x::text -- :c")
    ('a',)
    """
    return tuple(dict.fromkeys(piece.text[1:] for piece in pieces_of(text) if piece.kind is Kind.PARAMETER))


def with_parameters(text: str, written: Callable[[str], str], *, rest: Callable[[str], str] = str) -> str:
    """The text to send: each parameter as `written` gives it for its name, the rest as `rest` gives it.

    >>> with_parameters("SELECT :a, ':a'", lambda name: f"${name}")
    "SELECT $a, ':a'"
    """
    return "".join(
        written(piece.text[1:])
        if piece.kind is Kind.PARAMETER
        else rest(piece.text[1:] if piece.kind is Kind.ESCAPE else piece.text)
        for piece in pieces_of(text)
    )


def without_parameters(text: str) -> str:
    """The text with a backslash before what would be a parameter's colon."""
    return "".join("\\" * (piece.kind is Kind.PARAMETER) + piece.text for piece in pieces_of(text))


def without_comments(text: str) -> str:
    """The statement, to stand within another: without line comments, and no semicolon round it.

    Block comments within it stay: some are hints for the planner.

    >>> without_comments("SELECT '--' -- not :this; one row\\n;")
    "SELECT '--'"
    """
    pieces = [piece for piece in pieces_of(text) if piece.kind is not Kind.LINE_COMMENT]
    while pieces and (pieces[0].kind in {Kind.BLANK, Kind.SEMICOLON}):
        pieces.pop(0)
    while pieces and pieces[-1].kind in BESIDE:
        pieces.pop()
    return "".join(piece.text for piece in pieces)


def find_fault(text: str, *, script: bool = False) -> str | None:
    """What keeps the text from being one statement, or a script; None where nothing does.

    >>> find_fault("SELECT 1;\\nSELECT 2")
    'holds a second statement, in line 2; a file is one statement'
    """
    line, statements, within = 1, 0, False
    for piece in pieces_of(text):
        if not piece.ended:
            what = "comment" if piece.kind is Kind.BLOCK_COMMENT else "literal"
            return f"has no end of the {what} that begins in line {line}"
        if piece.kind is Kind.SEMICOLON:
            within = False
        elif piece.kind not in BESIDE and not within:
            within, statements = True, statements + 1
            if statements > 1 and not script:
                return f"holds a second statement, in line {line}; a file is one statement"
        line += piece.text.count("\n")
    return None if statements or script else "holds no statement"
