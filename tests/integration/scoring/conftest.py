"""What the tests of scoring share: models that know their training data, and inputs unlike those."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from scorer.jobs.features import feature_names
from scorer.jobs.job import Job
from scorer.jobs.publication import Declining
from scorer.registry.declining import fit
from scorer.scoring.isolation import leave_out
from scorer.tasks.binary import Binary
from scorer.tasks.task import Judged
from scorer.types.arrays import Features


@pytest.fixture(autouse=True)
def _logged_anew() -> None:
    """What is logged once a process is logged in each test."""
    leave_out.cache_clear()


def _declining(job: Job, *, spec: Declining) -> dict[str, Any]:
    """A baseline of features within 10,000, those of heart rate and pressure within 200, and of scores that tell the classes apart well."""
    names = feature_names(job.features)
    random = np.random.default_rng(1)
    values = random.uniform(-1e4, 1e4, size=(3000, len(names)))
    values[random.random(values.shape) < 0.5] = np.nan
    for name in (each for each in names if each.startswith(("HR_", "SBP_"))):
        values[:, names.index(name)] = random.uniform(-200, 200, 3000)
    label = (np.arange(3000) % 4 == 0).astype(float)
    score = np.where(label == 1, random.uniform(0.2, 1.0, 3000), random.uniform(0.0, 0.6, 3000))
    client = np.unique(np.arange(3000).astype(str), return_inverse=True)[1]
    return fit(Features(names=names, values=values), Judged(score, label, client), spec, rules=Binary())


@pytest.fixture(scope="session")
def declining() -> Callable[..., dict[str, Any]]:
    """Makes what a manifest keeps under "declining", by a `spec`."""
    return _declining


def _make_odd(hospital: Any, visit: int) -> None:
    """Plausible heart rates and pressures that no training data had: they are in many features."""
    hospital.execute(
        "UPDATE patient_observations SET observation_value = 317 WHERE visit_id = %s AND observation_type_code IN ('HR', 'SBP')",
        visit,
    )


@pytest.fixture(scope="session")
def make_odd() -> Callable[[Any, int], None]:
    """Makes the inputs of a visit of a hospital unlike the training data."""
    return _make_odd
