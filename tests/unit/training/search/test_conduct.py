"""The search: recorded trial by trial, it goes on where it stopped, and begins anew only where that is asked for."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scorer.config import shipped_root
from scorer.errors import UserError
from scorer.evaluation.landmarks import Landmarks
from scorer.jobs.job import Job, load_job
from scorer.training.search.conduct import TRIALS, SearchOptions, search


def options(into: Path, **others: Any) -> SearchOptions:
    return SearchOptions(into=into, folds=2, landmark_step="1 h", workers=1, **others)


def test_a_trial_that_fails_is_recorded_and_the_rest_goes_on(
    job: Job, landmarks: Landmarks, tried: list[str], tmp_path: Path
) -> None:
    found = search(job, landmarks, options(tmp_path))
    assert found.is_whole
    assert [trial["trial"] for trial in found.trials] == list(range(1, 17))
    failed = [trial for trial in found.trials if trial["error"] is not None]
    assert [trial["configuration"] for trial in failed] == ["extra trees"] * 2
    assert all(len(trial["folds"]) == 2 for trial in found.ranked)
    assert len(tried) == 2 * 14 + 2, "a trial that fails ends with its first fold"


def test_an_interrupted_search_goes_on_where_it_stopped(
    job: Job, landmarks: Landmarks, tried: list[str], tmp_path: Path
) -> None:
    def interrupt(done: int, planned: int, best: str) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(job, landmarks, options(tmp_path), progress=interrupt)
    path = tmp_path / TRIALS
    assert len(path.read_text().splitlines()) == 6
    path.write_text(path.read_text() + '{"trial": 6, "combin')  # the machine went down in the middle of a line
    before = len(tried)
    found = search(job, landmarks, options(tmp_path))
    assert found.is_whole
    assert len(tried) - before < 2 * 12
    assert len(path.read_text().splitlines()) == 17
    before = len(tried)
    assert search(job, landmarks, options(tmp_path)) == found
    assert len(tried) == before
    other = replace(landmarks, data_sha256="1" * 64)
    with pytest.raises(UserError, match=r"its data sha256 differs.*--again"):
        search(job, other, options(tmp_path))
    assert search(job, other, options(tmp_path, again=True)).is_whole


def test_a_search_whose_time_is_up_says_what_it_has(
    job: Job, landmarks: Landmarks, tried: list[str], tmp_path: Path
) -> None:
    found = search(job, landmarks, options(tmp_path, until=0.0))
    assert not found.is_whole
    assert not found.trials
    assert not tried


def test_what_remote_workers_leave_is_tried_here(
    job: Job, landmarks: Landmarks, tried: list[str], tmp_path: Path
) -> None:
    """Trials that come from elsewhere are recorded as they are; the others are run by this host."""
    whole = search(job, landmarks, options(tmp_path / "here"))
    given: list[Any] = []

    def remote(numbers: Any, data_sha256: str, until: float | None) -> Any:
        given.append((list(numbers), data_sha256, until))
        yield from whole.trials[10:]

    tried.clear()
    found = search(job, landmarks, options(tmp_path / "away", remote=remote))
    assert given == [(list(range(1, 17)), landmarks.data_sha256, None)]
    assert found.is_whole
    assert found.trials[10:] == whole.trials[10:]
    assert len(tried) == 2 * 9 + 1


@pytest.fixture
def changed_toml(tmp_path: Path) -> Callable[[str, str], Job]:
    """Loads the shipped job with a piece of job.toml changed."""

    def change(old: str, new: str) -> Job:
        for kind in ("sql", "expectations"):
            shutil.copytree(shipped_root() / kind / "sepsis", tmp_path / kind / "sepsis")
        path = tmp_path / "sql" / "sepsis" / "job.toml"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
        return load_job("sepsis", jobs_dir=tmp_path)

    return change


def test_an_unknown_group_in_a_combination_is_refused(changed_toml: Callable[[str, str], Job]) -> None:
    with pytest.raises(UserError, match=r'no feature group "vitalz"; there are: vitals, .*attributes'):
        changed_toml('"attributes" = ["attributes"]', '"vitals" = ["vitalz"]')
