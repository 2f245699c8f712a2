"""Runs that several workers carry: they hold up no other run, show life, and end when asked to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from scorer.database.connection import Database
from scorer.errors import DatabaseUnavailable, Stopping, UserError
from scorer.jobs.job import Job
from scorer.runs.run import run_job, run_tick
from scorer.runs.worker import Hooks
from scorer.scoring.opening import Pipeline
from scorer.types.enums import Trigger

PATIENCE = 60.0
GATE = 4713
WAITING = f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = {GATE} AND NOT granted"


def worker_processes() -> set[int]:
    """The further processes of this one."""
    children = []
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError):  # a thread that has just ended
            children += (task / "children").read_text().split()
    return {int(pid) for pid in children if b"take_part" in Path(f"/proc/{pid}/cmdline").read_bytes()}


def wait_until(holds: Callable[[], bool]) -> None:
    """Until it holds, or fail."""
    until = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


@contextmanager
def closed_gate(hospital: Any) -> Iterator[Callable[[], None]]:
    """Within it, what passes the gate waits, until the function given here is called."""
    with closing(hospital.connect()) as keeper:
        keeper.cursor().execute("SELECT pg_advisory_lock(%s)", (GATE,))
        keeper.commit()
        yield keeper.close


@pytest.fixture
def gated_job(changed_job: Callable[..., Job], sepsis: Job) -> Job:
    """The shipped job, whose batches pass a gate when they read, and are each validated by itself, however small."""
    text = sepsis.statements["observations"]
    asked = "CASE WHEN pg_catalog.current_setting('scorer.entity_ids') <> '{}' "
    gate = f"{asked} THEN pg_catalog.pg_advisory_xact_lock_shared({GATE})::text END"
    gated = (
        f"SELECT gated.* FROM (\n{text.rstrip().rstrip(';')}\n) AS gated CROSS JOIN (SELECT {gate} OFFSET 0) AS gate"
    )
    return changed_job(("observations.sql", text, gated), suites={"scores": list.clear})


def test_a_run_that_hangs_holds_up_no_other(hospital: Any, gated_job: Job) -> None:
    hospital.admit(*range(1, 13))
    hospital.settings = replace(hospital.settings, batch_size=2, lock_timeout=timedelta(minutes=1))
    steps: list[str] = []
    ended: list[Any] = []

    def hang() -> None:
        database, hooks = Database(hospital.url, hospital.settings), Hooks(watch=steps.append)
        ended.append(run_job(gated_job, database=database, as_of=hospital.noon, limit=8, workers=2, hooks=hooks))

    with closed_gate(hospital) as open_gate:
        slow = threading.Thread(target=hang)
        slow.start()
        try:
            wait_until(lambda: hospital.one(WAITING) == 2)
            assert steps == ["enqueue", "claim", "claim"]
            quick = run_job(
                hospital.job, database=Database(hospital.url, hospital.settings), as_of=hospital.noon, workers=2
            )
            assert (quick.counts.scored, quick.counts.eligible) == (4, 4)
            assert steps == ["enqueue", "claim", "claim"], "it showed life, and did nothing"
        finally:
            open_gate()
            slow.join()
    assert ended[0].counts.scored == 8
    assert steps.count("commit") >= 4
    assert not worker_processes()
    carriers = "SELECT count(DISTINCT worker) FROM scorer.batches WHERE run_id = %s"
    assert hospital.one(carriers, ended[0].run_id) == 2


def test_one_worker_reads_a_batch_while_it_has_another_in_hand(hospital: Any, gated_job: Job) -> None:
    hospital.admit(*range(1, 13))
    hospital.settings = replace(hospital.settings, batch_size=2, lock_timeout=timedelta(minutes=1))
    steps: list[str] = []
    progress: list[tuple[int, int]] = []
    ended: list[Any] = []

    def run() -> None:
        hooks = Hooks(watch=steps.append, progress=lambda *done: progress.append(done))
        database = Database(hospital.url, hospital.settings)
        ended.append(run_job(gated_job, database=database, as_of=hospital.noon, hooks=hooks))

    with closed_gate(hospital) as open_gate:
        runner = threading.Thread(target=run)
        runner.start()
        try:
            wait_until(lambda: hospital.one(WAITING) == 2)
            assert not worker_processes()
        finally:
            open_gate()
            runner.join()
    assert ended[0].counts.scored == 12
    assert steps.count("commit") >= 6
    assert progress == sorted(progress)
    assert progress[-1] == (12, 12)
    assert hospital.one("SELECT count(DISTINCT worker) FROM scorer.batches") == 1


def test_what_stops_one_of_two_threads_stops_the_run(hospital: Any, changed_job: Callable[..., Job]) -> None:
    """Both meet it, in a batch of their own: the run fails with its sentence, and nothing is written."""
    hospital.admit(*range(1, 13))
    hospital.settings = replace(hospital.settings, batch_size=2)
    broken = changed_job(
        ("write_back.sql", "RETURNING locked.entity_id AS entity_id", "RETURNING locked.entity_id AS it")
    )
    with pytest.raises(UserError, match="does not return the column 'entity_id'"):
        run_job(broken, database=Database(hospital.url, hospital.settings), as_of=hospital.noon)
    assert hospital.one("SELECT status FROM scorer.runs") == "failed"
    for table in "scores", "batches", "work":
        assert hospital.one(f"SELECT count(*) FROM scorer.{table}") == 0
    again = run_job(hospital.job, database=Database(hospital.url, hospital.settings), as_of=hospital.noon)
    assert again.counts.scored == 12


def test_a_second_thread_that_has_no_session_ends_nothing(
    hospital: Any, changed_job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise DatabaseUnavailable("too many connections for role", sqlstate="53300")

    monkeypatch.setattr(Pipeline, "with_own_sessions", refused)
    hospital.admit(*range(1, 7))
    hospital.settings = replace(hospital.settings, batch_size=2)
    job = changed_job(suites={"scores": list.clear})
    ended = run_job(job, database=Database(hospital.url, hospital.settings), as_of=hospital.noon)
    assert ended.counts.scored == 6
    assert caplog.text.count("Going on without further workers") == 1


@pytest.mark.parametrize("backend", ["processes", "threads"])
def test_a_run_that_is_asked_to_stop_ends_its_workers_after_their_batches(backend: str, hospital: Any) -> None:
    hospital.admit(*range(1, 41))
    hospital.settings = replace(hospital.settings, batch_size=1, workers=2, backend=backend)
    asked = threading.Event()

    def tick(watch: Callable[[str], None] | None = None) -> Any:
        return run_tick(
            hospital.job,
            database=Database(hospital.url, hospital.settings),
            tick=None,
            trigger=Trigger.SCHEDULE,
            as_of=hospital.noon,
            hooks=Hooks(watch=watch, stopping=asked.is_set),
        )

    with pytest.raises(Stopping):
        tick(lambda step: asked.set() if step == "commit" else None)
    assert not worker_processes()
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("worker ")]
    batches = hospital.one("SELECT count(*) FROM scorer.batches")
    assert 0 < batches < 40
    assert hospital.one("SELECT count(*) FROM scorer.work") == 40 - batches
    assert hospital.last_run()[:1] == ("running",)
    asked.clear()
    hospital.settings = replace(hospital.settings, batch_size=None, workers=1)
    tick()
    assert hospital.rows("SELECT DISTINCT status FROM reporting.runs") == [("succeeded",)]
    assert len(hospital.scores()) == 40
