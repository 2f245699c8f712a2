"""The challenge's utility, against cases that were worked out by hand from the paper's definition."""

from __future__ import annotations

import numpy as np
import pytest

from scorer.evaluation.alarms import Rows, consequences
from scorer.evaluation.utility import best_alarms, utilities
from scorer.jobs.evaluation import Utility

PAPER = Utility()


def worth(*hours: float, has_event: bool = True) -> list[tuple[float, float]]:
    """(alarm, silence) at each of `hours` from the event."""
    given = np.full(len(hours), has_event)
    alarm, silence = utilities(np.array(hours), given, PAPER)
    return [(round(float(one), 6), round(float(other), 6)) for one, other in zip(alarm, silence, strict=True)]


@pytest.mark.parametrize(
    ("hours", "alarm", "silence"),
    [
        # Before dt_early the rising line is below the price of a false alarm: -13 h gives -1/6, so u_fp. Silence costs nothing.
        (-100, -0.05, 0),
        (-13, -0.05, 0),
        # (-12.1 + 12) / 6 = -0.01667, which is better than u_fp.
        (-12.1, -0.016667, 0),
        (-12, 0, 0),
        # (-9 + 12) / 6 = 1/2.
        (-9, 0.5, 0),
        (-6, 1, 0),
        # From -6 to 3 are 9 hours: at -5 the alarm has lost a ninth, and silence costs a ninth of 2.
        (-5, 0.888889, -0.222222),
        # At the event six ninths are gone: 1/3, and -2 x 6/9.
        (0, 0.333333, -1.333333),
        (3, 0, -2),
        # After dt_late nothing counts.
        (3.01, 0, 0),
        (50, 0, 0),
    ],
)
def test_with_the_event(hours: float, alarm: float, silence: float) -> None:
    assert worth(hours) == [(alarm, silence)]


def test_without_the_event_every_hour_is_alike() -> None:
    assert worth(-100, -6, 0, 50, has_event=False) == [(-0.05, 0)] * 4
    assert worth(float("nan"), has_event=False) == [(-0.05, 0)]


def test_an_event_at_an_unknown_time_counts_nothing() -> None:
    assert worth(float("nan")) == [(0, 0)]


def hourly(rows: int, *, event: float) -> np.ndarray:
    return np.arange(rows) - event


def normalised(
    alarms: np.ndarray, hours: np.ndarray, has_event: np.ndarray, *, weights: np.ndarray | None = None
) -> float:
    """The utility as an evaluation computes it: one client per row, counted by `weights`."""
    rows = len(alarms)
    cohort = Rows(
        entity=np.arange(rows),
        client=np.arange(rows),
        score=alarms.astype(float),
        label=np.zeros(rows),
        hours=np.where(has_event, hours, np.nan),
        days=1 / 24,
    )
    counted = np.ones(rows) if weights is None else weights
    return consequences(cohort, counted.reshape(1, -1), threshold=0.5, spec=PAPER)["utility"].value


def score(alarms: list[int], hours: np.ndarray, *, has_event: bool = True) -> float:
    chosen = np.zeros(len(hours), dtype=bool)
    chosen[alarms] = True
    return normalised(chosen, hours, np.full(len(hours), has_event))


def test_a_late_onset_by_hand() -> None:
    """Twenty hours, onset at hour 16: the window is hours 4 to 19."""
    hours = hourly(20, event=16)
    # Best less inaction. Rising, hours 4 to 10: 0 + 1/6 + ... + 6/6 = 3.5, silence costs nothing there. Falling, hours 11 to 19, k = 1 to
    # 9 hours after the optimum: (1 - k/9) + 2k/9 = 1 + k/9 each, together 9 + 45/9 = 14. In all 17.5.
    best = np.flatnonzero(best_alarms(hours, np.ones(20, dtype=bool), PAPER))
    assert best.tolist() == list(range(4, 20))
    assert score(best.tolist(), hours) == pytest.approx(1)
    assert score([], hours) == 0
    # One alarm at the optimum: 1 of 17.5. One at the onset, k = 6: 1 + 6/9. One at hour 0, 16 hours early: u_fp.
    assert score([10], hours) == pytest.approx(1 / 17.5)
    assert score([16], hours) == pytest.approx((15 / 9) / 17.5)
    assert score([0], hours) == pytest.approx(-0.05 / 17.5)
    # Always: the four hours before the window at u_fp each.
    assert score(list(range(20)), hours) == pytest.approx((17.5 - 0.2) / 17.5)


