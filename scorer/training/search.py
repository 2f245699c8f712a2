"""The search: every combination of feature groups with every model configuration, cross-validated by client; it can be stopped and goes on.

Each trial is written down as it ends, one line of JSON; a search that was stopped reads what is there, and tries the rest. The objective is
AUROC + average precision, each the mean over the folds.
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
from scorer.jobs.job import Job, Task
from scorer.jobs.training import Recipe
from scorer.registry.manifest import libraries
from scorer.runs.threads import libraries_on_one_thread
from scorer.training.trials import TrialData, plan_trials, tried

OBJECTIVE = "auroc + average_precision"
TRIALS = "trials.jsonl"
Told = Callable[[int, int, str], None]
# Tries, on other hosts, those of the numbers that it can, on the data of that digest, until a time; gives the trials as they end.
Away = Callable[[Sequence[int], str, float | None], Iterator[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Found:
    """A search as far as it has come: what it is of, and its trials, in their order."""

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


def search(
    job: Job,
    landmarks: Landmarks,
    *,
    into: Path,
    folds: int,
    landmark_step: str,
    workers: int,
    again: bool = False,
    until: float | None = None,
    progress: Told | None = None,
    threads: bool = False,
    away: Away | None = None,
) -> Found:
    """Try all that `into` does not tell of yet; no trial begins after `until`, in seconds since 1970.

    It is tried by `workers` processes, or `threads`, and by them after `away`, where there is one. `progress` is told how many trials are
    done, of how many, and what the best is. Raises UserError where `into` holds a search of other data, another job version or other
    libraries, unless it is to be begun `again`.
    """
    if job.task is not Task.BINARY:
        raise UserError(f"Job {job.name} has the task {job.task}; a search is for binary jobs so far.")
    cohort = TrialData.of(landmarks, job, folds=folds)
    planned = plan_trials(job)
    about = _about(job, cohort.landmarks, folds=folds, landmark_step=landmark_step, planned=len(planned))
    into.mkdir(parents=True, exist_ok=True)
    path = into / TRIALS
    about, done = _begun(path, about, again=again)
    with path.open("a", encoding="utf-8") as file:
        for trial in _outcomes(cohort, job, planned, done, until=until, workers=workers, threads=threads, away=away):
            file.write(json.dumps(trial, allow_nan=False) + "\n")
            file.flush()
            done[trial["trial"]] = trial
            if progress is not None:
                progress(len(done), len(planned), _best(done))
    return Found(about=about, trials=tuple(done[number] for number in sorted(done)))


def _outcomes(
    cohort: TrialData,
    job: Job,
    planned: Sequence[tuple[int, str, Recipe]],
    done: Collection[int],
    *,
    until: float | None,
    workers: int,
    threads: bool,
    away: Away | None,
) -> Iterator[dict[str, Any]]:
    """The trials that are not `done`, as they end; what `away` leaves is tried here. `done` is to grow by each before the next."""
    left = [number for number, _, _ in planned if number not in done]
    if away is not None:
        yield from away(left, cohort.landmarks.data_sha256, until)
    calls = [joblib.delayed(tried)(cohort, job, number, until) for number in left if number not in done]
    with libraries_on_one_thread(), joblib.parallel_config(backend="threading" if threads else "loky"):
        trials = joblib.Parallel(n_jobs=workers, return_as="generator_unordered", max_nbytes="1M")(calls)
        yield from (trial for trial in trials if trial is not None)


def _about(job: Job, known: Landmarks, *, folds: int, landmark_step: str, planned: int) -> dict[str, Any]:
    return {
        "experiment_id": uuid.uuid4().hex,
        "job": job.name,
        "job_version": job.version,
        "objective": OBJECTIVE,
        "folds": folds,
        "landmark_step": landmark_step,
        "seed": Recipe().seed,
        "landmarks": len(known),
        "positive_landmarks": int((known.label == 1).sum()),
        "entities": len(np.unique(known.entity_ids.astype(str))),
        "clients": len(np.unique(known.cohort.astype(str))),
        "data_sha256": known.data_sha256,
        "libraries": libraries(),
        "planned": planned,
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "scorer_version": __version__,
    }


def _begun(path: Path, about: dict[str, Any], *, again: bool) -> tuple[dict[str, Any], dict[int, Any]]:
    """What the search in `path` is of, and its trials by number; begun there where it is not, or is to be begun again."""
    lines = [] if again or not path.exists() else list(_lines(path))
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
    # A line that was cut off is written over by those that follow.
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return before, {trial["trial"]: trial for trial in lines[1:]}


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """The lines that are whole."""
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            return


def _best(done: Mapping[int, Mapping[str, Any]]) -> str:
    objectives = [trial["objective"] for trial in done.values() if trial["error"] is None]
    return f"(best {max(objectives):.3f})" if objectives else ""
