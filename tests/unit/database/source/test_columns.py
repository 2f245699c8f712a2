"""Arrow columns as arrays: sorted whatever order they came in, and columns of another type refused by name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from scorer.database.source.columns import attributes_of, labels, observations_of
from scorer.errors import UserError
from scorer.tasks.binary import Binary
from scorer.types.arrays import NO_TIME
from scorer.types.values import WorkItem

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)
KEYS = (WorkItem("a", NOON), WorkItem("b", NOON))
TEXTS = {"reference_range_min": "60", "reference_range_max": "100"}
TIME = pa.timestamp("us", tz="UTC")


def rows(*rows: dict[str, Any], **types: pa.DataType) -> pa.Table:
    """A table of observations, each row with what it differs in from the first pulse of the first entity."""
    pulse = {
        "position": 1,
        "observation_id": 1,
        "observation_date": NOON,
        "observation_type_code": "HR",
        "observation_value": 80.0,
        "reference_range_min": 60.0,
        "reference_range_max": 100.0,
    }
    plain = {
        "position": pa.int64(),
        "observation_id": pa.int64(),
        "observation_date": TIME,
        "observation_type_code": pa.string(),
        "observation_value": pa.float64(),
        "reference_range_min": pa.float64(),
        "reference_range_max": pa.float64(),
    } | types
    return pa.table({name: pa.array([(pulse | row).get(name) for row in rows], type_) for name, type_ in plain.items()})


def test_rows_are_sorted_by_entity_code_time_and_value_in_whatever_order_they_came() -> None:
    in_order = [
        {"position": 1, "observation_type_code": None, "observation_id": 5},
        {"position": 1, "observation_date": NOON - timedelta(hours=1), "observation_id": 4},
        {"position": 1, "observation_value": 79.0, "observation_id": 3},
        {"position": 1, "observation_value": 80.0, "observation_id": 1},
        {"position": 2, "observation_type_code": "BP", "observation_id": 2},
    ]
    for order in permutations(in_order):
        observations = observations_of(rows(*order), keys=KEYS)
        assert observations.observation_id.tolist() == [5, 4, 3, 1, 2]
        assert observations.position.tolist() == [0, 0, 0, 0, 1]
        assert observations.codes == ("BP", "HR")
        assert observations.code.tolist() == [-1, 1, 1, 1, 0]


def test_a_value_that_is_null_and_one_that_is_nan_differ() -> None:
    observations = observations_of(
        rows({"observation_value": None, "observation_id": 1}, {"observation_value": np.nan, "observation_id": 2}),
        keys=KEYS,
    )
    assert np.isnan(observations.value).all()
    assert dict(zip(observations.observation_id.tolist(), observations.value_is_null.tolist(), strict=True)) == {
        1: True,
        2: False,
    }


def test_a_time_is_in_microseconds_and_may_be_missing_or_endless() -> None:
    # The database's -infinity and infinity, less and more than which no date is, as the driver wraps them round.
    from_2000 = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
    table = rows({}, {}, {}, {}).set_column(
        2,
        "observation_date",
        pa.array([NO_TIME + from_2000 - 1, None, 86_400_000_000, NO_TIME + from_2000], pa.int64()).cast(TIME),
    )
    observations = observations_of(table, keys=KEYS)
    assert observations.time.tolist() == [NO_TIME, -(2**62), 86_400_000_000, 2**62]


def test_further_columns_are_kept_and_booleans_become_numbers() -> None:
    table = rows(
        {"flag": True, "ward": "A"}, {"flag": None, "ward": None, "position": 2}, flag=pa.bool_(), ward=pa.string()
    )
    extras = observations_of(table, keys=KEYS).extras
    assert extras["ward"].tolist() == ["A", None]
    assert extras["flag"].dtype == np.float16
    np.testing.assert_array_equal(extras["flag"], [1.0, np.nan])


@pytest.mark.parametrize(
    ("name", "type_", "value", "sentence"),
    [
        (
            "observation_value",
            pa.date32(),
            NOON.date(),
            "observation_value is date32.*, where a number is expected; CAST it",
        ),
        ("observation_value", pa.int64(), 2**53 + 1, "observation_value holds whole numbers beyond 2"),
        ("observation_type_code", pa.int64(), 7, "observation_type_code is int64, where text is expected"),
        ("observation_date", pa.timestamp("us"), NOON.replace(tzinfo=None), "a timestamp with time zone is expected"),
        ("observation_date", pa.date32(), NOON.date(), "a timestamp with time zone is expected"),
        ("observation_id", pa.binary(16), bytes(16), "a whole number or text is expected; CAST it AS text"),
        ("position", pa.string(), "first", "position is string, where a whole number is expected"),
    ],
)
def test_a_column_of_another_type_is_refused_by_its_name(
    name: str, type_: pa.DataType, value: object, sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence) as raised:
        observations_of(rows({name: value}, **{name: type_}), keys=KEYS)
    assert "\n" not in str(raised.value)


def test_attributes_are_missing_where_there_is_no_row() -> None:
    table = pa.table(
        {"position": [3, 1], "age": [70, 40], "admitted_at": pa.array([NOON, None], TIME), "sex": ["f", "m"]}
    )
    found = attributes_of(table, entities=3)
    np.testing.assert_array_equal(found.numbers["age"], [40.0, np.nan, 70.0])
    assert found.times["admitted_at"].tolist()[:2] == [NO_TIME, NO_TIME]
    assert found.texts["sex"].tolist() == ["m", None, "f"]


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0]])
def test_an_entity_with_two_rows_of_attributes_is_marked_and_misses_what_they_do_not_agree_in(order: list[int]) -> None:
    table = pa.table(
        {
            "position": [1, 1, 2, 2, 3],
            "age": [70.0, 40.0, None, None, 50.0],
            "sex": ["f", "f", "m", None, "m"],
            "admitted_at": pa.array([NOON, NOON, NOON, None, NOON], TIME),
        }
    ).take(order)
    found = attributes_of(table, entities=4)
    assert found.repeated is not None
    assert found.repeated.tolist() == [True, True, False, False]
    np.testing.assert_array_equal(found.numbers["age"], [np.nan, np.nan, 50.0, np.nan])
    assert found.texts["sex"].tolist() == ["f", None, "m", None]
    noon = found.times["admitted_at"][2]
    assert found.times["admitted_at"].tolist() == [noon, NO_TIME, noon, NO_TIME]
    assert attributes_of(table.slice(0, 0), entities=2).repeated is None


def test_text_that_is_no_number_is_kept_beside_the_numbers_in_the_rows_order() -> None:
    table = rows(
        {"observation_id": 1, "observation_value": "7.25", "reference_range_max": "1,5", "reference_range_min": "60"},
        {"observation_id": 2, "observation_value": "<0.01", "observation_type_code": "BP", **TEXTS},
        {"observation_id": 3, "observation_value": None, "position": 2, **TEXTS},
        observation_value=pa.string(),
        reference_range_max=pa.string(),
        reference_range_min=pa.string(),
    )
    observations = observations_of(table, keys=KEYS)
    assert observations.observation_id.tolist() == [2, 1, 3]
    np.testing.assert_array_equal(observations.value, [np.nan, 7.25, np.nan])
    assert observations.value_is_null.tolist() == [False, False, True]
    assert {name: texts.tolist() for name, texts in observations.unread.items()} == {
        "observation_value": ["<0.01", None, None],
        "reference_range_max": [None, "1,5", None],
    }
    assert observations.only(np.array([1, 2])).unread["observation_value"].tolist() == [None, None]


def test_attributes_that_are_numbers_may_be_text() -> None:
    table = pa.table({"position": [1, 2, 3], "age": ["70", ">89", None], "ward": ["7", "8", "9"]})
    found = attributes_of(table, entities=3, numbers=["age"])
    np.testing.assert_array_equal(found.numbers["age"], [70.0, np.nan, np.nan])
    assert found.unread["age"].tolist() == [None, ">89", None]
    assert found.texts["ward"].tolist() == ["7", "8", "9"]


class TestLabels:
    @pytest.mark.parametrize(
        ("column", "expected"),
        [
            (pa.array([0, 1, None]), [0.0, 1.0, np.nan]),
            (pa.array([False, True, None]), [0.0, 1.0, np.nan]),
            (pa.array([0.0, 1.0, None]), [0.0, 1.0, np.nan]),
            (pa.array(["0", "1", None, "true", "f", " FALSE ", "1.000"]), [0.0, 1.0, np.nan, 1.0, 0.0, 0.0, 1.0]),
            (pa.nulls(2), [np.nan, np.nan]),
            (pa.array([], pa.int16()), []),
        ],
        ids=lambda value: str(getattr(value, "type", "")) or None,
    )
    def test_are_0_1_or_not_known(self, column: pa.Array, expected: list[float]) -> None:
        label, _ = Binary().read_labels(labels(pa.chunked_array([column])), where="x")
        np.testing.assert_array_equal(label, expected)

    @pytest.mark.parametrize(
        "value",
        [9, 2, -1, 0.5, float("nan"), float("inf"), 2**60, "yes", "no", "", "2", "nan", b"1", NOON, [1]],
        ids=str,
    )
    def test_that_are_anything_else_are_counted(self, value: object) -> None:
        column = pa.chunked_array([pa.array([value, None]), pa.array([None, value, value], pa.array([value]).type)])
        sentence = "The label of the statement x must be 0, 1 or NULL; 3 of 5 rows have something else"
        with pytest.raises(UserError, match=sentence) as refused:
            Binary().read_labels(labels(column), where="the statement x")
        assert "\n" not in str(refused.value)
