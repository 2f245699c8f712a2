"""Folds: by client, like clients spread evenly; or by time, each following what it is learnt from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scorer.errors import UserError
from scorer.evaluation.landmarks import Landmarks
from scorer.jobs.training import SplitBy
from scorer.tasks.task import TaskRules
from scorer.types.arrays import Booleans, Floats, Integers

FEWEST = 2
_SEED = 20251120


@dataclass(frozen=True, slots=True)
class Folds:
    """The fold (n,) of each row, and which rows (n,) the figures are of.

    A fold is scored by a model of the rows that it has `seen`. Split by client, those are all rows of other folds, and the figures are of
    all rows. Split by time, folds follow each other, each has seen what precedes it, and the figures are of the last one; the first rows of
    all, before any fold, have the fold -1: they are learnt from, and not scored.
    """

    fold: Integers
    judged: Booleans
    by_time: bool = False

    @property
    def count(self) -> int:
        """How many folds there are."""
        return int(self.fold.max()) + 1

    def seen(self, fold: int) -> Booleans:
        """The rows (n,) that the model has seen by which `fold` is scored, and calibrated."""
        found: Booleans = self.fold < fold if self.by_time else self.fold != fold
        return found


def folds_for(landmarks: Landmarks, rules: TaskRules, *, folds: int, split: SplitBy) -> Folds:
    """Deal out the landmarks to `folds`; raises UserError where that is not possible.

    Split by time, one landmark in `folds` + 1 is of each fold, and as many precede the first; all of a moment are together, so that few
    moments make fewer folds.
    """
    if split is SplitBy.CLIENT:
        fold = folds_of(landmarks.cohort, landmarks.label, rules, folds=folds)
        return Folds(fold=fold, judged=np.ones(len(fold), dtype=bool))
    if folds < FEWEST:
        raise UserError(f"A split by time needs {FEWEST} folds or more, not {folds}.")
    begins = np.sort(landmarks.as_of)[len(landmarks) * np.arange(1, folds + 1) // (folds + 1)]
    parts, part = np.unique(np.searchsorted(begins, landmarks.as_of, side="right"), return_inverse=True)
    if len(parts) <= FEWEST:
        raise UserError(
            "The landmarks are of too few moments for a past, what follows it, and what follows that; "
            'take split = "client", or load more time.'
        )
    fold = part.astype(np.int64) - 1
    follows = fold == fold.max()
    client = np.unique(landmarks.cohort.astype(str), return_inverse=True)[1].astype(np.int64)
    rules.require_sound(landmarks.label, client, part.astype(np.int64))
    lack = rules.lacks(landmarks.label[follows])
    if lack is not None:
        raise UserError(f"Of the {int(follows.sum()):,} landmarks that follow the past {lack}; load more outcomes.")
    return Folds(fold=fold, judged=follows, by_time=True)


def folds_of(cohort: npt.NDArray[np.object_], label: Floats, rules: TaskRules, *, folds: int) -> Integers:
    """The fold (n,) of each row, 0 to `folds` - 1, by its client in `cohort` (n,).

    Clients are dealt out stratum by stratum, as the task has them by `label` (n,) (in a binary one those with a positive first), each in
    an order drawn by a fixed seed: neither the order of the rows nor how many a client has matters. Raises UserError where a fold cannot
    be learnt from or judged by.

    >>> from scorer.tasks.binary import Binary
    >>> cohort = np.array(["a", "a", "b", "c", "d"], dtype=object)
    >>> fold = folds_of(cohort, np.array([0.0, 1.0, 0.0, 1.0, 0.0]), Binary(), folds=2)
    >>> bool(fold[0] == fold[1]), sorted(fold[[0, 3]].tolist()), sorted(fold[[2, 4]].tolist())
    (True, [0, 1], [0, 1])
    """
    if folds < FEWEST:
        raise UserError(f"Cross-validation needs {FEWEST} folds or more, not {folds}.")
    clients, client = np.unique(cohort.astype(str), return_inverse=True)
    order = np.random.default_rng(_SEED).permutation(len(clients))
    order = order[np.argsort(rules.strata(label, client)[order], kind="stable")]
    of_client = np.empty(len(clients), dtype=np.int64)
    of_client[order] = np.arange(len(clients)) % folds
    fold: Integers = of_client[client]
    require_sound(fold, cohort, label, rules)
    return fold


def require_sound(fold: Integers, cohort: npt.NDArray[np.object_], label: Floats, rules: TaskRules) -> None:
    """Check that each client is in one `fold` (n,), and that the task can use each fold.

    `cohort` (n,) are the clients. Raises UserError where that does not hold: figures would be too good, or impossible.
    """
    client = np.unique(cohort.astype(str), return_inverse=True)[1]
    pairs = np.unique(np.stack([client, fold]), axis=1)
    clients, times = np.unique(pairs[0], return_counts=True)
    if (times > 1).any():
        raise UserError(
            f"{int((times > 1).sum())} of {len(clients)} clients are in two folds of the cross-validation; give each client one fold."
        )
    rules.require_sound(label, client, fold)
