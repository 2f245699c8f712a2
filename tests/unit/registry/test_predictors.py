"""Models of classes and of values: the same bits in any company, contributions that add up, and pickles that come back."""

from __future__ import annotations

import io
from typing import Any

import joblib
import lightgbm
import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

from scorer.registry.ensemble import Boosted, Linear
from scorer.registry.predictors import ClassEnsemble, PerClass, Predicted, Shares, ValueEnsemble
from scorer.tasks.multiclass import Multiclass
from scorer.tasks.regression import Regression
from scorer.types.arrays import Floats

STEADY = {"verbose": -1, "num_threads": 1, "deterministic": True, "min_data_in_leaf": 5}
CLASSES = ("a", "b", "c")


@pytest.fixture(scope="module")
def rows() -> Floats:
    values = np.random.default_rng(1).normal(size=(400, 6))
    values[np.random.default_rng(2).random(values.shape) < 0.1] = np.nan
    return values


def boosted(rows: Floats, target: Floats, **parameters: Any) -> Boosted:
    data = lightgbm.Dataset(rows, target)
    return Boosted(lightgbm.train({**STEADY, **parameters}, data, 20).model_to_string())


def linear(seed: int) -> Linear:
    random = np.random.default_rng(seed)
    arrays = {name: random.normal(size=4) for name in ("centre", "weight", "missing")}
    return Linear(**arrays, scale=np.ones(4), bias=0.3 * seed, limit=5.0)


@pytest.fixture(scope="module")
def class_model(rows: Floats) -> ClassEnsemble:
    code = np.digitize(np.nan_to_num(rows[:, 1]), [-0.5, 0.5]).astype(float)
    member = boosted(rows[:, 1:5], code, objective="multiclass", num_class=3)
    made = ClassEnsemble([member, member], classes=CLASSES, columns=[1, 2, 3, 4])
    return made.calibrated(slope=0.8, bias=[0.1, -0.3, 0.2])


@pytest.fixture(scope="module")
def value_model(rows: Floats) -> ValueEnsemble:
    target = np.nan_to_num(rows[:, 1]) * 2 + 1
    member = boosted(rows[:, 1:5], target, objective="regression")
    low, high = (boosted(rows[:, 1:5], target, objective="quantile", alpha=alpha) for alpha in (0.1, 0.9))
    return ValueEnsemble([member], low=[low], high=[high], columns=[1, 2, 3, 4])


def again(model: Any) -> Any:
    file = io.BytesIO()
    joblib.dump(model, file)
    return joblib.load(io.BytesIO(file.getvalue()))


def test_a_row_has_the_same_bits_in_any_company_and_after_a_pickle(
    rows: Floats, class_model: ClassEnsemble, value_model: ValueEnsemble
) -> None:
    for model, method in ((class_model, "predict_proba"), (value_model, "predict"), (class_model, "contributions")):
        whole = getattr(model, method)(rows)
        assert getattr(again(model), method)(rows).tobytes() == whole.tobytes()
        for start, end in ((0, 1), (5, 8), (100, 164), (399, 400)):
            assert getattr(model, method)(rows[start:end]).tobytes() == whole[start:end].tobytes()
        assert len(getattr(model, method)(rows[:0])) == 0
        assert model.row_by_row


def test_contributions_of_the_most_probable_class_add_up(rows: Floats, class_model: ClassEnsemble) -> None:
    shares = class_model.predict_proba(rows)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    contributions = class_model.contributions(rows)
    assert contributions is not None
    assert contributions.shape == (400, 7)
    np.testing.assert_allclose(contributions.sum(axis=1), Multiclass(CLASSES).totals(shares)[0], atol=1e-9)
    assert not contributions[:, [0, 5]].any(), "features that the members do not see"


def test_linear_members_add_up_too(rows: Floats) -> None:
    member = PerClass((linear(1), linear(2), linear(3)))
    model = ClassEnsemble([member], classes=CLASSES, columns=[1, 2, 3, 4], slope=1.3)
    contributions = model.contributions(rows)
    assert contributions is not None
    total = Multiclass(CLASSES).totals(model.predict_proba(rows))[0]
    np.testing.assert_allclose(contributions.sum(axis=1), total, atol=1e-6)
    assert not model.row_by_row


@pytest.mark.parametrize("target", ["value", "log"])
def test_contributions_to_a_value_add_up_in_its_own_unit(rows: Floats, value_model: ValueEnsemble, target: str) -> None:
    model = value_model.calibrated(target=target, widening=0.4, factor=1.1 if target == "log" else 1.0, coverage=0.8)
    published = model.predict(rows)
    contributions = model.contributions(rows)
    assert contributions is not None
    np.testing.assert_allclose(contributions.sum(axis=1), Regression().totals(published)[0], rtol=1e-12)
    assert (published[:, 1] <= published[:, 0]).all()
    assert (published[:, 0] <= published[:, 2]).all()


def test_the_share_of_a_logarithm_by_hand() -> None:
    one = Linear(
        centre=np.zeros(2), scale=np.ones(2), weight=np.ones(2), missing=np.zeros(2), bias=np.log(10.0), limit=99.0
    )
    calibration = {"target": "log", "widening": 0.0, "factor": 1.0, "coverage": 0.0}
    model = ValueEnsemble([one], low=[one], high=[one], calibration=calibration)
    rows = np.array([[np.log(2.0), np.log(4.0)], [0.0, 0.0]])
    contributions = model.contributions(rows)
    assert contributions is not None
    # From 10 to 80: a third of the logarithms' way is the first feature's.
    np.testing.assert_allclose(contributions, [[70 / 3, 140 / 3, 10], [0, 0, 10]], atol=1e-9)


def test_other_estimators_have_margins_and_no_split(rows: Floats) -> None:
    filled = np.nan_to_num(rows)
    code = np.digitize(filled[:, 1], [-0.5, 0.5])
    shares = Shares(ExtraTreesClassifier(10, random_state=1).fit(filled, code))
    model = ClassEnsemble([shares], classes=CLASSES)
    np.testing.assert_allclose(model.predict_proba(filled), shares.estimator.predict_proba(filled), atol=1e-9)
    assert model.contributions(filled) is None
    value = Predicted(ExtraTreesRegressor(10, random_state=1).fit(filled, filled[:, 1]))
    whole = ValueEnsemble([value], low=[value], high=[value])
    np.testing.assert_allclose(whole.predict(filled)[:, 0], value.estimator.predict(filled))
    assert whole.contributions(filled) is None
    assert not whole.row_by_row


def test_an_ensemble_needs_members() -> None:
    with pytest.raises(ValueError, match="needs a member"):
        ClassEnsemble([], classes=CLASSES)
    with pytest.raises(ValueError, match="needs a member"):
        ValueEnsemble([], low=[], high=[])
