"""Recalls: scores entered in error are taken back in one transaction, stay in the ledger, and are made anew."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from scorer.cli import main as cli
from scorer.daemon.schedule_loop import ScheduleLoop
from scorer.database import schema
from scorer.database.connection import Database, Target
from scorer.database.session import engine
from scorer.database.store.replays import Criteria, Recall
from scorer.errors import UserError
from scorer.governance.recall import follow, recall, take_back
from scorer.jobs.job import Job
from scorer.runs.requests import RequestAnswering
from scorer.types.enums import Status

HOUR = timedelta(hours=1)
VISITS = range(1, 7)
WHY = "a test tube mix-up"


class Constant:
    """A model that gives each entity the same probability."""

    def __init__(self, probability: float) -> None:
        self.probability = probability

    def predict_proba(self, matrix: Any) -> Any:
        """The probability of no event and of one, for each row."""
        return [[1.0 - self.probability, self.probability]] * len(matrix)


@pytest.fixture
def ward(hospital: Any) -> Any:
    """Six visits of today, scored by the shipped model."""
    hospital.noon = datetime.now(UTC) - timedelta(minutes=5)
    hospital.admit(*VISITS)
    assert hospital.run().counts.scored == len(VISITS)
    return hospital


def recalled(ward: Any, *, why: str = WHY, kept: bool = True, anyway: bool = False, **criteria: Any) -> Recall:
    return recall(
        ward.job.name,
        Criteria(**criteria),
        why=why,
        database=Database(ward.url, ward.settings),
        anyway=anyway,
        kept=kept,
    )


def shipped(ward: Any) -> str:
    version: str = ward.one("SELECT model_version FROM scorer.model_versions WHERE status = 'production'")
    return version


def current(ward: Any) -> dict[str, tuple[Any, ...]]:
    """(status, score, risk_band, valid_until) of each entity."""
    rows = ward.rows("SELECT entity_id, status, score, risk_band, valid_until FROM reporting.current_scores")
    return {row[0]: row[1:] for row in rows}


def in_visits(ward: Any) -> list[int]:
    """The visits whose own columns bear anything of a score."""
    return [
        key
        for (key,) in ward.rows(
            "SELECT visit_id FROM visits WHERE num_nonnulls(sepsis_score, risk_level, scored_at) > 0 ORDER BY 1"
        )
    ]


EVERYTHING = (
    "SELECT (SELECT count(*) FROM scorer.recalls), (SELECT count(*) FROM scorer.recall_events), "
    "(SELECT count(*) FROM scorer.requests), (SELECT count(*) FROM scorer.write_backs), "
    "(SELECT count(*) FROM scorer.current_scores WHERE score IS NULL)"
)
NOTHING = [(0, 0, 0, 0, 0)]
LOCKED_OUT = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


# What a recall does


def test_recalled_scores_are_current_no_more_and_stay_in_the_ledger(ward: Any) -> None:
    ledger = ward.rows("SELECT * FROM scorer.scores ORDER BY score_id")
    done = recalled(ward, model_version=shipped(ward), anyway=True)
    assert (done.event["scores"], done.event["shadow_scores"], done.event["entities"]) == (6, 0, 6)
    assert (done.event["why"], done.event["in_force"]) == (WHY, True)
    assert done.waiting == 6
    assert set(current(ward).values()) == {(Status.RECALLED.value, None, None, None)}
    assert ward.rows("SELECT * FROM reporting.sepsis_predictions") == []
    assert ward.rows("SELECT * FROM scorer.scores ORDER BY score_id") == ledger
    assert ward.rows("SELECT DISTINCT recalled FROM reporting.score_history") == [(True,)]
    ((status, reason),) = ward.rows("SELECT DISTINCT status, reason FROM reporting.current_scores")
    assert (status, reason) == ("RECALLED", f"recall {done.event['recall_id']}: {WHY}")


def test_the_next_run_makes_others_although_the_inputs_are_the_same(ward: Any) -> None:
    before = ward.scores()
    done = recalled(ward, model_version=shipped(ward), anyway=True)
    ended = ward.run()
    assert (ended.counts.scored, ended.counts.unchanged) == (6, 0)
    assert ward.scores() == before
    followed = follow(done.event["recall_id"], database=Database(ward.url, ward.settings))
    assert (followed.waiting, followed.in_source) == (0, 0)
    assert {(row["to_status"], row["changes_band"]) for row in followed.entities} == {("SCORED", False)}
    assert in_visits(ward) == list(VISITS)
    assert ward.run(as_of=ward.noon + timedelta(minutes=1)).counts.unchanged == 6


def test_a_visit_that_ended_long_ago_is_scored_again_as_of_its_end(ward: Any) -> None:
    long_ago = ward.noon - timedelta(days=60)
    ward.execute(
        "UPDATE visits SET admitted_at = admitted_at - interval '60 days', discharged_at = %s WHERE visit_id = 1",
        long_ago,
    )
    ward.execute(
        "UPDATE patient_observations SET observation_date = observation_date - interval '60 days', "
        "recorded_at = recorded_at - interval '60 days' WHERE visit_id = 1"
    )
    ward.run(as_of=long_ago)  # no other is due then
    ward.execute("DELETE FROM scorer.current_scores WHERE entity_id = '1'")
    ward.execute(
        "UPDATE scorer.runs SET swept = false"
    )  # its row bears a score: only a sweep sees that we know of none
    ward.run()
    assert ward.run().counts.eligible == 5  # it is settled
    recalled(ward, model_version=shipped(ward), anyway=True)
    assert ward.run().counts.eligible == 6
    assert current(ward)["1"][0] == "SCORED"
    assert ward.one("SELECT as_of FROM reporting.current_scores WHERE entity_id = '1'") == long_ago


def test_replacements_are_requested_and_the_service_makes_them(
    ward: Any, open_answering: Callable[..., RequestAnswering]
) -> None:
    recalled(ward, model_version=shipped(ward), anyway=True)
    asked = ward.rows("SELECT entity_id, priority, status FROM scorer.requests ORDER BY request_id")
    by_score = ward.rows("SELECT entity_id FROM scorer.scores ORDER BY score DESC")
    assert asked == [(entity_id, 50, "waiting") for (entity_id,) in by_score]
    answering = open_answering()
    while answering.answer_waiting():
        pass
    assert {status for status, *_ in current(ward).values()} == {"SCORED"}
    assert ward.rows("SELECT DISTINCT status, outcome FROM scorer.requests") == [("done", "SCORED")]


def test_who_changes_band_is_known_once_the_replacements_are_there(ward: Any, make_model: Callable[..., Path]) -> None:
    old = shipped(ward)
    before = {key: band for key, (_, _, band, _) in current(ward).items()}
    ward.put_into_production(ward.job, make_model(ward.job, Constant(0.9), version="steep"))
    done = recalled(ward, model_version=old)
    assert done.event["in_force"] is False
    assert {row["changes_band"] for row in done.entities} == {None}
    ward.run()
    followed = follow(done.event["recall_id"], database=Database(ward.url, ward.settings))
    assert {(row["entity_id"], row["from_band"], row["to_band"], row["changes_band"]) for row in followed.entities} == {
        (key, band, "HIGH", band != "HIGH") for key, band in before.items()
    }
    rows = ward.rows("SELECT entity_id, to_model_version, to_score FROM reporting.recalls")
    assert {row[1:] for row in rows} == {("steep", 0.9)}


# Which scores


def test_all_criteria_must_fit(ward: Any) -> None:
    between = ward.one("SELECT clock_timestamp()")
    ward.observe(1, hours_ago=0.5, recorded_at=ward.noon)
    ward.run(as_of=ward.noon + timedelta(minutes=1))
    end = ward.one("SELECT clock_timestamp()")
    done = recalled(ward, scored_from=between, scored_until=end)
    assert (done.event["scores"], done.event["entities"]) == (1, 1)
    # The score before it does not come back, valid as it may be.
    assert current(ward)["1"][:2] == ("RECALLED", None)
    assert {status for key, (status, *_) in current(ward).items() if key != "1"} == {"SCORED"}
    with pytest.raises(UserError, match="nothing was recalled"):
        recalled(ward, model_version=shipped(ward), scored_from=between, scored_until=end, anyway=True)
    done = recalled(ward, job_version=ward.job.version, anyway=True)
    assert (done.event["scores"], done.event["entities"]) == (6, 5)


def test_a_score_that_was_followed_is_marked_and_what_is_current_stands(ward: Any) -> None:
    end = ward.one("SELECT clock_timestamp()")
    ward.observe(1, hours_ago=0.5, recorded_at=ward.noon)
    ward.run(as_of=ward.noon + timedelta(minutes=1))
    standing = current(ward)["1"]
    done = recalled(ward, scored_from=end - HOUR, scored_until=end)
    assert (done.event["scores"], done.event["entities"]) == (6, 5)
    assert current(ward)["1"] == standing
    assert ward.rows("SELECT recalled FROM reporting.score_history WHERE entity_id = '1' ORDER BY score_id") == [
        (True,),
        (False,),
    ]


def test_shadow_scores_are_recalled_as_well(ward: Any) -> None:
    ward.execute(
        "INSERT INTO scorer.scores (job, entity_id, output, run_id, batch_id, task, status, score, risk_band, as_of, as_known_at, "
        "valid_until, input_hash, features, model_version, job_version, run_began_at, shadow)"
        " SELECT job, entity_id, output, run_id, batch_id, task, "
        "status, score, risk_band, as_of, as_known_at, valid_until, input_hash, features, model_version, job_version, run_began_at, true "
        "FROM scorer.scores"
    )
    done = recalled(ward, model_version=shipped(ward), anyway=True)
    assert (done.event["scores"], done.event["shadow_scores"], done.event["entities"]) == (6, 6, 6)


def test_a_held_entity_loses_the_recalled_score_and_stays_held(ward: Any) -> None:
    ward.observe(1, hours_ago=0, client="somebody else", recorded_at=ward.noon + timedelta(seconds=30))
    ward.run(as_of=ward.noon + timedelta(minutes=1))
    held = ward.status(1)
    assert held[0] == "QUARANTINED"
    assert current(ward)["1"][1] is not None
    recalled(ward, model_version=shipped(ward), anyway=True)
    assert ward.status(1) == held
    assert current(ward)["1"][1:] == (None, None, None)


def day(year: int, number: int = 1) -> datetime:
    return datetime(year, 1, number, tzinfo=UTC)


# Criteria that nothing can be recalled by, and the sentence that says so.
IMPOSSIBLE: tuple[tuple[dict[str, Any], str], ...] = (
    ({}, "Nothing says which scores to recall"),
    ({"model_version": "1999"}, "There is no model '1999' of job sepsis"),
    ({"job_version": "0123"}, "There is no version '0123' of job sepsis"),
    ({"scored_from": day(2025, 2), "scored_until": day(2025)}, "ends before it begins"),
    ({"scored_from": day(2025, 2), "scored_until": day(2999)}, "lies in the future"),
    ({"scored_from": day(2001, 2), "scored_until": day(2002)}, "nothing was recalled"),
)


def test_what_cannot_be_is_one_sentence_and_nothing_done(ward: Any) -> None:
    for criteria, sentence in IMPOSSIBLE:
        with pytest.raises(UserError, match=sentence) as raised:
            recalled(ward, **criteria)
        assert "\n" not in str(raised.value)
        assert ward.rows(EVERYTHING) == NOTHING


def test_a_reason_and_a_job_are_needed(ward: Any) -> None:
    with pytest.raises(UserError, match="A reason is needed"):
        recalled(ward, model_version=shipped(ward), anyway=True, why="  ")
    with pytest.raises(UserError, match="There is no job 'spesis'"):
        recall("spesis", Criteria(model_version="1"), why=WHY, database=Database(ward.url, ward.settings))
    with pytest.raises(UserError, match="There is no recall 77"):
        follow(77, database=Database(ward.url, ward.settings))
    assert ward.rows(EVERYTHING) == NOTHING


def test_what_goes_on_scoring_is_not_recalled_in_passing(ward: Any) -> None:
    with pytest.raises(
        UserError, match=r"is in production, so it would make the replacements too.*scorer model rollback sepsis"
    ):
        recalled(ward, model_version=shipped(ward))
    with pytest.raises(UserError, match=r"is what the last run used.*or say --anyway"):
        recalled(ward, job_version=ward.job.version)
    assert ward.rows(EVERYTHING) == NOTHING


def test_a_dry_run_says_it_all_and_does_nothing(ward: Any) -> None:
    before = current(ward)
    tried = recalled(ward, model_version=shipped(ward), anyway=True, kept=False)
    assert (tried.event["scores"], tried.event["entities"], len(tried.entities)) == (6, 6, 6)
    assert current(ward) == before
    assert ward.rows(EVERYTHING) == NOTHING


# The hospital's own table


def test_the_recalled_score_is_taken_out_of_the_hospitals_table(ward: Any) -> None:
    recalled(ward, model_version=shipped(ward), anyway=True)
    assert in_visits(ward) == list(VISITS)
    assert take_back(ward.job, database=Database(ward.url, ward.settings)) == 0
    assert in_visits(ward) == []
    assert ward.one("SELECT count(*) FROM scorer.write_backs") == 0
    assert ward.one("SELECT count(*) FROM reporting.recalls WHERE stands_in_source") == 0


def test_the_service_takes_it_out_though_none_can_be_scored(ward: Any) -> None:
    recalled(ward, model_version=shipped(ward), anyway=True)
    ward.execute("SELECT scorer.move_model('sepsis', %s, 'archived', 'a test')", shipped(ward))
    loop = ScheduleLoop(ward.job, database=Database(ward.url, ward.settings))
    try:
        loop._guarded_step()
        assert in_visits(ward) == []
    finally:
        loop.close()


def test_a_run_takes_it_out_of_an_entity_that_gets_no_other(ward: Any) -> None:
    ward.execute("UPDATE visits SET age_years = 300 WHERE visit_id = 1")
    recalled(ward, model_version=shipped(ward), anyway=True)
    assert ward.run().counts.quarantined == 1
    assert in_visits(ward) == list(VISITS)[1:]
    assert ward.one("SELECT count(*) FROM scorer.write_backs") == 0


def test_a_locked_row_is_passed_over_and_emptied_later(ward: Any) -> None:
    recalled(ward, model_version=shipped(ward), anyway=True)
    with closing(ward.connect()) as clinician:
        clinician.cursor().execute("SELECT FROM visits WHERE visit_id = 3 FOR UPDATE")
        assert take_back(ward.job, database=Database(ward.url, ward.settings)) == 1
        assert in_visits(ward) == [3]
        assert ward.rows("SELECT entity_id FROM reporting.recalls WHERE stands_in_source") == [("3",)]
        clinician.rollback()
    assert take_back(ward.job, database=Database(ward.url, ward.settings)) == 0
    assert in_visits(ward) == []


@pytest.fixture
def ended_ward(ward: Any) -> Any:
    """The ward, with visit 1 moved to sixty days ago, when it ended; scored and settled, its score stale."""
    long_ago = ward.noon - timedelta(days=60)
    ward.execute(
        "UPDATE visits SET admitted_at = admitted_at - interval '60 days', discharged_at = %s WHERE visit_id = 1",
        long_ago,
    )
    ward.execute(
        "UPDATE patient_observations SET observation_date = observation_date - interval '60 days', "
        "recorded_at = recorded_at - interval '60 days' WHERE visit_id = 1"
    )
    ward.execute("DELETE FROM scorer.current_scores WHERE entity_id = '1'")
    ward.execute(
        "UPDATE scorer.runs SET swept = false"
    )  # its row bears a score: only a sweep sees that we know of none
    ward.run()
    assert ward.one("SELECT stale FROM reporting.current_scores WHERE entity_id = '1'")
    return ward


IN_SOURCE_1 = "SELECT sepsis_score, scored_at FROM visits WHERE visit_id = 1"
WAITING = "SELECT entity_id, recalled FROM scorer.write_backs"


def test_a_recalled_score_is_written_over_however_late(ended_ward: Any, settings: Any) -> None:
    """A stale score that waits is dropped, but not where a recalled one would stand for good."""
    ward = ended_ward
    before = ward.rows(IN_SOURCE_1)
    recalled(ward, model_version=shipped(ward), anyway=True)
    with closing(ward.connect()) as clinician:
        clinician.cursor().execute("SELECT FROM visits WHERE visit_id = 1 FOR UPDATE")
        for _ in range(3):
            ward.run()
            assert current(ward)["1"][0] == "SCORED"
            assert ward.rows(WAITING) == [("1", True)]
            assert ward.rows(IN_SOURCE_1) == before
        with pytest.raises(
            UserError, match=r"(?i)recalled scores may still stand in the hospital's own tables"
        ) as raised:
            schema.downgrade(engine(Target.of(ward.url, settings, role=None)), revision="0006")
        assert "\n" not in str(raised.value)
        clinician.rollback()
    ward.run()
    assert ward.rows(WAITING) == []
    assert ward.rows(IN_SOURCE_1) == ward.rows(
        "SELECT score, scored_at FROM scorer.current_scores WHERE entity_id = '1'"
    )
    assert ward.rows(IN_SOURCE_1) != before


def test_a_newer_score_that_waits_is_written_over_the_recalled_one_though_stale(ward: Any) -> None:
    end = ward.one("SELECT clock_timestamp()")
    ward.observe(1, hours_ago=0.5, recorded_at=ward.noon)
    with closing(ward.connect()) as clinician:
        clinician.cursor().execute("SELECT FROM visits WHERE visit_id = 1 FOR UPDATE")
        ward.run(as_of=ward.noon + timedelta(minutes=1))
        assert ward.rows(WAITING) == [("1", False)]
        recalled(ward, scored_from=end - HOUR, scored_until=end)
        assert ("1", True) in ward.rows(WAITING)
        clinician.rollback()
    ward.execute("UPDATE scorer.current_scores SET valid_until = now() WHERE entity_id = '1'")
    ward.run(as_of=ward.noon - timedelta(hours=11))
    assert ward.rows(WAITING) == []
    assert ward.rows(IN_SOURCE_1) == ward.rows(
        "SELECT score, scored_at FROM scorer.current_scores WHERE entity_id = '1'"
    )


def test_what_nothing_has_followed_is_not_superseded(ward: Any) -> None:
    recalled(ward, model_version=shipped(ward), anyway=True)
    superseded = "SELECT DISTINCT superseded FROM reporting.score_history WHERE recalled"
    assert ward.rows(superseded) == [(False,)]
    ward.run()
    assert ward.rows(superseded) == [(True,)]


def test_a_site_without_the_statement_learns_that_the_rows_stand(ward: Any, changed_job: Callable[..., Job]) -> None:
    ward.job = changed_job(("job.toml", 'take_back = "take_back.sql"\n', ""))
    done = recalled(ward, model_version=shipped(ward), anyway=True)
    assert done.in_source == 6
    assert take_back(ward.job, database=Database(ward.url, ward.settings)) == 0
    assert follow(done.event["recall_id"], database=Database(ward.url, ward.settings)).in_source == 6


# All or nothing, and runs beside it


def test_a_crash_in_the_middle_of_a_recall_leaves_nothing(ward: Any) -> None:
    """The session is ended by the server when the marks are made and the current scores are about to go."""
    before = current(ward)
    with closing(ward.connect()) as clinician:
        clinician.cursor().execute("SELECT FROM scorer.current_scores WHERE entity_id = '4' FOR UPDATE")
        failed: list[Exception] = []

        def run() -> None:
            try:
                recalled(ward, model_version=shipped(ward), anyway=True)
            except UserError as error:
                failed.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        wait_for(lambda: ward.one("SELECT count(*) FROM pg_locks WHERE NOT granted") > 0)
        ward.execute(
            "SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity AS a JOIN pg_locks AS l USING (pid) WHERE NOT l.granted"
        )
        thread.join(timeout=20)
        assert len(failed) == 1
    assert ward.rows(EVERYTHING) == NOTHING
    assert current(ward) == before


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.fixture
def held_run(ward: Any) -> Iterator[Any]:
    """Starts a run of new inputs that stops before it writes, until it is let go; its thread and what it raised."""
    ward.execute("UPDATE patient_observations SET observation_value = observation_value + 1")
    reached, go_on = threading.Event(), threading.Event()
    raised: list[Exception] = []

    def hold(step: str) -> None:
        if step == "score" and not go_on.is_set():
            reached.set()
            assert go_on.wait(timeout=30)

    def run() -> None:
        try:
            ward.run(as_of=ward.noon + timedelta(minutes=1), watch=hold)
        except Exception as error:  # noqa: BLE001 - handed on
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert reached.wait(timeout=30)
    yield thread, go_on, raised
    go_on.set()
    thread.join(timeout=30)


def test_what_a_batch_in_hand_brings_in_is_recalled_too(
    ward: Any, held_run: Any, make_model: Callable[..., Path]
) -> None:
    thread, go_on, raised = held_run
    old = shipped(ward)
    ward.put_into_production(ward.job, make_model(ward.job, Constant(0.9), version="steep"))
    done: list[Recall] = []
    recalling = threading.Thread(target=lambda: done.append(recalled(ward, model_version=old)))
    recalling.start()
    wait_for(lambda: ward.one(LOCKED_OUT) > 0)
    assert done == []
    go_on.set()
    for each in (thread, recalling):
        each.join(timeout=30)
    assert (raised, done[0].event["scores"], done[0].event["entities"]) == ([], 12, 6)
    assert set(current(ward).values()) == {("RECALLED", None, None, None)}


def test_a_transaction_that_waited_for_a_recall_begins_anew(ward: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Its time of scoring would lie before the recall, that of its scores after it."""
    ward.settings = replace(ward.settings, retry_first_wait=timedelta(milliseconds=10))
    ward.execute("UPDATE patient_observations SET observation_value = observation_value + 1")
    threads = [
        threading.Thread(target=lambda: recalled(ward, model_version=shipped(ward), anyway=True)),
        threading.Thread(target=lambda: ward.run(as_of=ward.noon + timedelta(minutes=1))),
    ]
    with closing(ward.connect()) as batch_in_hand:
        batch_in_hand.cursor().execute("SELECT scorer.share_with_recalls(%s, 'm', 'v', NULL)", (ward.job.name,))
        for waiting, thread in enumerate(threads):
            thread.start()
            wait_for(lambda: ward.one(LOCKED_OUT) > waiting)  # noqa: B023 - asked at once
        batch_in_hand.rollback()
    for thread in threads:
        thread.join(timeout=30)
    assert any("Waiting for the database" in record.getMessage() for record in caplog.records)
    assert {status for status, *_ in current(ward).values()} == {"SCORED"}
    assert ward.one("SELECT bool_and(scored_at > recalled_at) FROM scorer.recalls, reporting.current_scores")


