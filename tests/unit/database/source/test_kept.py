"""Rows that are kept: taken out, put together and made known, and no more of them than there is room for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from scorer.database.source.columns import in_order
from scorer.database.source.kept import Block, Kept, Mark, Part, Rows, differing, known_by, rows_of_keys, together
from scorer.types.arrays import NO_TIME, Observations

MARK = Mark("10:12:10,11", "this one")


def rows(*of: tuple[int, int, int, str, float], known: tuple[int, ...] | None = None, **more: Any) -> Rows:
    """Rows of (position, observation_id, time, code, value), known and recorded from their times on."""
    codes = tuple(sorted({each[3] for each in of}))
    columns = list(zip(*of, strict=True)) if of else [(), (), (), (), ()]
    time = np.array(columns[2], dtype=np.int64)
    known_from = time if known is None else np.array(known, dtype=np.int64)
    observations = Observations(
        keys=(),
        position=np.array(columns[0], dtype=np.int64),
        observation_id=np.array(columns[1], dtype=np.int64),
        time=time,
        code=np.array([codes.index(each) for each in columns[3]], dtype=np.int64),
        codes=codes,
        value=np.array(columns[4], dtype=np.float64),
        value_is_null=np.zeros(len(of), dtype=bool),
        low=np.full(len(of), np.nan),
        high=np.full(len(of), np.nan),
        known_from=known_from,
    )
    return Rows(replace(observations, **more), known_from)


def block(*entity_ids: str, version: str = "v", size: int = 2) -> Block:
    each = [(place, place * size + row, row, "HR", 1.0) for place in range(len(entity_ids)) for row in range(size)]
    return Block(version, MARK, {name: place for place, name in enumerate(entity_ids)}, rows(*each))


def test_a_snapshot_says_before_which_transaction_all_had_ended() -> None:
    assert MARK.before == 10


def test_a_block_is_taken_once_and_others_stay() -> None:
    kept = Kept(1)
    for entity_ids in (("a", "b"), ("c",)):
        kept.put(block(*entity_ids))
    (taken,) = kept.take("v", {"b", "d"})
    assert set(taken.places) == {"a", "b"}
    assert kept.take("v", {"a"}) == []
    kept.put(taken.without({"b"}))
    assert [set(each.places) for each in kept.take("v", {"a", "b", "c"})] == [{"c"}, {"a"}]


def test_nothing_is_kept_of_another_version_of_the_job() -> None:
    kept = Kept(1)
    kept.put(block("a"))
    assert kept.take("another", {"a"}) == []
    assert kept.bytes == 0


def test_what_was_not_used_for_longest_goes_first() -> None:
    size = block("a", size=5000).rows.bytes
    kept = Kept(2 * size // 1_000_000 + 1)
    fit = int(kept._limit // size)
    for number in range(fit + 2):
        kept.put(block(str(number), size=5000))
    assert kept.bytes <= kept._limit
    assert not kept.take("v", {"0", "1"})
    assert kept.take("v", {str(fit + 1)})


def test_what_is_too_much_by_itself_is_not_kept() -> None:
    kept = Kept(1)
    kept.put(block("a", size=20_000))
    assert kept.bytes == 0


def test_switched_off_nothing_is_kept() -> None:
    kept = Kept(1)
    kept.put(block("a"))
    kept.switch_off()
    kept.put(block("b"))
    assert kept.bytes == 0


def test_parts_become_one_in_order_with_codes_of_their_own() -> None:
    old = rows((0, 1, 5, "HR", 1.0), (0, 2, 6, "RR", 2.0), (1, 3, 5, "HR", 3.0))
    new = rows((0, 4, 4, "HR", 4.0), (0, 5, 5, "ALP", 5.0))
    whole = together(
        [
            Part(old, np.array([1, 0]), np.array([False, True, False])),
            Part(new, np.array([1])),
        ]
    )
    assert whole is not None
    found = whole.observations
    assert found.codes == ("ALP", "HR", "RR")
    assert found.observation_id.tolist() == [3, 5, 4, 1]
    assert found.position.tolist() == [0, 1, 1, 1]
    assert [found.codes[each] for each in found.code] == ["HR", "ALP", "HR", "HR"]


def test_parts_of_other_columns_are_not_put_together() -> None:
    one, other = rows((0, 1, 5, "HR", 1.0)), rows((0, 2, 5, "HR", 1.0), extras={"unit": np.array(["x"], dtype=object)})
    assert together([Part(one, np.array([0])), Part(other, np.array([0]))]) is None


def test_an_entity_that_is_not_asked_for_is_left_out() -> None:
    whole = together([Part(rows((0, 1, 5, "HR", 1.0), (1, 2, 5, "HR", 1.0)), np.array([-1, 0]))])
    assert whole is not None
    assert whole.observations.observation_id.tolist() == [2]


def test_known_are_rows_from_their_time_on_and_those_that_have_none() -> None:
    all_rows = rows(
        *((0, 1, 5, "HR", 1.0), (0, 2, 6, "HR", 2.0), (0, 3, 7, "RR", 2.0), (1, 4, 9, "HR", 1.0)),
        known=(5, 8, 7, NO_TIME),
    )
    found = known_by(all_rows, np.array([6, 0]))
    assert found.observation_id.tolist() == [1, 4]
    assert found.codes == ("HR",)
    assert found.known_from is None


@pytest.mark.parametrize("recorded", [(7, 6), (6, 7)])
def test_of_two_values_of_one_moment_the_later_recorded_is_last(recorded: tuple[int, int]) -> None:
    two = replace(rows((0, 1, 5, "HR", 1.0), (0, 2, 5, "HR", 2.0)), recorded=np.array(recorded))
    found = known_by(two, np.array([9]))
    assert found.observation_id.tolist() == [row for _, row in sorted(zip(recorded, (1, 2), strict=True))]
    assert found.rank is not None


def test_a_value_that_is_not_known_yet_gives_no_rank() -> None:
    two = rows((0, 1, 5, "HR", 1.0), (0, 2, 5, "HR", 2.0), known=(5, 8))
    found = known_by(two, np.array([6]))
    assert found.observation_id.tolist() == [1]
    assert found.rank is None


def test_rows_are_found_by_keys_that_are_numbers_or_texts() -> None:
    numbers = rows((0, 1, 5, "HR", 1.0), (0, 23, 5, "HR", 1.0)).observations
    assert rows_of_keys(numbers, pa.array(["23", "4"])).tolist() == [False, True]
    texts = replace(numbers, observation_id=np.array(["a", "1"], dtype=object))
    assert rows_of_keys(texts, pa.array(["1", "b"])).tolist() == [False, True]
    assert rows_of_keys(texts, pa.array([], pa.string())).tolist() == [False, False]


def test_a_key_that_no_row_could_have_is_an_error() -> None:
    with pytest.raises(pa.ArrowInvalid):
        rows_of_keys(rows((0, 1, 5, "HR", 1.0)).observations, pa.array(["a1"]))


@pytest.mark.parametrize(
    "changed",
    [
        {"value": np.array([1.0, np.nan])},
        {"value": np.array([-0.0, 0.0])},
        {"time": np.array([5, 7])},
        {"position": np.array([0, 0])},
        {"codes": ("RR",)},
        {"rank": np.array([0, 1])},
        {"value_is_null": np.array([False, True])},
        {"unread": {"observation_value": np.array([None, "x"], dtype=object)}},
    ],
)
def test_entities_that_differ_are_counted(changed: dict[str, Any]) -> None:
    one = replace(rows((0, 1, 5, "HR", 0.0), (1, 2, 6, "HR", 0.0)).observations, keys=("a", "b"))
    assert differing(one, one) == 0
    assert differing(one, replace(one, **changed)) >= 1


def test_rows_in_order_stay_the_same_object() -> None:
    whole = together([Part(rows((1, 1, 5, "HR", 1.0), (0, 2, 5, "HR", 1.0)), np.array([0, 1]))])
    assert whole is not None
    assert in_order(whole.observations, recorded=None) is whole.observations
