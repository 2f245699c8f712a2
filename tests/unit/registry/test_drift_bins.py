"""Baselines and counts: bins by hand, constants, missing values, and what a batch costs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from scorer.errors import UserError
from scorer.registry.drift_bins import WIDTH, BinCounter, bins_of
from scorer.types.arrays import Features

NAN = float("nan")


def features(*columns: list[float]) -> Features:
    return Features(names=tuple(f"f{place}" for place in range(len(columns))), values=np.array(columns, dtype=float).T)


def counted(content: dict[str, Any], rows: Features, score: list[float]) -> list[list[int]]:
    """Counts by feature, the score's last, by a baseline that went through JSON."""
    counter = BinCounter(json.loads(json.dumps(content)), names=rows.names)
    return counter.count(rows, np.array(score)).reshape(-1, WIDTH).tolist()


def test_a_baseline_by_hand() -> None:
    rows = features([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [0, 0, 0, 0, 0, 0, 0, 0, 1, NAN])
    made = bins_of(rows, np.linspace(0.05, 0.95, 10))
    assert made["rows"] == 10
    assert made["features"]["f0"] == {"edges": [1, 2, 3, 4, 5, 6, 7, 8, 9], "shares": [0.1] * 10, "missing": 0}
    assert made["features"]["f1"] == {"edges": [0, 1], "shares": [0.8, 0.1, 0], "missing": 0.1}
    assert made["score"]["missing"] == 0


def test_each_bin_has_its_upper_edge_and_not_its_lower() -> None:
    rows = features([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    made = bins_of(rows, np.linspace(0, 1, 10))
    seen = counted(made, features([0, 1, 1.5, 9, 9.5, NAN, NAN]), [0.5] * 7)
    assert seen[0] == [2, 1, 0, 0, 0, 0, 0, 0, 1, 1, 2]
    assert sum(seen[1]) == 7


@pytest.mark.parametrize("value", [0.0, 36.6, -1e300, 1 / 3])
def test_a_constant_differs_from_what_is_below_and_above(value: float) -> None:
    made = bins_of(features([value] * 5), np.linspace(0, 1, 5))
    assert made["features"]["f0"]["shares"] == [0, 1, 0]
    below, above = np.nextafter(value, -np.inf), np.nextafter(value, np.inf)
    assert counted(made, features([below, value, value, above]), [0.1] * 4)[0][:3] == [1, 2, 1]


def test_a_feature_that_was_never_there_counts_what_comes() -> None:
    made = bins_of(features([NAN] * 4), np.full(4, NAN))
    assert made["features"]["f0"] == {"edges": [], "shares": [0], "missing": 1}
    assert counted(made, features([3, NAN]), [0.2, 0.3]) == [[1, *[0] * 9, 1], [2, *[0] * 10]]


def test_counts_of_the_training_rows_are_their_shares() -> None:
    random = np.random.default_rng(5)
    values = random.normal(size=(2000, 6)).round(1)
    values[random.random(values.shape) < 0.3] = np.nan
    rows = Features(names=tuple("abcdef"), values=values)
    made = bins_of(rows, random.random(2000))
    seen = np.array(counted(made, rows, [0.5] * 2000))[:-1] / 2000
    for place, bins in enumerate(made["features"].values()):
        width = len(bins["shares"])
        assert width <= 10
        assert seen[place][:width] == pytest.approx(bins["shares"], abs=1e-6)
        assert seen[place][-1] == pytest.approx(bins["missing"], abs=1e-6)
        assert sum(bins["shares"]) + bins["missing"] == pytest.approx(1, abs=2e-5)


def test_counting_leaves_the_rows_as_they_are() -> None:
    values = np.array([[1.0, np.nan], [2.0, 3.0]])
    rows = Features(names=("a", "b"), values=values)
    made = bins_of(rows, np.array([0.1, 0.2]))
    kept = values.tobytes()
    counted(made, rows, [0.1, 0.2])
    assert values.tobytes() == kept


def test_a_batch_costs_little_and_a_baseline_is_small() -> None:
    random = np.random.default_rng(6)
    rows = Features(names=tuple(f"f{place}" for place in range(250)), values=random.normal(size=(2000, 250)))
    score = random.random(2000)
    made = bins_of(rows, score)
    assert len(json.dumps(made)) < 100_000
    counter = BinCounter(made, names=rows.names)
    seconds = []
    for _ in range(5):
        began = time.thread_time()
        counter.count(rows, score)
        seconds.append(time.thread_time() - began)
    assert min(seconds) < 0.05  # seconds of this thread; 0.008 as measured


def test_what_makes_no_baseline() -> None:
    with pytest.raises(ValueError, match="make no baseline"):
        bins_of(features([]), np.empty(0))
    with pytest.raises(ValueError, match="make no baseline"):
        bins_of(features([1, 2]), np.zeros(3))


@pytest.mark.parametrize(
    "break_", [lambda c: c.pop("score"), lambda c: c["features"].pop("f0"), lambda c: c["features"].update(f0=[])]
)
def test_a_baseline_with_missing_keys_is_one_sentence(break_: Callable[[dict[str, Any]], object]) -> None:
    made = bins_of(features([1, 2]), np.array([0.1, 0.2]))
    break_(made)
    with pytest.raises(UserError, match="baseline cannot be read") as raised:
        BinCounter(made, names=("f0",))
    assert "\n" not in str(raised.value)


def test_the_rows_of_each_facility_have_shares_of_their_own_in_the_bins_of_all() -> None:
    values = np.array([[1.0], [2.0], [3.0], [np.nan], [4.0]])
    facility = np.array(["A", "A", "B", "B", None], dtype=object)
    score = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    found = bins_of(Features(("x",), values, facility), score)
    assert found["facilities"]["A"] == {
        "rows": 2,
        "features": {"x": {"shares": [0.5, 0.5, 0.0, 0.0, 0.0], "missing": 0.0}},
        "score": {"shares": [0.5, 0.5, 0.0, 0.0, 0.0, 0.0], "missing": 0.0},
    }
    assert found["facilities"]["B"]["features"]["x"] == {"shares": [0.0, 0.0, 0.5, 0.0, 0.0], "missing": 0.5}
    assert found["features"] == bins_of(Features(("x",), values), score)["features"]
    assert "facilities" not in bins_of(Features(("x",), values), score)
