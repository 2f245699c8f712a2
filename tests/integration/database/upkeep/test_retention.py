"""How long rows are kept: what upkeep prunes, and what stays because it is needed."""

from __future__ import annotations

import pytest

from scorer.database.store import partitions
from tests.integration.database.ledgers import KEPT, OLD, Ledger, deeds


@pytest.fixture
def full(ledger: Ledger) -> Ledger:
    """Of each kind two rows: one of long ago that may go, and one that stays."""
    run = ledger.run
    old, idle, new = ledger.begin(OLD), ledger.begin(OLD, eligible=0), ledger.begin()
    ledger.write(old, "1")
    ended = "2024-01-16"
    for run_id, when in ((old, ended), (new, "now")):
        run(
            "INSERT INTO scorer.batches (batch_id, run_id, worker, started_at, finished_at, eligible, scored, unchanged, quarantined, "
            "insufficient, indeterminate, failed, observations_read, observations_dropped) OVERRIDING SYSTEM VALUE "
            "VALUES (%s, %s, 'w', %s, %s, 1, 1, 0, 0, 0, 0, 0, 1, 0)",
            *(run_id, run_id, when, when),
        )
        run(
            "INSERT INTO scorer.validation_results (run_id, batch_id, suite, rule, expectation, action, column_name, judged, unexpected, "
            "success, judged_at) VALUES (%s, %s, 's', 'r', 'e', 'warn', 'c', 1, 0, true, %s)",
            *(run_id, run_id, when),
        )
        run(
            "INSERT INTO scorer.feature_counts (batch_id, run_id, job, model_version, counted_at, scores, counts) "
            "VALUES (%s, %s, 'j', 'm', %s, 1, '{1}')",
            *(run_id, run_id, when),
        )
        run(
            "INSERT INTO scorer.requests (job, entity_id, status, outcome, requested_at, finished_at, run_id) "
            "VALUES ('j', '1', 'done', 'SCORED', %s, %s, %s), ('j', '1', 'waiting', NULL, %s, NULL, NULL)",
            *(when, when, run_id, when),
        )
        run(
            "INSERT INTO scorer.rejections (job, entity_id, observation_id, rule, action, column_name, observed, expected, run_id, "
            "resolved_at) VALUES ('j', %s, '1', 'r', 'drop', 'c', 'o', 'e', %s, %s), ('j', %s, '2', 'r', 'drop', 'c', 'o', 'e', %s, NULL)",
            *(str(run_id), run_id, when, str(run_id), run_id),
        )
        run(
            "INSERT INTO scorer.ticks (job, scheduled_for, outcome, schedule, run_id, recorded_by) VALUES ('j', %s, 'ran', 's', %s, 'd')",
            *(when, run_id if run_id == new else idle),
        )
        run("INSERT INTO scorer.chores (job, chore, night, ended_at, daemon) VALUES ('j', 'c', %s, now(), 'd')", when)
        run(
            "INSERT INTO scorer.alerts (job, kind, model_version, detail, since, ended_at) VALUES ('j', 'age', 'm', 'd', %s, %s)",
            *(when, when),
        )
        run("INSERT INTO scorer.arrivals (job, entity_id, observations, arrived_at) VALUES ('j', '1', 1, %s)", when)
        run(
            "INSERT INTO scorer.daemons (daemon, version, beat_at, ready, detail) VALUES (%s, '0', %s, true, '')",
            when,
            when,
        )
    run(
        "INSERT INTO scorer.alerts (job, kind, model_version, detail, since) VALUES ('j', 'drift', 'm', 'd', %s)", ended
    )
    (key,) = ledger.run("SELECT score_id FROM scorer.scores")[0]
    for alarming, when in ((False, ended), (True, ended), (False, "now")):
        run(
            "INSERT INTO scorer.replays (score_id, run_began_at, part, verdict, why, alarming, replayed_at, scorer_version) "
            "SELECT score_id, run_began_at, 'vector', 'DIFFERS', 'w', %s, %s, '0' FROM scorer.scores WHERE score_id = %s",
            *(alarming, when, key),
        )
    run(
        "INSERT INTO scorer.model_versions (job, model_version, sha256, manifest) VALUES ('j', 'm', repeat('0', 64), '{}')"
    )
    for when in (ended, "2024-01-17"):
        run(
            "WITH kept AS (INSERT INTO scorer.checkups (job, model_version, job_version, checked_at, window_from, scores, features, "
            "features_moved, retrain_after) VALUES ('j', 'm', 'v', %s, %s, 1, 1, 0, '91 days') RETURNING checkup_id) "
            "INSERT INTO scorer.live_performance (checkup_id, job, model_version, window_from, window_until, metric, rows, entities, "
            "positives) SELECT checkup_id, 'j', 'm', %s, %s, 'auroc', 1, 1, 1 FROM kept",
            *(when, when, when, when),
        )
    for when in (ended, "now"):
        run("INSERT INTO scorer.captured_changes (job, entity_id, changed_at) VALUES ('j', '1', %s)", when)
    return ledger


