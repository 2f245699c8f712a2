"""Conformal sets: which classes, or which values, a score leaves possible, with stated coverage.

Binary. The p-value of a class is the share of its held-out scores, the entity's own included, that are as far from the class as the
entity's or farther. The set at level alpha holds the classes whose p-value is above alpha. So the true class is outside the set for at
most alpha of the entities of each class, if the entities are like the training data.

By client. Several rows of a client are alike, and what is promised is coverage of a client that is new. So each row counts 1/n of its
client, with one more client whose score is infinite: a row drawn from a new client is covered with a probability of 1 - alpha or more.

Of held-out scores only some are kept, and between two of them the larger set is taken: sets become larger by that, never smaller.

Sources: Vovk, Gammerman, Shafer, Algorithmic Learning in a Random World (2005), chapter 4.5, label-conditional (Mondrian) predictors;
Dunn, Wasserman, Ramdas, Distribution-free prediction sets for two-layer hierarchical models (2022), by client; Romano, Sesia, Candes,
Classification with valid and adaptive coverage (2020), adaptive sets; Romano, Patterson, Candes, Conformalized quantile regression (2019).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from scorer.types.arrays import Booleans, Floats, Integers

_RANKS = 400  # of a class's scores that are kept, beside the outermost
_OUTERMOST = 100
_CLOSE = 1e-9  # weights are sums of fractions


@dataclass(frozen=True, slots=True)
class ClassScores:
    """Some held-out scores of a class, nearest the other class first, with the rank of each among all `n`."""

    scores: Floats
    ranks: Integers
    n: int

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Self:
        """Read what `content` gave. Raises ValueError where it is another."""
        scores = np.asarray(content["scores"], dtype=np.float64)
        return cls(scores=scores, ranks=numbers(content["ranks"], len(scores)).astype(np.int64), n=int(content["n"]))

    @classmethod
    def fit(cls, scores: Floats) -> Self:
        """Keep the outermost of a class's held-out scores (n,), and some between them."""
        ordered = np.sort(scores)
        n = len(ordered)
        ranks = np.unique(np.r_[1 : min(n, _OUTERMOST) + 1, np.linspace(1, n, min(n, _RANKS)).round().astype(np.int64)])
        return cls(scores=ordered[ranks - 1], ranks=ranks, n=n)

    def p_values(self, score: Floats) -> Floats:
        """The p-value of each score (n,), NaN for NaN."""
        last = np.searchsorted(self.scores, score, side="right")
        # As many as can lie before the next rank that is kept: the larger p-value.
        upto = np.append(self.ranks, self.n + 1)[last] - 1
        return np.where(np.isnan(score), np.nan, (upto + 1) / (self.n + 1))

    def content(self) -> dict[str, Any]:
        """For JSON."""
        return {"scores": self.scores.tolist(), "ranks": self.ranks.tolist(), "n": self.n}


@dataclass(frozen=True, slots=True)
class ClientScores:
    """Some nonconformity scores, ascending, with the weight `reached` at each, of `clients` in all."""

    scores: Floats
    reached: Floats
    clients: int

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Self:
        """Read what `content` gave. Raises ValueError where it is another."""
        scores = np.asarray(content["scores"], dtype=np.float64)
        return cls(scores=scores, reached=numbers(content["reached"], len(scores)), clients=int(content["clients"]))

    @classmethod
    def fit(cls, scores: Floats, client: Integers) -> Self:
        """Keep some of the `scores` (n,) of rows of each `client` (n,), and with the largest all that matter."""
        order = np.argsort(scores, kind="stable")
        rows = np.bincount(client)
        reached = np.cumsum(1.0 / rows[client[order]])
        n, clients = len(scores), int(np.count_nonzero(rows))
        kept = np.unique(np.r_[np.linspace(0, n - 1, min(n, _RANKS)).round().astype(np.int64), max(0, n - _RANKS) : n])
        return cls(scores=scores[order][kept], reached=reached[kept], clients=clients)

    def limit(self, alpha: float) -> float:
        """The score up to which a row belongs to the set at level `alpha`; infinite for too few clients.

        >>> ClientScores.fit(np.arange(9.0), np.arange(9)).limit(0.1), ClientScores.fit(np.arange(8.0), np.arange(8)).limit(0.1)
        (8.0, inf)
        """
        wanted = (1.0 - alpha) * (self.clients + 1)
        place = int(np.searchsorted(self.reached, wanted - _CLOSE, side="left"))
        return float(self.scores[place]) if place < len(self.scores) else float("inf")

    def content(self) -> dict[str, Any]:
        """For JSON."""
        return {"scores": self.scores.tolist(), "reached": self.reached.tolist(), "clients": self.clients}


def fewest_clients(alpha: float) -> int:
    """How many clients a finite limit at level `alpha` needs.

    >>> fewest_clients(0.1), fewest_clients(0.25)
    (9, 3)
    """
    return int(np.ceil(round(1.0 / alpha, 9))) - 1


def more_probable(shares: Floats) -> Floats:
    """For each class of each row (n, k), the probability of all classes that are more probable.

    Without the class itself and without a random part: the sets are the same each time, and no larger than they need be.

    >>> more_probable(np.array([[0.25, 0.5, 0.25]])).tolist()
    [[0.5, 0.0, 0.75]]
    """
    order = np.argsort(-shares, axis=1, kind="stable")
    total = np.zeros(len(shares))
    found = np.empty_like(shares)
    rows = np.arange(len(shares))
    for column in order.T:
        found[rows, column] = total
        total = total + shares[rows, column]
    return found


def held(shares: Floats, limit: float) -> Booleans:
    """Which classes (n, k) the adaptive set of each row holds: the most probable ones, one at least."""
    holds: Booleans = more_probable(shares) <= limit
    return holds


def numbers(values: Sequence[Any], length: int) -> Floats:
    """`values` as numbers (length,), NaN for None. Raises ValueError where there are not `length` of them."""
    found = np.array([np.nan if each is None else each for each in values], dtype=np.float64)
    if found.shape != (length,):
        raise ValueError("another number of them")
    return found
