"""Trials on a Dask cluster: a worker reads the landmarks itself, once, and runs trials by number."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from scorer.config import Settings
from scorer.database.source.reader import Source
from scorer.errors import UserError
from scorer.evaluation.landmarks import read_landmarks
from scorer.jobs.job import Job, steps_of
from scorer.log import events
from scorer.log.logger import say
from scorer.runs.cluster import Cluster, ClusterLost
from scorer.runs.remote import RemoteTask, settings_here, why_not
from scorer.runs.threads import libraries_on_one_thread
from scorer.training.search.trials import TrialData, run_trial

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RemoteSearch:
    """What a worker needs to know of a search: no data, it reads them itself."""

    task: RemoteTask
    landmark_step: str
    folds: int


def try_remotely(
    settings: Settings, search: RemoteSearch, numbers: Sequence[int], data_sha256: str, until: float | None
) -> Iterator[dict[str, Any]]:
    """Run the trials of `numbers` on the cluster, and yield each as it ends.

    Trials that it cannot run are left out, each reason logged once. Raises UserError where the cluster does not answer at first, or does
    not fit.
    """
    logged: set[str] = set()
    with Cluster(settings) as cluster:
        cluster.start(_run_trial_here, [(search, data_sha256, number, until) for number in numbers])
        try:
            for trial, why in cluster.results():
                if trial is not None:
                    yield trial
                elif why is not None and why not in logged:
                    logged.add(why)
                    say(_log, events.CLUSTER_LOST, job=search.task.job, error=why)
        except ClusterLost as error:
            say(_log, events.CLUSTER_LOST, job=search.task.job, error=str(error))
        finally:
            cluster.forget(_forget)


# The worker's side

_reading = threading.Lock()
_read: dict[tuple[RemoteSearch, str], tuple[Job, TrialData]] = {}


def _run_trial_here(
    search: RemoteSearch, data_sha256: str, number: int, until: float | None
) -> tuple[dict[str, Any] | None, str | None]:
    """A trial run by this worker, or why it could not be run."""
    found: list[dict[str, Any] | None] = []

    def run() -> None:
        job, data = _trial_data(search, data_sha256)
        with libraries_on_one_thread():
            found.append(run_trial(data, job, number, until))

    why = why_not(run)
    return (found[0] if found else None), why


def _trial_data(search: RemoteSearch, data_sha256: str) -> tuple[Job, TrialData]:
    """The job and the data of a search, read by this host once.

    Raises UserError where the data are not those of the search.
    """
    with _reading:
        if (search, data_sha256) not in _read:
            _read.clear()
            here = settings_here(search.task)
            target = here.database.as_worker()
            steps = steps_of(here.job, search.landmark_step)
            with closing(Source(target)) as source:
                landmarks = read_landmarks(here.job, source, parameters=steps)
            if landmarks.data_sha256 != data_sha256:
                raise UserError(
                    "the source tables have changed since the search was begun; what is left is tried where it was."
                )
            _read[search, data_sha256] = here.job, TrialData.of(landmarks, here.job, folds=search.folds)
        return _read[search, data_sha256]


def _forget() -> None:
    with _reading:
        _read.clear()