PRUNED = {
    "requests": 3,
    "rejections": 3,
    "captured_changes": 1,
    "live_performance": 1,
    "checkups": 1,
    "validation_results": 1,
    "feature_counts": 1,
    "batches": 1,
    "ticks": 1,
    "chores": 1,
    "alerts": 2,
    "replays": 2,
    "arrivals": 1,
    "daemons": 1,
    "runs": 2,
}


def test_what_runs_leave_behind_is_pruned_and_what_is_needed_stays(full: Ledger) -> None:
    for table, stay in PRUNED.items():
        assert full.one(f"SELECT count(*) FROM scorer.{table}") == stay + 1, table
    found = full.maintain(dry_run=True)
    # In a dry run, what names a row is there still.
    assert {each.table for each in found if each.deed == "pruned"} == set(PRUNED) - {"checkups", "batches", "runs"}
    for table, stay in PRUNED.items():
        assert full.one(f"SELECT count(*) FROM scorer.{table}") == stay + 1, table
    done = full.maintain()
    assert [(each.table, each.rows) for each in done if each.deed == "pruned"] == [(table, 1) for table in PRUNED]
    for table, stay in PRUNED.items():
        assert full.one(f"SELECT count(*) FROM scorer.{table}") == stay, table
    assert full.one("SELECT count(*) FROM scorer.requests WHERE status = 'waiting'") == 2
    assert full.one("SELECT count(*) FROM scorer.rejections WHERE resolved_at IS NULL") == 2
    assert full.one("SELECT count(*) FROM scorer.replays WHERE alarming") == 1
    assert full.one("SELECT count(*) FROM scorer.runs WHERE started_at < now() - interval '1 day'") == 1
    assert not deeds(full.maintain(), "pruned")


def test_a_run_goes_with_its_rows_of_the_ledger(full: Ledger) -> None:
    full.maintain()
    done = full.maintain(keep_ledger=KEPT)
    assert ("detached", "scores_2024_01") in deeds(done)
    assert ("pruned", "runs") in deeds(done)
    assert full.one("SELECT count(*) FROM scorer.runs") == 1
    assert full.one("SELECT count(*) FROM scorer.current_scores") == 1


def test_what_a_run_that_is_not_ended_left_stays(full: Ledger) -> None:
    full.run(
        "UPDATE scorer.runs SET status = 'running', finished_at = NULL WHERE started_at = %s AND eligible = 1", OLD
    )
    full.maintain()
    for table in ("validation_results", "batches"):
        assert full.one(f"SELECT count(*) FROM scorer.{table}") == 2, table


def test_much_is_pruned_in_portions(full: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "PORTION", 10)
    full.run(
        "INSERT INTO scorer.requests (job, entity_id, status, reason, requested_at, finished_at) "
        "SELECT 'j', '1', 'cancelled', 'r', '2024-01-01', '2024-01-02' FROM generate_series(1, 35)"
    )
    done = full.maintain()
    assert ("requests", 36) in [(each.table, each.rows) for each in done]
    assert full.one("SELECT count(*) FROM scorer.requests") == 3
