"""A score is shown beside whom and what it was made of, and no longer: else it is taken back in the run that sees it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scorer.database.connection import Database
from scorer.database.store.replays import Criteria, Part, ReplayVerdict
from scorer.errors import UserError
from scorer.governance.explain import explain
from scorer.governance.recall import recall
from scorer.governance.replay import replay
from scorer.runs.requests import RequestAnswering
from scorer.runs.run import dry_run
from scorer.scoring import pipeline as line

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def ward(hospital: Any) -> Any:
    """Visits 1 to 3 of now, scored; their scores are valid, and stand in the hospital's own columns."""
    hospital.noon = datetime.now(UTC) - timedelta(minutes=30)
    hospital.admit(1, 2, 3)
    assert hospital.run().counts.scored == 3
    assert in_visits(hospital) == [1, 2, 3]
    return hospital


def in_visits(ward: Any) -> list[int]:
    """The visits whose own columns bear anything of a score."""
    return [
        key
        for (key,) in ward.rows(
            "SELECT visit_id FROM visits WHERE num_nonnulls(sepsis_score, risk_level, scored_at) > 0 ORDER BY 1"
        )
    ]


def shown(ward: Any) -> list[int]:
    return [key for (key,) in ward.rows("SELECT visit_id FROM reporting.sepsis_predictions ORDER BY 1")]


def taken_back(ward: Any) -> list[tuple[str, str]]:
    """(entity_id, why) of the scores that runs have taken back."""
    return ward.rows("SELECT entity_id, why FROM reporting.recalls WHERE recall_id IS NULL ORDER BY score_id")


def again(ward: Any, minutes: int = 1, **arguments: Any) -> Any:
    """A run as of some minutes later."""
    return ward.run(as_of=ward.noon + minutes * MINUTE, **arguments).counts


ANOTHER_PATIENT = (
    "UPDATE visits SET client = 'B', admitted_at = admitted_at + interval '9 h', age_years = 81 WHERE visit_id = 1"
)
FEWER = "DELETE FROM patient_observations WHERE visit_id = 1 AND observation_type_code <> 'HR'"
NONE_LEFT = "DELETE FROM patient_observations WHERE visit_id = 1"
GONE = "DELETE FROM visits WHERE visit_id = 1"


def hold(ward: Any) -> None:
    """Chart an observation of another patient's in visit 1, which holds it."""
    ward.observe(1, hours_ago=0, client="somebody else", recorded_at=ward.noon + MINUTE / 2)


def test_a_score_is_not_shown_beside_the_client_who_has_its_visit_now(ward: Any) -> None:
    ward.execute(NONE_LEFT)
    ward.execute(ANOTHER_PATIENT)
    for code in ("HR", "SBP", "TEMP", "LACTATE"):
        ward.observe(
            1,
            hours_ago=0.5,
            client="B",
            observation_type_code=code,
            observation_value=39.0,
            reference_range_min=None,
            reference_range_max=None,
        )
    assert again(ward).insufficient == 1
    assert shown(ward) == in_visits(ward) == [2, 3]
    assert ward.status(1) == ("INSUFFICIENT", "4 usable observations, 5 needed")
    assert taken_back(ward) == [("1", "attributes_changed")]
    assert ward.ledger(1) == ["SCORED", "INSUFFICIENT"]
    assert ward.rows(
        "SELECT recalled, recalled_why, superseded FROM reporting.score_history WHERE entity_id = '1'"
    ) == [
        (True, "attributes_changed", False),
        (False, None, False),
    ]
    assert ward.rows("SELECT count(*) FROM scorer.write_backs") == [(0,)]


# What was changed, whether the visit is held besides, and why the score goes; None where it stays.
CHANGES = [
    (ANOTHER_PATIENT, True, "attributes_changed"),
    ("UPDATE visits SET client = 'B' WHERE visit_id = 1", False, "attributes_changed"),
    ("UPDATE visits SET facility = 'B' WHERE visit_id = 1", True, "attributes_changed"),
    ("UPDATE visits SET admitted_at = admitted_at - interval '1 day' WHERE visit_id = 1", True, "inputs_changed"),
    ("UPDATE visits SET age_years = 18 WHERE visit_id = 1", True, "inputs_changed"),
    ("UPDATE visits SET age_years = -1 WHERE visit_id = 1", False, "inputs_changed"),
    ("UPDATE visits SET sex = NULL WHERE visit_id = 1", True, "inputs_changed"),
    ("UPDATE visits SET age_years = 'NaN' WHERE visit_id = 1", True, "inputs_changed"),
    (FEWER, False, "inputs_changed"),
    (FEWER, True, "inputs_changed"),
    (NONE_LEFT, False, "withdrawn"),
    ("UPDATE patient_observations SET visit_id = 2, client = 'C2' WHERE visit_id = 1", False, "withdrawn"),
    ("UPDATE patient_observations SET observation_value = 71 WHERE observation_id = 1", True, "inputs_changed"),
    ("UPDATE visits SET discharged_at = now() WHERE visit_id = 1", True, None),
    ("UPDATE patient_observations SET observation_id = DEFAULT WHERE visit_id = 1", True, None),
    ("SELECT", True, None),
]


