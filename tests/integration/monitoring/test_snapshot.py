"""Snapshots of a real database: each run and each batch is in one of them, whatever the order of commits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest

from scorer.database.connection import Target
from scorer.database.readonly_session import ReadOnlySession
from scorer.errors import UserError
from scorer.monitoring.snapshot import Activity, SnapshotReader

RUN = (
    "INSERT INTO scorer.runs (job, job_version, trigger, as_of, as_known_at, scorer_version) "
    "SELECT job, job_version, 'schedule', now(), now(), '0' FROM scorer.runs LIMIT 1 RETURNING run_id"
)
BATCH = (
    "INSERT INTO scorer.batches (run_id, worker, eligible, scored, unchanged, quarantined, insufficient, indeterminate, failed, "
    "observations_read, observations_dropped) VALUES (%s, 'w', 3, 3, 0, 0, 0, 0, 0, 0, 0)"
)
END = "UPDATE scorer.runs SET status = 'succeeded', finished_at = now() WHERE run_id = %s"


@pytest.fixture
def reader(hospital: Any) -> Iterator[SnapshotReader]:
    """A reader whose clock stands still, for a hospital that was scored once."""
    hospital.admit(1)
    hospital.run()
    target = Target.of(hospital.url, hospital.settings, role="scorer_worker")
    made = SnapshotReader(ReadOnlySession(target, patience=timedelta(seconds=1)), clock=lambda: 0.0)
    yield made
    made.close()


def scored(activity: Activity) -> int:
    return sum(batch.scored for batch in activity.batches)


def test_a_batch_that_commits_late_is_read_late_and_once(hospital: Any, reader: SnapshotReader) -> None:
    """Keys are given out before transactions commit."""
    run_id = hospital.one(RUN)
    assert reader.read().activity == Activity()
    with closing(hospital.connect()) as slow, slow.cursor() as cursor:
        cursor.execute(BATCH, (run_id,))
        hospital.execute(BATCH, run_id)
        assert [scored(reader.read().activity) for _ in range(2)] == [3, 0]
        slow.commit()
    assert [scored(reader.read().activity) for _ in range(2)] == [3, 0]
    with closing(hospital.connect()) as lost, lost.cursor() as cursor:
        cursor.execute(BATCH, (run_id,))
        hospital.execute(BATCH, run_id)
    assert [scored(reader.read().activity) for _ in range(2)] == [3, 0]


def test_a_run_that_was_under_way_is_read_when_it_ends(hospital: Any, reader: SnapshotReader) -> None:
    run_id = hospital.one(RUN)
    assert [reader.read().activity.runs for _ in range(2)] == [(), ()]
    hospital.execute(END, run_id)
    (ended,) = reader.read().activity.runs
    assert (ended.run_id, ended.trigger, ended.status) == (run_id, "schedule", "succeeded")
    assert reader.read().activity == Activity()


def test_what_a_failed_read_found_is_in_the_next_snapshot(hospital: Any, reader: SnapshotReader) -> None:
    run_id = hospital.one(RUN)
    reader.read()
    hospital.execute(BATCH, run_id)
    hospital.execute("ALTER VIEW reporting.retrain_due RENAME TO elsewhere")  # read after the batches
    with pytest.raises(UserError):
        reader.read()
    hospital.execute("ALTER VIEW reporting.elsewhere RENAME TO retrain_due")
    assert scored(reader.read().activity) == 3
