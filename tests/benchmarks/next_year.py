"""How a job's recipe does on a year, trained on what was before it: figures of a model that knows nothing of the year.

python -m tests.benchmarks.next_year JOB YEAR    # after `scorer load DIR --job JOB`, in the database that the settings name
"""

from __future__ import annotations

import sys
from contextlib import closing
from datetime import UTC, datetime

import numpy as np

from scorer.cli.options import database_of
from scorer.config import load_settings
from scorer.database.source.reader import Source, microseconds
from scorer.evaluation.landmarks import read_landmarks
from scorer.jobs.job import load_job
from scorer.tasks.bootstrap import draws
from scorer.tasks.task import Judged
from scorer.training.cross_validation import fit_all
from scorer.training.targets import counted

FOLDS = 5


def main(name: str, year: int) -> None:
    """Train on all years before, judge the year, print its figures."""
    settings = load_settings()
    job = load_job(name, jobs_dir=settings.jobs_dir)
    with closing(Source(database_of(settings).as_worker())) as source:
        known = counted(read_landmarks(job, source), job)
    begins, ends = (microseconds(datetime(each, 1, 1, tzinfo=UTC)) for each in (year, year + 1))
    past = known.only(known.as_of < begins)
    judged = known.only((known.as_of >= begins) & (known.as_of < ends) & known.scorable)
    fitted = fit_all(past, job, job.training, folds=FOLDS, whole=True, workers=1)
    assert fitted.whole is not None
    rules, scored = fitted.rules, np.all(np.isfinite(fitted.margin.reshape(len(past), -1)), axis=1)
    client = np.unique(past.cohort.astype(str), return_inverse=True)[1].astype(np.int64)
    calibration = rules.calibrate(fitted.margin[scored], past.label[scored], client[scored])
    published = rules.publish(fitted.whole.margin(judged.features.values), calibration)
    clients, client = np.unique(judged.cohort.astype(str), return_inverse=True)
    for figure, found in rules.figures(
        Judged(published, judged.label, client.astype(np.int64)), draws(len(clients))
    ).items():
        print(f"{figure:24} {found.value:.4f} ({found.low:.4f} to {found.high:.4f})")
    print(f"trained on {len(past):,} landmarks before {year}, judged by {len(judged):,} of it")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
