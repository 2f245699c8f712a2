"""Inputs made ready for a model; that runs, landmarks and matrices agree to the bit is tested where each reads a database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from scorer.jobs.features import FeatureGroup, FeatureSpec
from scorer.jobs.job import SUITES, Job
from scorer.scoring.batch import BatchInputs
from scorer.scoring.prepared import prepare
from scorer.scoring.timing import StepTimer
from scorer.scoring.validation.suites import Suites


@pytest.fixture
def counting(sepsis: Job) -> Job:
    """A job of one feature, with suites that refuse nothing."""
    count = FeatureGroup(codes=("HR",), statistics=("count",), windows=(None,))
    return replace(
        sepsis,
        features=FeatureSpec(groups=(count,), numbers=(), hours_since=(), categories=()),
        suites={name: {"name": name, "expectations": []} for name in SUITES},
        actions={},
        min_observations=2,
    )


def test_too_few_observations_are_not_scored(counting: Job, make_inputs: Callable[..., BatchInputs]) -> None:
    inputs, steps = make_inputs(1, 2, 0, 4), StepTimer()
    ready = prepare(
        counting,
        Suites(counting, compiled=False),
        inputs.observations,
        inputs.attributes,
        entity_ids=inputs.entity_ids,
        as_of=inputs.as_of,
        steps=steps,
    )
    assert ready.read.tolist() == ready.used.tolist() == [1, 2, 0, 4]
    assert ready.scorable.tolist() == [False, True, False, True]
    assert ready.matrix.values.shape == (4, 1)
    assert ready.held == {}
    assert set(steps.seconds) == {"validate", "features"}
