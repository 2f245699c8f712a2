"""What `scorer status` and the metrics read by the functions of the store, after a run and while one is open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from scorer.database.connection import Target
from scorer.database.readonly_session import ReadOnlySession
from scorer.database.revisions import known_revisions
from scorer.database.session import Session
from scorer.database.store.batches import record_validation, write_rejections
from scorer.database.store.runs import end_run
from scorer.database.store.status import (
    Newest,
    RuleFailures,
    RunSeen,
    answered_requests,
    band_counts,
    batches_since,
    count_scores,
    describe_scores,
    list_checkups,
    list_daemons,
    list_health,
    newest_ids,
    open_findings,
    read_revision,
    rule_failures,
    runs_since,
)
from scorer.database.store.ticks import record_heartbeat
from scorer.types.enums import Action, Status
from scorer.types.values import Rejection, RuleResult


@pytest.fixture
def looking(hospital: Any) -> Iterator[ReadOnlySession]:
    """A session that only reads."""
    target = Target.of(hospital.url, hospital.settings, role="scorer_worker")
    with closing(ReadOnlySession(target, patience=hospital.settings.connect_timeout)) as opened:
        yield opened


def test_before_the_first_run_there_is_little_to_see(hospital: Any, looking: ReadOnlySession, model: str) -> None:
    assert read_revision(looking) == known_revisions()[-1]
    (health,) = list_health(looking)
    assert (health.job, health.ready, health.model_version, health.run_id) == ("sepsis", False, model, None)
    assert (health.backlog, health.backlog_seconds, health.requests_waiting, health.failures) == (0, 0.0, 0, 0)
    (scores,) = count_scores(looking)
    assert (scores.valid, scores.stale, scores.held) == (0, 0, 0)
    assert describe_scores(looking) == []
    (check,) = list_checkups(looking)
    assert (check.job, check.worst_psi, check.due, check.live) == ("sepsis", None, False, None)
    assert check.own is not None
    assert check.own["auroc"] == hospital.one("SELECT auroc FROM reporting.models WHERE status = 'production'")
    assert newest_ids(looking) == Newest(run_id=0, running=frozenset(), batch_id=0)
    assert list_daemons(looking) == []


def test_no_schema_has_no_revision(hospital: Any, looking: ReadOnlySession) -> None:
    hospital.execute("DROP SCHEMA scorer CASCADE")
    assert read_revision(looking) is None


def test_a_run_is_seen_open_and_ended_and_its_batches_once(
    hospital: Any, looking: ReadOnlySession, session: Session, begin: Any, carry: Any
) -> None:
    hospital.admit(1, 2, 3)
    run, _ = begin()
    open_run = newest_ids(looking)
    assert open_run == Newest(run_id=run.run_id, running=frozenset({run.run_id}), batch_id=0)
    (health,) = list_health(looking)
    assert (health.run_id, health.status, health.backlog) == (run.run_id, "running", 3)
    first, _ = carry(run, size=2, ends={"2": Status.QUARANTINED})
    second, _ = carry(run)
    with session.transaction():
        end_run(session, run.run_id)
    assert runs_since(looking, 0, open_ids=[]) == [RunSeen(run.run_id, "sepsis", "manual", "succeeded")]
    assert runs_since(looking, run.run_id, open_ids=[]) == []
    assert [each.status for each in runs_since(looking, run.run_id, open_ids=open_run.running)] == ["succeeded"]
    assert [(each.batch_id, each.scored, each.quarantined) for each in batches_since(looking, 0, open_ids=[])] == [
        (first, 1, 1),
        (second, 1, 0),
    ]
    assert [each.batch_id for each in batches_since(looking, second, open_ids=[first])] == [first]
    (ended,) = list_health(looking)
    assert (ended.status, ended.eligible, ended.scored, ended.quarantined, ended.backlog) == ("succeeded", 3, 2, 1, 0)
    assert ended.last_success_at == ended.finished_at
    (scores,) = count_scores(looking)
    assert (scores.valid, scores.stale, scores.held) == (0, 2, 1), "as of noon, and noon is long ago"


def test_valid_scores_are_described(hospital: Any, looking: ReadOnlySession, begin: Any, carry: Any) -> None:
    hospital.admit(*range(1, 22), observations=1)
    run, _ = begin()
    carry(run, size=100)
    hospital.execute(
        "UPDATE scorer.current_scores SET as_of = now() - entity_id::integer * INTERVAL '1 min', score = entity_id::integer / 100.0, "
        "risk_band = CASE entity_id WHEN '1' THEN 'HIGH' ELSE 'LOW' END, "
        "valid_until = now() + CASE WHEN entity_id = '21' THEN INTERVAL '-1 s' ELSE INTERVAL '1 h' END"
    )
    (found,) = describe_scores(looking)
    assert (found.job, found.mean, found.bands) == ("sepsis", pytest.approx(0.105), {"HIGH": 1, "LOW": 19})
    assert (found.age_seconds, found.oldest_seconds) == (pytest.approx(630, abs=60), pytest.approx(1200, abs=60))
    hospital.execute("UPDATE scorer.current_scores SET risk_band = NULL, valid_until = now() WHERE entity_id = '1'")
    hospital.execute("UPDATE scorer.current_scores SET risk_band = NULL")
    (found,) = describe_scores(looking)
    assert (found.mean, found.bands) == (None, None), "the mean of a few would be nearly a patient's score"


def test_rules_are_counted_in_the_batches_seen_and_in_those_that_stopped_their_run(
    looking: ReadOnlySession, session: Session, begin: Any, carry: Any
) -> None:
    run, _ = begin()
    seen, _ = carry(run)
    unseen, _ = carry(run)
    stopped, _ = begin()

    def broken(rule: str, unexpected: int) -> list[RuleResult]:
        return [RuleResult("observations", rule, "expect", Action.DROP, "code", 40, unexpected, success=False)]

    with session.transaction():
        record_validation(session, run, batch_id=seen, results=broken("code_known", 2))
        record_validation(session, run, batch_id=unseen, results=broken("code_known", 3))
        record_validation(session, stopped, batch_id=None, results=broken("table_not_empty", 1))
    batches = [each for each in batches_since(looking, 0, open_ids=[]) if each.batch_id == seen]
    counted = RuleFailures("sepsis", "observations", "code_known", 2)
    assert rule_failures(looking, batches, stopped_runs=[]) == [counted]
    both = rule_failures(looking, batches, stopped_runs=[stopped.run_id])
    assert sorted(each.rule for each in both) == ["code_known", "table_not_empty"]
    assert rule_failures(looking, [], stopped_runs=[]) == []


def test_the_time_of_an_answer_is_from_asked_to_answered(hospital: Any, looking: ReadOnlySession, begin: Any) -> None:
    run, _ = begin()
    hospital.execute(
        "INSERT INTO scorer.requests (job, entity_id, status, outcome, requested_at, finished_at, run_id) "
        "VALUES ('sepsis', '1', 'done', 'FAILED', '2025-06-01 12:00Z', '2025-06-01 12:00:02.5Z', %s)",
        run.run_id,
    )
    assert [(each.job, each.seconds) for each in answered_requests(looking, run_ids=[run.run_id])] == [("sepsis", 2.5)]
    assert answered_requests(looking, run_ids=[]) == []


def test_a_daemon_is_alive_for_a_minute(hospital: Any, looking: ReadOnlySession, session: Session) -> None:
    with session.transaction():
        record_heartbeat(session, "here/1", ready=True, detail="2 jobs", jobs=None)
        record_heartbeat(session, "here/2", ready=True, detail="", jobs=None)
    hospital.execute("UPDATE scorer.daemons SET beat_at = now() - interval '61 s' WHERE daemon = 'here/2'")
    assert [(each.daemon, each.ready, each.alive, each.detail) for each in list_daemons(looking)] == [
        ("here/1", True, True, "2 jobs"),
        ("here/2", True, False, ""),
    ]
    assert [health.ready for health in list_health(looking)] == [True]


def test_bands_and_open_findings_are_counted(hospital: Any, session: Session, begin: Any, carry: Any) -> None:
    hospital.admit(1, 2, 3)
    run, _ = begin()
    carry(run, ends={"3": Status.QUARANTINED})
    found = [
        Rejection(entity, observation, "value_finite", Action.DROP, "observation_value", "inf", "finite")
        for entity, observation in (("1", "11"), ("1", "12"), ("2", "21"))
    ]
    with session.transaction():
        write_rejections(session, hospital.job, run, rejections=found, judged=["1", "2"])
        bands = band_counts(session, "sepsis")
        findings = open_findings(session, "sepsis")
    assert [tuple(row.values()) for row in bands] == [("SCORED", "LOW", 2, 2), ("QUARANTINED", None, 1, 0)]
    assert [tuple(row.values()) for row in findings] == [("value_finite", "drop", 3, 2)]
