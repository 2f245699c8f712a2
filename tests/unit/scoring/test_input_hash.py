"""The hash of an entity's inputs: the same for the same inputs, another for any other."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from scorer.scoring.input_hash import input_hashes
from scorer.types.arrays import NO_TIME, Attributes, Observations
from scorer.types.values import WorkItem

NAN = float("nan")
NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)


def observations(*entities: list[float], codes: tuple[str, ...] = ("HR",)) -> Observations:
    """The values of each entity, all of the first code at one time, without a reference range."""
    value = np.array([value for values in entities for value in values], np.float64)
    n = len(value)
    return Observations(
        keys=tuple(WorkItem(entity_id=str(each), as_of=NOON) for each in range(len(entities))),
        position=np.repeat(np.arange(len(entities)), [len(values) for values in entities]),
        observation_id=np.arange(n),
        time=np.zeros(n, np.int64),
        code=np.zeros(n, np.int64),
        codes=codes,
        value=value,
        value_is_null=np.zeros(n, bool),
        low=np.full(n, NAN),
        high=np.full(n, NAN),
    )


ONE = observations([1.0, 2.0])
ATTRIBUTES = Attributes(
    numbers={"age": np.array([50.0])},
    times={"born": np.array([0], np.int64)},
    texts={"sex": np.array(["F"], dtype=object)},
)


def hashed(these: Observations = ONE, attributes: Attributes = ATTRIBUTES) -> bytes:
    (found,) = input_hashes(these, attributes)
    return found


def test_a_hash_does_not_depend_on_other_entities() -> None:
    together = input_hashes(observations([3.0], [1.0, 2.0], [], [1.0, 2.0]), Attributes())
    (alone,) = input_hashes(ONE, Attributes())
    assert together[1] == together[3] == alone
    assert len(set(together)) == 3
    assert input_hashes(observations(), Attributes()) == []


def test_a_hash_depends_on_neither_ids_nor_the_order_of_codes_and_columns() -> None:
    assert hashed(replace(ONE, observation_id=np.array([8, 9]))) == hashed()
    assert hashed(replace(ONE, codes=("X", "HR"), code=np.array([1, 1]))) == hashed()
    extras = {"a": np.array([1.0, 2.0]), "b": np.array([3.0, 4.0])}
    assert hashed(replace(ONE, extras=extras)) == hashed(replace(ONE, extras=dict(reversed(extras.items()))))


@pytest.mark.parametrize(
    "other",
    [
        {"value": np.array([1.0, 2.5])},
        {"time": np.array([0, 1])},
        {"code": np.array([0, -1])},
        {"codes": ("RR",)},
        {"low": np.array([NAN, 0.0])},
        {"high": np.array([NAN, 0.0])},
        {"value_is_null": np.array([False, True])},
        {"extras": {"a": np.array([None, "x"], dtype=object)}},
        {"extras": {"a": np.array(["", "x"], dtype=object)}},
        {"extras": {"a": np.array(["None", "x"], dtype=object)}},
        {"extras": {"a": np.array([7, 8])}},
    ],
)
def test_each_column_of_the_observations_counts(other: dict[str, Any]) -> None:
    assert hashed(replace(ONE, **other)) != hashed()


def test_null_and_nan_differ_and_so_do_the_texts_that_look_like_them() -> None:
    nan = replace(ONE, value=np.array([1.0, NAN]))
    assert hashed(nan) != hashed(replace(nan, value_is_null=np.array([False, True])))
    texts = [np.array([text, "x"], dtype=object) for text in (None, "", "None", "nan")]
    assert len({hashed(replace(ONE, extras={"a": each})) for each in texts}) == len(texts)


@pytest.mark.parametrize(
    "other",
    [
        {"numbers": {"age": np.array([NAN])}},
        {"times": {"born": np.array([NO_TIME])}},
        {"texts": {"sex": np.array([None], dtype=object)}},
    ],
)
def test_each_attribute_counts(other: dict[str, Any]) -> None:
    assert hashed(attributes=replace(ATTRIBUTES, **other)) != hashed()


def test_true_and_false_are_hashed_as_whole_numbers_and_null_as_neither() -> None:
    """As a boolean column without NULL always was: a replay of an older row finds its inputs unchanged."""
    rows = observations([80.0])

    def with_flag(values: Any) -> bytes:
        return hashed(replace(rows, extras={"flag": values}))

    for value in (0, 1):
        assert with_flag(np.array([value], np.float16)) == with_flag(np.array([value], bool))
        assert with_flag(np.array([value], bool)) == with_flag(np.array([value]))
    null = with_flag(np.array([NAN], np.float16))
    assert null not in (with_flag(np.array([0], bool)), with_flag(np.array([1], bool)))


def test_text_in_a_numbers_place_counts_and_changes_no_other_entitys_hash() -> None:
    rows, there = observations([80.0]), np.array(["<1"], dtype=object)
    unread = hashed(replace(rows, value=np.array([NAN]), unread={"observation_value": there}))
    other = hashed(replace(rows, value=np.array([NAN]), unread={"observation_value": np.array(["<2"], dtype=object)}))
    none = np.array([None], dtype=object)
    assert len({unread, other, hashed(rows), hashed(replace(rows, value=np.array([NAN])))}) == 4
    assert hashed(replace(rows, unread={"observation_value": none, "reference_range_min": none})) == hashed(rows)


def test_an_entity_in_two_rows_of_attributes_has_another_hash_than_in_one() -> None:
    once = replace(ATTRIBUTES, repeated=np.zeros(1, bool))
    assert hashed(attributes=once) == hashed()
    assert hashed(attributes=replace(ATTRIBUTES, repeated=np.ones(1, bool))) != hashed()
