"""How much of the utility lies late in the stay, by facility: of "alarm at every hour past N" alone, and of the recipe.

python -m tests.benchmarks.late_hours JOB HOURS    # after `scorer load`, in the database that the settings name
"""

from __future__ import annotations

import sys
from contextlib import closing

import numpy as np

from scorer.cli.options import database_of
from scorer.config import load_settings
from scorer.database.source.reader import Source
from scorer.evaluation.landmarks import hours_from_event, read_landmarks
from scorer.evaluation.utility import gain_and_best
from scorer.jobs.job import load_job
from scorer.training.calibrations import members
from scorer.training.cross_validation import fit_all
from scorer.training.targets import counted

FOLDS, WORKERS = 5, 2
PAST = (40, 48, 50, 54, 60, 72)


def main(name: str, late: float) -> None:
    """Print the utilities, normalised, of each facility, and of the hours up to `late`."""
    settings = load_settings()
    job = load_job(name, jobs_dir=settings.jobs_dir)
    with closing(Source(database_of(settings).as_worker())) as source:
        known = counted(read_landmarks(job, source), job)
    assert job.measures.utility is not None
    (begins,) = known.attributes.times.values()
    hour = (known.as_of - begins) / 3_600_000_000
    gain, best = gain_and_best(*hours_from_event(known), job.measures.utility)
    event = known.label == 1
    alarm = fit_all(known, job, job.training, folds=FOLDS, whole=False, workers=WORKERS).alarm
    for facility, rows in members(known.features.facility).items():
        whole, early = best[rows].sum(), rows & (hour <= late)
        entity = known.entity_ids.astype(str)
        long = np.unique(entity[rows & (hour > late)])
        share = len(np.intersect1d(long, np.unique(entity[rows & event]))) / max(1, len(long))
        print(f"{facility}: {len(long):,} stays go on past hour {late:g}, {share:.0%} of them with the event")
        for past in PAST:
            print(f"  an alarm at every hour past {past}: utility {gain[rows & (hour > past)].sum() / whole:.3f}")
        early_on = gain[early & alarm].sum() / best[early].sum()
        print(f"  the recipe: {gain[rows & alarm].sum() / whole:.3f}; up to hour {late:g}: {early_on:.3f}")


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
