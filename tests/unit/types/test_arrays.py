"""Arrays of a batch: rows that are kept are kept in every column."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from scorer.types.arrays import NO_TIME, Attributes, Features, Observations
from scorer.types.values import WorkItem

KEYS = tuple(WorkItem(name, datetime(2025, 6, 1, tzinfo=UTC)) for name in "ab")


def observations(*, known_from: bool = True) -> Observations:
    """Three rows of two entities; each column counts them in its own way."""
    rows = np.arange(3)
    return Observations(
        keys=KEYS,
        position=np.array([0, 0, 1]),
        observation_id=rows + 100,
        time=rows + 200,
        code=rows,
        codes=("HR", "SBP", "TEMP"),
        value=rows + 0.5,
        value_is_null=rows == 1,
        low=rows - 1.0,
        high=rows + 1.0,
        extras={"flag": rows.astype(np.float16)},
        known_from=rows + 300 if known_from else None,
    )


def columns_of(table: Observations) -> list[list[object]]:
    arrays = (table.position, table.observation_id, table.time, table.code, table.value, table.value_is_null)
    more = (table.low, table.high, table.extras["flag"], *(() if table.known_from is None else (table.known_from,)))
    return [column.tolist() for column in (*arrays, *more)]


@pytest.mark.parametrize("known_from", [True, False])
def test_the_same_rows_are_kept_in_every_column(known_from: bool) -> None:
    whole = observations(known_from=known_from)
    for kept, places in ((np.array([True, False, True]), [0, 2]), (np.array([2, 0]), [2, 0]), (np.zeros(3, bool), [])):
        part = whole.only(kept)
        assert len(part) == len(places)
        assert columns_of(part) == [[column[place] for place in places] for column in columns_of(whole)]
        assert (part.keys, part.codes) == (whole.keys, whole.codes)


def test_all_rows_are_the_table_itself() -> None:
    whole = observations()
    assert whole.only(np.ones(3, dtype=bool)) is whole


def test_attributes_and_features_keep_the_same_entities() -> None:
    kept = np.array([False, True])
    attributes = Attributes(
        numbers={"age": np.array([1.0, 2.0])},
        times={"admitted_at": np.array([NO_TIME, 5])},
        texts={"sex": np.array(["F", None], dtype=object)},
    ).only(kept)
    assert attributes.numbers["age"].tolist() == [2.0]
    assert attributes.times["admitted_at"].tolist() == [5]
    assert attributes.texts["sex"].tolist() == [None]
    features = Features(names=("a",), values=np.array([[1.0], [2.0]])).only(kept)
    assert (features.names, features.values.tolist()) == (("a",), [[2.0]])


def test_stored_rows_have_their_facility_back_and_an_empty_one_is_unknown() -> None:
    vectors = [np.array(row, dtype="<f8").tobytes() for row in ([1.0, 2.0], [3.0, 4.0])]
    found = Features.stored(("a", "b"), vectors, facility=["A", ""])
    np.testing.assert_array_equal(found.values, [[1.0, 2.0], [3.0, 4.0]])
    assert found.facility is not None
    assert found.facility.tolist() == ["A", None]
    assert Features.stored(("a", "b"), vectors).facility is None
    with pytest.raises(ValueError, match="cannot reshape"):
        Features.stored(("a", "b", "c"), vectors)
