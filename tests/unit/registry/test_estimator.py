"""Artefacts as people bring them: each that is no fitted estimator for its task is one sentence."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline

from scorer.config import shipped_root
from scorer.errors import UserError
from scorer.jobs.job import MEANING, Task
from scorer.registry.estimator import event_column, read_estimator
from scorer.registry.manifest import ARTEFACT, MANIFEST, libraries
from scorer.registry.model import LoadedModel
from scorer.types.arrays import Features

ROWS = np.random.default_rng(0).normal(size=(400, 3))
EVENT = (ROWS[:, 0] > 0).astype(int)


def bytes_of(thing: Any) -> bytes:
    out = io.BytesIO()
    joblib.dump(thing, out)
    return out.getvalue()


def fitted(labels: Any, *, rows: Any = ROWS) -> Any:
    return make_pipeline(SimpleImputer(), LogisticRegression()).fit(rows, labels)


class Raising:
    """Raises when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return int, ("no number",)


class Gives:
    """A classifier whose predict_proba gives a table of its choosing."""

    classes_ = (0, 1)

    def __init__(self, *row: float, dtype: str = "float64") -> None:
        self.row, self.dtype = row, dtype

    def predict_proba(self, rows: Any) -> Any:
        return np.array([self.row] * len(rows), dtype=self.dtype)


