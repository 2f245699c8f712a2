"""The search: every combination of feature groups with every model configuration, cross-validated by client; it can be stopped and goes on.

Each trial is written down as it ends, one line of JSON; a search that was stopped reads what is there, and tries the rest. The objective is
AUROC + average precision, each the mean over the folds.
"""

from __future__ import annotations

import json
import time
import traceback
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from scorer.errors import UserError
from scorer.evaluation.utility import gain_and_best
from scorer.features import group_columns
from scorer.job import Job, Task
from scorer.model import libraries
from scorer.recipes import Configuration, Recipe
from scorer.training.cross_validation import crossed, fit_fold
from scorer.training.estimators import parameters_of
from scorer.training.figures import objective_of
from scorer.training.folds import folds_of
from scorer.training.landmarks import Landmarks
from scorer.training.targets import counted, gains, hours_from_event, targets_of
from scorer.types import Booleans, Floats, Integers
from scorer.version import __version__

OBJECTIVE = "auroc + average_precision"
TRIALS = "trials.jsonl"
Told = Callable[[int, int, str], None]


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
) -> Found:
    """Try all that `into` does not tell of yet; no trial begins after `until`, in seconds since 1970.

    `progress` is told how many trials are done, of how many, and what the best is. Raises UserError where `into` holds a search of
    other data, another job version or other libraries, unless it is to be begun `again`.
    """
    if job.task is not Task.BINARY:
        raise UserError(f"Job {job.name} has the task {job.task}; a search is for binary jobs so far.")
    known = counted(landmarks, job)
    fold = folds_of(known.cohort, known.label, folds=folds)
    planned = plan(job)
    about = _about(job, known, folds=folds, landmark_step=landmark_step, planned=len(planned))
    into.mkdir(parents=True, exist_ok=True)
    path = into / TRIALS
    about, done = _begun(path, about, again=again)
    left = [each for each in planned if each[0] not in done]
    cohort = _Cohort.of(known, fold)
    calls = (joblib.delayed(_tried)(cohort, job, number, name, recipe, until) for number, name, recipe in left)
    with path.open("a", encoding="utf-8") as file:
        for trial in joblib.Parallel(n_jobs=workers, return_as="generator_unordered", max_nbytes="1M")(calls):
            if trial is None:
                continue
            file.write(json.dumps(trial, allow_nan=False) + "\n")
            file.flush()
            done[trial["trial"]] = trial
            if progress is not None:
                progress(len(done), len(planned), _best(done))
    return Found(about=about, trials=tuple(done[number] for number in sorted(done)))


def plan(job: Job) -> list[tuple[int, str, Recipe]]:
    """Number, combination and recipe of each trial, in order."""
    pairs = [(name, groups, each) for name, groups in job.search.combinations.items() for each in Configuration]
    return [
        (number, name, Recipe(configuration=configuration, groups=groups))
        for number, (name, groups, configuration) in enumerate(pairs, start=1)
    ]


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


@dataclass(frozen=True, slots=True)
class _Cohort:
    """What every trial is given; arrays (n,), `rows` (n, f)."""

    landmarks: Landmarks
    rows: Floats
    fold: Integers
    client: Integers

    @classmethod
    def of(cls, known: Landmarks, fold: Integers) -> _Cohort:
        client = np.unique(known.cohort.astype(str), return_inverse=True)[1].astype(np.int64)
        return cls(landmarks=known, rows=known.features.values, fold=fold, client=client)


def _tried(
    cohort: _Cohort, job: Job, number: int, name: str, recipe: Recipe, until: float | None
) -> dict[str, Any] | None:
    """One trial, or why it failed; None where it is too late to begin."""
    if until is not None and time.time() > until:
        return None
    began = time.monotonic()
    columns = group_columns(job.features, recipe.groups)
    trial: dict[str, Any] = {
        "trial": number,
        "combination": name,
        "configuration": recipe.configuration.value,
        "recipe": {**recipe.told(), "parameters": parameters_of(recipe)},
        "features": len(columns),
        "folds": [],
        "auroc": None,
        "average_precision": None,
        "objective": None,
        "utility": None,
        "error": None,
    }
    try:
        trial |= _measured(cohort, job, recipe, columns=columns)
    except Exception as error:  # noqa: BLE001 - whatever a configuration's library raises: the others go on
        trial["error"] = _why(error)
    return {**trial, "seconds": round(time.monotonic() - began, 3)}


def _measured(cohort: _Cohort, job: Job, recipe: Recipe, *, columns: Integers) -> dict[str, Any]:
    known, fold = cohort.landmarks, cohort.fold
    targets = targets_of(known, job, recipe)
    margin = np.full(len(fold), np.nan)
    folds = []
    for each in range(int(fold.max()) + 1):
        began = time.monotonic()
        held_out = (fold == each) & known.scorable
        model = fit_fold(recipe, cohort.rows, targets, cohort.client, columns, np.flatnonzero(fold != each))
        margin[held_out] = model.margin(cohort.rows[held_out])
        auroc, average_precision = objective_of(margin[held_out], known.label[held_out])
        folds.append(
            {
                "fold": each + 1,
                "landmarks": int(held_out.sum()),
                "positive_landmarks": int((known.label[held_out] == 1).sum()),
                "auroc": auroc,
                "average_precision": average_precision,
                "seconds": round(time.monotonic() - began, 3),
            }
        )
    means = {name: float(np.mean([each[name] for each in folds])) for name in ("auroc", "average_precision")}
    if not np.isfinite(list(means.values())).all():
        raise UserError("A fold has scorable landmarks of one class alone; take fewer folds, or load more outcomes.")
    _, alarm = crossed(margin, fold, known.label, gains(known, job))
    return {
        "folds": folds,
        **means,
        "objective": means["auroc"] + means["average_precision"],
        "utility": _utility(known, job, alarm),
    }


def _utility(known: Landmarks, job: Job, alarm: Booleans) -> float | None:
    if job.measures.utility is None:
        return None
    gain, best = gain_and_best(*hours_from_event(known), job.measures.utility)
    return float(gain[alarm].sum() / best.sum()) if best.any() else None


def _why(error: Exception) -> str:
    """What went wrong, without what a library may quote of the data."""
    if isinstance(error, UserError):
        return str(error)
    place: Sequence[traceback.FrameSummary] = traceback.extract_tb(error.__traceback__)
    at = f" at {Path(place[-1].filename).name}:{place[-1].lineno}" if place else ""
    return f"{type(error).__name__}{at}"
