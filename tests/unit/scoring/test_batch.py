"""A batch's inputs without some of its items, and its result as the sum of those of its parts."""

from __future__ import annotations

from collections.abc import Callable

from scorer.scoring.batch import BatchInputs, BatchResult, add_counts
from scorer.types.values import Counts


def test_an_item_that_is_left_out_takes_its_observations_along(make_inputs: Callable[..., BatchInputs]) -> None:
    left = make_inputs(2, 3, 0, 4).without([False, True, False, False])
    assert left.entity_ids == ["0", "2", "3"]
    assert left.observations.position.tolist() == [0, 0, 2, 2, 2, 2]
    assert left.observations.observation_id.tolist() == [0, 1, 5, 6, 7, 8]
    assert left.observations.keys == left.items
    assert left.attributes.texts["client"].tolist() == ["c0", "c2", "c3"]
    assert make_inputs(1, 2).without([True, True]).items == ()


def test_as_of_times_are_in_microseconds(make_inputs: Callable[..., BatchInputs]) -> None:
    inputs = make_inputs(1, 0)
    assert (inputs.as_of / 1e6).tolist() == [each.as_of.timestamp() for each in inputs.items]
    assert inputs.as_of.dtype == "int64"
    assert make_inputs().as_of.shape == (0,)


def test_parts_are_added() -> None:
    one = BatchResult(
        counts=Counts(eligible=1, scored=1),
        validated=("a",),
        observations_read=1,
        observations_dropped=2,
        unknown_codes={"X": 1},
    )
    other = BatchResult(
        counts=Counts(eligible=2, failed=2),
        validated=("b",),
        observations_read=3,
        observations_dropped=4,
        unknown_codes={"X": 2, "Y": 3},
    )
    both = one + other
    assert both.counts == add_counts(one.counts, other.counts) == Counts(eligible=3, scored=1, failed=2)
    assert (both.validated, both.observations_read, both.observations_dropped) == (("a", "b"), 4, 6)
    assert both.unknown_codes == {"X": 3, "Y": 3}
