"""Which entities are due, and which are only counted: by what the ledger holds and what is read now, never by a high-water mark."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sklearn.dummy import DummyClassifier

from scorer.jobs.features import feature_names

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def outcome(ended: Any) -> dict[str, int]:
    """The counts that are not 0, without eligible."""
    names = ("scored", "unchanged", "quarantined", "insufficient", "indeterminate", "failed")
    return {name: getattr(ended.counts, name) for name in names if getattr(ended.counts, name)}


def written(hospital: Any) -> list[tuple[Any, ...]]:
    """All that a run may write of outcomes."""
    return (
        hospital.rows("SELECT to_jsonb(s) FROM scorer.scores AS s ORDER BY score_id")
        + hospital.rows("SELECT to_jsonb(c) FROM scorer.current_scores AS c ORDER BY entity_id")
        + hospital.rows("SELECT to_jsonb(v) FROM public.visits AS v ORDER BY visit_id")
    )


def test_inputs_the_same_and_score_valid_is_unchanged_and_nothing_is_written(hospital: Any) -> None:
    hospital.admit(1, 2)
    assert outcome(hospital.run()) == {"scored": 2}
    before = written(hospital)
    assert outcome(hospital.run()) == {"unchanged": 2}
    assert outcome(hospital.run(as_of=hospital.noon + 5 * HOUR)) == {"unchanged": 2}
    assert written(hospital) == before


def test_an_expired_score_is_made_anew(hospital: Any) -> None:
    hospital.admit(1)
    hospital.run()
    assert outcome(hospital.run(as_of=hospital.noon + 6 * HOUR - MINUTE)) == {"unchanged": 1}
    assert outcome(hospital.run(as_of=hospital.noon + 6 * HOUR)) == {"scored": 1}
    assert hospital.ledger(1) == ["SCORED", "SCORED"]


def test_rows_that_were_committed_late_are_not_missed(hospital: Any) -> None:
    hospital.admit(1, 2)
    late = hospital.connect()
    try:
        with late.cursor() as cursor:  # inserted before the run, with a date and a key before others that are seen
            cursor.execute(
                "INSERT INTO public.patient_observations (visit_id, client, observation_date, observation_type_code, "
                "observation_value, recorded_at) VALUES (1, 'C1', %s, 'LACTATE', 9.5, %s)",
                (hospital.noon - 5 * HOUR,) * 2,
            )
        hospital.observe(2)
        assert outcome(hospital.run()) == {"scored": 2}
        before = hospital.scores()
        late.commit()
    finally:
        late.close()
    assert outcome(hospital.run()) == {"scored": 1, "unchanged": 1}
    assert hospital.scores()["1"] != before["1"]
    assert hospital.scores()["2"] == before["2"]


def test_what_is_charted_back_makes_a_visit_due(hospital: Any) -> None:
    hospital.admit(1, 2)
    hospital.run()
    hospital.observe(1, hours_ago=8.5, recorded_at=hospital.noon + MINUTE)
    assert outcome(hospital.run()) == {"unchanged": 2}  # as of noon it was not known yet
    assert outcome(hospital.run(as_of=hospital.noon + MINUTE)) == {"scored": 1, "unchanged": 1}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE public.patient_observations SET observation_value = observation_value + 0.25 WHERE observation_id = 3",
        "UPDATE public.patient_observations SET observation_value = NULL WHERE observation_id = 3",
        "UPDATE public.patient_observations SET reference_range_max = 1000 WHERE observation_id = 3",
        "UPDATE public.patient_observations SET observation_date = observation_date - interval '1 us' WHERE observation_id = 3",
        "UPDATE public.patient_observations SET observation_type_code = 'MAP' WHERE observation_id = 3",
        "UPDATE public.visits SET age_years = 99 WHERE visit_id = 1",
        "UPDATE public.visits SET sex = NULL WHERE visit_id = 1",
        "DELETE FROM public.patient_observations WHERE observation_id = 3",
    ],
)
def test_any_change_in_place_makes_a_visit_due(change: str, hospital: Any) -> None:
    hospital.admit(1, 2)
    hospital.run()
    hospital.execute(change)
    assert outcome(hospital.run()) == {"scored": 1, "unchanged": 1}
    assert hospital.ledger(1) == ["SCORED", "SCORED"]


def test_a_discharged_visit_is_scored_as_of_its_discharge_and_then_no_more(hospital: Any) -> None:
    discharge = hospital.noon - HOUR
    hospital.admit(1, discharged_at=discharge)
    hospital.observe(1, hours_ago=0.5)
    assert outcome(hospital.run()) == {"scored": 1}
    assert hospital.one("SELECT as_of FROM reporting.current_scores") == discharge
    assert hospital.open_findings() == []  # what came after the discharge was never looked at
    for later in (HOUR, timedelta(days=29)):
        assert outcome(hospital.run(as_of=hospital.noon + later)) == {"unchanged": 1}
    hospital.execute("UPDATE public.patient_observations SET observation_value = 91 WHERE observation_id = 1")
    assert outcome(hospital.run(as_of=hospital.noon + timedelta(days=29))) == {"scored": 1}
    assert hospital.run(as_of=hospital.noon + timedelta(days=30)).counts.eligible == 0
    assert hospital.ledger(1) == ["SCORED", "SCORED"]


def test_a_visit_that_was_never_scored_is_due_however_long_ago_it_ended(hospital: Any) -> None:
    hospital.admit(1, discharged_at=hospital.noon)
    long_after = hospital.noon + timedelta(days=365)
    assert outcome(hospital.run(as_of=long_after)) == {"scored": 1}
    assert hospital.run(as_of=long_after).counts.eligible == 0


def test_a_held_visit_is_offered_again_however_long_ago_it_ended(hospital: Any) -> None:
    hospital.admit(1, discharged_at=hospital.noon, age_years=-1.0)
    long_after = hospital.noon + timedelta(days=365)
    assert outcome(hospital.run(as_of=long_after)) == {"quarantined": 1}
    hospital.execute("UPDATE public.visits SET age_years = 1")
    assert outcome(hospital.run(as_of=long_after)) == {"scored": 1}


def test_a_settled_visit_without_a_score_is_offered_once_by_each_model_and_job(
    hospital: Any, make_model: Callable[..., Path], changed_job: Callable[..., Any]
) -> None:
    hospital.admit(1, observations=2)
    assert outcome(hospital.run()) == {"insufficient": 1}
    hospital.execute("UPDATE public.visits SET discharged_at = %s", hospital.noon + HOUR)
    for later in (2 * HOUR, timedelta(days=29)):  # until it is settled it is looked at, and written once as of its end
        assert outcome(hospital.run(as_of=hospital.noon + later)) == {"insufficient": 1}
    assert hospital.ledger(1) == ["INSUFFICIENT"] * 2
    long_after = hospital.noon + timedelta(days=60)
    assert hospital.run(as_of=long_after).counts.eligible == 0

    job = changed_job(("job.toml", "min_observations = 5", "min_observations = 4"))
    assert [hospital.run(job, as_of=long_after).counts.insufficient for _ in range(2)] == [1, 0]
    width = len(feature_names(hospital.job.features))
    flat = DummyClassifier(strategy="prior").fit([[0.0] * width] * 4, [0, 0, 0, 1])
    hospital.put_into_production(job, make_model(job, flat, version="flat"))
    assert [hospital.run(job, as_of=long_after).counts.insufficient for _ in range(2)] == [1, 0]
    # Held, it stays due: it is released as soon as it passes.
    hospital.execute("UPDATE public.visits SET age_years = -1")
    fewer = changed_job(("job.toml", "min_observations = 4", "min_observations = 2"))
    assert [outcome(hospital.run(fewer, as_of=long_after)) for _ in range(2)] == [{"quarantined": 1}] * 2
    hospital.execute("UPDATE public.visits SET age_years = 50")
    assert outcome(hospital.run(fewer, as_of=long_after)) == {"scored": 1}


def test_a_settled_visit_that_was_judged_before_its_end_or_by_less_is_offered_once(hospital: Any) -> None:
    hospital.admit(1, observations=2)
    hospital.run()
    hospital.execute("UPDATE public.visits SET discharged_at = %s", hospital.noon)
    hospital.admit(2, discharged_at=hospital.noon + HOUR)
    long_after = hospital.noon + timedelta(days=60)
    hospital.execute("UPDATE public.visits SET discharged_at = %s WHERE visit_id = 1", hospital.noon + HOUR)
    assert outcome(hospital.run(as_of=long_after, as_known_at=hospital.noon - 9 * HOUR)) == {
        "insufficient": 1,
        "unchanged": 1,
    }
    assert outcome(hospital.run(as_of=long_after)) == {"scored": 1, "insufficient": 1}
    assert hospital.run(as_of=long_after).counts.eligible == 0


def test_a_settled_visit_that_is_declined_is_not_offered_for_ever(
    hospital: Any, make_model: Callable[..., Path]
) -> None:
    width = len(feature_names(hospital.job.features))
    silent = DummyClassifier(strategy="prior").fit([[0.0] * width] * 4, [0, 0, 0, 1])
    silent.class_prior_[:] = float("nan")
    hospital.put_into_production(hospital.job, make_model(hospital.job, silent, version="silent"))
    hospital.admit(1, discharged_at=hospital.noon)
    long_after = hospital.noon + timedelta(days=60)
    assert outcome(hospital.run(as_of=long_after)) == {"indeterminate": 1}
    assert hospital.run(as_of=long_after).counts.eligible == 0
    hospital.execute("UPDATE scorer.current_scores SET judged_by_model = 'older'")
    assert outcome(hospital.run(as_of=long_after)) == {"indeterminate": 1}
    assert hospital.run(as_of=long_after).counts.eligible == 0


def test_a_live_visit_is_scored_once_more_as_of_its_discharge(hospital: Any) -> None:
    hospital.admit(1)
    hospital.run()
    hospital.execute("UPDATE public.visits SET discharged_at = %s", hospital.noon + HOUR)
    assert outcome(hospital.run(as_of=hospital.noon + 2 * HOUR)) == {"scored": 1}
    assert hospital.one("SELECT as_of FROM reporting.current_scores") == hospital.noon + HOUR
    assert outcome(hospital.run(as_of=hospital.noon + 20 * HOUR)) == {"unchanged": 1}


def test_a_discharge_entered_late_does_not_keep_a_mended_visit_held(hospital: Any) -> None:
    hospital.admit(1, age_years=-1.0)
    assert outcome(hospital.run()) == {"quarantined": 1}
    hospital.execute("UPDATE public.visits SET age_years = 1, discharged_at = %s", hospital.noon - MINUTE)
    assert outcome(hospital.run(as_of=hospital.noon + MINUTE)) == {"scored": 1}
    assert hospital.open_findings() == []


@pytest.mark.parametrize(
    ("due_again", "same", "changed", "expired"),
    [
        ("change", "unchanged", "scored", "scored"),
        ("expiry", "unchanged", "unchanged", "scored"),
        ("every run", "scored", "scored", "scored"),
    ],
)
def test_when_a_scored_visit_is_scored_again_is_the_jobs_to_say(
    due_again: str, same: str, changed: str, expired: str, hospital: Any, changed_job: Callable[..., Any]
) -> None:
    job = changed_job(("job.toml", 'due_again = "change"', f'due_again = "{due_again}"'))
    hospital.admit(1)
    assert outcome(hospital.run(job)) == {"scored": 1}
    assert outcome(hospital.run(job)) == {"unchanged": 1}  # as of the same moment by the same inputs: nothing to add
    assert outcome(hospital.run(job, as_of=hospital.noon + MINUTE)) == {same: 1}
    hospital.observe(1, hours_ago=-2 / 60, recorded_at=hospital.noon + 2 * MINUTE)
    assert outcome(hospital.run(job, as_of=hospital.noon + 2 * MINUTE)) == {changed: 1}
    assert outcome(hospital.run(job, as_of=hospital.noon + 7 * HOUR)) == {expired: 1}


def test_a_run_as_of_an_earlier_time_leaves_what_was_judged_since_alone(hospital: Any) -> None:
    hospital.admit(1, 2)
    hospital.run(as_of=hospital.noon + HOUR)
    hospital.execute("UPDATE public.patient_observations SET observation_value = 88 WHERE visit_id = 1")
    hospital.admit(3)
    before = hospital.rows("SELECT * FROM reporting.current_scores WHERE entity_id IN ('1', '2') ORDER BY entity_id")
    ended = hospital.run(as_of=hospital.noon)
    assert ended.counts.eligible == ended.counts.scored == 1
    assert (
        hospital.rows("SELECT * FROM reporting.current_scores WHERE entity_id IN ('1', '2') ORDER BY entity_id")
        == before
    )
    assert hospital.status(3) == ("SCORED", None)


def test_a_limit_takes_so_many_and_leaves_the_others_due(hospital: Any) -> None:
    hospital.admit(*range(1, 6))
    counts = [hospital.run(limit=2).counts for _ in range(3)]
    assert [(each.eligible, each.scored) for each in counts] == [(2, 2), (2, 2), (2, 1)]
    assert set(hospital.statuses()) == set("12345")


def test_another_model_scores_the_living_again_and_lets_the_discharged_stand(
    hospital: Any, make_model: Callable[..., Path]
) -> None:
    hospital.admit(1, 2)
    hospital.admit(3, discharged_at=hospital.noon - HOUR)
    hospital.run()
    width = len(feature_names(hospital.job.features))
    flat = DummyClassifier(strategy="prior").fit([[0.0] * width] * 4, [0, 0, 0, 1])
    hospital.put_into_production(hospital.job, make_model(hospital.job, flat, version="flat"))
    assert outcome(hospital.run()) == {"scored": 2, "unchanged": 1}
    assert dict(hospital.rows("SELECT entity_id, model_version FROM reporting.current_scores")) == {
        "1": "flat",
        "2": "flat",
        "3": "2026.11.29",
    }
    assert hospital.scores()["1"] == hospital.scores()["2"] == 0.25


def test_another_job_version_scores_the_living_again(hospital: Any, changed_job: Callable[..., Any]) -> None:
    hospital.admit(1)
    hospital.admit(2, discharged_at=hospital.noon - HOUR)
    hospital.run()
    job = changed_job(("job.toml", "HIGH = 0.08, MEDIUM = 0.025", "HIGH = 0.0000002, MEDIUM = 0.0000001"))
    assert outcome(hospital.run(job)) == {"scored": 1, "unchanged": 1}
    assert dict(hospital.rows("SELECT entity_id, risk_band FROM reporting.current_scores")) == {"1": "HIGH", "2": "LOW"}
    assert hospital.one("SELECT count(*) FROM scorer.job_versions") == 2


def test_a_time_replayed_later_gives_the_same_bits(hospital: Any, make_database: Callable[[str], str]) -> None:
    hospital.admit(*range(1, 9))
    hospital.run()
    first = hospital.rows(
        "SELECT entity_id, score, encode(input_hash, 'hex'), encode(features, 'hex') FROM scorer.scores ORDER BY entity_id"
    )
    # Knowledge moves on: new values, and old ones that the database learns only now.
    for visit_id in range(1, 9):
        hospital.observe(visit_id, hours_ago=-1, observation_value=140.0)
        hospital.execute(
            "UPDATE public.patient_observations SET recorded_at = %s WHERE visit_id = %s AND observation_date > %s",
            hospital.noon + HOUR,
            visit_id,
            hospital.noon,
        )
        hospital.observe(visit_id, hours_ago=7.5, recorded_at=hospital.noon + MINUTE, observation_value=150.0)
    hospital.run(as_of=hospital.noon + 2 * HOUR)
    name = hospital.one("SELECT current_database()")
    hospital.close()

    again = type(hospital)(url=make_database(name), settings=hospital.settings, job=hospital.job)
    try:
        again.execute("DELETE FROM scorer.current_scores")
        assert outcome(again.run(as_of=hospital.noon)) == {"scored": 8}
        run_id = again.one("SELECT max(run_id) FROM scorer.runs")
        assert first == again.rows(
            "SELECT entity_id, score, encode(input_hash, 'hex'), encode(features, 'hex') FROM scorer.scores "
            "WHERE run_id = %s ORDER BY entity_id",
            run_id,
        )
    finally:
        again.close()


def test_an_earlier_score_stays_in_sight_with_the_newer_status_until_it_expires(hospital: Any) -> None:
    now = datetime.now(UTC)
    hospital.noon = now - 5 * HOUR
    hospital.admit(1)
    hospital.run(as_of=hospital.noon)
    score = hospital.scores()["1"]
    hospital.observe(1, hours_ago=-1, client="somebody else", recorded_at=hospital.noon + HOUR)
    assert outcome(hospital.run(as_of=now)) == {"quarantined": 1}
    shown = "SELECT status, reason, score, stale, as_of FROM reporting.current_scores"
    assert hospital.rows(shown) == [("QUARANTINED", "one_client", score, False, hospital.noon)]
    assert hospital.rows("SELECT sepsis_probability, status, stale FROM reporting.sepsis_predictions") == [
        (score, "QUARANTINED", False)
    ]
    assert hospital.rows("SELECT sepsis_score, risk_level FROM public.visits") == [(score, "LOW")]

    hospital.execute("UPDATE scorer.current_scores SET valid_until = now()")
    assert hospital.rows(shown) == [("QUARANTINED", "one_client", score, True, hospital.noon)]
