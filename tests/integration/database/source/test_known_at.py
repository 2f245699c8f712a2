"""As known at: a run uses what happened up to its as-of time and was recorded up to another moment."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scorer.database.connection import Database
from scorer.errors import UserError
from scorer.jobs.job import Job
from scorer.runs.due import enqueue
from scorer.runs.run import dry_run, run_job
from scorer.scoring.opening import open_pipeline
from scorer.scoring.unchanged import is_unchanged
from scorer.types.enums import Status, Trigger
from scorer.types.values import Counts, Previous, Run, WorkItem

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def charted_back(hospital: Any) -> Any:
    """Two visits; of the first a lactate was drawn before noon and charted two hours after it, and a pulse taken after noon."""
    hospital.admit(1, 2)
    hospital.observe(
        1,
        hours_ago=1,
        observation_type_code="LACTATE",
        observation_value=9.0,
        reference_range_min=0.5,
        reference_range_max=2.0,
        recorded_at=hospital.noon + 2 * HOUR,
    )
    hospital.observe(1, hours_ago=-1, observation_value=160.0, recorded_at=hospital.noon + HOUR)
    return hospital


def newest(hospital: Any, entity_id: int) -> tuple[Any, ...]:
    """(score, as_of, as_known_at) of an entity's newest ledger row."""
    (row,) = hospital.rows(
        "SELECT score, as_of, as_known_at FROM scorer.scores WHERE entity_id = %s ORDER BY score_id DESC LIMIT 1",
        str(entity_id),
    )
    return row


def test_a_lab_charted_back_changes_what_is_known_later_and_nothing_else(charted_back: Any) -> None:
    noon = charted_back.noon
    charted_back.run()
    before, bystander = newest(charted_back, 1), newest(charted_back, 2)
    assert before[1:] == (noon, noon)

    ended = charted_back.run(as_known_at=noon + 3 * HOUR)
    assert (ended.counts.eligible, ended.counts.scored, ended.counts.unchanged) == (2, 1, 1)
    after = newest(charted_back, 1)
    assert after[1:] == (noon, noon + 3 * HOUR)
    assert after[0] != before[0]
    assert newest(charted_back, 2) == bystander
    assert charted_back.rows("SELECT as_of, as_known_at FROM scorer.runs ORDER BY run_id") == [
        (noon, noon),
        (noon, noon + 3 * HOUR),
    ]
    # The pulse of after noon is not dirt: it has not happened yet.
    assert charted_back.open_findings() == []


def test_what_happened_later_is_not_used_however_much_is_known(charted_back: Any) -> None:
    noon = charted_back.noon
    charted_back.run(as_known_at=noon + 3 * HOUR)
    with_it = newest(charted_back, 1)[0]
    charted_back.execute("DELETE FROM patient_observations WHERE observation_date > %s", noon)
    again = charted_back.run(as_known_at=noon + 4 * HOUR)
    assert (again.counts.scored, again.counts.unchanged) == (0, 2)
    assert newest(charted_back, 1)[0] == with_it


def test_knowing_less_than_at_the_time_leaves_out_what_was_recorded_since(hospital: Any) -> None:
    hospital.admit(1)
    hospital.run(as_known_at=hospital.noon - timedelta(hours=4, minutes=30))
    read = hospital.one("SELECT observations_read FROM scorer.batches")
    assert 0 < read < 8
    assert read == hospital.one(
        "SELECT count(*) FROM patient_observations WHERE recorded_at <= %s",
        hospital.noon - timedelta(hours=4, minutes=30),
    )


def test_a_score_is_not_followed_by_one_of_the_same_moment_that_knew_less(charted_back: Any) -> None:
    noon = charted_back.noon
    charted_back.run(as_known_at=noon + 3 * HOUR)
    knowing = newest(charted_back, 1)
    ended = charted_back.run()
    assert (ended.counts.scored, ended.counts.unchanged) == (0, 2)
    assert newest(charted_back, 1) == knowing
    # Nor by one as of a later moment that knew less; one that knew more follows it.
    charted_back.run(as_of=noon + HOUR)
    assert newest(charted_back, 1) == knowing
    charted_back.run(as_of=noon + 4 * HOUR)
    assert newest(charted_back, 1)[1:] == (noon + 4 * HOUR, noon + 4 * HOUR)


def test_older_knowledge_is_never_published_over_newer(hospital: Any) -> None:
    hospital.admit(1, 2, 3)
    hospital.observe(2, hours_ago=1, recorded_at=hospital.noon - MINUTE)
    hospital.admit(4, age_years=-1.0)
    hospital.run()
    assert hospital.statuses() == {"1": "SCORED", "2": "SCORED", "3": "SCORED", "4": "QUARANTINED"}
    hospital.execute("UPDATE visits SET age_years = 50 WHERE visit_id = 4")
    hospital.admit(5)
    shown = [
        "SELECT to_jsonb(c) FROM scorer.current_scores AS c WHERE entity_id <> '5' ORDER BY entity_id",
        "SELECT to_jsonb(v) FROM visits AS v WHERE visit_id <> 5 ORDER BY visit_id",
    ]
    before = [hospital.rows(each) for each in shown]
    # As of later moments, one of them past the scores' validity, by the knowledge of before them; one hour knew too little to score.
    for as_of, back in ((HOUR, 4.5 * HOUR), (2 * HOUR, HOUR), (20 * HOUR, MINUTE)):
        ended = hospital.run(as_of=hospital.noon + as_of, as_known_at=hospital.noon - back)
        assert ended.counts.unchanged >= 4
        assert [hospital.rows(each) for each in shown] == before
    assert hospital.status(5)[0] == "SCORED", "who knew nothing yet is judged"
    again = hospital.run(as_of=hospital.noon + 27 * HOUR)
    assert (again.counts.scored, again.counts.unchanged) == (5, 0)