GOOD = bytes_of(fitted(EVENT))
NO_ARTEFACTS = {
    "nothing": (b"", "is empty"),
    "cut short": (GOOD[: len(GOOD) // 2], "is no estimator that joblib can read"),
    "noise": (bytes(range(256)) * 9, "is no estimator that joblib can read"),
    "text": (b"hello", "is no estimator that joblib can read"),
    "a protocol to come": (b"\x80\x7f" + GOOD[2:], "unsupported pickle protocol"),
    "a zip": (b"PK\x03\x04" + bytes(40), "it is a zip archive, as Keras and PyTorch write"),
    "XGBoost": (b'{"learner": {}}', "it is JSON, as XGBoost writes"),
    "PMML": (b"<?xml version='1.0'?><PMML/>", "it is XML, as PMML is"),
    "HDF5": (b"\x89HDF\r\n\x1a\n", "it is HDF5, as Keras writes"),
    "ONNX": (b"\x08\x07\x12\x07pytorch", "it is a protocol buffer, as ONNX is"),
    "a module that is not here": (
        b"cno_such_module\nModel\n.",
        "cannot be opened with the libraries of this machine: No module",
    ),
    "a class that is gone": (b"csklearn.linear_model\nGone\n.", "cannot be opened with the libraries of this machine"),
    "what raises": (bytes_of(Raising()), "reading it raised ValueError"),
    "a dict": (bytes_of({"model": fitted(EVENT)}), "holds a dict, which is no fitted estimator with predict_proba"),
    "an array": (bytes_of(ROWS), "holds a ndarray, which is no fitted estimator"),
    "None": (pickle.dumps(None), "holds a NoneType"),
    "a class": (bytes_of(LogisticRegression), "holds the class LogisticRegression"),
    "unfitted": (bytes_of(LogisticRegression()), "without classes: it is not fitted"),
    "an unfitted pipeline": (bytes_of(make_pipeline(SimpleImputer(), LogisticRegression())), "it is not fitted"),
    "a regression": (bytes_of(LinearRegression().fit(ROWS, EVENT)), "no fitted estimator with predict_proba"),
}


@pytest.mark.parametrize("kind", NO_ARTEFACTS)
def test_what_is_no_estimator_is_one_sentence(kind: str) -> None:
    artefact, sentence = NO_ARTEFACTS[kind]
    with pytest.raises(UserError) as refused:
        read_estimator(artefact, name="The model file x", task=Task.BINARY)
    assert str(refused.value).startswith("The model file x ")
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_is_one_is_opened() -> None:
    for packing in (0, 3, ("gzip", 3), ("xz", 3)):
        out = io.BytesIO()
        joblib.dump(fitted(EVENT), out, compress=packing)
        assert read_estimator(out.getvalue(), name="x", task=Task.BINARY).classes_.tolist() == [0, 1]
    assert read_estimator(bytes_of(LinearRegression().fit(ROWS, EVENT)), name="x", task=Task.REGRESSION)


class TestClasses:
    """The event is the class 1, or the one that the manifest names; never simply the last."""

    @pytest.mark.parametrize(
        ("classes", "positive", "column"),
        [
            ([0, 1], None, 1),
            ([1, 0], None, 0),
            ([False, True], None, 1),
            (np.array([0.0, 1.0]), None, 1),
            (["no", "yes"], "yes", 1),
            (["event", "none"], "event", 0),
            ([1, 2], 2, 1),
            ([1, 2], "1", 0),
            (["a", "b", "c"], "b", 1),
            ([0, 1], 0, 0),
        ],
    )
    def test_are_found(self, classes: Any, positive: object, column: int) -> None:
        estimator = Gives()
        estimator.classes_ = classes
        assert event_column(estimator, positive=positive, name="x") == column

    @pytest.mark.parametrize(
        ("classes", "positive", "sentence"),
        [
            (
                ["no", "yes"],
                None,
                'x knows the classes no, yes, where 0 and 1 are expected; name .*"positive_class": "yes"',
            ),
            (["0", "1"], None, "where 0 and 1 are expected"),
            ([1, 2], None, "where 0 and 1 are expected"),
            ([-1, 1], None, "where 0 and 1 are expected"),
            ([0, 1, 2], None, "where 0 and 1 are expected"),
            ([0], None, "where 0 and 1 are expected"),
            (["no", "yes"], "sepsis", 'names the positive_class "sepsis"; the classes are no, yes'),
        ],
    )
    def test_that_say_nothing_are_refused(self, classes: Any, positive: object, sentence: str) -> None:
        estimator = Gives()
        estimator.classes_ = classes
        with pytest.raises(UserError, match=sentence):
            event_column(estimator, positive=positive, name="x")


Version = Callable[..., LoadedModel]


@pytest.fixture
def version(tmp_path: Path) -> Version:
    """Writes a version of an estimator with the golden scores given, and opens it."""

    def opened(
        estimator: Any, *, scores: list[float] | None = None, task: Task = Task.BINARY, **changes: Any
    ) -> LoadedModel:
        folder = tmp_path / "job" / "one"
        folder.mkdir(parents=True)
        artefact = bytes_of(estimator)
        (folder / ARTEFACT).write_bytes(artefact)
        sha256 = hashlib.sha256(artefact).hexdigest()
        manifest = {
            "job": "job",
            "model_version": "one",
            "task": task.value,
            "features": ["a", "b", "c"],
            "sha256": sha256,
            "libraries": libraries(),
            "meaning": MEANING,
            "score_quantiles": [0.0, 1.0],
            "metrics": {},
            "golden": None if scores is None else {"inputs": ROWS[: len(scores)].tolist(), "scores": scores},
        } | changes
        (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
        return LoadedModel.load(folder, sha256=sha256, task=task, features=["a", "b", "c"])

    return opened


class TestScores:
    @pytest.mark.parametrize(
        ("estimator", "sentence"),
        [
            (Gives(-3.0, 2.0), "numbers outside 0 to 1 for 2 of 2 entities"),
            (Gives(40.0, 60.0), "numbers outside 0 to 1"),
            (Gives(0.0, 1.0000002), "numbers outside 0 to 1"),
            (Gives(1.0, -1e-9), "numbers outside 0 to 1"),
            (Gives(0.0, float("inf")), "golden vectors are off"),
            (Gives(0.5), "gives 1 numbers for an entity, where one for each of 2 classes"),
            (Gives(0.2, 0.3, 0.5), "gives 3 numbers for an entity"),
            (Gives(float("nan"), float("nan")), "golden vectors are off"),
            (fitted(EVENT, rows=ROWS[:, :2]), "cannot score its golden vectors: ValueError"),
        ],
    )
    def test_that_are_no_probabilities_are_refused(self, version: Version, estimator: Any, sentence: str) -> None:
        with pytest.raises(UserError, match=sentence):
            version(estimator, scores=[0.5, 0.5])

    def test_outside_their_range_are_refused_whenever_they_come(self, version: Version) -> None:
        model = version(Gives(0.0, 1.0000002))
        with pytest.raises(UserError, match="outside 0 to 1 for 400 of 400 entities"):
            model.require_probabilities(model.score(Features(names=("a", "b", "c"), values=ROWS)).score)

    def test_may_be_narrow_or_missing(self, version: Version) -> None:
        assert version(Gives(0.5, 0.5, dtype="float16"), scores=[0.5]).golden_difference() == 0.0

    def test_are_those_of_the_class_that_the_manifest_names(self, version: Version) -> None:
        estimator = fitted(np.where(EVENT == 1, "event", "none"))
        model = version(estimator, positive_class="event")
        found = model.score(Features(names=("a", "b", "c"), values=ROWS)).score
        np.testing.assert_allclose(found, estimator.predict_proba(ROWS)[:, 0], rtol=0, atol=1e-12)

    def test_of_several_classes_are_probabilities_too(self, version: Version) -> None:
        forest = RandomForestClassifier(n_estimators=3, random_state=1).fit(ROWS, np.arange(400) % 3)
        assert version(forest, task=Task.MULTICLASS).score(Features(names=("a", "b", "c"), values=ROWS)).labels


def of_another_version(estimator: Any, *, failing: bool = False) -> bytes:
    """An artefact that says it was pickled by scikit-learn 0.9.9, which is what `sklearn.__version__` was then."""
    content = bytes_of([estimator, Raising()] if failing else estimator)
    ours = sklearn.__version__.encode()
    assert ours in content
    return content.replace(bytes([len(ours)]) + ours, b"\x050.9.9")


@pytest.mark.parametrize("failing", [False, True], ids=["alone", "before what raises"])
def test_what_another_scikit_learn_pickled_is_refused(failing: bool) -> None:
    artefact = of_another_version(fitted(EVENT), failing=failing)
    with pytest.raises(
        UserError, match=r"cannot be opened with the libraries of this machine: Trying to unpickle .* 0\.9\.9 when"
    ):
        read_estimator(artefact, name="M", task=Task.BINARY)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # whatever the process ignores
        with pytest.raises(UserError, match=r"Trying to unpickle"):
            read_estimator(artefact, name="M", task=Task.BINARY)


class Warns(Gives):
    """A classifier that warns when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _warned, ()


def _warned() -> Gives:
    warnings.warn("old, but fit for use", FutureWarning, stacklevel=1)
    warnings.warn("look here", UserWarning, stacklevel=1)
    return Gives(0.5, 0.5)


def test_other_warnings_of_an_artefact_are_passed_on() -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        read_estimator(bytes_of(Warns(0.5, 0.5)), name="M", task=Task.BINARY)
    assert [str(each.message) for each in said] == ["old, but fit for use", "look here"]


def test_an_artefact_of_our_own_waits_for_no_library_that_only_trains() -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom scorer.jobs.job import Task\nfrom scorer.registry.model import LoadedModel\n"
        "from scorer.registry.estimator import read_estimator\n"
        "model = read_estimator(Path(sys.argv[1]).read_bytes(), name='M', task=Task.BINARY)\n"
        "print(type(model).__name__, *{'sklearn', 'scipy', 'pandas', 'lightgbm'} & set(sys.modules))"
    )
    artefact = shipped_root() / "models" / "sepsis" / "2026.11.28" / ARTEFACT
    done = subprocess.run([sys.executable, "-c", program, artefact], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["Ensemble"]