def test_a_run_by_a_recalled_job_version_stops_at_its_next_batch(
    ward: Any, held_run: Any, changed_job: Callable[..., Job]
) -> None:
    thread, go_on, raised = held_run
    old, changed = ward.job.version, changed_job(("job.toml", "min_observations = 5", "min_observations = 4"))
    ward.execute(
        "INSERT INTO scorer.job_versions (job, job_version, definition) VALUES (%s, %s, '{}')",
        ward.job.name,
        changed.version,
    )
    ward.execute(
        "INSERT INTO scorer.runs (job, job_version, trigger, as_of, as_known_at, scorer_version, status, finished_at) "
        "VALUES (%s, %s, 'manual', now(), now(), '0', 'succeeded', now())",
        ward.job.name,
        changed.version,
    )
    recalling = threading.Thread(target=lambda: recalled(ward, job_version=old))
    recalling.start()
    wait_for(lambda: ward.one(LOCKED_OUT) > 0)
    ward.execute(
        "INSERT INTO scorer.work (run_id, job, entity_id, as_of) SELECT min(run_id), 'sepsis', '99', now() FROM scorer.work"
    )
    go_on.set()
    for each in (thread, recalling):
        each.join(timeout=30)
    assert len(raised) == 1
    assert "was recalled while this run scored by it" in str(raised[0])
    assert ward.rows("SELECT status FROM scorer.runs WHERE error IS NOT NULL") == [("failed",)]
    assert ward.run(changed, as_of=ward.noon + timedelta(minutes=2)).counts.scored == 6