@pytest.mark.parametrize(("change", "held", "why"), CHANGES)
def test_an_earlier_score_stands_while_its_visit_waits_but_not_without_what_it_was_made_of(
    change: str, held: bool, why: str | None, ward: Any
) -> None:
    before = ward.rows("SELECT attributes, score FROM reporting.current_scores WHERE entity_id = '1'")
    if held:
        hold(ward)
    ward.execute(change)
    assert again(ward).scored == (change.count("C2"))
    if why is None:
        assert ward.rows("SELECT attributes, score FROM reporting.current_scores WHERE entity_id = '1'") == before
        assert (shown(ward), in_visits(ward), taken_back(ward)) == ([1, 2, 3], [1, 2, 3], [])
    else:
        assert (shown(ward), in_visits(ward), taken_back(ward)) == ([2, 3], [2, 3], [("1", why)])
    assert ward.status(1)[0] in {"QUARANTINED", "INSUFFICIENT"}
    written = len(ward.ledger(1))
    again(ward, 2)
    assert len(ward.ledger(1)) == written


def test_a_score_that_stands_goes_once_more_is_changed(ward: Any) -> None:
    hold(ward)
    again(ward)
    assert shown(ward) == [1, 2, 3]
    ward.execute("UPDATE visits SET client = 'B' WHERE visit_id = 1")
    again(ward, 2)
    assert (shown(ward), in_visits(ward)) == ([2, 3], [2, 3])


def test_a_stale_score_goes_as_well(ward: Any) -> None:
    ward.execute("UPDATE scorer.current_scores SET valid_until = now() - interval '1 day' WHERE entity_id = '1'")
    ward.execute(NONE_LEFT)
    again(ward)
    assert (shown(ward), in_visits(ward)) == ([2, 3], [2, 3])


def test_a_new_score_takes_the_place_of_one_that_would_have_to_go(ward: Any) -> None:
    ward.execute("UPDATE visits SET client = NULL, age_years = 18 WHERE visit_id = 1")
    assert again(ward).scored == 1
    assert (shown(ward), in_visits(ward), taken_back(ward)) == ([1, 2, 3], [1, 2, 3], [])


def test_it_is_scored_again_once_it_can_be(ward: Any) -> None:
    hold(ward)
    ward.execute("UPDATE visits SET age_years = 18 WHERE visit_id = 1")
    again(ward)
    ward.execute("DELETE FROM patient_observations WHERE client = 'somebody else'")
    assert again(ward, 2).scored == 1
    assert (shown(ward), in_visits(ward)) == ([1, 2, 3], [1, 2, 3])


