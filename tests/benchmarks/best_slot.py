"""How much more is answered when the job contact's best slot is taken than at a random one, of people that the model has not seen.

    python -m tests.benchmarks.best_slot        # after `scorer load DIR --job contact`, in the database that the settings name

The job's recipe is cross-validated by person. Of each person and week that was foretold on its Monday, the prompt with the highest
probability is compared with the mean of the week's prompts; the interval is from resampling people.
"""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path

import numpy as np

from scorer.cli.options import database_of
from scorer.config import load_settings
from scorer.database.source.reader import Source
from scorer.evaluation.landmarks import Landmarks, read_landmarks
from scorer.jobs.job import load_job
from scorer.training.trainer import train
from scorer.types.arrays import Floats

JOB = "contact"
FOLDS, RESAMPLED = 5, 1000


def weeks(landmarks: Landmarks, published: Floats) -> tuple[list[str], Floats, Floats]:
    """Of each person and week: the person, whether the best slot was answered promptly, and what share of all was; (weeks,)."""
    ahead = landmarks.attributes.numbers["hours_ahead"] >= 1
    prompts: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for row in np.flatnonzero(ahead).tolist():
        week = str(landmarks.cohort[row]), int(landmarks.as_of[row])
        prompts.setdefault(week, []).append((float(published[row]), float(landmarks.label[row])))
    best = [max(each, key=lambda prompt: prompt[0])[1] for each in prompts.values()]
    at_random = [float(np.mean([label for _, label in each])) for each in prompts.values()]
    return [person for person, _ in prompts], np.array(best), np.array(at_random)


def main() -> None:
    """Cross-validate, compare, print."""
    settings = load_settings()
    job = load_job(JOB, jobs_dir=settings.jobs_dir)
    with closing(Source(database_of(settings).as_worker())) as source, tempfile.TemporaryDirectory() as models:
        landmarks = read_landmarks(job, source)
        trained = train(job, landmarks, job.training, models=Path(models), folds=FOLDS, workers=1)
    people, best, at_random = weeks(trained.landmarks, trained.published)
    names, person = np.unique(people, return_inverse=True)
    chance = np.random.default_rng(1)
    drawn = []
    for _ in range(RESAMPLED):
        times = np.bincount(chance.integers(0, len(names), len(names)), minlength=len(names))[person]
        drawn.append([np.average(best, weights=times), np.average(at_random, weights=times)])
    for name, value, several in (
        ("best slot", best.mean(), [each[0] for each in drawn]),
        ("random slot", at_random.mean(), [each[1] for each in drawn]),
        ("gain", (best - at_random).mean(), [each[0] - each[1] for each in drawn]),
    ):
        low, high = np.quantile(several, [0.025, 0.975])
        print(f"{name:12} {value:.3f} ({low:.3f} to {high:.3f})")
    print(f"{len(best)} weeks of {len(names)} people")


if __name__ == "__main__":
    main()
