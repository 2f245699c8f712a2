"""A model version from made-up landmarks: the same bits each time, or nothing at all."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scorer.errors import UserError
from scorer.evaluation.landmarks import Landmarks
from scorer.jobs.job import Job, Task
from scorer.jobs.training import Recipe
from scorer.registry.model import LoadedModel
from scorer.training.trainer import one_in, train
from scorer.types.arrays import Features


def test_two_trainings_give_the_same_model_and_the_same_figures(
    job: Job, landmarks: Landmarks, tmp_path: Path, quick: Recipe
) -> None:
    one, other = (
        train(job, landmarks, replace(quick, members=2), models=tmp_path / each, model_version="1", folds=3, workers=1)
        for each in ("one", "other")
    )
    assert one.sha256 == other.sha256
    without = [{key: value for key, value in each.manifest.items() if key != "created_at"} for each in (one, other)]
    assert without[0] == without[1]
    manifest = one.manifest
    assert {"auroc", "average_precision", "brier", "calibration_slope", "utility"} <= set(manifest["metrics"])
    assert (
        manifest["metrics"]["auroc"]["low"]
        < manifest["metrics"]["auroc"]["value"]
        < manifest["metrics"]["auroc"]["high"]
    )
    assert 0 < manifest["alarm_threshold"] < 1
    assert manifest["training"]["clients"] == len(manifest["training"]["clients_seen"]) == 150
    assert next(iter(manifest["importances"])) == landmarks.features.names[0]
    fitted = landmarks.features.values[landmarks.trainable]
    told = manifest["catalogue"]
    assert tuple(told) == landmarks.features.names == tuple(manifest["features"])
    assert [told[name]["mean"] for name in told] == pytest.approx(np.nanmean(fitted, axis=0).tolist(), rel=1e-5)
    assert [told[name]["null_rate"] for name in told] == [
        manifest["baseline"]["features"][name]["missing"] for name in told
    ]
    model = LoadedModel.load(one.folder, sha256=one.sha256, task=Task.BINARY, features=landmarks.features.names)
    golden = manifest["golden"]
    inputs = np.array([[np.nan if value is None else value for value in row] for row in golden["inputs"]])
    assert len(inputs) == len(golden["scores"]) == 20
    np.testing.assert_array_equal(model.score(Features(landmarks.features.names, inputs)).score, golden["scores"])
    assert golden["scores"][0] < golden["scores"][-1]
    assert json.loads((one.folder / "manifest.json").read_text()) == manifest


def test_a_word_on_the_data_stands_in_the_manifest(
    job: Job, landmarks: Landmarks, tmp_path: Path, quick: Recipe
) -> None:
    plain, told = (
        train(job, replace(landmarks, data=word), quick, models=tmp_path, model_version=str(word), folds=3, workers=1)
        for word in (None, "simulated")
    )
    assert "data" not in plain.manifest["training"]
    assert told.manifest["training"]["data"] == "simulated"


def test_what_cannot_be_trained_leaves_nothing_behind(
    job: Job, landmarks: Landmarks, tmp_path: Path, quick: Recipe
) -> None:
    healthy = replace(landmarks, label=np.zeros(len(landmarks)))
    with pytest.raises(UserError, match="No landmark has a positive outcome"):
        train(job, healthy, quick, models=tmp_path, model_version="1", folds=2, workers=1)
    with pytest.raises(UserError, match=r"Job sepsis is a regression, and \[utility\] is for binary jobs"):
        train(replace(job, task=Task.REGRESSION), landmarks, quick, models=tmp_path, folds=2, workers=1)
    unscored = replace(landmarks, scorable=landmarks.scorable & (landmarks.label == 0))
    with pytest.raises(UserError, match="all of one class"):
        train(job, unscored, quick, models=tmp_path, model_version="1", folds=2, workers=1)
    assert not list(tmp_path.rglob("*.json"))


def test_a_quick_look_takes_one_landmark_in_so_many(landmarks: Landmarks) -> None:
    some = one_in(landmarks, 4)
    assert len(some) == 3 * 150
    assert len(set(some.entity_ids)) == 150
