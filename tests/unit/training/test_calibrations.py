"""Calibration and thresholds of each facility, against those of its rows alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from scorer.errors import UserError
from scorer.evaluation.landmarks import Landmarks
from scorer.jobs.job import Job
from scorer.tasks.binary import Binary
from scorer.tasks.calibration import best_threshold, platt
from scorer.tasks.links import logistic
from scorer.training.calibrations import ENOUGH, calibrate, of_facility, suffices

RULES = Binary()


def _two(size: int = 4000) -> tuple[Any, ...]:
    """Margins of two facilities, of which B has three times the odds of A, and the third, C, hardly anybody."""
    random = np.random.default_rng(7)
    facility = np.array(["A", "B"] * size + ["C"] * 10 + [None] * 10, dtype=object)
    margin = random.normal(size=len(facility))
    odds = np.where(facility == "B", margin + np.log(3), margin) - 1
    label = (random.random(len(margin)) < logistic(odds)).astype(np.float64)
    return margin, label, np.arange(len(margin)), np.where(label == 1, 1.0, -0.1), facility


def test_each_facility_is_calibrated_by_its_own_rows_and_others_by_all() -> None:
    margin, label, client, gain, facility = _two()
    found = calibrate(margin, label, client, gain=gain, facility=facility, rules=RULES)
    assert sorted(found.by_facility) == ["A", "B"], "ten clients are too few for a calibration"
    for name in "AB":
        own = facility == name
        slope, intercept = platt(margin[own], label[own])
        assert found.by_facility[name] == {"slope": slope, "intercept": intercept}
    published = found.publish(margin, facility, rules=RULES)
    for name in "AB":
        own = facility == name
        assert published[own].mean() == pytest.approx(label[own].mean(), abs=1e-6)
        assert found.threshold is not None
        assert found.threshold.by_facility[name] == best_threshold(published[own], gain[own])
    others = (facility == "C") | (facility == None)  # noqa: E711 - of an array
    np.testing.assert_array_equal(published[others], RULES.publish(margin[others], found.everyone))
    assert found.by_facility["B"]["intercept"] - found.by_facility["A"]["intercept"] == pytest.approx(
        np.log(3), abs=0.2
    )


def test_alarms_are_above_the_threshold_of_the_facility() -> None:
    margin, label, client, gain, facility = _two()
    found = calibrate(margin, label, client, gain=gain, facility=facility, rules=RULES)
    assert found.threshold is not None
    limits = [found.threshold.by_facility.get(each, found.threshold.value) for each in facility]
    score = found.publish(margin, facility, rules=RULES)
    np.testing.assert_array_equal(found.alarms(score, facility), score > np.array(limits))
    silent = calibrate(margin, label, client, gain=None, facility=facility, rules=RULES)
    assert silent.threshold is None
    assert not silent.alarms(score, facility).any()


def test_without_facilities_all_is_as_it_was() -> None:
    margin, label, client, gain, _ = _two()
    found = calibrate(margin, label, client, gain=gain, facility=None, rules=RULES)
    slope, intercept = platt(margin, label)
    assert (found.everyone, dict(found.by_facility)) == ({"slope": slope, "intercept": intercept}, {})
    published = found.publish(margin, None, rules=RULES)
    np.testing.assert_array_equal(published, logistic(slope * margin + intercept))
    assert found.threshold is not None
    assert found.threshold.value == best_threshold(published, gain)


def test_what_suffices_is_so_many_clients_with_the_event() -> None:
    label = np.r_[np.ones(ENOUGH), np.zeros(100)]
    client = np.arange(len(label))
    assert suffices(label, client, rules=RULES)
    assert not suffices(label, np.r_[0, 0, client[2:]], rules=RULES), "one client is counted once"
    assert not suffices(np.ones(200), np.arange(200), rules=RULES), "all of one class say nothing"


def test_landmarks_of_a_facility(job: Job, landmarks: Landmarks) -> None:
    assert of_facility(landmarks, None, job) is landmarks
    with pytest.raises(UserError, match="Job sepsis does not say which facility a visit belongs to: set facility"):
        of_facility(landmarks, "A", job)
    names = np.array(["A", None, "B"], dtype=object)[np.arange(len(landmarks)) % 3]
    two = replace(landmarks, features=replace(landmarks.features, facility=names))
    assert set(of_facility(two, "B", job).features.facility) == {"B"}
    with pytest.raises(UserError, match='No visit of job sepsis belongs to facility "D"; there are: A, B'):
        of_facility(two, "D", job)
