"""Trials on a cluster: all are run once, though a worker is killed, and none on other data."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from scorer.config import shipped_root
from scorer.database.connection import Target
from scorer.database.session import Session
from scorer.database.source.reader import Source
from scorer.evaluation.landmarks import read_landmarks
from scorer.jobs.job import Job
from scorer.runs.remote import remote_task_of
from scorer.training.search.conduct import SearchOptions, search
from scorer.training.search.remote_trials import RemoteSearch, try_remotely


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Why a cluster did not run all trials."""
    return [record.fields["error"] for record in caplog.records if record.levelname == "WARNING"]  # type: ignore[attr-defined]


def test_a_search_on_a_cluster_whose_worker_is_killed_tries_all_once(
    cohort: Any, changed_job: Callable[..., Job], cluster: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = (shipped_root() / "sql" / "sepsis" / "job.toml").read_text()
    combinations = text[text.index("[search.combinations]") :].split("\n\n", 1)[0]
    job = changed_job(("job.toml", combinations, '[search.combinations]\n"vitals" = ["vitals"]'))
    settings = {"database_url": cohort.url, "home": str(cohort.settings.home), "jobs_dir": str(tmp_path / "site")}
    cluster.stand(**settings)
    killed: list[int] = []

    def kill_one(done: int, planned: int, _: str) -> None:
        if not killed:
            killed.append(done)
            cluster.workers[0].kill()

    here = replace(cohort.settings, backend="dask", scheduler=cluster.address)
    target = Target.of(cohort.url, here, role=here.worker_role)
    with closing(Source(target)) as source, closing(Session(target)) as store:
        landmarks = read_landmarks(job, source, parameters={"first_landmark": "1 h", "landmark_step": "1 h"})
        elsewhere = RemoteSearch(remote_task_of(job, store), "1 h", 2)
    common: dict[str, Any] = {"folds": 2, "landmark_step": "1 h", "workers": 1}
    found = search(
        job,
        landmarks,
        SearchOptions(into=tmp_path / "away", remote=partial(try_remotely, here, elsewhere), **common),
        progress=kill_one,
    )
    assert killed
    assert [trial["trial"] for trial in found.trials] == list(range(1, 9))
    assert not warnings_of(caplog), "all was tried by the cluster"
    alone = search(job, landmarks, SearchOptions(into=tmp_path / "here", threads=True, **common))
    of = ("trial", "configuration", "auroc", "average_precision", "objective", "error")
    assert [[each[key] for key in of] for each in found.trials] == [[each[key] for key in of] for each in alone.trials]

    # A worker with other rows than those of the search runs no trial, and leaves all to this host.
    caplog.clear()
    assert not list(try_remotely(here, elsewhere, [1, 2], "other data", None))
    (why,) = warnings_of(caplog)
    assert "the source tables have changed since the search was begun" in why
