"""A version calibrated for a facility: the same fit, its scores right there, and all others as they were."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scorer.errors import UserError
from scorer.evaluation.landmarks import Landmarks
from scorer.jobs.job import Job, Task
from scorer.jobs.training import Recipe
from scorer.registry.model import LoadedModel
from scorer.training.recalibration import Sample, recalibrate
from scorer.training.trainer import Trained, train
from scorer.types.arrays import Floats


def _at(landmarks: Landmarks, *names: str | None) -> Landmarks:
    """The landmarks, their clients spread over facilities."""
    place = np.unique(landmarks.cohort.astype(str), return_inverse=True)[1] % len(names)
    facility = np.array([*names, None], dtype=object)[:-1][place]
    return replace(landmarks, features=replace(landmarks.features, facility=facility))


def _others(landmarks: Landmarks) -> Landmarks:
    """The landmarks, of clients that no model here was trained on."""
    return replace(landmarks, cohort=np.array([f"other {each}" for each in landmarks.cohort], dtype=object))


def _open(trained: Trained, landmarks: Landmarks) -> LoadedModel:
    return LoadedModel.load(trained.folder, sha256=trained.sha256, task=Task.BINARY, features=landmarks.features.names)


def _score(model: LoadedModel, landmarks: Landmarks) -> Floats:
    return model.score(landmarks.features.only(landmarks.scorable)).score


@pytest.fixture
def home(job: Job, made: Callable[..., Landmarks], quick: Recipe, tmp_path: Path) -> tuple[Trained, Landmarks]:
    """A model of facility A, and its landmarks."""
    landmarks = _at(made(job, clients=400), "A")
    return train(job, landmarks, quick, models=tmp_path, model_version="1", folds=3, workers=1), landmarks


def test_scores_of_the_facility_are_calibrated_and_all_others_stay(
    job: Job, made: Callable[..., Landmarks], home: tuple[Trained, Landmarks], tmp_path: Path
) -> None:
    first, own = home
    elsewhere = _others(_at(made(job, clients=600, seed=5), "C"))
    # The event is rarer there: of every other client with it, nobody knows it as one.
    rarer = replace(elsewhere, label=np.where(np.arange(len(elsewhere)) // 20 % 2 == 0, 0.0, elsewhere.label))
    before = _open(first, own)
    artefact = (first.folder / "pipeline.joblib").read_bytes()
    done = recalibrate(job, before, artefact, rarer, facility="C", models=tmp_path, model_version="2")
    after = _open(done, own)
    assert done.sha256 == first.sha256
    assert (done.folder / "pipeline.joblib").read_bytes() == artefact
    np.testing.assert_array_equal(_score(after, own), _score(before, own))
    known = rarer.label[rarer.scorable]
    assert abs(_score(before, rarer).mean() - known.mean()) > 0.02
    assert _score(after, rarer).mean() == pytest.approx(known.mean(), abs=1e-6)
    nobody = _at(rarer, None)
    np.testing.assert_array_equal(_score(after, nobody), _score(before, nobody))

    manifest = json.loads((done.folder / "manifest.json").read_text())
    assert manifest["facilities"]["C"]["calibrated_by"]["from"] == "1"
    assert manifest["facilities"]["A"] == first.manifest["facilities"]["A"]
    assert abs(manifest["facilities"]["C"]["metrics"]["calibration_intercept"]["value"]) < 0.3, "cross-validated"
    assert set(manifest["golden"]["facility"]) == {"A", "C"}
    assert len(manifest["training"]["clients_seen"]) == len({*own.cohort, *rarer.cohort})


def test_a_facility_that_had_golden_vectors_is_calibrated_anew(
    job: Job, made: Callable[..., Landmarks], home: tuple[Trained, Landmarks], tmp_path: Path
) -> None:
    first, own = home
    more = _others(_at(made(job, clients=400, seed=7), "A"))
    rarer = replace(more, label=np.where(np.arange(len(more)) // 20 % 4 == 0, 0.0, more.label))
    artefact = (first.folder / "pipeline.joblib").read_bytes()
    done = recalibrate(job, _open(first, own), artefact, rarer, facility="A", models=tmp_path, model_version="2")
    after = _open(done, own)
    assert _score(after, rarer).mean() == pytest.approx(rarer.label[rarer.scorable].mean(), abs=1e-6)


def test_clients_that_the_model_has_seen_are_left_out(
    job: Job, made: Callable[..., Landmarks], home: tuple[Trained, Landmarks], tmp_path: Path
) -> None:
    first, own = home
    model, artefact = _open(first, own), (first.folder / "pipeline.joblib").read_bytes()
    with pytest.raises(UserError, match="Model 1 of sepsis was trained on each of these clients"):
        recalibrate(job, model, artefact, own, facility="A", models=tmp_path, model_version="2")
    more = _at(made(job, clients=700, seed=7), "A")  # the first four hundred are those of home
    sample = Sample.of(job, model, more)
    assert (sample.left_out, len(np.unique(sample.client))) == (400, 300)
    assert not {*sample.landmarks.cohort} & {*own.cohort}
    done = recalibrate(job, model, artefact, more, facility="A", models=tmp_path, model_version="2")
    assert done.manifest["facilities"]["A"]["clients"] == 300


def test_too_few_outcomes_calibrate_nothing(
    job: Job, made: Callable[..., Landmarks], home: tuple[Trained, Landmarks], tmp_path: Path
) -> None:
    first, own = home
    few = _others(_at(made(job, clients=100, seed=6), "C"))
    with pytest.raises(UserError, match='Facility "C" has too few clients: calibration takes 50 with the event'):
        recalibrate(job, _open(first, own), b"", few, facility="C", models=tmp_path, model_version="2")
    assert not (tmp_path / "sepsis" / "2").exists()


def test_training_on_two_facilities_calibrates_and_judges_each(
    job: Job, made: Callable[..., Landmarks], quick: Recipe, tmp_path: Path
) -> None:
    both = _at(made(job, clients=600), "A", "B", None)
    trained = train(job, both, quick, models=tmp_path, model_version="3", folds=3, workers=1)
    facilities = trained.manifest["facilities"]
    assert list(facilities) == ["A", "B"]
    for each in facilities.values():
        assert each["clients"] == 200
        assert each["calibration"] is None, "forty clients with the event are too few"
        assert each["metrics"]["auroc"]["low"] < each["metrics"]["auroc"]["value"]
    assert set(trained.manifest["golden"]["facility"]) == {"A", "B", None}
    _open(trained, both)
