"""A model version: what is checked before it is opened, and scores that do not depend on neighbours."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline

from scorer.errors import UserError
from scorer.jobs.job import MEANING, Task
from scorer.jobs.publication import Bands
from scorer.registry.bands import band_names
from scorer.registry.manifest import ARTEFACT, MANIFEST, libraries, read_manifest
from scorer.registry.model import LoadedModel
from scorer.types.arrays import Features

NAMES = ("a", "b", "c")


class Tripwire:
    """Makes a folder when it is unpickled."""

    makes: Path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.makes),)


@pytest.fixture(autouse=True)
def _tripwire(tmp_path: Path) -> None:
    Tripwire.makes = tmp_path / "opened"


def rows(count: int, *, seed: int = 1) -> np.ndarray:
    """Rows with some values missing."""
    random = np.random.default_rng(seed)
    values = random.normal(size=(count, len(NAMES)))
    values[random.random(values.shape) < 0.1] = np.nan
    return values


Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Writes a model version and gives its folder; `changes` go over the manifest, None takes a key out."""

    def write(estimator: Any, *, task: Task | None = Task.BINARY, **changes: Any) -> Path:
        folder = tmp_path / "models" / "job" / "one"
        folder.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        joblib.dump(estimator, buffer)
        (folder / ARTEFACT).write_bytes(buffer.getvalue())
        manifest = {
            "job": "job",
            "model_version": "one",
            "task": task and task.value,
            "features": list(NAMES),
            "sha256": hashlib.sha256(buffer.getvalue()).hexdigest(),
            "libraries": libraries(),
            "meaning": MEANING,
            "score_quantiles": np.linspace(0, 1, 11).tolist(),
            "metrics": {},
        }
        content = {key: value for key, value in (manifest | changes).items() if value is not None}
        (folder / MANIFEST).write_text(json.dumps(content), encoding="utf-8")
        return folder

    return write


@pytest.fixture(scope="module")
def logistic() -> Any:
    """The kind of pipeline whose last bits depend on the shape of what it is given."""
    known = rows(400)
    return make_pipeline(SimpleImputer(add_indicator=True), LogisticRegression()).fit(known, np.arange(400) % 2)


def sha256_of(folder: Path) -> str:
    return hashlib.sha256((folder / ARTEFACT).read_bytes()).hexdigest()


def load(folder: Path, *, sha256: str | None = None, task: Task = Task.BINARY, features: Any = NAMES) -> LoadedModel:
    return LoadedModel.load(folder, sha256=sha256 or sha256_of(folder), task=task, features=features)


def refusal(folder: Path, **how: Any) -> str:
    """The sentence with which a model is refused, unopened."""
    with pytest.raises(UserError) as raised:
        load(folder, **how)
    assert not Tripwire.makes.exists(), "the model was opened before it was refused"
    assert str(raised.value).endswith(".")
    assert "\n" not in str(raised.value)
    return str(raised.value)


# What is checked


def test_the_tripwire_works(make: Make) -> None:
    with pytest.raises(UserError, match="holds a NoneType, which is no fitted estimator"):
        load(make(Tripwire()))
    assert Tripwire.makes.exists()


def test_a_file_altered_by_one_byte_is_not_opened(make: Make) -> None:
    folder = make(Tripwire())
    registered = sha256_of(folder)
    content = bytearray((folder / ARTEFACT).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / ARTEFACT).write_bytes(content)
    assert "is not the one that was registered" in refusal(folder, sha256=registered)


def test_a_file_altered_together_with_its_manifest_is_not_opened(make: Make) -> None:
    registered = sha256_of(make([1]))
    assert "is not the one that was registered" in refusal(make(Tripwire()), sha256=registered)


def test_a_manifest_of_another_file_is_refused(make: Make) -> None:
    folder = make(Tripwire(), sha256="0" * 64)
    assert "the manifest 000000000000..." in refusal(folder)


def test_a_file_that_is_gone_is_named(make: Make) -> None:
    folder = make([1])
    (folder / ARTEFACT).unlink()
    assert refusal(folder, sha256="0" * 64) == (
        f"The model file {folder / ARTEFACT} cannot be read: No such file or directory."
    )


