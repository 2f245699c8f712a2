"""Baselines and counts: bins by hand, constants, missing values, and what a batch costs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from scorer.errors import UserError
from scorer.jobs.monitoring import Limits
from scorer.jobs.toml_table import TomlTable
from scorer.registry.drift_bins import WIDTH, Counter, baseline
from scorer.types.arrays import Features

NAN = float("nan")


def features(*columns: list[float]) -> Features:
    return Features(names=tuple(f"f{place}" for place in range(len(columns))), values=np.array(columns, dtype=float).T)


def counted(content: dict[str, Any], rows: Features, score: list[float]) -> list[list[int]]:
    """Counts by feature, the score's last, by a baseline that went through JSON."""
    counter = Counter(json.loads(json.dumps(content)), names=rows.names)
    return counter.count(rows, np.array(score)).reshape(-1, WIDTH).tolist()


def test_a_baseline_by_hand() -> None:
    rows = features([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [0, 0, 0, 0, 0, 0, 0, 0, 1, NAN])
    made = baseline(rows, np.linspace(0.05, 0.95, 10))
    assert made["rows"] == 10
    assert made["features"]["f0"] == {"edges": [1, 2, 3, 4, 5, 6, 7, 8, 9], "shares": [0.1] * 10, "missing": 0}
    assert made["features"]["f1"] == {"edges": [0, 1], "shares": [0.8, 0.1, 0], "missing": 0.1}
    assert made["score"]["missing"] == 0


def test_each_bin_has_its_upper_edge_and_not_its_lower() -> None:
    rows = features([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    made = baseline(rows, np.linspace(0, 1, 10))
    seen = counted(made, features([0, 1, 1.5, 9, 9.5, NAN, NAN]), [0.5] * 7)
    assert seen[0] == [2, 1, 0, 0, 0, 0, 0, 0, 1, 1, 2]
    assert sum(seen[1]) == 7


@pytest.mark.parametrize("value", [0.0, 36.6, -1e300, 1 / 3])
def test_a_constant_is_told_from_what_is_below_and_above(value: float) -> None:
    made = baseline(features([value] * 5), np.linspace(0, 1, 5))
    assert made["features"]["f0"]["shares"] == [0, 1, 0]
    below, above = np.nextafter(value, -np.inf), np.nextafter(value, np.inf)
    assert counted(made, features([below, value, value, above]), [0.1] * 4)[0][:3] == [1, 2, 1]


def test_a_feature_that_was_never_there_counts_what_comes() -> None:
    made = baseline(features([NAN] * 4), np.full(4, NAN))
    assert made["features"]["f0"] == {"edges": [], "shares": [0], "missing": 1}
    assert counted(made, features([3, NAN]), [0.2, 0.3]) == [[1, *[0] * 9, 1], [2, *[0] * 10]]


def test_counts_of_the_training_rows_are_their_shares() -> None:
    random = np.random.default_rng(5)
    values = random.normal(size=(2000, 6)).round(1)
    values[random.random(values.shape) < 0.3] = np.nan
    rows = Features(names=tuple("abcdef"), values=values)
    made = baseline(rows, random.random(2000))
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
    made = baseline(rows, np.array([0.1, 0.2]))
    kept = values.tobytes()
    counted(made, rows, [0.1, 0.2])
    assert values.tobytes() == kept


def test_a_batch_costs_little_and_a_baseline_is_small() -> None:
    random = np.random.default_rng(6)
    rows = Features(names=tuple(f"f{place}" for place in range(250)), values=random.normal(size=(2000, 250)))
    score = random.random(2000)
    made = baseline(rows, score)
    assert len(json.dumps(made)) < 100_000
    counter = Counter(made, names=rows.names)
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        counter.count(rows, score)
        seconds.append(time.perf_counter() - began)
    assert min(seconds) < 0.05  # 8 ms where nothing else runs


def test_what_makes_no_baseline() -> None:
    with pytest.raises(ValueError, match="make no baseline"):
        baseline(features([]), np.empty(0))
    with pytest.raises(ValueError, match="make no baseline"):
        baseline(features([1, 2]), np.zeros(3))


@pytest.mark.parametrize(
    "break_", [lambda c: c.pop("score"), lambda c: c["features"].pop("f0"), lambda c: c["features"].update(f0=[])]
)
def test_a_baseline_with_missing_keys_is_one_sentence(break_: Callable[[dict[str, Any]], object]) -> None:
    made = baseline(features([1, 2]), np.array([0.1, 0.2]))
    break_(made)
    with pytest.raises(UserError, match="baseline cannot be read") as raised:
        Counter(made, names=("f0",))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"psy": 0.3}, 'unknown key "psy"; did you mean "psi"?'),
        ({"psi": 0}, '"psi" must be above 0'),
        ({"features_share": 1.5}, '"features_share" is a share'),
        ({"constant_share": 0}, '"constant_share" is a share'),
        ({"retrain_after": "soon"}, '"soon" is not a span of time'),
        ({"min_entities": 0}, '"min_entities" must be a whole number above 0'),
    ],
)
def test_limits_that_cannot_be_read(told: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError) as raised:
        Limits.read(TomlTable(told, where="job.toml: [monitoring]"))
    assert sentence in str(raised.value)


def test_limits_that_nobody_sets_are_the_usual() -> None:
    assert Limits.read(TomlTable({}, where="job.toml: [monitoring]")) == Limits()
