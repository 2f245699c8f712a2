"""Runs that many carry: threads of one process, or workers of a Dask cluster, any of whom is killed; nothing is lost or doubled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from scorer.config import Settings
from scorer.database.connection import Database
from scorer.errors import UserError
from scorer.jobs.job import Job
from scorer.log import events
from scorer.runs import cluster as dask_cluster
from scorer.runs.run import Ended, run_job
from scorer.runs.worker import Hooks

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
VISITS = 80
HERE = os.getpid()


@dataclass
class Clinic:
    """A database where everybody is due, and what is asked of it."""

    url: str
    job: Job
    settings: Settings
    query: Callable[..., Any]
    require_consistent: Callable[..., None]
    eventually: Callable[..., None]
    ledger: Callable[[str], Any]
    undisturbed: list[Any]

    def run(self, *, workers: int = 1, **hooks: Any) -> Ended:
        """One run, by this process and those that help it."""
        database = Database(self.url, self.settings)
        return run_job(self.job, database=database, as_of=NOW, workers=workers, hooks=Hooks(**hooks))

    def carriers(self) -> set[int]:
        """The processes that have carried batches."""
        found = self.query(self.url, "SELECT DISTINCT worker FROM scorer.batches")
        return {int(worker.split("/")[1]) for (worker,) in found}

    def batches(self) -> int:
        """How many are committed."""
        return int(self.query(self.url, "SELECT count(*) FROM scorer.batches")[0][0])

    def require_same_as_undisturbed(self) -> None:
        """Nothing is lost, nothing doubled, and every score is what one undisturbed process gives, to the bit."""
        self.require_consistent(self.url, done=True)
        assert self.ledger(self.url) == self.undisturbed


@pytest.fixture(scope="module")
def undisturbed(
    make_database: Callable[[str], str], cohort: Callable[[int], str], sepsis: Job, settings: Settings, request: Any
) -> str:
    """A database where one process has scored everybody."""
    url = make_database(cohort(VISITS))
    run_job(sepsis, database=Database(url, settings), as_of=NOW)
    return url


@pytest.fixture
def clinic(
    make_database: Callable[[str], str], cohort: Callable[[int], str], sepsis: Job, settings: Settings, undisturbed: str,
    query: Callable[..., Any], require_consistent: Callable[..., None], ledger: Callable[[str], Any], eventually: Callable[..., None],
) -> Clinic:  # fmt: skip
    """Nobody is scored yet; batches are of one visit, so that there are many."""
    few = replace(settings, batch_size=1, backend="dask")
    url = make_database(cohort(VISITS))
    return Clinic(url, sepsis, few, query, require_consistent, eventually, ledger, ledger(undisturbed))


@pytest.fixture
def standing(clinic: Clinic, cluster: Any) -> Any:
    """A scheduler and two workers, which read of this database and its settings what this process does."""
    cluster.stand(database_url=clinic.url, home=str(clinic.settings.home), batch_size=1)
    clinic.settings = replace(clinic.settings, scheduler=cluster.address)
    return cluster


def once_helped(clinic: Clinic, then: Callable[[], None], *, by: int) -> tuple[Callable[[int, int], None], list[int]]:
    """What is told a run's progress and, once so many others have carried a batch, does something, once; and whether that was done."""
    done: list[int] = []

    def told(carried: int, total: int) -> None:
        if not done and carried < total:
            clinic.eventually(
                lambda: len(clinic.carriers() - {HERE}) == by, what=lambda: "others to carry a batch each"
            )
            done.append(carried)
            then()

    return told, done


def errors_told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Why the cluster did not help, as the log has it; nothing else is told that somebody should look at.

    What Dask's own loggers tell of the connections to a worker that was killed is left out: it depends on the moment.
    """
    warnings = [record for record in caplog.records if record.levelname != "INFO" and record.name.startswith("scorer")]
    assert all(record.event is events.CLUSTER_LOST for record in warnings), caplog.text  # type: ignore[attr-defined]
    return [record.fields["error"] for record in warnings]  # type: ignore[attr-defined]


def until_told(caplog: pytest.LogCaptureFixture) -> Callable[[int, int], None]:
    """What is told a run's progress, and holds it up until something is told of the cluster."""

    def wait(done: int, total: int) -> None:
        until = time.monotonic() + 30
        while not errors_told(caplog) and time.monotonic() < until:
            time.sleep(0.02)

    return wait


def test_a_worker_of_a_cluster_is_killed_in_the_middle(
    clinic: Clinic, standing: Any, caplog: pytest.LogCaptureFixture
) -> None:
    progress, done = once_helped(clinic, standing.workers[0].kill, by=2)
    ended = clinic.run(workers=2, progress=progress)
    assert done, "nobody was killed"
    assert (ended.status, ended.counts.eligible) == ("succeeded", VISITS)
    assert clinic.carriers() == {HERE, *(each.pid for each in standing.workers)}
    assert not errors_told(caplog), "one that is killed is no news: its batch was rolled back and is carried by others"
    clinic.require_same_as_undisturbed()


