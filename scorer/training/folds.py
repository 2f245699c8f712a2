"""Folds for cross-validation by client, those with a positive spread evenly, by a fixed seed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scorer.errors import UserError
from scorer.types.arrays import Floats, Integers

FEWEST = 2
_SEED = 20251120


def folds_of(cohort: npt.NDArray[np.object_], label: Floats, *, folds: int) -> Integers:
    """The fold (n,) of each row, 0 to `folds` - 1, by its client in `cohort` (n,).

    Clients with a positive `label` (n,) are dealt out first, then the others, each in an order drawn by a fixed seed: neither the order of
    the rows nor how many a client has matters. Raises UserError where a fold would be left without a positive or without a negative.

    >>> cohort = np.array(["a", "a", "b", "c", "d"], dtype=object)
    >>> fold = folds_of(cohort, np.array([0.0, 1.0, 0.0, 1.0, 0.0]), folds=2)
    >>> bool(fold[0] == fold[1]), sorted(fold[[0, 3]].tolist()), sorted(fold[[2, 4]].tolist())
    (True, [0, 1], [0, 1])
    """
    if folds < FEWEST:
        raise UserError(f"Cross-validation needs {FEWEST} folds or more, not {folds}.")
    clients, client = np.unique(cohort.astype(str), return_inverse=True)
    positive = np.bincount(client, weights=label == 1, minlength=len(clients)) > 0
    order = np.random.default_rng(_SEED).permutation(len(clients))
    order = np.concatenate([order[positive[order]], order[~positive[order]]])
    of_client = np.empty(len(clients), dtype=np.int64)
    of_client[order] = np.arange(len(clients)) % folds
    fold: Integers = of_client[client]
    require_sound(fold, cohort, label)
    return fold


def require_sound(fold: Integers, cohort: npt.NDArray[np.object_], label: Floats) -> None:
    """Check that each client is in one `fold` (n,) and each fold has both classes of `label` (n,).

    `cohort` (n,) are the clients. Raises UserError where that does not hold: figures would be too good, or impossible.
    """
    pairs = np.unique(np.stack([np.unique(cohort.astype(str), return_inverse=True)[1], fold]), axis=1)
    clients, times = np.unique(pairs[0], return_counts=True)
    if (times > 1).any():
        raise UserError(
            f"{int((times > 1).sum())} of {len(clients)} clients are in two folds of the cross-validation; give each client one fold."
        )
    for name, value in (("positive", 1), ("negative", 0)):
        if not (label == value).any():
            raise UserError(
                f"No landmark has a {name} outcome, so there is nothing to learn; load outcomes of both kinds."
            )
        for each in range(int(fold.max()) + 1):
            if not ((fold == each) & (label == value)).any():
                raise UserError(
                    f"Fold {each + 1} of {int(fold.max()) + 1} has no landmark with a {name} outcome; take fewer folds (--folds), or load "
                    "more outcomes."
                )
