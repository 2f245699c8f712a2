"""A TOML table that is taken key by key: each kind of value, and each mistake with its place."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum
from typing import Any

import pytest

from scorer.errors import UserError
from scorer.jobs.toml_table import TomlTable


class Colour(StrEnum):
    """Two words to choose from."""

    RED = "red"
    BLUE = "blue"


def table(text: str) -> TomlTable:
    return TomlTable(tomllib.loads(text), where="job.toml")


KINDS: dict[str, tuple[Callable[[TomlTable], Any], Any, str, list[str]]] = {
    # reader: how it reads, the value of a good example, the example, what it refuses
    "text": (lambda t: t.text("k"), "a", '"a"', ["1", "true", "[]"]),
    "texts": (lambda t: t.texts("k"), ("a", "b"), '["a", "b"]', ['"a"', "[1]", '["a", 1]', "5", "1979-05-27"]),
    "number": (lambda t: t.number("k"), 1.0, "1", ['"1"', "true", "[1]"]),
    "numbers": (lambda t: t.numbers("k"), (1.0, 2.5), "[1, 2.5]", ["1", "[true]", '["1"]']),
    "positive": (lambda t: t.positive("k", default=1), 3, "3", ["0", "-1", "1.5", "true", '"3"']),
    "flag": (lambda t: t.flag("k", default=True), False, "false", ["0", '"no"']),
    "pair": (lambda t: t.pair("k"), (0.0, 350.0), "[0, 350]", ["[350, 0]", "[0]", "[0, 1, 2]", '["a", "b"]', "5"]),
    "span": (lambda t: t.span("k"), timedelta(hours=6), '"6 h"', ["6", '"soon"', '"6 m"', '"0 h"']),
    "choice": (lambda t: t.choice("k", Colour), Colour.BLUE, '"blue"', ['"green"', "1"]),
    "table": (lambda t: t.table("k").names(), ("a",), "{ a = 1 }", ["5", "[1]"]),
    "tables": (
        lambda t: [each.names() for each in t.tables("k")],
        [("a",), ("b",)],
        "[{ a = 1 }, { b = 2 }]",
        ["5", "[1]"],
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_read(kind: str) -> None:
    read, value, example, _ = KINDS[kind]
    taken = table(f"k = {example}")
    assert read(taken) == value
    taken.finish()


@pytest.mark.parametrize(("kind", "wrong"), [(kind, wrong) for kind, each in KINDS.items() for wrong in each[3]])
def test_another_kind_is_refused_with_its_place(kind: str, wrong: str) -> None:
    with pytest.raises(UserError) as raised:
        KINDS[kind][0](table(f"k = {wrong}"))
    assert re.fullmatch(r'job\.toml: ("k" must be .*, not .*|k: ".*" is .*)\.', str(raised.value))


def test_a_missing_key_is_refused_unless_it_has_a_default() -> None:
    with pytest.raises(
        UserError, match=r'^job\.toml: "k" is missing; the shipped job\.toml says what each key means\.$'
    ):
        table("").text("k")
    with pytest.raises(UserError, match=r'^job\.toml: "entity" is missing; is "entitty" meant for it\?$'):
        TomlTable({"entitty": "x"}, where="job.toml").text("entity")
    with pytest.raises(UserError, match=r"^job\.toml: \[k\] is missing\.$"):
        table("").table("k")
    empty = table("")
    assert empty.text("k", default="a") == "a"
    assert empty.texts("k", default=()) == ()
    assert empty.number("k", default=2) == 2
    assert empty.table("k", required=False).names() == ()
    assert empty.optional_table("k") is None
    assert empty.tables("k") == []


def test_a_key_that_was_not_taken_is_refused_with_its_neighbour() -> None:
    taken = table("batchsize = 1")
    taken.positive("batch_size", default=1)
    with pytest.raises(UserError, match=r'^job\.toml: unknown key "batchsize"; did you mean "batch_size"\?$'):
        taken.finish()
    strange = table("colour = 1")
    strange.positive("batch_size", default=1)
    with pytest.raises(UserError, match=r'^job\.toml: unknown key "colour"; known are: batch_size\.$'):
        strange.finish()
    assert strange.names() == ("colour",)
    assert strange.take_all() == {"colour": 1}
    strange.finish()


def test_a_mistake_within_a_table_names_the_whole_way_to_it() -> None:
    taken = table("[features]\ngroups = [{ a = 1 }, { a = 'b' }]")
    (_, second) = taken.table("features").tables("groups")
    with pytest.raises(UserError, match=r'^job\.toml: \[features\]: \[\[groups\]\] 2: "a" must be a number'):
        second.number("a")