def test_another_scikit_learn_is_refused(make: Make) -> None:
    folder = make(Tripwire(), libraries=libraries() | {"scikit-learn": "0.1"})
    assert "was fitted with scikit-learn 0.1 and this is" in refusal(folder)
    assert "was fitted with scikit-learn None" in refusal(make(Tripwire(), libraries={}))


def test_another_meaning_of_features_is_refused(make: Make) -> None:
    assert "features of another meaning" in refusal(make(Tripwire(), meaning=MEANING + 1))


def test_another_task_is_refused(make: Make) -> None:
    assert "is for the task binary, the job's is regression" in refusal(make(Tripwire()), task=Task.REGRESSION)


@pytest.mark.parametrize(
    ("features", "difference"),
    [
        (("a", "x", "c"), "b in the model, x in the job"),
        (("b", "a", "c"), "a in the model, b in the job"),
        (("a", "b"), "3 features in the model, 2 in the job"),
        (("a", "b", "c", "d"), "3 features in the model, 4 in the job"),
    ],
)
def test_other_features_are_refused_with_the_first_difference(make: Make, features: Any, difference: str) -> None:
    assert f"the first difference is {difference}" in refusal(make(Tripwire()), features=features)


def test_a_broken_manifest_is_refused_before_the_file_is_opened(make: Make) -> None:
    folder = make(Tripwire(), metrics=None)
    assert refusal(folder) == f'The manifest {folder / MANIFEST} has no "metrics"; put the right one back.'


# Scores


@pytest.mark.parametrize("count", [1, 2, 7, 1023, 1024, 1025, 2500])
def test_a_score_has_the_same_bits_in_whatever_company(make: Make, logistic: Any, count: int) -> None:
    model = load(make(logistic))
    known = rows(2500, seed=3)
    every = model.score(Features(NAMES, known)).score
    some = np.random.default_rng(count).permutation(2500)[:count]
    assert model.score(Features(NAMES, known[some])).score.tobytes() == every[some].tobytes()
    assert model.score(Features(NAMES, np.asfortranarray(known[some]))).score.tobytes() == every[some].tobytes()


def test_company_would_matter_without_blocks(logistic: Any) -> None:
    """Why there are blocks: the plain pipeline gives a row other last bits alone than in a batch."""
    known = rows(300, seed=3)
    together = logistic.predict_proba(known)[:, 1]
    alone = np.array([logistic.predict_proba(known[place : place + 1])[0, 1] for place in range(300)])
    assert np.allclose(together, alone)
    assert together.tobytes() != alone.tobytes()


def test_scores_are_the_pipelines(make: Make, logistic: Any) -> None:
    known = rows(50, seed=4)
    scores = load(make(logistic)).score(Features(NAMES, known))
    assert np.allclose(scores.score, logistic.predict_proba(known)[:, 1], rtol=0, atol=1e-15)
    assert (scores.labels, scores.outputs) == (None, None)


@pytest.mark.parametrize("task", list(Task))
def test_no_entities_get_no_scores(make: Make, logistic: Any, task: Task) -> None:
    known = rows(30)
    estimator = (
        logistic if task is not Task.REGRESSION else LinearRegression().fit(np.nan_to_num(known), known[:, 0] > 0)
    )
    scores = load(make(estimator, task=task), task=task).score(Features(NAMES, np.empty((0, 3))))
    assert scores.score.shape == (0,)
    assert scores.labels in (None, ())


def test_several_classes_give_the_most_probable_and_all(make: Make) -> None:
    known = rows(300)
    kinds = np.array(["cold", "mild", "warm"])[np.digitize(np.nan_to_num(known[:, 0]), [-0.5, 0.5])]
    estimator = HistGradientBoostingClassifier(max_iter=20).fit(known, kinds)
    scores = load(make(estimator, task=Task.MULTICLASS), task=Task.MULTICLASS).score(Features(NAMES, known))
    probability = estimator.predict_proba(known)
    assert scores.labels == tuple(estimator.predict(known))
    assert np.array_equal(scores.score, probability.max(axis=1))
    assert scores.outputs is not None
    assert scores.outputs[0] == dict(zip(["cold", "mild", "warm"], probability[0].tolist(), strict=True))