def test_an_onset_before_the_record_by_hand() -> None:
    """Onset two hours before the first row: rows at 2, 3, 4 and 5 hours after it."""
    hours = hourly(4, event=-2)
    # At 2 h, k = 8: 1/9 + 16/9 = 17/9. At 3 h, k = 9: 0 + 2 = 2. Later rows count nothing.
    assert score([0], hours) == pytest.approx((17 / 9) / (17 / 9 + 2))
    assert score([0, 1, 2, 3], hours) == pytest.approx(1)
    assert score([2, 3], hours) == 0


def test_an_entity_with_few_hours_by_hand() -> None:
    """Two rows, 13 and 12 hours before: no alarm can gain a thing, and so there is no scale."""
    hours = np.array([-13.0, -12.0])
    assert np.isnan(score([1], hours))
    # One more row, 11 hours before, has the whole scale of 1/6.
    assert score([2], np.array([-13.0, -12.0, -11.0])) == pytest.approx(1)


def test_a_false_alarm_weighs_against_the_gain_of_others() -> None:
    hours = np.array([-6.0, np.nan, np.nan])
    has_event = np.array([True, False, False])
    alarms = np.array([True, True, False])
    assert normalised(alarms, hours, has_event) == pytest.approx(1 - 0.05)
    assert normalised(alarms, hours, has_event, weights=np.array([2.0, 3.0, 1.0])) == pytest.approx(1 - 0.15 / 2)
    assert np.isnan(normalised(alarms[1:], hours[1:], has_event[1:]))


def official(labels: np.ndarray, predictions: np.ndarray) -> float:
    """The total of one patient by a loop over hours, as the paper's section on the utility has it, label 1 from six hours before onset."""
    onset = np.argmax(labels) + 6 if labels.any() else np.inf
    total = 0.0
    for hour, alarm in enumerate(predictions):
        after = hour - onset
        if after > 3:
            continue
        if not labels.any():
            total += -0.05 if alarm else 0.0
        elif alarm:
            total += max((after + 12) / 6, -0.05) if after <= -6 else (3 - after) / 9
        else:
            total += 0.0 if after <= -6 else -2 * (after + 6) / 9
    return total


def test_many_patients_are_summed_before_the_scale_is_taken() -> None:
    random = np.random.default_rng(3)
    observed = best = inaction = 0.0
    hours, events, alarms = [], [], []
    for number in range(40):
        rows = int(random.integers(3, 60))
        onset = int(random.integers(6, rows + 6)) if number % 3 == 0 else None
        labels = np.zeros(rows, dtype=bool)
        if onset is not None:
            labels[onset - 6 :] = True
        chosen = random.random(rows) < 0.3
        ideal = np.zeros(rows, dtype=bool)
        if onset is not None:
            ideal[max(0, onset - 12) : onset + 4] = True
        observed += official(labels, chosen)
        best += official(labels, ideal)
        inaction += official(labels, np.zeros(rows, dtype=bool))
        hours.append(np.arange(rows) - (np.nan if onset is None else onset))
        events.append(np.full(rows, onset is not None))
        alarms.append(chosen)
    mine = normalised(np.concatenate(alarms), np.concatenate(hours), np.concatenate(events))
    assert mine == pytest.approx((observed - inaction) / (best - inaction))
