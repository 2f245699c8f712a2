"""What is charted late is due, whatever the order in which a discharge, its visit's values and the runs come."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scorer.runs.requests import RequestAnswering

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
END = "UPDATE visits SET discharged_at = %s WHERE visit_id = 1"
PUT_RIGHT = "UPDATE patient_observations SET observation_value = observation_value * 1.5 WHERE visit_id = 1 AND observation_type_code = 'HR'"


def newest(hospital: Any) -> tuple[Any, ...]:
    """(score, as_of) of visit 1."""
    (row,) = hospital.rows("SELECT score, as_of FROM reporting.current_scores WHERE entity_id = '1'")
    return row


def test_a_value_put_right_after_a_discharge_that_was_charted_late_has_the_visit_scored_once_more(hospital: Any) -> None:
    hospital.admit(1)
    hospital.run()
    before = newest(hospital)
    hospital.execute(END, hospital.noon - HOUR / 2)
    hospital.execute(PUT_RIGHT)
    assert hospital.run(as_of=hospital.noon + MINUTE).counts.scored == 1
    assert newest(hospital)[0] != before[0]
    assert newest(hospital)[1] == hospital.noon - HOUR / 2
    assert hospital.run(as_of=hospital.noon + 2 * MINUTE).counts.unchanged == 1


def chart(hospital: Any, at: datetime) -> None:
    hospital.observe(1, hours_ago=1.5, observation_value=150.0, recorded_at=at)


def put_right(hospital: Any, at: datetime) -> None:
    hospital.execute(PUT_RIGHT)


def take_away(hospital: Any, at: datetime) -> None:
    hospital.execute("DELETE FROM patient_observations WHERE visit_id = 1 AND observation_type_code = 'TEMP'")


def of_another_age(hospital: Any, at: datetime) -> None:
    hospital.execute("UPDATE visits SET age_years = 81 WHERE visit_id = 1")


@pytest.mark.parametrize("happens", [chart, put_right, take_away, of_another_age])
def test_the_order_of_run_discharge_and_charting_makes_no_difference(
    happens: Callable[[Any, datetime], None], hospital: Any
) -> None:
    noon, end = hospital.noon, hospital.noon - HOUR
    scores = set()
    for order in itertools.permutations(("run", "discharge", "charting")):
        hospital.execute("TRUNCATE visits, patient_observations, scorer.current_scores")
        hospital.admit(1)
        for number, step in enumerate(order, start=1):
            if step == "run":
                hospital.run(as_of=noon + number * MINUTE)
            elif step == "discharge":
                hospital.execute(END, end)
            else:
                happens(hospital, noon + number * MINUTE)
        hospital.run(as_of=noon + 4 * MINUTE)
        assert newest(hospital)[1] == end, order
        scores.add(newest(hospital)[0])
        written = len(hospital.ledger(1))
        for later in (HOUR, timedelta(days=20)):
            assert hospital.run(as_of=noon + later).counts.unchanged == 1, order
        assert len(hospital.ledger(1)) == written
    assert len(scores) == 1
