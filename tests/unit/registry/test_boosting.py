"""LightGBM's library: the same bits as its package gives, and one sentence where it cannot be had."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest

from scorer.registry.boosting import Booster, LightGBMError
from scorer.types.arrays import Floats


@pytest.fixture(scope="module")
def rows() -> Floats:
    random = np.random.default_rng(7)
    values = random.normal(size=(500, 6)) * 10.0 ** random.integers(-300, 300, size=(500, 6))
    values[random.random(values.shape) < 0.2] = np.nan
    values[random.random(values.shape) < 0.05] = np.inf
    values[random.random(values.shape) < 0.05] = 0.0
    return values


@pytest.mark.parametrize(
    "objective",
    [{"objective": "binary"}, {"objective": "multiclass", "num_class": 3}, {"objective": "quantile", "alpha": 0.1}],
    ids=lambda objective: objective["objective"],
)
def test_margins_and_contributions_are_the_bits_of_the_package(rows: Floats, objective: dict[str, Any]) -> None:
    classes = np.nan_to_num(rows[:, 0], posinf=1).clip(0, 1).round() + (np.nan_to_num(rows[:, 1]) > 0)
    target = classes if objective["objective"] == "multiclass" else (classes > 0).astype(float)
    learning = {**objective, "verbose": -1, "num_threads": 1, "deterministic": True, "min_child_samples": 5}
    text = lightgbm.train(learning, lightgbm.Dataset(rows, target), 20).model_to_string()
    theirs, ours = lightgbm.Booster(model_str=text), Booster(text)
    short = np.clip(rows, -1e30, 1e30).astype(np.float32)
    for part in (rows, rows[:1], np.asfortranarray(rows), rows[::2], short):
        margin = theirs.predict(part, raw_score=True, num_threads=1)
        contributions = theirs.predict(part, pred_contrib=True, num_threads=1)
        assert ours.margin(part).shape == margin.shape
        assert ours.margin(part).tobytes() == margin.tobytes()
        assert ours.contributions(part).shape == contributions.shape
        assert ours.contributions(part).tobytes() == contributions.tobytes()


def test_what_the_library_refuses_is_said_in_its_words(rows: Floats) -> None:
    with pytest.raises(LightGBMError, match="Model file doesn't specify the number of classes"):
        Booster("no trees")
    target = (np.nan_to_num(rows[:, 0]) > 0).astype(float)
    text = lightgbm.train({"objective": "binary", "verbose": -1}, lightgbm.Dataset(rows, target), 2).model_to_string()
    with pytest.raises(LightGBMError, match="number of features in data"):
        Booster(text).margin(rows[:, :3])


def test_boosters_that_are_no_longer_used_leave_the_memory(rows: Floats) -> None:
    target = (np.nan_to_num(rows[:, 0]) > 0).astype(float)
    text = lightgbm.train({"objective": "binary", "verbose": -1}, lightgbm.Dataset(rows, target), 200).model_to_string()

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096

    for _ in range(20):
        Booster(text)
    gc.collect()
    before = resident()
    for _ in range(300):
        Booster(text)
    assert resident() - before < 30 * len(text), "300 of them are kept"


def test_a_missing_library_of_the_system_is_one_sentence() -> None:
    """As on a Debian without libgomp1."""
    broken = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name == "lightgbm":
            raise OSError("libgomp.so.1: cannot open shared object file")
sys.meta_path.insert(0, Missing())
from scorer.cli.main import main
sys.exit(main(["evaluate", "sepsis", "--outcomes"]))
"""
    done = subprocess.run([sys.executable, "-c", broken], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.strip() == (
        "scorer: LightGBM cannot be loaded (libgomp.so.1: cannot open shared object file); install what it needs: on Debian, "
        "apt install libgomp1."
    )
