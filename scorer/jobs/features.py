"""The names of a job's features, in the order of the matrix's columns, and what each is made of."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from scorer.errors import UserError
from scorer.jobs.job import WHOLE_STAY, FeatureSpec

_MICROSECOND = timedelta(microseconds=1)
_UNITS = {"h": 3_600_000_000, "min": 60_000_000, "s": 1_000_000, "ms": 1_000, "us": 1}


def feature_names(spec: FeatureSpec) -> tuple[str, ...]:
    """The names of the matrix's columns, in order. Raises UserError where one is named twice."""
    names = [
        *(name for name, _ in _of_observations(spec)),
        *spec.numbers,
        *(f"hours_since_{name}" for name in spec.hours_since),
        *(f"{name}={value}" for name, values in spec.categories for value in values),
    ]
    for name, times in Counter(names).items():
        if times > 1:
            raise UserError(f'The feature "{name}" stands {times} times in [features] of job.toml; name it once.')
    return tuple(names)


@dataclass(frozen=True, slots=True)
class Column:
    """What a feature of observations is made of."""

    code: str
    statistic: str
    window: timedelta | None
    group: str


def columns(spec: FeatureSpec) -> dict[str, Column]:
    """By its name, what each feature of observations is made of; those of attributes are not among them."""
    return dict(_of_observations(spec))


def _of_observations(spec: FeatureSpec) -> Iterator[tuple[str, Column]]:
    for group in spec.groups:
        for code, statistic, window in itertools.product(group.codes, group.statistics, group.windows):
            yield f"{code}_{statistic}_{_window_text(window)}", Column(code, statistic, window, group=group.name)


def _window_text(window: timedelta | None) -> str:
    """A window as it stands in a feature's name: in the largest of h, min, s, ms and us that needs no fraction.

    >>> [_window_text(timedelta(hours=hours)) for hours in (6, 24, 1.5, 720)]
    ['6h', '24h', '90min', '720h']
    >>> _window_text(None)
    'stay'
    """
    if window is None:
        return WHOLE_STAY
    length = window // _MICROSECOND
    unit, size = next((unit, size) for unit, size in _UNITS.items() if length % size == 0)
    return f"{length // size}{unit}"