def test_a_visit_for_which_scoring_raises_keeps_its_score_only_while_its_inputs_are_there(
    ward: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = line._score_inputs

    def fail(pipeline: Any, run: Any, inputs: Any, **others: Any) -> Any:
        if "1" in inputs.entity_ids:
            raise ZeroDivisionError
        return whole(pipeline, run, inputs, **others)

    monkeypatch.setattr(line, "_score_inputs", fail)
    ward.observe(1, hours_ago=0, recorded_at=ward.noon + MINUTE / 2)
    assert again(ward).failed == 1
    assert ward.rows("SELECT client, status FROM reporting.sepsis_predictions WHERE visit_id = 1") == [("C1", "FAILED")]
    ward.execute("UPDATE visits SET client = 'B' WHERE visit_id = 1")
    assert again(ward, 2).failed == 1
    assert (shown(ward), in_visits(ward)) == ([2, 3], [2, 3])
    assert ward.ledger(1) == ["SCORED", "FAILED"]


def test_a_row_that_a_clinician_holds_is_emptied_later(ward: Any) -> None:
    ward.execute(NONE_LEFT)
    with closing(ward.connect()) as clinician:
        clinician.cursor().execute("SELECT FROM visits WHERE visit_id = 1 FOR UPDATE")
        again(ward)
        assert (shown(ward), in_visits(ward)) == ([2, 3], [1, 2, 3])
        clinician.rollback()
    again(ward, 2)
    assert in_visits(ward) == [2, 3]
    assert ward.rows("SELECT count(*) FROM scorer.write_backs") == [(0,)]


def test_a_score_that_waits_to_be_written_is_not_written_any_more(ward: Any) -> None:
    ward.observe(1, hours_ago=0, observation_value=171.0, recorded_at=ward.noon + MINUTE / 2)
    with closing(ward.connect()) as clinician:
        clinician.cursor().execute("SELECT FROM visits WHERE visit_id = 1 FOR UPDATE")
        assert again(ward).scored == 1
        clinician.rollback()
    ward.execute(NONE_LEFT)
    again(ward, 2)
    assert (shown(ward), in_visits(ward)) == ([2, 3], [2, 3])


def test_a_dry_run_takes_nothing_back(ward: Any) -> None:
    ward.execute(NONE_LEFT)
    ward.execute("DELETE FROM visits WHERE visit_id = 2")
    dry_run(ward.job, database=Database(ward.url, ward.settings), as_of=ward.noon + MINUTE)
    assert shown(ward) == [1, 2, 3]
    assert taken_back(ward) == []


def test_it_is_logged_how_many_and_not_whose(ward: Any, caplog: pytest.LogCaptureFixture) -> None:
    ward.execute(NONE_LEFT)
    ward.execute("DELETE FROM visits WHERE visit_id = 2")
    with caplog.at_level(logging.INFO):
        again(ward)
    logged = [vars(each)["fields"] for each in caplog.records if "taken back" in each.getMessage()]
    assert [each["entities"] for each in logged] == [1, 1]
    assert {*logged[0]} == {"run_id", "job", "entities"}


# Entities that are gone


def test_a_visit_that_is_gone_is_shown_no_more(ward: Any) -> None:
    ward.execute(GONE)
    assert again(ward).eligible == 2
    assert not ward.one("SELECT swept FROM scorer.runs ORDER BY run_id DESC LIMIT 1")
    assert shown(ward) == in_visits(ward) == [2, 3]
    assert ward.status(1) == ("RECALLED", "gone")
    assert taken_back(ward) == [("1", "gone")]
    assert ward.ledger(1) == ["SCORED"]
    assert ward.rows("SELECT count(*) FROM scorer.write_backs") == [(0,)], "no row is there to be emptied"
    assert again(ward, 2).eligible == 2
    assert len(taken_back(ward)) == 1


def test_nor_is_one_that_is_deleted_with_a_score_beside_a_newer_status(ward: Any) -> None:
    hold(ward)
    again(ward)
    ward.execute(GONE)
    again(ward, 2)
    assert shown(ward) == [2, 3]
    assert ward.status(1)[0] == "QUARANTINED"


@pytest.mark.parametrize("ago", [HOUR / 2, 5 * HOUR, 3 * DAY, 29 * DAY])
def test_a_visit_that_had_ended_is_missed_as_well(ago: timedelta, hospital: Any) -> None:
    hospital.noon = datetime.now(UTC) - ago
    hospital.admit(1, 2, discharged_at=hospital.noon)
    hospital.run(as_of=hospital.noon + MINUTE)
    now = hospital.noon + ago
    assert hospital.run(as_of=now - MINUTE).counts.unchanged == 2
    hospital.execute(GONE)
    assert hospital.run(as_of=now).counts.eligible == 1
    assert not hospital.one("SELECT swept FROM scorer.runs ORDER BY run_id DESC LIMIT 1")
    assert shown(hospital) == [2]


def test_a_settled_visit_is_missed_by_a_sweep_and_looked_for_no_more(hospital: Any) -> None:
    hospital.noon = datetime.now(UTC) - 40 * DAY
    hospital.admit(1, 2, discharged_at=hospital.noon)
    hospital.admit(3)
    hospital.run(as_of=hospital.noon + MINUTE)
    looked_for = "SELECT entity_id FROM scorer.current_scores WHERE looked_for ORDER BY 1"
    assert hospital.rows(looked_for) == [("1",), ("2",), ("3",)]
    hospital.run(as_of=datetime.now(UTC) - 2 * MINUTE)  # a sweep
    hospital.run(as_of=datetime.now(UTC) - MINUTE)
    assert hospital.rows(looked_for) == [("3",)]
    hospital.execute(GONE)
    hospital.run(as_of=datetime.now(UTC) - MINUTE / 2)
    assert shown(hospital) == [1, 2, 3]
    hospital.execute("UPDATE scorer.runs SET swept = false")
    hospital.run(as_of=datetime.now(UTC) - MINUTE / 4)
    assert shown(hospital) == [2, 3]


def test_a_visit_that_begins_only_later_has_no_score_yet(ward: Any) -> None:
    ward.execute("UPDATE visits SET admitted_at = now() + interval '1 day' WHERE visit_id = 1")
    assert again(ward).eligible == 2
    assert (shown(ward), in_visits(ward), taken_back(ward)) == ([2, 3], [2, 3], [("1", "gone")])


def test_a_visit_that_comes_back_is_scored_again(ward: Any) -> None:
    ward.execute("CREATE TABLE kept AS SELECT * FROM visits WHERE visit_id = 1")
    ward.execute(GONE)
    again(ward)
    ward.execute("INSERT INTO visits SELECT * FROM kept")
    assert again(ward, 2).scored == 1
    assert shown(ward) == [1, 2, 3]


def test_a_run_as_of_an_earlier_time_does_not_miss_who_came_since(ward: Any) -> None:
    ward.noon += 20 * MINUTE
    ward.admit(4, observations=0, admitted_at=ward.noon - 5 * MINUTE)
    for number in range(6):
        ward.observe(4, hours_ago=number / 1000, observation_value=70.0 + number)
    ward.run()
    assert len(shown(ward)) == 4
    ward.run(as_of=ward.noon - HOUR)
    assert ward.run(limit=1).counts.eligible <= 1
    assert len(shown(ward)) == 4
    assert taken_back(ward) == []


def test_a_job_whose_due_statement_knows_no_sweep_takes_back_as_well(
    ward: Any, changed_job: Callable[..., Any]
) -> None:
    job = changed_job(
        ("due.sql", "NOT CAST(:sweep AS boolean)", "true"), ("due.sql", "CAST(:sweep AS boolean)", "false")
    )
    assert ":sweep" not in job.statements["due"].replace("-- ", "")
    ward.run(job)
    ward.execute(GONE)
    ward.run(job, as_of=ward.noon + MINUTE)
    assert shown(ward) == [2, 3]


def test_what_is_taken_back_while_a_score_expires_only_is_taken_back_too(
    ward: Any, changed_job: Callable[..., Any]
) -> None:
    """A job that scores again only once a score expires does so as well where what the score was made of is gone."""
    job = changed_job(("job.toml", 'due_again = "change"', 'due_again = "expiry"'))
    ward.run(job, as_of=ward.noon + MINUTE)
    for visit_id in (1, 2, 3):
        ward.observe(visit_id, hours_ago=0, recorded_at=ward.noon + 2 * MINUTE)
    ward.execute("UPDATE visits SET client = NULL WHERE visit_id = 1")
    ward.execute("DELETE FROM patient_observations WHERE visit_id = 2")
    counts = ward.run(job, as_of=ward.noon + 3 * MINUTE).counts
    assert (counts.scored, counts.insufficient, counts.unchanged) == (1, 1, 1)
    assert shown(ward) == in_visits(ward) == [1, 3]


# Requests, recalls, replays, explanations


@pytest.mark.parametrize(("change", "why"), [(NONE_LEFT, "withdrawn"), (GONE, "gone")])
def test_a_request_takes_back_what_it_sees(
    change: str, why: str, ward: Any, open_answering: Callable[..., RequestAnswering]
) -> None:
    ward.execute(change)
    (asked,) = ward.ask(1)
    assert open_answering().answer_waiting() == 1
    assert ward.answers(asked) == [("done", "INSUFFICIENT") if change == NONE_LEFT else ("refused", None)]
    assert (shown(ward), in_visits(ward), taken_back(ward)) == ([2, 3], [2, 3], [("1", why)])
    assert ward.rows("SELECT count(*) FROM scorer.write_backs") == [(0,)]


def test_a_recalled_score_is_not_taken_back_twice(ward: Any) -> None:
    version = ward.one("SELECT model_version FROM scorer.model_versions WHERE status = 'production'")
    database = Database(ward.url, ward.settings)
    recall(ward.job.name, Criteria(model_version=version), why="a test", database=database, anyway=True)
    ward.execute(NONE_LEFT)
    ward.execute("DELETE FROM visits WHERE visit_id = 2")
    again(ward)
    assert (shown(ward), in_visits(ward), taken_back(ward)) == ([3], [3], [])
    assert ward.rows("SELECT count(*) FROM scorer.write_backs") == [(0,)]


def test_it_is_explained_why_there_is_no_score(ward: Any) -> None:
    ward.execute(GONE)
    ward.execute("DELETE FROM patient_observations WHERE visit_id = 2")
    again(ward)
    database = Database(ward.url, ward.settings)
    with pytest.raises(UserError, match=r"it is RECALLED: gone\.$"):
        explain(ward.job, "1", database=database)
    with pytest.raises(UserError, match=r"it is INSUFFICIENT: .*; its last score was taken back: withdrawn\.$"):
        explain(ward.job, "2", database=database)


def test_a_score_that_was_taken_back_is_replayed(ward: Any) -> None:
    ward.execute(GONE)
    again(ward)
    score_id = ward.one("SELECT score_id FROM scorer.scores WHERE entity_id = '1'")
    found = replay([score_id], database=Database(ward.url, ward.settings))
    assert [(each.part, each.verdict) for each in found] == [
        (Part.VECTOR, ReplayVerdict.IDENTICAL),
        (Part.SOURCE, ReplayVerdict.NOT_REPLAYABLE),
    ]
    assert not any(each.alarming for each in found)