def test_the_end_of_a_record_is_judged_whatever_was_known_of_it_before(charted_back: Any) -> None:
    noon = charted_back.noon
    charted_back.run(as_known_at=noon + 3 * HOUR)
    charted_back.execute("UPDATE visits SET discharged_at = %s", noon + HOUR)
    charted_back.run(as_of=noon + 4 * HOUR)
    assert newest(charted_back, 1)[1:] == (noon + HOUR, noon + HOUR)


def test_a_visit_that_has_ended_is_known_at_the_moment_asked_for(charted_back: Any) -> None:
    noon = charted_back.noon
    charted_back.execute("UPDATE visits SET discharged_at = %s", noon)
    charted_back.run(as_of=noon + 2 * HOUR)
    first = newest(charted_back, 1)
    assert first[1:] == (noon, noon)
    charted_back.run(as_of=noon + 2 * HOUR, as_known_at=noon + 2 * HOUR)
    second = newest(charted_back, 1)
    assert second[1:] == (noon, noon + 2 * HOUR)
    assert second[0] != first[0]


def test_a_run_that_is_resumed_keeps_to_it(charted_back: Any) -> None:
    noon = charted_back.noon
    line = open_pipeline(charted_back.job, database=Database(charted_back.url, charted_back.settings))
    try:
        with line.session.transaction():
            enqueue(line, as_of=noon, as_known_at=noon + 3 * HOUR, limit=None, trigger=Trigger.MANUAL)
    finally:
        line.close()
    # The process died; the next run, of another moment, finishes what it left.
    charted_back.run(as_of=noon - 11 * HOUR)
    assert newest(charted_back, 1)[1:] == (noon, noon + 3 * HOUR)
    assert charted_back.one("SELECT resumed FROM scorer.runs WHERE as_of = %s", noon) == 1


def test_a_dry_run_and_json_say_it(charted_back: Any) -> None:
    noon = charted_back.noon
    charted_back.run()
    ended = dry_run(
        charted_back.job,
        database=Database(charted_back.url, charted_back.settings),
        as_of=noon,
        as_known_at=noon + 3 * HOUR,
    )
    assert (ended.counts.scored, ended.counts.unchanged) == (1, 1)
    assert ended.as_json()["as_known_at"] == (noon + 3 * HOUR).isoformat()
    assert newest(charted_back, 1)[2] == noon


def test_a_moment_in_the_future_is_refused_in_one_sentence(hospital: Any) -> None:
    hospital.admit(1)
    later = datetime.now(UTC) + HOUR
    with pytest.raises(UserError, match="to be known at lies in the future") as raised:
        run_job(
            hospital.job, database=Database(hospital.url, hospital.settings), as_of=hospital.noon, as_known_at=later
        )
    assert "\n" not in str(raised.value)
    assert hospital.one("SELECT count(*) FROM scorer.runs") == 0


def test_a_site_whose_statement_knows_no_such_moment_goes_on_working(
    charted_back: Any, changed_job: Callable[..., Job]
) -> None:
    job = changed_job(
        ("observations.sql", "unnest(:entity_ids, :as_ofs, :known_ats)", "unnest(:entity_ids, :as_ofs)"),
        ("observations.sql", "(entity_id, as_of, known_at, position)", "(entity_id, as_of, position)"),
        ("observations.sql", "> k.known_at) IS NOT TRUE", "> k.as_of) IS NOT TRUE"),
    )
    charted_back.run(job)
    with pytest.raises(UserError, match="does not name :known_ats") as raised:
        charted_back.run(job, as_known_at=charted_back.noon + HOUR)
    assert "\n" not in str(raised.value)
    assert charted_back.one("SELECT count(*) FROM scorer.runs") == 1


def test_less_knowledge_never_follows_more_of_the_same_moment(sepsis: Job) -> None:
    noon = datetime(2025, 6, 1, 12, tzinfo=UTC)
    previous = Previous(
        status=Status.SCORED,
        reason=None,
        as_of=noon,
        input_hash=b"a",
        valid_until=noon + HOUR,
        model_version="m",
        job_version=sepsis.version,
        as_known_at=noon + HOUR,
    )
    run = Run(1, sepsis.name, Trigger.MANUAL, "running", noon, noon, None, Counts())

    def stands(*, as_known_at: datetime | None, input_hash: bytes) -> bool:
        item = WorkItem("1", noon, previous, as_known_at=as_known_at)
        return is_unchanged(item, input_hash, run=run, job=sepsis, model_version="m")

    assert stands(as_known_at=None, input_hash=b"b")
    assert stands(as_known_at=noon + 2 * HOUR, input_hash=b"a")
    assert not stands(as_known_at=noon + 2 * HOUR, input_hash=b"b")
