"""The page of a training, by the scores out of the folds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from scorer.evaluation.cohort import cohort_of
from scorer.evaluation.figures import evaluate
from scorer.evaluation.page import page, write_page
from scorer.jobs.job import Job
from scorer.registry.manifest import read_manifest
from scorer.training.trainer import Trained


def report_held_out(job: Job, trained: Trained, *, report: Path, command: str) -> None:
    """Write the page of the cross-validated scores into the file `report`."""
    landmarks = trained.landmarks
    cohort = cohort_of(
        job,
        landmarks,
        trained.published,
        every=None,
        outcomes=True,
        subgroups=job.measures.subgroups,
        clients_seen=0,
        everyone=trained.manifest["naive"]["everyone"],
    )
    evaluation = evaluate(
        job,
        cohort,
        read_manifest(trained.folder),
        outcomes=True,
        faults=(),
        command=command,
    )
    by_time = trained.manifest["recipe"].get("split") == "time"
    held_out = (
        "What follows the past: scored by a model of the same recipe that had seen the past alone, of all clients."
        if by_time
        else "Cross-validated: every client was scored by a model of the same recipe that had not seen that client."
    )
    write_page(report, page(replace(evaluation, remarks=(held_out, *evaluation.remarks))))
