"""Training sees nothing of what was not known yet, and a run scores to the bits of the training."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from scorer.database.source.reader import Source
from scorer.evaluation.landmarks import read_landmarks
from scorer.jobs.training import Configuration, Recipe
from scorer.registry.model import LoadedModel
from scorer.tasks.binary import Binary
from scorer.training.cross_validation import fit_all
from scorer.training.targets import counted
from scorer.training.trainer import train

HOURLY = {"first_landmark": "1 hour", "landmark_step": "1 hour"}


def test_what_is_charted_after_the_onset_is_no_help(cohort: Any, source: Source) -> None:
    recipe = Recipe(
        Configuration.LIGHTGBM_SMALL, parameters={"min_child_samples": 3, "trees": 30, "feature_fraction": 1.0}
    )
    aurocs = []
    for recorded in ("the truth", "leaked"):
        if recorded == "leaked":
            cohort.execute("UPDATE public.patient_observations SET recorded_at = observation_date")
        landmarks = counted(read_landmarks(cohort.job, source, parameters=HOURLY), cohort.job)
        fitted = fit_all(landmarks, cohort.job, recipe, folds=2, whole=False, workers=1)
        hour = np.round((landmarks.as_of - landmarks.as_of.min()) / 3_600_000_000) + 1
        # Of one hour before the onset, so that the hour itself says nothing.
        before = (hour == 7) & np.isfinite(fitted.published)
        assert before.sum() == 40
        aurocs.append(Binary().trial_figures(fitted.margin[before], landmarks.label[before])["auroc"])
    assert aurocs[1] > 0.95, "the planted value says nothing even where it leaks: the test proves nothing"
    assert aurocs[0] < 0.8


def test_a_trained_model_scores_a_run_to_the_bits_of_its_training(cohort: Any, source: Source, tmp_path: Path) -> None:
    landmarks = read_landmarks(cohort.job, source, parameters=HOURLY)
    recipe = Recipe(parameters={"min_child_samples": 3, "trees": 30}, members=2)
    trained = train(
        cohort.job,
        landmarks,
        recipe,
        models=cohort.settings.home_dir / "models",
        model_version="t1",
        folds=2,
        workers=1,
    )
    model = LoadedModel.load(
        trained.folder, sha256=trained.sha256, task=cohort.job.task, features=landmarks.features.names
    )
    cohort.put_into_production(cohort.job, trained.folder)
    at = cohort.noon - timedelta(hours=3)
    cohort.run(as_of=at)
    then = landmarks.only(landmarks.as_of == int(at.timestamp()) * 1_000_000)
    assert len(then) == 40
    expected = dict(zip(then.entity_ids.tolist(), model.score(then.features).score.tolist(), strict=True))
    scores = dict(cohort.rows("SELECT entity_id, score FROM scorer.current_scores WHERE score IS NOT NULL"))
    assert scores == expected
