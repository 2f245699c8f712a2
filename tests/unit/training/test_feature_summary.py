"""What a manifest says of each feature: words from the catalogue, figures and importances worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier

from scorer.jobs.features import feature_names
from scorer.jobs.job import Job
from scorer.registry.ensemble import Ensemble, Linear, Voted
from scorer.registry.predictors import ClassEnsemble, PerClass, Predicted, Shares, ValueEnsemble
from scorer.training.feature_summary import EXPLAINED, importances, spread_evenly, summaries
from scorer.types.arrays import Features

NAN = float("nan")


def linear(*weights: float, missing: float = 0.0, bias: float = 0.0) -> Linear:
    """A member that adds weight * value, of values up to 100."""
    ones = np.ones(len(weights))
    return Linear(centre=0 * ones, scale=ones, weight=np.array(weights), missing=missing * ones, bias=bias, limit=100.0)


def test_each_feature_has_its_words_and_figures(job: Job) -> None:
    names = feature_names(job.features)
    values = np.full((5, len(names)), NAN)
    rate, age, lactate, sex = (names.index(each) for each in ("HR_mean_6h", "age_years", "LACTATE_count_stay", "sex=F"))
    values[:, rate] = [70, 80, NAN, 90, 100]
    values[:, age] = [NAN, NAN, 61.23456789, NAN, NAN]
    values[:, lactate] = [1e308, 1e308, 0, 0, 0]
    found = summaries(job, Features(names, values))
    assert tuple(found) == names
    # The squares of the distances from 85 add up to 225 + 25 + 25 + 225 = 500, a third of which is 166.667.
    assert found["HR_mean_6h"] == {
        "meaning": "mean of HR within 6 h before the as-of time",
        "unit": "beats/min",
        "group": "vitals of 6 h",
        "code": "HR",
        "statistic": "mean",
        "window": "6 h",
        "min": 70.0,
        "max": 100.0,
        "mean": 85.0,
        "sd": 12.9099,
        "null_rate": 0.2,
    }
    assert found["age_years"] == {
        "meaning": "age_years, as it stands",
        "group": "attributes",
        "min": 61.2346,
        "max": 61.2346,
        "mean": 61.2346,
        "sd": None,
        "null_rate": 0.8,
    }
    assert found["LACTATE_count_stay"]["max"] == 1e308
    assert found["LACTATE_count_stay"]["mean"] is None, "the sum is beyond what a number holds"
    nothing = {name: found["sex=F"][name] for name in ("min", "max", "mean", "sd", "null_rate")}
    assert nothing == {"min": None, "max": None, "mean": None, "sd": None, "null_rate": 1.0}
    assert np.isnan(values[:, sex]).all()


ROWS = Features(("a", "b", "c"), np.array([[1.0, 2.0, 9.0], [-3.0, NAN, 9.0]]))


def test_importance_is_the_mean_absolute_contribution() -> None:
    # Of a: 2 * |1|, 2 * |-3|, on the mean 4; of b: 0.5 * 2 and 3 for what is missing, on the mean 2. The slope is 0.5, and c is not seen.
    model = Ensemble([linear(2, 0.5, missing=3.0)], columns=[0, 1], slope=0.5, intercept=7)
    found = importances(model, ROWS)
    assert found == {"a": 2.0, "b": 1.0, "c": 0.0}
    assert list(found) == ["a", "b", "c"]


def test_importance_of_a_value_is_in_its_unit_and_of_classes_that_of_the_most_probable() -> None:
    side = [linear(0, 0, 0)]
    assert importances(ValueEnsemble([linear(2, 0.5, 0)], low=side, high=side), ROWS) == {"a": 4.0, "b": 0.5, "c": 0.0}
    two = PerClass((linear(1, 0, 0), linear(-1, 0, 0)))
    # Less the mean of both classes, which is 0, the more probable one has 1 and 3 of a.
    assert importances(ClassEnsemble([two], classes=("x", "y")), ROWS) == {"a": 2.0, "b": 0.0, "c": 0.0}


def test_a_model_without_contributions_has_no_importances() -> None:
    forest = ExtraTreesClassifier(n_estimators=2, random_state=0).fit(np.zeros((2, 3)), [0, 1])
    assert importances(Ensemble([Voted(forest)]), ROWS) == {}
    assert importances(ClassEnsemble([Shares(forest)], classes=("x", "y")), ROWS) == {}
    member = Predicted(forest)
    assert importances(ValueEnsemble([member], low=[member], high=[member]), ROWS) == {}


def test_rows_without_a_score_do_not_count() -> None:
    infinite = Features(("a", "b"), np.array([[1.0, 1.0], [2.0, 2.0]]))
    broken = linear(1, 2)
    broken.missing[:] = np.inf
    assert importances(Ensemble([broken]), infinite) == {"a": 1.5, "b": 3.0}
    gaps = Features(("a", "b"), np.array([[1.0, 1.0], [NAN, 2.0]]))
    assert importances(Ensemble([broken]), gaps) == {"a": 1.0, "b": 2.0}
    assert importances(Ensemble([broken]), Features(("a", "b"), np.full((2, 2), NAN))) == {}


def test_rows_that_are_explained_are_spread_over_all() -> None:
    assert spread_evenly(5, 10).tolist() == [0, 1, 2, 3, 4]
    assert spread_evenly(9, 3).tolist() == [0, 4, 8]
    many = Features(("a",), np.arange(10_001.0)[:, None] / 101)
    assert len(spread_evenly(10_001, EXPLAINED)) == EXPLAINED
    assert importances(Ensemble([linear(1)]), many)["a"] == pytest.approx(5000 / 101, rel=1e-3)
