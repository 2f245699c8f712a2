"""Pairs in order, against all pairs looked at one by one."""

from __future__ import annotations

import numpy as np
import pytest

from scorer.tasks.ranking import ends_of_equal, pairs_in_order


@pytest.mark.parametrize("seed", range(5))
def test_pairs_in_order_are_those_of_all_pairs(seed: int) -> None:
    random = np.random.default_rng(seed)
    score, label = random.integers(0, 8, 40) / 8, random.random(40) < 0.3
    weight = random.integers(0, 4, 40).astype(float)
    positive, negative = np.flatnonzero(label), np.flatnonzero(~label)
    expected = sum(
        weight[one] * weight[other] * (1.0 if score[one] > score[other] else 0.5 if score[one] == score[other] else 0.0)
        for one in positive
        for other in negative
    )
    order = np.argsort(-score, kind="stable")
    ends = ends_of_equal(score[order])
    hits, misses = (np.cumsum((weight * of)[order])[ends] for of in (label, ~label))
    assert pairs_in_order(hits, misses) == expected


def test_no_score_has_no_end() -> None:
    assert ends_of_equal(np.empty(0)).tolist() == []
