"""The page of a training: its figures are those out of the folds, and it says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from scorer.evaluation.landmarks import Landmarks
from scorer.jobs.job import Job
from scorer.jobs.training import Recipe
from scorer.training.report import report_held_out
from scorer.training.trainer import train


def test_the_page_has_the_cross_validated_figures(
    job: Job, landmarks: Landmarks, quick: Recipe, tmp_path: Path
) -> None:
    counts = {"landmarks": len(landmarks), "held": 0, "insufficient": int((~landmarks.scorable).sum())}
    job = replace(job, measures=replace(job.measures, subgroups=()))
    trained = train(
        job, replace(landmarks, attrition=counts), quick, models=tmp_path, model_version="1", folds=2, workers=1
    )
    report_held_out(job, trained, report=tmp_path / "page.html", command="scorer train here")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "a model of the same recipe that had not seen that client" in page
    assert "every hour" in page, "the step of the landmarks"
    assert "scorer train here" in page
    for name in ("auroc", "average_precision", "brier"):
        assert f"{trained.manifest['metrics'][name]['value']:.3f}" in page
