"""Fits of several classes: each configuration finds what there is, with the same bits each time."""

from __future__ import annotations

import numpy as np
import pytest

from scorer.jobs.training import Configuration, Recipe
from scorer.tasks.multiclass import Multiclass
from scorer.training.classifiers import OF_CLASSES, OF_EVENTS, fit_classes, standardised
from scorer.training.targets import Fitting
from scorer.types.arrays import Integers

RULES = Multiclass(("a", "b", "c"))


def data(classes: int = 3) -> Fitting:
    random = np.random.default_rng(1)
    rows = random.normal(size=(600, 5))
    rows[random.random(rows.shape) < 0.1] = np.nan
    target = np.digitize(np.nan_to_num(rows[:, 0]) + 0.3 * random.normal(size=600), [-0.4, 0.4][: classes - 1])
    client: Integers = np.arange(600) // 3
    return Fitting(rows=rows, target=target, weight=np.ones(600), client=client, columns=np.arange(5))


def test_the_defaults_are_of_the_task() -> None:
    assert set(OF_CLASSES) == set(RULES.configurations)
    assert Configuration.STACK in OF_EVENTS


@pytest.mark.parametrize("configuration", RULES.configurations)
@pytest.mark.parametrize("classes", [2, 3])
def test_every_configuration_tells_classes_apart(configuration: Configuration, classes: int) -> None:
    some, rules = data(classes), Multiclass(RULES.classes[:classes])
    one, other = (
        fit_classes(Recipe(configuration=configuration), some, OF_CLASSES[configuration], rules) for _ in range(2)
    )
    shares = one.predict_proba(some.rows)
    assert shares.shape == (600, classes)
    assert shares.tobytes() == other.predict_proba(some.rows).tobytes()
    assert rules.trial_figures(one.margin(some.rows), some.target.astype(float))["auroc"] > 0.85


def test_standardised_features_and_what_is_missing() -> None:
    design, centre, scale = standardised(np.array([[1.0, 5.0], [3.0, np.nan]]))
    assert centre.tolist() == [2.0, 5.0]
    assert scale.tolist() == [1.0, 1.0]
    assert design.tolist() == [[-1.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 1.0]]