def test_whoever_began_a_run_is_ended_and_the_cluster_ends_it_after_its_batches(clinic: Clinic, standing: Any) -> None:
    command = ["run", "sepsis", "--as-of", NOW.isoformat(), "--backend", "dask", "--scheduler", standing.address]
    environment = {**os.environ, "SCORER_CONFIG": str(standing.config)}
    with subprocess.Popen(
        [sys.executable, "-c", "from scorer.cli.main import main; main()", *command],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    ) as began:  # fmt: skip
        clinic.eventually(lambda: clinic.batches() or began.poll(), what=began.poll)
        time.sleep(0.2)  # until its calls have left it
        began.send_signal(signal.SIGSTOP)  # so that others have something to do
        clinic.eventually(lambda: len(clinic.carriers() - {began.pid}) == 2, what=began.poll)
        began.send_signal(signal.SIGTERM)
        began.send_signal(signal.SIGCONT)
        assert began.wait(10) == -signal.SIGTERM
        assert began.stderr is not None
    left = clinic.query(clinic.url, "SELECT count(*) FROM scorer.work")[0][0]
    assert left > VISITS // 8, "the run was done before it could be ended"
    clinic.require_consistent(clinic.url)  # once the sessions of all, the cluster's among them, have ended
    after = clinic.query(clinic.url, "SELECT count(*) FROM scorer.work")[0][0]
    assert left - after <= 6, "the cluster went on with a run that nobody holds"
    clinic.settings = replace(clinic.settings, backend="processes", batch_size=None)
    clinic.run()
    clinic.require_same_as_undisturbed()


def test_a_worker_that_has_another_database_says_so_and_does_nothing(
    clinic: Clinic, standing: Any, undisturbed: str, caplog: pytest.LogCaptureFixture
) -> None:
    standing.settle(database_url=undisturbed, home=str(clinic.settings.home))
    clinic.run(workers=2, progress=until_told(caplog))
    assert clinic.carriers() == {HERE}
    assert any(" leads to another database" in error for error in errors_told(caplog))
    clinic.require_same_as_undisturbed()


def reach(settings: Settings) -> None:
    """Connect, as the command does before a run begins."""
    with dask_cluster.Cluster(settings):
        pass


def test_a_cluster_that_is_not_fit_is_refused_by_the_command_and_a_scheduled_run_goes_on(
    clinic: Clinic, standing: Any, caplog: pytest.LogCaptureFixture
) -> None:
    lacking = standing.add_worker({"LACKS": "joblib"})
    try:
        standing.stand(workers=3, database_url=clinic.url, home=str(clinic.settings.home))
        with pytest.raises(UserError, match=r"worker tcp://127\.0\.0\.1:\d+ lacks joblib; install joblib [\d.]+ there"):
            reach(clinic.settings)
        clinic.settings = replace(clinic.settings, batch_size=40)
        assert clinic.run(workers=2, progress=until_told(caplog)).status == "succeeded"
        (told,) = errors_told(caplog)
        assert "lacks joblib" in told
        clinic.require_same_as_undisturbed()
    finally:
        lacking.kill()


def test_the_scheduler_is_killed_in_the_middle(clinic: Clinic, standing: Any, caplog: pytest.LogCaptureFixture) -> None:
    def kill() -> None:
        standing.kill_scheduler()
        until_told(caplog)(0, 0)

    progress, done = once_helped(clinic, kill, by=2)
    ended = clinic.run(workers=2, progress=progress)
    assert done
    assert ended.status == "succeeded"
    assert errors_told(caplog) == ["its scheduler is gone"]
    clinic.require_same_as_undisturbed()


def test_a_run_goes_on_without_a_scheduler_that_is_refused(clinic: Clinic, caplog: pytest.LogCaptureFixture) -> None:
    clinic.settings = replace(clinic.settings, scheduler="tcp://dask.example:8786", batch_size=40)
    assert clinic.run(progress=until_told(caplog)).status == "succeeded", (
        "a run that the schedule began does not wait for a cluster"
    )
    (told,) = errors_told(caplog)
    assert "would be unencrypted" in told


# Threads


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_of_threads_is_killed(clinic: Clinic, nursery: Any, number: int, tmp_path: Path) -> None:
    settings = replace(clinic.settings, backend="threads")
    child = nursery.fork("run", url=clinic.url, settings=settings, as_of=NOW, workers=4)
    clinic.eventually(lambda: clinic.batches() > VISITS // 8, what=child.log)
    os.kill(child.pid, number)
    assert child.wait() == -number
    clinic.require_consistent(clinic.url)
    assert clinic.batches() < VISITS
    again = nursery.fork("run", url=clinic.url, settings=settings, as_of=NOW, workers=4)
    assert again.wait() == 0, again.log()
    assert "Going on with a run whose process died" in again.log()
    clinic.require_same_as_undisturbed()


def test_four_threads_give_the_same_bits(clinic: Clinic) -> None:
    clinic.settings = replace(clinic.settings, backend="threads", batch_size=7)
    told: list[tuple[int, int]] = []
    steps: list[str] = []
    clinic.run(workers=4, progress=lambda *counts: told.append(counts), watch=steps.append)
    assert told[-1] == (VISITS, VISITS)
    assert steps.count("commit") >= VISITS // 7
    clinic.require_same_as_undisturbed()
