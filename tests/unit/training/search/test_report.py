"""What a search writes down: files that can be read again, and nothing where nothing succeeded."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scorer.errors import UserError
from scorer.jobs.training import Configuration, read_recipe
from scorer.training.search.conduct import Found
from scorer.training.search.report import CONFIG, LOG, PICTURE, SUMMARY, write_findings


def trial(number: int, configuration: Configuration, *, objective: float | None, error: str | None = None) -> Any:
    auroc = None if objective is None else objective / 2
    return {
        "trial": number,
        "combination": "few",
        "configuration": configuration.value,
        "recipe": {"configuration": configuration.value, "groups": ["vitals"]},
        "features": 12,
        "folds": [],
        "auroc": auroc,
        "average_precision": auroc,
        "figures": {} if auroc is None else {"auroc": auroc, "average_precision": auroc},
        "objective": objective,
        "utility": 0.25,
        "error": error,
        "seconds": 1.5 * number,
    }


@pytest.fixture
def found() -> Found:
    """A search of three trials, of which one failed; the second is the best."""
    about = {
        "experiment_id": "0" * 32,
        "job": "sepsis",
        "objective": "auroc + average_precision",
        "folds": 2,
        "landmark_step": "1 h",
        "landmarks": 1500,
        "positive_landmarks": 180,
        "entities": 150,
        "clients": 150,
        "planned": 3,
    }
    trials = (
        trial(1, Configuration.LOGISTIC_REGRESSION, objective=1.2),
        trial(2, Configuration.LIGHTGBM_SMALL, objective=1.4),
        trial(3, Configuration.EXTRA_TREES, objective=None, error="ValueError at a.py:1"),
    )
    return Found(about=about, trials=trials)


def test_the_files_of_a_search_say_which_is_best(found: Found, tmp_path: Path) -> None:
    written = write_findings(found, tmp_path)
    assert [path.name for path in written] == [CONFIG, LOG, SUMMARY, PICTURE]
    recipe = read_recipe(tmp_path / CONFIG, job="sepsis")
    assert recipe.configuration == Configuration.LIGHTGBM_SMALL
    assert json.loads((tmp_path / LOG).read_text())["trials"] == list(found.trials)
    summary = (tmp_path / SUMMARY).read_text()
    assert "3 of 3 trials, 1 failed" in summary
    assert summary.index("lightgbm small, few") < summary.index("logistic regression, few")
    assert "failed  extra trees, few: ValueError at a.py:1" in summary
    picture = (tmp_path / PICTURE).read_bytes()
    assert b"<svg" in picture
    write_findings(found, tmp_path)
    assert (tmp_path / PICTURE).read_bytes() == picture


def test_a_search_without_a_success_writes_nothing(found: Found, tmp_path: Path) -> None:
    nothing = Found(about=found.about, trials=found.trials[2:])
    with pytest.raises(UserError, match="No trial of the search succeeded"):
        write_findings(nothing, tmp_path)
    assert not list(tmp_path.iterdir())


def test_landmarks_of_the_jobs_own_have_no_step(found: Found, tmp_path: Path) -> None:
    for step, told in (("4 h", True), ("0 s", False)):
        write_findings(replace(found, about={**found.about, "landmark_step": step}), tmp_path)
        assert (", one every " in (tmp_path / SUMMARY).read_text()) is told
