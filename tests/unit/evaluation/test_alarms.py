"""Alarms above a threshold, against a ward of three entities worked out by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from scorer.evaluation import alarms
from scorer.evaluation.alarms import Rows
from scorer.jobs.evaluation import Utility
from scorer.tasks.bootstrap import draws

SPEC = Utility()


def ward() -> Rows:
    """Three entities of four hours: the first with the event at its last hour, the second without, the third of no known outcome."""
    nan = np.nan
    return Rows(
        entity=np.repeat([0, 1, 2], 4),
        client=np.repeat([0, 1, 2], 4),
        score=np.array([0.1, 0.8, 0.3, 0.9, 0.2, 0.6, 0.6, nan, 0.9, 0.9, 0.1, 0.1]),
        label=np.array([1.0, 1, 1, 1, 0, 0, 0, 0, nan, nan, nan, nan]),
        hours=np.array([-3.0, -2, -1, 0, nan, nan, nan, nan, nan, nan, nan, nan]),
        days=1 / 24,
    )


def test_alarms_by_hand() -> None:
    rows, weights = ward(), draws(3, count=1)
    found = {
        name: each.value
        for name, each in alarms.consequences(rows.counted(SPEC), weights, threshold=0.5, spec=SPEC).items()
    }
    # The first alarms at -2 and 0: sensitivity 2/4; the second at two of its four hours, of which one has no score.
    assert (found["sensitivity"], found["specificity"], found["ppv"]) == (0.5, 0.5, 0.5)
    # An alarm k hours after the optimum gains 1 + k/9: hours -3 to 0 are k = 3 to 6; false alarms cost 0.05 each.
    gains = {k: 1 + k / 9 for k in (3, 4, 5, 6)}
    assert found["utility"] == pytest.approx((gains[4] + gains[6] - 2 * 0.05) / sum(gains.values()))
    assert (found["entities_foreseen"], found["entities_caught"], found["entities_left_alone"]) == (1, 1, 0)
    assert found["lead_hours_median"] == 2


def test_load_by_hand() -> None:
    found = {name: each.value for name, each in alarms.alert_load(ward(), draws(3, count=1), threshold=0.5).items()}
    # Six alarms in twelve hours are twelve a day; four begin anew: two of the first entity, one of each other.
    assert found["alarms_per_entity_day"] == pytest.approx(12)
    assert found["new_alarms_per_entity_day"] == pytest.approx(8)
    assert found["entities_alarmed_per_100"] == pytest.approx(100)


def test_rows_long_after_the_event_are_not_counted() -> None:
    late = dataclasses.replace(ward(), hours=np.where(np.isnan(ward().hours), np.nan, ward().hours + 5))
    assert len(late.counted(SPEC)) == 4 + 2  # at 2 and 3 hours, and the entity without the event


def test_a_score_at_the_threshold_is_no_alarm() -> None:
    assert alarms.alert_load(ward(), draws(3, count=1), threshold=0.9)["entities_alarmed_per_100"].value == 0


def test_the_utility_of_each_threshold_is_that_of_its_alarms() -> None:
    counted = ward().counted(SPEC)
    thresholds, utility = alarms.utility_by_threshold(counted, spec=SPEC)
    for threshold, value in zip(thresholds, utility, strict=True):
        below = np.nextafter(threshold, 0)
        expected = alarms.consequences(counted, np.ones((1, 3)), threshold=below, spec=SPEC)["utility"].value
        assert value == pytest.approx(expected)
