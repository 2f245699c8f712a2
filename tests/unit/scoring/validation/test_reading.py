"""What the reading found: told once, by the program's own rules, and only where no suite tells it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np

from scorer.scoring.validation.reading import (
    findings_of_entities,
    findings_of_rows,
    quoted,
    rejections_of_entities,
)
from scorer.types.arrays import Attributes, Observations
from scorer.types.enums import Action
from scorer.types.values import WorkItem

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)


def observations(**unread: list[str | None]) -> Observations:
    rows = 3
    numbers = np.zeros(rows)
    return Observations(
        keys=(WorkItem("a", NOON),),
        position=np.zeros(rows, np.int64),
        observation_id=np.arange(rows),
        time=np.zeros(rows, np.int64),
        code=np.zeros(rows, np.int64),
        codes=("HR",),
        value=numbers,
        value_is_null=np.zeros(rows, bool),
        low=numbers,
        high=numbers,
        unread={name: np.array(texts, dtype=object) for name, texts in unread.items()},
    )


def found(*args: Any, **kwargs: Any) -> list[tuple[str, Action, list[int]]]:
    findings = findings_of_rows(*args, **kwargs) if kwargs else findings_of_entities(*args)
    return [(each.rule.name, each.rule.action, each.broken.tolist()) for each in findings]


def test_a_value_that_is_no_number_is_told_unless_the_suite_refused_it() -> None:
    rows = observations(observation_value=["<1", "", None])
    nothing = np.zeros(3, bool)
    assert found(rows, refused=nothing) == [("value_is_number", Action.DROP, [0, 1])]
    assert found(rows, refused=np.array([True, False, False])) == [("value_is_number", Action.DROP, [1])]
    assert found(rows, refused=~nothing) == []
    assert found(observations(), refused=nothing) == []


def test_a_range_that_is_no_number_is_told_and_a_blank_is_none() -> None:
    rows = observations(reference_range_max=["see sheet", " ", None])
    assert found(rows, refused=np.zeros(3, bool)) == [("range_is_number", Action.WARN, [0])]


def test_an_entity_in_two_rows_is_held_and_a_number_that_is_none_is_told() -> None:
    attributes = Attributes(
        numbers={"age": np.array([np.nan, 40.0, np.nan])},
        unread={"age": np.array([">89", None, ""], dtype=object)},
        repeated=np.array([False, True, False]),
    )
    assert found(attributes) == [("one_row", Action.QUARANTINE, [1]), ("attribute_is_number", Action.WARN, [0])]
    of_rows, of_age = findings_of_entities(attributes)
    told = [*rejections_of_entities("abc", attributes, of_rows), *rejections_of_entities("abc", attributes, of_age)]
    assert [(each.entity_id, each.rule, each.observed) for each in told] == [
        ("b", "one_row", "two rows or more in the attributes statement"),
        ("a", "attribute_is_number", "age '>89'"),
    ]
    assert found(Attributes()) == []


def test_a_long_text_is_cut() -> None:
    assert len(quoted("x" * 5000)) < 110
