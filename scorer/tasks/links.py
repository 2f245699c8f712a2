"""From margins to what is published: logistic, softmax, exponential, the same bits in any batch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from scorer.types.arrays import Floats

_SMALLEST = 1e-12  # the smallest probability whose log-odds are taken
_STEP = 64  # values: a multiple of what any processor computes at once


def in_whole_steps(function: Callable[[Floats], Floats], values: Floats) -> Floats:
    """Call `function` with values (n,), padded with zeros to a multiple of `_STEP`.

    A library may compute a remainder in another way, with other last bits; so there is none.
    """
    padded = np.zeros(-(-len(values) // _STEP) * _STEP)
    padded[: len(values)] = values
    return function(padded)[: len(values)]


def logistic(margin: Floats) -> Floats:
    """The probabilities (n,) of log-odds (n,).

    >>> logistic(np.array([-800.0, 0.0, 800.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    smaller = np.exp(-np.abs(margin))
    return np.where(margin >= 0, 1.0 / (1.0 + smaller), smaller / (1.0 + smaller))


def log_odds(probability: Floats) -> Floats:
    """The log-odds (n,) of probabilities (n,), which are kept a little away from 0 and 1.

    >>> log_odds(np.array([0.5])).tolist()
    [0.0]
    """
    kept = np.clip(probability, _SMALLEST, 1.0 - _SMALLEST)
    odds: Floats = np.log(kept) - np.log1p(-kept)
    return odds


def softmax(margin: Floats) -> Floats:
    """The probabilities (n, k) of margins (n, k), each row adding up to 1.

    >>> softmax(np.array([[0.0, 0.0], [800.0, 0.0]])).tolist()
    [[0.5, 0.5], [1.0, 0.0]]
    """
    largest = margin.max(axis=1, initial=-np.inf)[:, None]
    shares = in_whole_steps(np.exp, (margin - largest).ravel()).reshape(margin.shape)
    total = np.zeros(len(margin))
    for column in shares.T:  # one after the other: the order of adding must not depend on the rows beside
        total += column
    found: Floats = shares / total[:, None]
    return found


def exponential(margin: Floats) -> Floats:
    """The values (n,) of logarithms (n,).

    >>> exponential(np.array([0.0])).tolist()
    [1.0]
    """
    return in_whole_steps(np.exp, margin)


def log_shares(probability: Floats) -> Floats:
    """The logarithms (n, k) of probabilities, which are kept a little away from 0.

    >>> log_shares(np.array([[1.0, 0.5]])).round(3).tolist()
    [[0.0, -0.693]]
    """
    found: Floats = np.log(np.maximum(probability, _SMALLEST))
    return found
