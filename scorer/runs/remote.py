"""Work on a Dask cluster: its workers are sent names and keys; settings and job are their own.

A worker that would do something else than it was asked for, because it has another job version or another database, does nothing, and
returns a sentence that says so and names its host.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from scorer.config import Settings, load_settings, url_place
from scorer.database.connection import Database
from scorer.database.embedded.server import Server
from scorer.database.session import Session
from scorer.database.store.server import mark_position
from scorer.errors import UserError
from scorer.jobs.job import Job, load_job
from scorer.log import events
from scorer.log.logger import say
from scorer.runs.cluster import Cluster, ClusterLost
from scorer.types.values import Run

_log = logging.getLogger(__name__)
_LOOK = 0.2


@dataclass(frozen=True, slots=True)
class RemoteTask:
    """A job by its name and version, and its database by its identity: no secret, nothing of a patient."""

    job: str
    job_version: str
    cluster: str
    database: str


@dataclass(frozen=True, slots=True)
class LocalSetup:
    """The job and the database, with its URL and settings, as this host has them."""

    job: Job
    database: Database


def remote_task_of(job: Job, session: Session) -> RemoteTask:
    """What a worker of a cluster must know of `job`."""
    with session.transaction():
        position = mark_position(session)
    return RemoteTask(job.name, job.version, position.cluster, position.database)


@contextmanager
def with_remote_workers(
    drain: Callable[[RemoteTask, int], str | None], task: RemoteTask, run: Run, *, count: int, settings: Settings
) -> Iterator[None]:
    """Within it, so many of the cluster's workers drain the run; what keeps them from it is logged.

    Nothing is raised. The caller carries the run as well, and waits for nothing here: the cluster is reached, and listened to, in a thread.
    """
    over = threading.Event()

    def log(why: str) -> None:
        say(_log, events.CLUSTER_LOST, run_id=run.run_id, job=run.job, error=why)

    def listen() -> None:
        try:
            with Cluster(settings) as cluster:
                if not over.is_set():
                    cluster.start(drain, [(task, run.run_id)] * count)
                while not over.wait(_LOOK):
                    for why in sorted({each for each in cluster.results_so_far() if each}):
                        log(why)
        except (UserError, ClusterLost) as error:
            log(str(error))

    listening = threading.Thread(target=listen, name="remote workers", daemon=True)
    listening.start()
    try:
        yield
    finally:
        over.set()
        listening.join(_LOOK)  # one that still waits for an answer ends by itself


def settings_here(task: RemoteTask) -> LocalSetup:
    """The job and the database that this host has for the task.

    Raises UserError where job version or database are others than where the run was begun.
    """
    settings = load_settings()
    job = load_job(task.job, jobs_dir=settings.jobs_dir)
    if job.version != task.job_version:
        raise UserError(
            f"job {job.name} has version {job.version} there, and {task.job_version} where it was begun; bring the same job to both."
        )
    database = Database(settings.database_url or Server.at(settings.home_dir).url, settings)
    with closing(Session(database.as_worker())) as session:
        here = remote_task_of(job, session)
    if here != task:
        raise UserError(
            f"its {url_place()} leads to another database ({here.database}) than where job {job.name} was begun "
            f"({task.database}); name the same one."
        )
    return LocalSetup(job, database)


def why_not(work: Callable[[], None]) -> str | None:
    """Do `work`. Returns why it failed, in a sentence with this host's name; None where it did not.

    Nothing is raised: Dask logs what is raised, with its text, which may quote a patient's values.
    """
    try:
        work()
    except UserError as error:
        return f"worker on {socket.gethostname()}: {error}"
    except Exception as error:  # noqa: BLE001 - the edge of what is ours in that process
        say(_log, events.BUG, raised=error)
        return f"worker on {socket.gethostname()}: a bug: {type(error).__name__}"
    return None
