"""The catalogue of a job's features, generated from its definition: meaning, unit, group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from scorer.jobs.features import WHOLE_STAY, columns, feature_names
from scorer.jobs.job import Job
from scorer.jobs.training import ATTRIBUTES

# What each statistic says of the values of {code} within a window, and the unit that it is in ({unit}: that of the values).
STATISTICS_IN_WORDS: Mapping[str, tuple[str, str]] = {
    "last": ("last {code}", "{unit}"),
    "first": ("first {code}", "{unit}"),
    "min": ("lowest {code}", "{unit}"),
    "max": ("highest {code}", "{unit}"),
    "mean": ("mean of {code}", "{unit}"),
    "std": ("standard deviation of {code}", "{unit}"),
    "slope": ("change of {code} per hour, by least squares", "{unit}/h"),
    "count": ("number of {code}, 0 where there is none,", ""),
    "hours_since": ("hours since the last {code}", "h"),
    "outside": ("share of {code} outside the reference range", "share"),
    "sum": ("sum of {code}, 0 where there is none,", "{unit}"),
    "days": ("number of days with a {code}, 0 where there is none,", ""),
    "median": ("median of {code}", "{unit}"),
    "range": ("highest less lowest {code}", "{unit}"),
    "interval_mean": ("mean of the hours from one {code} to the next", "h"),
    "interval_std": ("standard deviation of the hours from one {code} to the next", "h"),
    "since_first": ("hours since the first {code}", "h"),
    "distance": ("how far the last {code} lies outside its reference range, in widths of it", "widths"),
}


@dataclass(frozen=True, slots=True)
class Feature:
    """A column of the matrix, in words; `code`, `statistic` and `window` are None for an attribute's."""

    name: str
    meaning: str
    unit: str
    group: str
    code: str | None = None
    statistic: str | None = None
    window: str | None = None


def catalogue(job: Job) -> tuple[Feature, ...]:
    """The job's features, in the order of the matrix's columns.

    Raises UserError where a feature is named twice.
    """
    names = feature_names(job.features)
    units = {code.name: code.unit for code in job.codes}
    found = {}
    for name, column in columns(job.features).items():
        meaning, unit = STATISTICS_IN_WORDS.get(column.statistic, (f"{column.statistic} of {{code}}", "{unit}"))
        said, window = f"{meaning.format(code=column.code)} {_within(column.window)}", _window(column.window)
        if column.is_ratio:
            said, window = f"{said}, divided by the same {_within(column.by)}", f"{window} / {_window(column.by)}"
        found[name] = Feature(
            name=name,
            meaning=said,
            unit="ratio" if column.is_ratio else unit.format(unit=units[column.code]),
            group=column.group,
            code=column.code,
            statistic=column.statistic,
            window=window,
        )
    found |= {feature.name: feature for feature in (*_of_attributes(job), *_of_calendar(job))}
    return tuple(found[name] for name in names)


def _of_attributes(job: Job) -> Iterator[Feature]:
    spec = job.features
    for name in spec.numbers:
        yield Feature(name, f"{name}, as it stands", "", ATTRIBUTES)
    for name in spec.hours_since:
        yield Feature(f"hours_since_{name}", f"hours from {name} to the as-of time", "h", ATTRIBUTES)
    for name, values in spec.categories:
        for value in values:
            meaning = f"1 where {name} is {value}, 0 where it is another that is listed"
            yield Feature(f"{name}={value}", meaning, "", ATTRIBUTES)


def _of_calendar(job: Job) -> Iterator[Feature]:
    """The parts of the as-of time, each as it stands, and its sine and cosine on a circle."""
    for part in job.features.calendar:
        meaning = f"{part} of the as-of time in {job.features.timezone}"
        yield Feature(f"as_of_{part}", meaning, "", ATTRIBUTES)
        for form, of in (("sin", "sine"), ("cos", "cosine")):
            yield Feature(f"as_of_{part}_{form}", f"{of} of the {meaning}, on a circle", "", ATTRIBUTES)


def _window(window: timedelta | None) -> str:
    return WHOLE_STAY if window is None else span_text(window)


def _within(window: timedelta | None) -> str:
    return "of all that is known" if window is None else f"within {span_text(window)} before the as-of time"


def span_text(span: timedelta) -> str:
    """The span as job.toml writes it, in days where it is whole ones.

    >>> span_text(timedelta(hours=6)), span_text(timedelta(days=28)), span_text(timedelta(minutes=90))
    ('6 h', '28 days', '1.5 h')
    """
    if span >= timedelta(days=1) and span % timedelta(days=1) == timedelta(0):
        days = span.days
        return f"{days} day{'s' if days > 1 else ''}"
    return f"{span / timedelta(hours=1):g} h"


def markdown(features: tuple[Feature, ...]) -> str:
    """The catalogue as a table in Markdown."""
    header = ("name", "meaning", "unit", "group", "statistic", "window")
    rows = [[f"`{each.name}`", *(getattr(each, key) or "" for key in header[1:])] for each in features]
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines) + "\n"
