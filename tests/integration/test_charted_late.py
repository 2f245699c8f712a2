"""What is charted late is due, whatever the order in which a discharge, its visit's values and the runs come."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scorer.database.connection import Database
from scorer.database.store.replays import ReplayVerdict
from scorer.governance.replay import replay
from scorer.runs.requests import RequestAnswering

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
END = "UPDATE visits SET discharged_at = %s WHERE visit_id = 1"
PUT_RIGHT = (
    "UPDATE patient_observations SET observation_value = observation_value * 1.5 WHERE observation_type_code = 'HR'"
)


def newest(hospital: Any) -> tuple[Any, ...]:
    """(score, as_of) of visit 1."""
    (row,) = hospital.rows("SELECT score, as_of FROM reporting.current_scores WHERE entity_id = '1'")
    return row


def test_a_value_put_right_after_a_discharge_that_was_charted_late_has_the_visit_scored_once_more(
    hospital: Any,
) -> None:
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


def test_the_end_of_a_record_is_moved(hospital: Any) -> None:
    hospital.admit(1)
    hospital.observe(1, hours_ago=-0.25, observation_value=111.0, recorded_at=hospital.noon + HOUR / 4)
    ends = [HOUR / 2, timedelta(0), HOUR / 3, -HOUR]
    for number, end in enumerate(ends, start=1):
        hospital.execute(END, hospital.noon + end)
        assert hospital.run(as_of=hospital.noon + number * HOUR).counts.scored == 1
        assert newest(hospital)[1] == hospital.noon + end
    hospital.execute(END, None)  # it had not ended after all
    assert hospital.run(as_of=hospital.noon + 6 * HOUR).counts.scored == 1
    assert newest(hospital)[1] == hospital.noon + 6 * HOUR
    assert hospital.ledger(1) == ["SCORED"] * 5


def test_a_visit_without_a_score_is_written_once_as_of_an_end_that_was_charted_late(hospital: Any) -> None:
    hospital.admit(1, observations=2)
    hospital.run()
    hospital.execute(END, hospital.noon - HOUR)
    for later in range(1, 4):
        assert hospital.run(as_of=hospital.noon + later * HOUR).counts.insufficient == 1
    assert hospital.ledger(1) == ["INSUFFICIENT"] * 2
    for number in range(4):
        hospital.observe(1, hours_ago=2 + number, recorded_at=hospital.noon + 4 * HOUR, observation_value=80.0 + number)
    assert hospital.run(as_of=hospital.noon + 5 * HOUR).counts.scored == 1


def test_what_is_charted_late_counts_for_recheck_and_no_longer(hospital: Any) -> None:
    hospital.admit(1, discharged_at=hospital.noon)
    hospital.run(as_of=hospital.noon + HOUR)
    chart(hospital, hospital.noon + 29 * DAY)
    assert hospital.run(as_of=hospital.noon + 29 * DAY + HOUR).counts.scored == 1
    put_right(hospital, hospital.noon)
    assert hospital.run(as_of=hospital.noon + 31 * DAY).counts.eligible == 0


def test_a_score_that_knows_what_was_charted_late_says_so_and_is_replayed(hospital: Any) -> None:
    hospital.admit(1)
    hospital.run()
    hospital.execute(END, hospital.noon - HOUR)
    chart(hospital, hospital.noon + MINUTE)
    hospital.run(as_of=hospital.noon + HOUR)
    ((score_id, as_of, known_at),) = hospital.rows(
        "SELECT score_id, as_of, as_known_at FROM scorer.scores ORDER BY score_id DESC LIMIT 1"
    )
    assert (as_of, known_at) == (hospital.noon - HOUR, hospital.noon + HOUR)
    chart(hospital, hospital.noon + 2 * HOUR)
    found = replay([score_id], database=Database(hospital.url, hospital.settings))
    assert {each.verdict for each in found} == {ReplayVerdict.IDENTICAL}


def test_a_job_that_reads_what_was_known_at_the_as_of_time_alone_scores_once_more_as_well(
    hospital: Any, changed_job: Callable[..., Any]
) -> None:
    job = changed_job(
        ("observations.sql", "unnest(:entity_ids, :as_ofs, :known_ats)", "unnest(:entity_ids, :as_ofs)"),
        ("observations.sql", "(entity_id, as_of, known_at, position)", "(entity_id, as_of, position)"),
        ("observations.sql", "> k.known_at) IS NOT TRUE", "> k.as_of) IS NOT TRUE"),
    )
    hospital.admit(1)
    hospital.run(job)
    hospital.execute(END, hospital.noon - HOUR)
    put_right(hospital, hospital.noon)
    assert [hospital.run(job, as_of=hospital.noon + each * HOUR).counts.scored for each in (1, 2)] == [1, 0]
    assert hospital.one("SELECT as_known_at FROM scorer.scores ORDER BY score_id DESC LIMIT 1") == hospital.noon - HOUR


@pytest.mark.parametrize("happens", [chart, put_right, take_away, of_another_age])
@pytest.mark.parametrize("late", [True, False])
def test_a_request_scores_it_as_well(
    happens: Callable[[Any, datetime], None], late: bool, ward: Any, answering: RequestAnswering
) -> None:
    ward.admit(1, discharged_at=None if late else ward.noon - HOUR)
    ward.run()
    ward.execute(END, ward.noon - HOUR)
    happens(ward, datetime.now(UTC))
    asked = ward.ask(1, 1)
    while answering.answer_waiting():
        pass
    assert ward.answers(*asked) == [("done", "SCORED")] * 2
    assert newest(ward)[1] == ward.noon - HOUR
    (again,) = ward.ask(1)
    assert answering.answer_waiting() == 1
    assert ward.answers(again) == [("done", "UNCHANGED")]
