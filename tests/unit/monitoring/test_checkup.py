"""When the shifts of features and score are drift, and when those of a code's values are another unit."""

from __future__ import annotations

import numpy as np

from scorer.database.store.checkups import Shift
from scorer.jobs.features import Code, feature_names
from scorer.jobs.job import Job
from scorer.jobs.monitoring import Limits
from scorer.monitoring.checkup import assess_drift
from scorer.registry.units import Usual, find_unit_shifts
from scorer.types.arrays import Floats


def shifts(*psi: float, rows: int = 1000, score: float = 0.01) -> list[Shift]:
    found = [Shift(f"f{place}", rows, each, 0.1, 0.1) for place, each in enumerate(psi)]
    return [*found, Shift("score", rows, score, 0.0, 0.0)]


def test_when_a_model_has_drifted() -> None:
    limits = Limits()

    def drifted(found: list[Shift], entities: int = 200) -> bool | None:
        return assess_drift(found, entities=entities, limits=limits).found

    assert drifted([]) is None
    assert drifted(shifts(0.9), entities=199) is None
    assert drifted(shifts(0.9, rows=199)) is None
    assert drifted(shifts(0.24, 0.0)) is False
    assert drifted(shifts(0.25, 0.0)) is True
    assert drifted(shifts(0.0, score=0.3)) is True
    # One of four hundred is not a hundredth of them; four are.
    assert drifted(shifts(0.3, *[0.0] * 399)) is False
    assert drifted(shifts(*[0.3] * 4, *[0.0] * 396)) is True


def test_a_change_of_units_is_told_of_all_or_of_one_category_from_twenty_values_on(sepsis: Job) -> None:
    names = list(feature_names(sepsis.features))
    glucose, micu, sicu = (names.index(name) for name in ("GLUCOSE_last_stay", "unit=MICU", "unit=SICU"))
    usual = [Usual(sepsis_code(sepsis, "GLUCOSE"), "GLUCOSE_last_stay", glucose, np.array([105.0, 128.0, 160.0]))]
    values = np.resize([100.0, 110.0, 128.0, 150.0, 170.0], 60)

    def told(matrix: Floats) -> tuple[str, ...]:
        return tuple(each.sentence for each in find_unit_shifts(matrix, names=names, usual=usual, job=sepsis))

    matrix = np.full((60, len(names)), np.nan)
    matrix[:, glucose] = values
    matrix[:, [micu, sicu]] = 0.0
    matrix[:20, micu] = matrix[20:40, sicu] = 1.0
    matrix[40:, [micu, sicu]] = np.nan
    assert told(matrix) == ()
    matrix[20:40, glucose] *= 0.0555
    assert told(matrix) == ("GLUCOSE lies 0.0555 times as high as in training, as if in mmol/L where unit=SICU",)
    # One fewer, and nothing is told.
    matrix[20, glucose] = np.nan
    assert told(matrix) == ()
    matrix[:, glucose] = values * 0.0555
    assert told(matrix) == ("GLUCOSE lies 0.0555 times as high as in training, as if in mmol/L",)
    matrix[:40, glucose] = values[:40]
    assert told(matrix) == (
        "GLUCOSE lies 0.0555 times as high as in training, as if in mmol/L where unit of another value or none",
    )
    assert told(matrix[:0]) == ()


def sepsis_code(job: Job, name: str) -> Code:
    return next(code for code in job.codes if code.name == name)
