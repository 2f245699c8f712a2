"""The figures out of the folds: by landmark, with what cannot be scored counted as silence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scorer.evaluation.landmarks import Landmarks
from scorer.jobs.job import Job
from scorer.tasks.binary import Binary
from scorer.training.held_out_figures import band_figures, figures_of


def test_what_cannot_be_scored_counts_for_the_utility_alone(job: Job, landmarks: Landmarks) -> None:
    score = np.where(landmarks.scorable, np.where(landmarks.label == 1, 0.8, 0.2), np.nan)
    figures = figures_of(landmarks, job, published=score, rules=Binary(), alarm=landmarks.label == 1)
    assert figures["auroc"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert figures["prevalence"]["value"] == landmarks.label[landmarks.scorable].mean()
    assert figures["alarm_share"]["value"] == landmarks.label.mean()
    silent = figures_of(landmarks, job, published=score, rules=Binary(), alarm=np.zeros(len(landmarks), dtype=bool))
    assert silent["utility"]["value"] == 0
    assert figures["calibration_slope"] == {"value": None, "low": None, "high": None}, "the scores separate the classes"
    without = replace(job, measures=replace(job.measures, utility=None))
    assert not {"utility", "alarm_share"} & set(
        figures_of(landmarks, without, published=score, rules=Binary(), alarm=score > 1)
    )


def test_the_bands_tell_what_alarms_above_them_find(job: Job, landmarks: Landmarks) -> None:
    assert job.bands is not None
    (high, limit), (medium, _) = job.bands.limits
    # Of the positives half are HIGH, half lie at its edge, which is not above it; no negative is in a band.
    half = np.arange(len(landmarks)) % 2 == 0
    score = np.where(landmarks.label == 1, np.where(half, 0.99, limit), 0.0)
    score[~landmarks.scorable] = np.nan
    figures = band_figures(landmarks, job, published=score, rules=Binary())
    above = landmarks.scorable & (landmarks.label == 1) & half
    assert figures[high]["sensitivity"]["value"] == pytest.approx(above.sum() / (landmarks.label == 1).sum())
    assert figures[high]["ppv"]["value"] == figures[medium]["ppv"]["value"] == 1
    assert figures[medium]["sensitivity"]["value"] == 1, "no positive landmark is unscorable"
    assert figures[high]["alarm_share"]["value"] == pytest.approx(above.mean())
    assert band_figures(landmarks, replace(job, bands=None), published=score, rules=Binary()) == {}
