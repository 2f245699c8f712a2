"""The estimator of a trained model: its contributions add up to its score, and its scores depend on nothing but their own row."""

from __future__ import annotations

import hashlib
import json
import pickle
import subprocess
import sys
from pathlib import Path

import joblib
import lightgbm
import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier

from scorer.config import shipped_root
from scorer.jobs.job import MEANING, Task
from scorer.registry.ensemble import Boosted, Ensemble, Linear, PerFacility, Voted, by_facility, own_fit
from scorer.registry.manifest import ARTEFACT, MANIFEST, libraries
from scorer.registry.model import LoadedModel
from scorer.tasks.links import log_odds, logistic
from scorer.types.arrays import Features, Floats

NAMES = tuple("abcdefgh")
WIDTH = len(NAMES)


@pytest.fixture(scope="module")
def rows() -> Floats:
    """Rows with gaps, whose first feature decides the class."""
    random = np.random.default_rng(1)
    values = random.normal(size=(600, WIDTH))
    values[random.random(values.shape) < 0.3] = np.nan
    return values


@pytest.fixture(scope="module")
def boosted(rows: Floats) -> Boosted:
    """Trees over the features but the second."""
    seen = rows[:, [0, 2, 3, 4, 5, 6, 7]]
    label = (np.nan_to_num(rows[:, 0]) + np.nan_to_num(rows[:, 2]) > 0).astype(float)
    settings = {"objective": "binary", "num_leaves": 7, "verbose": -1, "num_threads": 1, "deterministic": True}
    return Boosted(lightgbm.train(settings, lightgbm.Dataset(seen, label), 30).model_to_string())


@pytest.fixture(scope="module")
def ensemble(boosted: Boosted) -> Ensemble:
    """Trees and a linear model, of unlike weight, calibrated."""
    random = np.random.default_rng(2)
    linear = Linear(
        centre=random.normal(size=7),
        scale=random.uniform(0.5, 2, size=7),
        weight=random.normal(size=7),
        missing=random.normal(size=7),
        bias=0.3,
        limit=1.5,
    )
    return Ensemble([boosted, linear], weights=[0.7, 0.3], columns=[0, 2, 3, 4, 5, 6, 7], slope=0.8, intercept=-1.25)


def test_contributions_add_up_to_the_published_log_odds(ensemble: Ensemble, rows: Floats) -> None:
    contributions = ensemble.contributions(rows)
    assert contributions is not None
    assert contributions.shape == (len(rows), WIDTH + 1)
    published = log_odds(ensemble.predict_proba(rows)[:, 1])
    np.testing.assert_allclose(contributions.sum(axis=1), published, rtol=0, atol=1e-9)
    assert not contributions[:, 1].any(), "a feature that no member sees adds something"
    assert np.abs(contributions[:, 0]).max() > 0.1


def test_a_member_that_cannot_be_taken_apart_leaves_no_contributions(boosted: Boosted, rows: Floats) -> None:
    forest = Voted(ExtraTreesClassifier(5, random_state=1, n_jobs=1).fit(rows[:, :7], rows[:, 0] > 0))
    mixed = Ensemble([boosted, forest], columns=range(7))
    assert mixed.contributions(rows) is None
    assert mixed.predict_proba(rows).shape == (len(rows), 2)
    with pytest.raises(ValueError, match="needs a member"):
        Ensemble([])


def test_probabilities_of_both_classes_are_one(ensemble: Ensemble, rows: Floats) -> None:
    probability = ensemble.predict_proba(rows)
    np.testing.assert_array_equal(probability.sum(axis=1), np.ones(len(rows)))
    np.testing.assert_allclose(probability[:, 1], logistic(0.8 * ensemble.margin(rows) - 1.25))


def test_it_is_stored_and_read_with_the_same_bits(ensemble: Ensemble, rows: Floats) -> None:
    again = pickle.loads(pickle.dumps(ensemble))
    np.testing.assert_array_equal(again.predict_proba(rows), ensemble.predict_proba(rows))
    np.testing.assert_array_equal(again.contributions(rows), ensemble.contributions(rows))