def test_a_value_comes_with_its_interval(make: Make) -> None:
    known = np.nan_to_num(rows(40))
    estimator = LinearRegression().fit(known, known @ [1.0, 2.0, 3.0])
    interval = {"below": 1.0, "above": 2.0, "coverage": 0.9}
    scores = load(make(estimator, task=Task.REGRESSION, interval=interval), task=Task.REGRESSION).score(
        Features(NAMES, known)
    )
    assert np.allclose(scores.score, known @ [1.0, 2.0, 3.0])
    assert scores.outputs is not None
    first = float(scores.score[0])
    assert scores.outputs[0] == {"low": first - 1, "high": first + 2, "coverage": 0.9}


class Boundless:
    """A model that gives what no model should."""

    def predict(self, values: np.ndarray) -> np.ndarray:
        return np.where(values[:, 0] > 0, np.inf, -np.inf)


def test_a_score_that_is_not_finite_is_declined(make: Make) -> None:
    model = LoadedModel(read_manifest(make([1], task=Task.REGRESSION)), Boundless())
    assert np.isnan(model.score(Features(NAMES, np.ones((3, 3)))).score).all()


def test_quantiles_say_how_much_of_training_lies_below(make: Make) -> None:
    model = load(
        make(LinearRegression(), task=Task.REGRESSION, score_quantiles=[0.1, 0.2, 0.2, 0.2, 0.9]), task=Task.REGRESSION
    )
    found = model.training_quantile(np.array([0.0, 0.1, 0.15, 0.2, 0.5, 0.9, 1.0, np.nan]))
    assert found.tolist()[:-1] == pytest.approx([0.0, 0.1, 0.2, 0.5, 0.8, 0.9, 1.0])
    assert np.isnan(found[-1])


# Bands

GUIDE = Bands(limits=(("HIGH", 0.7), ("MEDIUM", 0.4)), lowest="LOW")


@pytest.mark.parametrize(
    ("score", "band"),
    [
        (0.0, "LOW"),
        (0.4, "LOW"),
        (np.nextafter(0.4, 1), "MEDIUM"),
        (0.7, "MEDIUM"),
        (np.nextafter(0.7, 1), "HIGH"),
        (1.0, "HIGH"),
        (-5.0, "LOW"),
        (np.nan, None),
    ],
)
def test_a_band_begins_above_its_limit(score: float, band: str | None) -> None:
    assert band_names(GUIDE, np.array([score])) == [band]


def test_bands_are_given_in_order_and_only_where_there_are_any() -> None:
    assert band_names(GUIDE, np.array([np.nan, 0.9, 0.1, 0.5])) == [None, "HIGH", "LOW", "MEDIUM"]
    assert band_names(None, np.array([0.9, np.nan])) == [None, None]
    assert band_names(GUIDE, np.empty(0)) == []
    assert band_names(Bands(limits=(), lowest="ONLY"), np.array([0.9, np.nan])) == ["ONLY", None]


# An estimator whose library is loaded, with threads of its own, when it first predicts.
LATE = """
import numpy as np
import threadpoolctl
class Late:
    classes_ = [0, 1]
    def predict_proba(self, rows):
        from sklearn.utils import _openmp_helpers
        own = [each["num_threads"] for each in threadpoolctl.threadpool_info() if "scikit_learn" in each["filepath"]]
        assert own, "scikit-learn brings no library of threads"
        self.seen = max(own)
        return np.full((len(rows), 2), 0.5)
"""
LOADED = """
import sys
from pathlib import Path
import numpy as np
from scorer.jobs.job import Task
from scorer.registry.model import LoadedModel
from scorer.types.arrays import Features
folder, sha256, *names = sys.argv[1:]
model = LoadedModel.load(Path(folder), sha256=sha256, task=Task.BINARY, features=names)
assert model._estimator.seen > 1, "it is seen with its own threads first"
model.score(Features(names=tuple(names), values=np.zeros((3, len(names)))))
print(model._estimator.seen)
"""


def test_a_library_that_only_predicting_loads_is_kept_to_one_thread(make: Make, tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text(LATE)
    sys.path.insert(0, str(tmp_path))
    try:
        import late

        golden = {"inputs": [[0.0] * len(NAMES)], "scores": [0.5]}
        folder = make(late.Late(), golden=golden)
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("late", None)
    threads = {"OMP_NUM_THREADS": "3", "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", LOADED, folder, sha256_of(folder), *NAMES],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **threads},
    )
    assert (done.stdout, done.stderr) == ("1\n", "")
