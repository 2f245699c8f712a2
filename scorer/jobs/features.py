"""A job's features: [codes] and [features] of job.toml, and the names of the matrix's columns.

Pure: the registry needs the names without NumPy. scoring/features/ computes the values.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from scorer.errors import UserError
from scorer.jobs.toml_table import TomlTable
from scorer.jobs.training import ATTRIBUTES
from scorer.types.options import parse_span

STATISTICS = (
    "last",
    "first",
    "min",
    "max",
    "mean",
    "std",
    "slope",
    "count",
    "hours_since",
    "outside",
    "distance",
    "sum",
    "days",
    "median",
    "range",
    "interval_mean",
    "interval_std",
    "since_first",
)
# Of no observation these are 0; the others have no value.
ZERO_OF_NOTHING = frozenset({"count", "sum", "days"})
CALENDAR = ("hour", "weekday", "month")
WHOLE_STAY = "stay"

_MICROSECOND = timedelta(microseconds=1)
_UNITS = {"h": 3_600_000_000, "min": 60_000_000, "s": 1_000_000, "ms": 1_000, "us": 1}


@dataclass(frozen=True, slots=True)
class Code:
    """An observation type that the job knows, with the limits beyond which no value can be real.

    range_upper_min, range_upper_max  the limits beyond which the upper limit of a reference range is one of another unit; None: unknown
    others                            other units that hospitals use, and the value in each of 1 in this unit
    """

    name: str
    unit: str
    plausible_min: float
    plausible_max: float
    range_upper_min: float | None = None
    range_upper_max: float | None = None
    others: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FeatureGroup:
    """Every code x every statistic x every window, and every pair of windows in `ratios`.

    A window is a trailing span, or None for the whole stay. A ratio is the statistic over the first window of a pair, divided by that over
    the second; both are among `windows`. A search selects a group by its `name`.
    """

    codes: tuple[str, ...]
    statistics: tuple[str, ...]
    windows: tuple[timedelta | None, ...]
    name: str = ""
    ratios: tuple[tuple[timedelta | None, timedelta | None], ...] = ()


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """The features of a job, in the order of the matrix's columns.

    `synonyms` gives, by a category's name, other words for its values. `facility` is the attribute that says what an entity belongs to.
    `calendar` are parts of the as-of time on the clock of `timezone`, whose days the statistic `days` counts.
    """

    groups: tuple[FeatureGroup, ...]
    numbers: tuple[str, ...]
    hours_since: tuple[str, ...]
    categories: tuple[tuple[str, tuple[str, ...]], ...]
    synonyms: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    calendar: tuple[str, ...] = ()
    timezone: str = "UTC"
    facility: str | None = None

    @property
    def facility_attribute(self) -> str:
        """The attribute that says what an entity belongs to, where the job publishes it."""
        return self.facility or "facility"

    @property
    def words(self) -> dict[str, Mapping[str, str]]:
        """For each category, by its name, its synonyms."""
        return {name: self.synonyms.get(name, {}) for name, _ in self.categories}

    @property
    def group_names(self) -> tuple[str, ...]:
        """The named groups of observations, each name once, and the group of attributes."""
        return (*dict.fromkeys(group.name for group in self.groups if group.name), ATTRIBUTES)


@dataclass(frozen=True, slots=True)
class Column:
    """What a feature of observations is computed from.

    A ratio is of the statistic over `window` and that over `by`.
    """

    code: str
    statistic: str
    window: timedelta | None
    group: str
    by: timedelta | None = None
    is_ratio: bool = False


def feature_names(spec: FeatureSpec) -> tuple[str, ...]:
    """The names of the matrix's columns, in order. Raises UserError where a name occurs twice."""
    names = [
        *(name for name, _ in _of_observations(spec)),
        *spec.numbers,
        *(f"hours_since_{name}" for name in spec.hours_since),
        *(f"{name}={value}" for name, values in spec.categories for value in values),
        *(f"as_of_{part}{form}" for part in spec.calendar for form in ("", "_sin", "_cos")),
    ]
    for name, times in Counter(names).items():
        if times > 1:
            raise UserError(f'The feature "{name}" stands {times} times in [features] of job.toml; name it once.')
    return tuple(names)


def columns(spec: FeatureSpec) -> dict[str, Column]:
    """What each feature of observations is computed from, by its name; without features of attributes."""
    return dict(_of_observations(spec))


def read_codes(table: TomlTable) -> tuple[Code, ...]:
    """Read [codes] of job.toml. Raises UserError where the limits of a code make no sense."""
    codes = []
    for name in table.names():
        code = table.table(name)
        low, high = code.pair("plausible")
        upper_min, upper_max = code.pair("range_upper") if "range_upper" in code.names() else (None, None)
        others = code.table("others", required=False)
        codes.append(
            Code(
                name=name,
                unit=code.text("unit"),
                plausible_min=low,
                plausible_max=high,
                range_upper_min=upper_min,
                range_upper_max=upper_max,
                others={unit: _factor(others, unit) for unit in others.names()},
            )
        )
        code.finish()
    return tuple(codes)


