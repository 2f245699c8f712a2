"""What a rejection says was seen: of each row, in the order of the rows, as one would write each by itself."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorer.scoring.validation.frames import Frame
from scorer.scoring.validation.rejections import entity_rejections, key_of, observation_rejections
from scorer.scoring.validation.rules import Finding, Rule
from scorer.types.arrays import NO_TIME, Observations
from scorer.types.enums import Action
from scorer.types.values import Rejection, WorkItem

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)
ALL = ("observation_type_code", "observation_date", "observation_value", "reference_range_min", "reference_range_max")
AT = 1_748_779_200_000_000  # microseconds until noon


def rule(*shows: str, once_per_entity: bool = False) -> Rule:
    return Rule(
        name="a_rule",
        action=Action.DROP,
        expectation="expect",
        columns=("a", "b"),
        expected="otherwise",
        shows=shows,
        once_per_entity=once_per_entity,
        min_rows=0,
        is_aggregate=False,
        entry={},
    )


def observations(*values: float, **columns: Any) -> Observations:
    """Rows of two entities by turns, keys from 100, unless columns are given."""
    rows = len(values)
    plain: dict[str, Any] = {
        "keys": (WorkItem("one", NOON), WorkItem("two", NOON)),
        "position": np.arange(rows) % 2,
        "observation_id": np.arange(rows) + 100,
        "time": np.full(rows, AT),
        "code": np.zeros(rows, np.int64),
        "codes": ("HR", "RR"),
        "value": np.array(values, np.float64),
        "value_is_null": np.zeros(rows, bool),
        "low": np.full(rows, math.nan),
        "high": np.full(rows, 60.0),
    }
    return Observations(**plain | columns)


def rejected(rows: Observations, by: Rule, broken: list[int]) -> list[Rejection]:
    finding = Finding(rule=by, judged=len(rows), broken=np.array(broken, np.int64), success=not broken, detail="")
    return [*observation_rejections(rows, finding)]


def test_each_row_is_told_with_its_entity_its_key_and_what_was_seen() -> None:
    rows = observations(
        1.5,
        math.inf,
        math.nan,
        4.0,
        5.0,
        time=np.array([NO_TIME, AT, 2**62, -(2**62), AT + 1]),
        code=np.array([0, 1, -1, 0, 0]),
        value_is_null=np.array([False, False, True, False, False]),
        unread={"observation_value": np.array([None, None, None, "<4", None], dtype=object)},
    )
    assert rejected(rows, rule(*ALL), [0, 1, 2, 3]) == [
        Rejection(entity, key, "a_rule", Action.DROP, ", ".join(ALL), observed, "otherwise")
        for entity, key, observed in (
            ("one", "100", "HR null 1.5 nan 60.0"),
            ("two", "101", "RR 2025-06-01T12:00:00.000000Z inf nan 60.0"),
            ("one", "102", "(none) infinity null nan 60.0"),
            ("two", "103", "HR -infinity '<4' nan 60.0"),
        )
    ]
    (last,) = rejected(rows, rule("a word", "observation_date"), [4])
    assert last.observed == "a word 2025-06-01T12:00:00.000001Z"
    (nothing,) = rejected(rows, rule(), [4])
    assert (nothing.observed, nothing.column_name) == ("", "a, b")
    assert rejected(rows, rule(*ALL), []) == []


@given(st.lists(st.tuples(st.floats(), st.integers(-(2**62) + 1, 2**62 - 1)), min_size=1))
def test_numbers_and_times_are_written_as_each_is_by_itself(seen: list[tuple[float, int]]) -> None:
    values, times = zip(*seen, strict=True)
    rows = observations(*values, time=np.array(times, np.int64))
    told = rejected(rows, rule("observation_value", "observation_date"), [*range(len(seen))])
    assert [each.observed for each in told] == [
        f"{np.float64(value)} {np.datetime64(time, 'us')}Z" for value, time in seen
    ]


@pytest.mark.parametrize("once_per_entity", [False, True])
def test_the_first_thousand_of_an_entity_are_listed_and_the_rest_counted(once_per_entity: bool) -> None:
    rows = observations(*range(2004), position=np.array([1, *[0] * 2001, 1, 1]))
    told = rejected(rows, rule("observation_value", once_per_entity=once_per_entity), [*range(2004)])
    of_one = [each for each in told if each.entity_id == "one"]
    assert len(of_one) == 1001
    assert (of_one[-1].observation_id, of_one[-1].observed) == (None, "1001 more findings, which are not listed")
    keys = [f"{number}.0" if once_per_entity else f"{number + 100}" for number in (0, 2002, 2003)]
    assert [each.observation_id for each in told if each.entity_id == "two"] == keys
    assert told[-1] == of_one[-1]
    first = "1.0 (1 observations)" if once_per_entity else "1.0"
    assert (of_one[0].observed, told[0].entity_id) == (first, "two")


def test_what_is_seen_again_and_again_is_told_once_with_its_number() -> None:
    rows = observations(1, 2, 3, 4, 5, code=np.array([0, 1, 0, 1, 1]))
    told = rejected(rows, rule("observation_type_code", once_per_entity=True), [0, 1, 2, 3, 4])
    assert [(each.entity_id, each.observation_id, each.observed) for each in told] == [
        ("one", "HR", "HR (2 observations)"),
        ("two", "RR", "RR (2 observations)"),
        ("one", "RR", "RR (1 observations)"),
    ]


def test_long_texts_are_cut_and_long_keys_stay_different() -> None:
    page = "x" * 300
    rows = observations(1, 2, codes=(page, f"{page}y"), code=np.array([0, 1]), position=np.zeros(2, np.int64))
    one, two = rejected(rows, rule("observation_type_code", once_per_entity=True), [0, 1])
    assert one.observed == two.observed == f"{'x' * 199}… (1 observations)"
    assert one.observation_id == key_of(page) != two.observation_id
    assert len(key_of(page)) == 200
    assert key_of("x" * 200) == "x" * 200


def test_an_entity_is_told_with_what_its_columns_show() -> None:
    frame = Frame({"age": np.array([1.0, -5.0])}, rows=2, texts={"sex": np.array([None, ""], dtype=object)})
    finding = Finding(rule=rule("age", "sex"), judged=2, broken=np.array([0, 1]), success=False, detail="")
    assert [
        (each.entity_id, each.observation_id, each.observed) for each in entity_rejections("ab", frame, finding)
    ] == [
        ("a", None, "1.0 (none)"),
        ("b", None, "-5.0 (empty)"),
    ]


def test_a_further_column_of_the_statement_is_shown_with_its_values() -> None:
    further = {"unit": np.array([8582.0, math.nan]), "note": np.array(["cm", None], dtype=object)}
    found = rejected(
        observations(1.0, 2.0, extras=further), rule("observation_type_code", "unit", "note", "nothing"), [0, 1]
    )
    assert [each.observed for each in found] == ["HR 8582 cm nothing", "HR nan (none) nothing"]