def test_scores_and_contributions_are_the_same_bits_whatever_the_neighbours(
    ensemble: Ensemble, rows: Floats, tmp_path: Path
) -> None:
    joblib.dump(ensemble, tmp_path / ARTEFACT)
    sha256 = hashlib.sha256((tmp_path / ARTEFACT).read_bytes()).hexdigest()
    manifest = {
        "job": "x",
        "model_version": "1",
        "task": "binary",
        "features": NAMES,
        "sha256": sha256,
        "libraries": libraries(),
        "meaning": MEANING,
        "score_quantiles": [0.0, 1.0],
        "metrics": {},
    }
    (tmp_path / MANIFEST).write_text(json.dumps(manifest))
    model = LoadedModel.load(tmp_path, sha256=sha256, task=Task.BINARY, features=NAMES)
    together = model.score(Features(NAMES, rows)).score
    contributions = model.contributions(Features(NAMES, rows))
    assert contributions is not None
    order = np.random.default_rng(3).permutation(len(rows))
    np.testing.assert_array_equal(model.score(Features(NAMES, rows[order])).score, together[order])
    for place in (0, 255, 256, 599):
        alone = Features(NAMES, rows[place : place + 1])
        np.testing.assert_array_equal(model.score(alone).score, together[place : place + 1])
        np.testing.assert_array_equal(model.contributions(alone), contributions[place : place + 1])
    assert model.contributions(Features(NAMES, rows[:0])) is not None


def test_other_estimators_have_no_contributions(tmp_path: Path, rows: Floats) -> None:
    model = LoadedModel.__new__(LoadedModel)
    model._estimator = object()
    assert model.contributions(Features(NAMES, rows)) is None


def test_an_artefact_that_names_the_module_by_its_old_place_is_opened(tmp_path: Path) -> None:
    """A shipped one does, which was made before the module had a room."""
    program = (
        "import io, sys, joblib, scorer.registry.model\n"
        "from pathlib import Path\n"
        "model = joblib.load(io.BytesIO(Path(sys.argv[1]).read_bytes()))\n"
        "print(type(model).__module__, type(model).__name__)"
    )
    artefact = shipped_root() / "models" / "sepsis" / "2026.11.21" / "pipeline.joblib"
    done = subprocess.run([sys.executable, "-c", program, artefact], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["scorer.registry.ensemble", "Ensemble"]
    assert joblib.load(artefact).__class__.__module__ == "scorer.registry.ensemble"


class TestPerFacility:
    """A fit of a facility's own, beside that of everyone."""

    def test_each_row_is_of_the_fit_of_its_facility(self, rows: Floats, ensemble: Ensemble) -> None:
        other = ensemble.calibrated(slope=0.2, intercept=1.0)
        fits = PerFacility(ensemble, {"A": other})
        facility = np.array(["A", "B", None], dtype=object)[np.arange(len(rows)) % 3]
        features = Features(NAMES, rows, facility=facility)
        found = by_facility(fits, features, lambda fit, some: fit.predict_proba(some), calibrated={})
        assert found is not None
        own = facility == "A"
        np.testing.assert_array_equal(found[own], other.predict_proba(rows[own]))
        np.testing.assert_array_equal(found[~own], ensemble.predict_proba(rows[~own]))
        again = by_facility(fits, features, lambda fit, some: fit.predict_proba(some), calibrated={"B": other})
        assert again is not None
        np.testing.assert_array_equal(again[facility == "B"], other.predict_proba(rows[facility == "B"]))
        assert by_facility(fits, features, lambda *_: None, calibrated={}) is None

    def test_asked_without_a_facility_it_is_the_fit_of_everyone(self, rows: Floats, ensemble: Ensemble) -> None:
        fits = pickle.loads(pickle.dumps(PerFacility(ensemble, {"A": ensemble.calibrated(slope=9.0, intercept=0.0)})))
        np.testing.assert_array_equal(fits.predict_proba(rows), ensemble.predict_proba(rows))
        assert fits.classes_ == (0, 1)
        assert not hasattr(fits, "fit")
        assert (own_fit(fits, "A").slope, own_fit(fits, "B").slope, own_fit(ensemble, "A").slope) == (9.0, 0.8, 0.8)
        both = fits.calibrated(slope=2.0, intercept=0.5)
        assert {both.of(name).slope for name in ("A", None)} == {2.0}
