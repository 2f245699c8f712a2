"""What a model of one hospital is worth in another: as it is, recalibrated there, trained anew there.

python -m tests.benchmarks.moving JOB FROM TO    # after `scorer load`, in the database that the settings name

Half of the clients of TO, by chance, are judged; of the others some recalibrate the model, and all train another.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from scorer.cli.options import database_of
from scorer.config import load_settings
from scorer.database.source.reader import Source
from scorer.evaluation.landmarks import Landmarks, read_landmarks
from scorer.jobs.features import feature_names
from scorer.jobs.job import Job, load_job
from scorer.registry.model import LoadedModel
from scorer.training.calibrations import Calibrations, members
from scorer.training.held_out_figures import figures_of
from scorer.training.recalibration import Sample
from scorer.training.targets import counted
from scorer.training.trainer import train

FOLDS, WORKERS = 5, 2
CLIENTS = (500, 2000, 7000)
SHOWN = ("auroc", "average_precision", "utility", "calibration_slope", "calibration_intercept", "alarm_share")


def main(name: str, home: str, away: str) -> None:
    """Train at home, judge away, print the table."""
    settings = load_settings()
    job = load_job(name, jobs_dir=settings.jobs_dir)
    with closing(Source(database_of(settings).as_worker())) as source:
        known = counted(read_landmarks(job, source), job)
    known = replace(known, entity_ids=known.entity_ids.astype(str), cohort=known.cohort.astype(str))
    rows_of = members(known.features.facility)
    clients = np.random.default_rng(1).permutation(np.unique(known.cohort[rows_of[away]]))
    there, judged = np.array_split(clients, 2)
    held = np.isin(known.cohort, judged)
    here = known.only(held)
    print(f"| {home} in {away}, {len(judged):,} clients | {' | '.join(SHOWN)} |\n| --- |{' --- |' * len(SHOWN)}")
    with tempfile.TemporaryDirectory() as folder:
        model = _trained(job, _without_facility(known.only(rows_of[home])), Path(folder), "alone")
        _show("as it is", job, here, model)
        for count in CLIENTS:
            some = known.only(np.isin(known.cohort, there[:count]))
            _show(
                f"recalibrated on {min(count, len(there)):,}",
                job,
                here,
                model,
                Sample.of(job, model, some).calibrated(),
            )
        model = _trained(job, known.only(np.isin(known.cohort, there)), Path(folder), "there")
        _show(f"trained on {len(there):,} of {away} alone", job, here, model)
        model = _trained(job, known.only(~held), Path(folder), "both")
        _show(f"trained on {home} and {len(there):,} of {away}", job, here, model)


def _without_facility(landmarks: Landmarks) -> Landmarks:
    return replace(landmarks, features=replace(landmarks.features, facility=None))


def _trained(job: Job, landmarks: Landmarks, folder: Path, version: str) -> LoadedModel:
    """A model of the job's own recipe."""
    made = train(job, landmarks, job.training, models=folder, model_version=version, folds=FOLDS, workers=WORKERS)
    return LoadedModel.load(made.folder, sha256=made.sha256, task=job.task, features=feature_names(job.features))


def _show(what: str, job: Job, judged: Landmarks, model: LoadedModel, anew: Calibrations | None = None) -> None:
    """Print the figures of the landmarks `judged` by a model, or by its margins calibrated `anew`."""
    facility = judged.features.facility
    published, alarm = np.full(len(judged), np.nan), np.zeros(len(judged), dtype=bool)
    scored = judged.scorable
    features = judged.features.only(scored)
    if anew is None:
        published[scored] = model.score(features).whole
        anew = Calibrations({}, model.manifest.alarm_threshold)
    else:
        published[scored] = anew.publish(model.margin(features), None, rules=model.rules)
    alarm = anew.alarms(published, facility)
    figures = figures_of(judged, job, published=published, alarm=alarm, rules=model.rules)
    cells = [
        f"{each['value']:.3f} ({each['low']:.3f} to {each['high']:.3f})" for each in map(figures.get, SHOWN) if each
    ]
    print(f"| {what} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
