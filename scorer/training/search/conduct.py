"""The search for a model: each feature combination with each configuration, cross-validated by client.

Each trial is recorded as it ends, one line of JSON; a search that was stopped reads what is there and runs the rest. The objective is the
task's, of means over the folds (AUROC + average precision, for a binary one).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from scorer import __version__
from scorer.errors import UserError
from scorer.evaluation.landmarks import Landmarks
from scorer.jobs.job import Job
from scorer.jobs.training import Recipe
from scorer.registry.manifest import libraries
from scorer.runs.threads import libraries_on_one_thread
from scorer.tasks.known import task_of
from scorer.training.search.trials import TrialData, plan_trials, run_trial

TRIALS = "trials.jsonl"
Progress = Callable[[int, int, str], None]  # called with how many trials are done, of how many, and the best in words
# Runs trials on other hosts: given their numbers, the SHA-256 of the data and the time to stop at, yields those that it could, as they end.
RemoteTrials = Callable[[Sequence[int], str, float | None], Iterator[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Found:
    """A search as far as it has come: its description, and its trials in order of number."""

    about: Mapping[str, Any]
    trials: tuple[Mapping[str, Any], ...]

    @property
    def ranked(self) -> list[Mapping[str, Any]]:
        """The trials that did not fail, best first."""
        good = [trial for trial in self.trials if trial["error"] is None]
        return sorted(good, key=lambda trial: (-trial["objective"], trial["trial"]))

    @property
    def is_whole(self) -> bool:
        """Whether everything was tried."""
        return len(self.trials) == int(self.about["planned"])


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How a search is carried out.

    Its trials are recorded in the folder `into`; one that is there goes on, unless it is to begin `again`. No trial begins after `until`,
    in seconds since 1970. `workers` processes, or as many `threads`, try what `remote` leaves.
    """

    into: Path
    folds: int
    landmark_step: str
    workers: int
    again: bool = False
    until: float | None = None
    threads: bool = False
    remote: RemoteTrials | None = None


def search(job: Job, landmarks: Landmarks, options: SearchOptions, *, progress: Progress | None = None) -> Found:
    """Run the trials that are not yet recorded, and record each as it ends. Returns all trials.

    `progress` is called with how many trials are done, of how many, and the best objective in words. Raises UserError where the folder
    holds a search of other data, another job version or other libraries, and is not to begin again.
    """
    task_of(job.task).require_job(job)
    data = TrialData.of(landmarks, job, folds=options.folds)
    planned = plan_trials(job)
    about = _about(job, data.landmarks, folds=options.folds, landmark_step=options.landmark_step, planned=len(planned))
    options.into.mkdir(parents=True, exist_ok=True)
    path = options.into / TRIALS
    about, done = _begin(path, about, again=options.again)
    with path.open("a", encoding="utf-8") as file:
        for trial in _run_trials(data, job, planned, done, options=options):
            file.write(json.dumps(trial, allow_nan=False) + "\n")
            file.flush()
            done[trial["trial"]] = trial
            if progress is not None:
                progress(len(done), len(planned), _best(done))
    return Found(about=about, trials=tuple(done[number] for number in sorted(done)))


def _run_trials(
    data: TrialData,
    job: Job,
    planned: Sequence[tuple[int, str, Recipe]],
    done: Collection[int],
    *,
    options: SearchOptions,
) -> Iterator[dict[str, Any]]:
    """The trials that are not `done`, as they end; this host runs those that remote workers leave.

    The caller adds each trial to `done` before it asks for the next.
    """
    left = [number for number, _, _ in planned if number not in done]
    if options.remote is not None:
        yield from options.remote(left, data.landmarks.data_sha256, options.until)
    calls = [joblib.delayed(run_trial)(data, job, number, options.until) for number in left if number not in done]
    with libraries_on_one_thread(), joblib.parallel_config(backend="threading" if options.threads else "loky"):
        trials = joblib.Parallel(n_jobs=options.workers, return_as="generator_unordered", max_nbytes="1M")(calls)
        yield from (trial for trial in trials if trial is not None)


def _about(job: Job, known: Landmarks, *, folds: int, landmark_step: str, planned: int) -> dict[str, Any]:
    return {
        "experiment_id": uuid.uuid4().hex,
        "job": job.name,
        "job_version": job.version,
        "objective": task_of(job.task).objective,
        "folds": folds,
        "landmark_step": landmark_step,
        "seed": Recipe().seed,
        "landmarks": len(known),
        "positive_landmarks": task_of(job.task).positives(known.label),
        "entities": len(np.unique(known.entity_ids.astype(str))),
        "clients": len(np.unique(known.cohort.astype(str))),
        "data_sha256": known.data_sha256,
        "libraries": libraries(),
        "planned": planned,
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "scorer_version": __version__,
    }


def _begin(path: Path, about: dict[str, Any], *, again: bool) -> tuple[dict[str, Any], dict[int, Any]]:
    """The description of the search recorded in `path` and its trials by number.

    Begins the file where there is none, or where the search is to begin `again`. Raises UserError where it is of another search.
    """
    lines = [] if again or not path.exists() else list(_records(path))
    if not lines:
        path.write_text(json.dumps(about) + "\n", encoding="utf-8")
        return about, {}
    before = lines[0]
    for key, value in about.items():
        if key not in {"experiment_id", "started_at"} and before.get(key) != value:
            raise UserError(
                f"{path} is of another search: its {key.replace('_', ' ')} differs; give another folder (--into), or begin it again "
                "(--again)."
            )
    # Drops a last line that was cut off in the middle.
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return before, {trial["trial"]: trial for trial in lines[1:]}


def _records(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a file of JSON lines, up to the first that is incomplete."""
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            return


def _best(done: Mapping[int, Mapping[str, Any]]) -> str:
    objectives = [trial["objective"] for trial in done.values() if trial["error"] is None]
    return f"(best {max(objectives):.3f})" if objectives else ""
