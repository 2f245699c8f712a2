"""Figures with 95 % intervals from a bootstrap over clients: a client's rows are drawn together.

A draw is a weight per client. A ratio of sums over rows is summed per client once, and a product of matrices gives it for every draw; only
what depends on the order of the rows is computed draw by draw.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scorer.types.arrays import Floats, Integers

SEED = 20190417
DRAWS = 200
_LOW, _HIGH = 2.5, 97.5
_FEWEST = 20  # draws in which a figure could be computed, below which there is no interval


@dataclass(frozen=True, slots=True)
class Figure:
    """A value and its 95 % interval; NaN where it cannot be computed."""

    value: float
    low: float = float("nan")
    high: float = float("nan")


def draws(clients: int, *, count: int = DRAWS, seed: int = SEED) -> Floats:
    """Weights per client, (1 + count, clients).

    The first row counts each client once; in the others a client counts as often as it was drawn.
    """
    random = np.random.default_rng(seed)
    drawn = [np.bincount(random.integers(clients, size=clients), minlength=clients) for _ in range(count)]
    return np.array([np.ones(clients), *drawn], dtype=np.float64)


def figure(values: Floats) -> Figure:
    """The first of `values` (1 + draws,) as the value, the middle 95 % of the others as its interval."""
    others = values[1:][np.isfinite(values[1:])]
    if len(others) < _FEWEST or not np.isfinite(values[0]):
        return Figure(value=float(values[0]))
    low, high = np.percentile(others, [_LOW, _HIGH])
    return Figure(value=float(values[0]), low=float(low), high=float(high))


def sums(rows: npt.NDArray[np.generic], client: Integers, weights: Floats) -> Floats:
    """The weighted sums (d,) of `rows` (n,) under each of `weights` (d, clients).

    `client` (n,) is each row's index among the clients.
    """
    by_client = np.bincount(client, weights=rows.astype(np.float64), minlength=weights.shape[1])
    total: Floats = weights @ by_client
    return total


def ratio(above: npt.NDArray[np.generic], below: npt.NDArray[np.generic], client: Integers, weights: Floats) -> Figure:
    """Sum of `above` (n,) over sum of `below` (n,), under each of `weights` (d, clients); NaN over 0."""
    return figure(quotient(sums(above, client, weights), sums(below, client, weights)))


def quotient(above: Floats, below: Floats) -> Floats:
    """`above` (d,) by `below` (d,), NaN where `below` is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(below == 0, np.nan, above / below)


def quantiles(values: Floats, client: Integers, weights: Floats, *, at: tuple[float, ...]) -> tuple[Figure, ...]:
    """Quantiles of `values` (n,) at the shares `at`, under each of `weights` (d, clients).

    Each is the smallest value that at least so large a share of the weight does not exceed.
    """
    if not len(values):
        return (Figure(value=float("nan")),) * len(at)
    order = np.argsort(values, kind="stable")
    ascending, clients = values[order], client[order]
    found = np.full((len(weights), len(at)), np.nan)
    for number, drawn in enumerate(weights):
        reached = np.cumsum(drawn[clients])
        if reached[-1] > 0:
            found[number] = ascending[np.searchsorted(reached, np.array(at) * reached[-1], side="left")]
    return tuple(figure(found[:, place]) for place in range(len(at)))