# The command


@pytest.fixture
def command(
    ward: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Any]]:
    """Runs `scorer recall`; its exit code, and what it said on stdout and stderr."""
    handlers = list(logging.getLogger().handlers)
    monkeypatch.setenv("SCORER_DATABASE_URL", ward.url)
    monkeypatch.setenv("SCORER_HOME", str(ward.settings.home))

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main(["recall", *arguments])
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    yield run
    logging.getLogger().handlers[:] = handlers


def test_the_command_recalls_and_follows(ward: Any, command: Callable[..., Any]) -> None:
    version = shipped(ward)
    code, out, err = command("sepsis", "--model", version, "--why", WHY, "--anyway")
    assert (code, err) == (0, "")
    assert "6 scores and 0 shadow scores, 6 of them current." in out
    assert "6 wait to be scored again" in out
    assert "That version goes on scoring" in out
    assert in_visits(ward) == []
    ward.run()
    code, out, err = command("--follow", "1", "--json")
    assert (code, err) == (0, "")
    assert '"waiting": 0' in out
    code, out, err = command("sepsis", "--model", version, "--why", WHY)
    assert (code, out) == (1, "")
    assert err.count("\n") == 1


def test_the_command_refuses_in_one_sentence(command: Callable[..., Any]) -> None:
    for arguments, sentence in (
        (["sepsis", "--model", "x"], "--why is missing"),
        (["--why", "x"], "Name the job"),
        (["sepsis", "--follow", "1"], "--follow stands alone"),
        (["sepsis", "--why", "x"], "Nothing says which scores to recall"),
        (["sepsis", "--why", "x", "--between", "2025-06-01", "2025-06-02"], "has no time zone"),
    ):
        code, out, err = command(*arguments)
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert sentence in err


def test_the_record_of_a_recall_is_never_changed(ward: Any) -> None:
    recalled(ward, model_version=shipped(ward), anyway=True)
    for table in ("recalls", "recall_events"):
        for text in (
            f"UPDATE scorer.{table} SET why = 'x'",
            f"DELETE FROM scorer.{table}",
            f"TRUNCATE scorer.{table} CASCADE",
        ):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege, match="is append-only"):
                ward.execute(text)
