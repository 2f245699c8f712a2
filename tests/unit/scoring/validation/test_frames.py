"""Frames: what the suites validate; and pools of what was published before."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np

from scorer.jobs.job import Job
from scorer.scoring.validation.frames import Frame, feature_frame, observation_frame, pool_of, with_newest
from scorer.types.arrays import NO_TIME, Attributes, Features, Observations
from scorer.types.values import Published, WorkItem

HOUR = 3_600_000_000
NOON = int(datetime(2025, 6, 1, 12, tzinfo=UTC).timestamp()) * 1_000_000


def test_observations_become_numbers(sepsis: Job) -> None:
    rows = 4
    item = WorkItem(entity_id="1", as_of=datetime(2025, 6, 1, 12, tzinfo=UTC))
    observations = Observations(
        keys=(item,),
        position=np.zeros(rows, np.int64),
        observation_id=np.arange(rows),
        time=np.array([NOON - HOUR, NOON - HOUR, NO_TIME, NOON + HOUR]),
        code=np.array([0, 0, 1, -1]),
        codes=("HR", "WHAT"),
        value=np.array([80.0, 80.0, math.nan, math.inf]),
        value_is_null=np.zeros(rows, bool),
        low=np.array([60.0, math.nan, math.nan, math.nan]),
        high=np.full(rows, math.nan),
        extras={"flag": np.array([1, 0, math.nan, 1], np.float16), "days": np.array([7, -8, 0, 2**31 - 1], np.int32)},
    )
    attributes = Attributes(times={"admitted_at": np.array([NOON - 3 * HOUR])})
    frame = observation_frame(sepsis, observations, attributes, as_of=np.array([NOON]))
    np.testing.assert_equal(frame["hours_before_as_of"], [1.0, 1.0, math.nan, -1.0])
    np.testing.assert_equal(frame["hours_since_admitted_at"], [2.0, 2.0, math.nan, 4.0])
    assert frame["code_known"].tolist() == [1, 1, 0, 0]
    assert frame["repeat"].tolist() == [0, 1, 0, 0]
    assert frame["days"].tolist() == [7, -8, 0, 2**31 - 1]
    assert math.isfinite(frame["plausible_max"][0])
    assert np.isnan(frame["plausible_max"][2:]).all()
    assert {frame[name].dtype for name in frame.columns} == {np.dtype(np.int64), np.dtype(np.float64)}


def test_an_attribute_is_as_it_was_read_and_not_as_the_feature_shows_it(sepsis: Job) -> None:
    names = ("age_years",)
    frame = feature_frame(
        sepsis,
        Features(names=names, values=np.array([[np.nan]])),
        Attributes(numbers={"age_years": np.array([math.inf])}),
        read=np.array([0]),
        used=np.array([0]),
    )
    assert frame["age_years"].tolist() == [math.inf]
    assert frame["dropped_share"].tolist() == [0.0]


def test_the_pool_holds_each_entity_once_and_nothing_that_is_about_to_be_published() -> None:
    published = [
        Published("a", b"2", 0.1),  # about to be published anew
        Published("a", b"1", 0.2),
        Published("b", b"2", 0.3),
        Published("b", b"2", 0.3),
        Published("b", b"3", 0.4),
        Published("c", b"1", 0.5),
    ]
    found = pool_of(published, entity_ids=["a"], input_hashes=[b"2"], training_quantile=lambda score: score / 2)
    assert found.by_inputs["score"].tolist() == [0.2, 0.3, 0.4, 0.5]
    assert found.by_entity["score"].tolist() == [0.3, 0.5]
    assert found.by_entity["training_quantile"].tolist() == [0.15, 0.25]


def test_a_frame_is_filled_up_with_the_newest_scores() -> None:
    frame = Frame({"score": np.array([0.5, math.nan])}, rows=2)
    before = Frame({"score": np.array([0.1, 0.2, 0.3])}, rows=3)
    assert with_newest(frame, before, rows=3)["score"].tolist() == [0.5, 0.1, 0.2]
    assert with_newest(frame, before, rows=1)["score"].tolist() == [0.5]
    assert len(with_newest(frame, before, rows=9)) == 4
