"""Whether a code's values are in the job's unit, by training's quartiles and other units' factors.

Another unit multiplies all values alike, and so all three quartiles; a sicker ward moves the upper one. Affine scales (degF) and logarithms
(nmol/L for pH) are no factors: the code's plausible limits shut them out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scorer.jobs.features import Code, columns
from scorer.jobs.job import Job
from scorer.types.arrays import Floats

_QUARTILES = (0.25, 0.5, 0.75)
# Statistics that have the unit of the values and lie about where they do, the best first.
_LIKE_VALUES = ("last", "first", "mean", "max", "min")
# By so much of a unit's factor, in logarithms, has each quartile moved. On the real cohort, twenty visits at a time and by unit and sex,
# one look in a thousand is wrong of BUN, whose urea is but 2.1 times as much, and none of any other code.
_MOVED = (0.6, 1.5)
_FAR = np.log(5)  # a move of all quartiles that no known unit explains


@dataclass(frozen=True, slots=True)
class Usual:
    """Where a code's values lay in training: the feature that shows it, its place, the quartiles (3,)."""

    code: Code
    feature: str
    place: int
    quartiles: Floats


@dataclass(frozen=True, slots=True)
class UnitShift:
    """Values that lie as in another unit: their factor, and the unit, None where the job names none such.

    `group` are the rows in which they do, such as "unit=MICU"; empty: in all.
    """

    code: str
    factor: float
    unit: str | None
    group: str = ""

    @property
    def sentence(self) -> str:
        """What is so, without a value."""
        as_if = "" if self.unit is None else f", as if in {self.unit}"
        where = f" where {self.group}" if self.group else ""
        return f"{self.code} lies {self.factor:.3g} times as high as in training{as_if}{where}"


def usual_values(manifest: Mapping[str, Any], job: Job) -> tuple[Usual, ...]:
    """Where the values of the job's codes lay in training, for those that the manifest's baseline shows."""
    baseline = (manifest.get("baseline") or {}).get("features", {})
    names = list(manifest.get("features", ()))
    shown: dict[str, str] = {}
    for statistic in _LIKE_VALUES:
        for name, column in columns(job.features).items():
            if column.statistic == statistic and name in baseline and name in names:
                shown.setdefault(column.code, name)
    found = []
    for code in job.codes:
        if code.name in shown:
            quartiles = _quartiles(baseline[shown[code.name]])
            if quartiles is not None and (quartiles > 0).all():
                name = shown[code.name]
                found.append(Usual(code=code, feature=name, place=names.index(name), quartiles=quartiles))
    return tuple(found)


def _quartiles(bins: Mapping[str, Any]) -> Floats | None:
    """The quartiles of training by its bins; None where they are too few."""
    edges = np.array(bins["edges"], dtype=np.float64)
    below = np.cumsum(bins["shares"])
    if len(edges) < len(_QUARTILES) or below[-1] <= 0:
        return None
    return np.interp(_QUARTILES, below[:-1] / below[-1], edges)


def unit_shift(values: Floats, usual: Usual) -> UnitShift | None:
    """The shift of `values` (n,) from training's; None where they lie as they should, or too near to tell.

    >>> usual = Usual(Code("GLUCOSE", "mg/dL", 20, 3000, others={"mmol/L": 0.0555}), "", 0, np.array([105.0, 128.0, 160.0]))
    >>> unit_shift(np.array([5.0, 7.0, 9.0]), usual).sentence
    'GLUCOSE lies 0.0547 times as high as in training, as if in mmol/L'
    >>> unit_shift(np.array([90.0, 140.0, 300.0]), usual)
    """
    now = np.quantile(values, _QUARTILES)
    if (now <= 0).any():
        return None
    moved = np.log(now / usual.quartiles)
    factor = float(np.exp(moved[1]))
    distances = {
        unit: abs(moved[1] / np.log(each) - 1)
        for unit, each in usual.code.others.items()
        if ((moved / np.log(each) >= _MOVED[0]) & (moved / np.log(each) <= _MOVED[1])).all()
    }
    if distances:
        return UnitShift(usual.code.name, factor, min(distances, key=lambda unit: distances[unit]))
    far = (moved >= _FAR).all() or (moved <= -_FAR).all()
    return UnitShift(usual.code.name, factor, None) if far else None


def find_unit_shifts(matrix: Floats, *, names: list[str], usual: Sequence[Usual], job: Job) -> tuple[UnitShift, ...]:
    """The codes whose newest values lie as in another unit, in all rows or one category.

    `matrix` (entities, features) has the newest rows first. Of each code and group the newest `unit_entities` values are compared, and
    none where there are fewer.
    """
    groups = {"": np.ones(len(matrix), dtype=bool)}
    for category, values in job.features.categories:
        listed = {f"{category}={value}" for value in values} & set(names)
        groups |= {name: matrix[:, names.index(name)] == 1 for name in sorted(listed)}
        if listed:
            groups[f"{category} of another value or none"] = np.isnan(matrix[:, names.index(min(listed))])
    found = []
    for each in usual:
        for group, chosen in groups.items():
            values = matrix[chosen, each.place]
            newest = values[~np.isnan(values)][: job.limits.unit_entities]
            shift = unit_shift(newest, each) if len(newest) == job.limits.unit_entities else None
            if shift is not None:
                found.append(replace(shift, group=group))
                if not group:
                    break
    return tuple(found)