def _factor(table: TomlTable, unit: str) -> float:
    factor = table.number(unit)
    if not 0 < factor < math.inf or factor == 1:
        raise UserError(f'{table.where}: "{unit}" must be a factor above 0, other than 1.')
    return factor


def read_features(table: TomlTable, *, timezone: str = "UTC") -> FeatureSpec:
    """Read [features] of job.toml; days and calendar are those of `timezone`.

    Raises UserError where a statistic, window, ratio or part of the calendar is unknown.
    """
    categories = table.table("categories", required=False)
    synonyms = table.table("synonyms", required=False)
    spec = FeatureSpec(
        groups=tuple(_group(group) for group in table.tables("groups")),
        numbers=table.texts("numbers", default=()),
        hours_since=table.texts("hours_since", default=()),
        categories=tuple((name, categories.texts(name)) for name in categories.names()),
        synonyms={name: _words(synonyms.table(name)) for name in synonyms.names()},
        calendar=table.texts("calendar", default=()),
        timezone=timezone,
        facility=table.text("facility", default="") or None,
    )
    _require_listed(spec, where=table.where)
    categories.finish()
    table.finish()
    for part in spec.calendar:
        if part not in CALENDAR:
            raise UserError(f'{table.where}: calendar: "{part}" is no part of it; there are: {", ".join(CALENDAR)}.')
    return spec


def _words(table: TomlTable) -> dict[str, str]:
    return {word: table.text(word) for word in table.names()}


def _require_listed(spec: FeatureSpec, *, where: str) -> None:
    """Raises UserError where a synonym has no category, stands for no listed value, or is listed itself."""
    listed = dict(spec.categories)
    for name, words in spec.synonyms.items():
        if name not in listed:
            raise UserError(f'{where}: [synonyms] names "{name}", which is none of the categories.')
        for word, value in words.items():
            if value not in listed[name]:
                raise UserError(
                    f'{where}: [synonyms] has "{value}" for {name} "{word}", which the category does not list.'
                )
            if word in listed[name] or word != word.rstrip(" "):
                raise UserError(
                    f'{where}: [synonyms] of {name}: "{word}" can never be met: it is listed itself, or ends with a blank.'
                )


def _group(table: TomlTable) -> FeatureGroup:
    statistics = table.texts("statistics")
    for statistic in statistics:
        if statistic not in STATISTICS:
            raise UserError(f'{table.where}: "{statistic}" is not a statistic; there are: {", ".join(STATISTICS)}.')
    windows = tuple(_window(window, where=f"{table.where}: windows") for window in table.texts("windows"))
    group = FeatureGroup(
        codes=table.texts("codes"),
        statistics=statistics,
        windows=windows,
        name=table.text("name", default=""),
        ratios=tuple(
            _ratio(text, windows, where=f"{table.where}: ratios") for text in table.texts("ratios", default=())
        ),
    )
    if group.name == ATTRIBUTES:
        raise UserError(
            f'{table.where}: "{ATTRIBUTES}" is the name of the attributes\' features; name the group otherwise.'
        )
    table.finish()
    return group


def _window(text: str, *, where: str) -> timedelta | None:
    return None if text == WHOLE_STAY else parse_span(text, where=where)


def _ratio(
    text: str, windows: tuple[timedelta | None, ...], *, where: str
) -> tuple[timedelta | None, timedelta | None]:
    """Read a ratio such as "7 days / 30 days"; both windows must be the group's."""
    one, slash, other = text.partition("/")
    if not slash:
        raise UserError(f'{where}: "{text}" is no ratio of two windows; write it as "7 days / 30 days".')
    pair = _window(one.strip(), where=where), _window(other.strip(), where=where)
    for window, written in zip(pair, (one, other), strict=True):
        if window not in windows:
            raise UserError(f'{where}: "{written.strip()}" is not among the windows of the group; add it there.')
    return pair


def _of_observations(spec: FeatureSpec) -> Iterator[tuple[str, Column]]:
    for group in spec.groups:
        for code, statistic in itertools.product(group.codes, group.statistics):
            for window in group.windows:
                name = f"{code}_{statistic}_{window_text(window)}"
                yield name, Column(code, statistic, window, group=group.name)
            for window, by in group.ratios:
                name = f"{code}_{statistic}_{window_text(window)}_by_{window_text(by)}"
                yield name, Column(code, statistic, window, group=group.name, by=by, is_ratio=True)


def window_text(window: timedelta | None) -> str:
    """A window as it stands in a feature's name: in the largest unit that needs no fraction.

    In days from two days on.

    >>> [window_text(timedelta(hours=hours)) for hours in (6, 24, 1.5, 36, 720)]
    ['6h', '24h', '90min', '36h', '30d']
    >>> window_text(None)
    'stay'
    """
    if window is None:
        return WHOLE_STAY
    if window > timedelta(days=1) and window % timedelta(days=1) == timedelta(0):
        return f"{window.days}d"
    length = window // _MICROSECOND
    unit, size = next((unit, size) for unit, size in _UNITS.items() if length % size == 0)
    return f"{length // size}{unit}"
