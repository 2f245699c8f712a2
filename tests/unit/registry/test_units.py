"""Whether values lie as in another unit: told by all quartiles, and not by a ward that is sicker."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scorer.jobs.features import Code, feature_names
from scorer.jobs.job import Job
from scorer.registry.drift_bins import bins_of
from scorer.registry.units import Usual, unit_shift, usual_values
from scorer.types.arrays import Features

GLUCOSE = Usual(
    Code("GLUCOSE", "mg/dL", 20, 3000, others={"mmol/L": 0.0555}),
    "GLUCOSE_last_stay",
    0,
    np.array([105.0, 128.0, 160.0]),
)
VALUES = np.array([80.0, 95.0, 105.0, 115.0, 128.0, 140.0, 160.0, 190.0, 260.0])


@pytest.mark.parametrize(
    ("values", "unit"),
    [
        (VALUES * 0.0555, "mmol/L"),
        (VALUES * 0.07, "mmol/L"),
        (VALUES * 6, None),
        (VALUES / 6, "mmol/L"),
        (VALUES * 1e4, None),
    ],
)
def test_values_in_another_unit(values: Any, unit: str | None) -> None:
    shift = unit_shift(values, GLUCOSE)
    assert shift is not None
    assert shift.unit == unit
    assert shift.sentence.startswith("GLUCOSE lies ")
    assert ("as if in" in shift.sentence) == (unit is not None)


@pytest.mark.parametrize(
    "values",
    [
        VALUES,
        VALUES * 2,
        VALUES * 0.5,
        # Half of them in another unit, or no sound value at all.
        np.concatenate([VALUES, VALUES * 0.0555]),
        np.zeros(20),
        np.full(20, -1.0),
    ],
)
def test_values_that_lie_as_they_may(values: Any) -> None:
    assert unit_shift(values, GLUCOSE) is None


def test_the_quartiles_of_training_are_those_of_its_bins(sepsis: Job) -> None:
    names = feature_names(sepsis.features)
    values = np.full((1001, len(names)), np.nan)
    values[:1000, names.index("GLUCOSE_last_stay")] = np.arange(100.0, 1100.0)
    values[:, names.index("BASE_EXCESS_last_stay")] = np.linspace(-5, 5, 1001)  # quartiles below 0: no factor can tell
    values[:, names.index("LACTATE_last_stay")] = 2.0  # a constant has no quartiles
    manifest = {"features": names, "baseline": bins_of(Features(names=names, values=values), np.zeros(1001))}
    (found,) = usual_values(manifest, sepsis)
    assert (found.code.name, found.feature) == ("GLUCOSE", "GLUCOSE_last_stay")
    assert names[found.place] == found.feature
    np.testing.assert_allclose(found.quartiles, [350, 600, 850], rtol=0.01)


@pytest.mark.parametrize("manifest", [{}, {"baseline": None}, {"features": [], "baseline": {"features": {}}}])
def test_a_manifest_without_a_baseline_tells_of_no_code(manifest: dict[str, Any], sepsis: Job) -> None:
    assert usual_values(manifest, sepsis) == ()
