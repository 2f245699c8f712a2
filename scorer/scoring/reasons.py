"""Why a score is what it is: the features that contribute most, and the observation behind each.

Contributions are in the unit that the task has for them (log-odds, for a probability): those of all features of a score, and the bias, add
up to it. A feature comes from one observation
of its code within its window: the one whose value it is or, where it is made of all of them, the newest. `source` says which:

    last      of last and hours_since; of distance, the last one that has a reference range
    first     of first and since_first
    lowest    of min; of several that are equal, the last
    highest   of max; of several that are equal, the last
    newest    of every other statistic: the newest of those in the window; of a ratio, in its first window
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from scorer.jobs.features import FeatureSpec, columns
from scorer.jobs.job import Job
from scorer.registry.model import LoadedModel
from scorer.scoring.batch import BatchInputs
from scorer.scoring.features.build import series_within
from scorer.scoring.features.series import Series
from scorer.scoring.isolation import leave_out
from scorer.scoring.predictions import Predictions
from scorer.tasks.task import TaskRules
from scorer.types.arrays import Booleans, Features, Floats, Integers, Observations
from scorer.types.enums import ReasonKind
from scorer.types.flags import JobFlags, Switch
from scorer.types.values import Reason

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Parts that are farther apart from the score than this, in its unit, explain another score.
_TOLERANCE = 1e-6


def reasons_of(
    contributions: Floats,
    matrix: Features,
    observations: Observations,
    *,
    as_of: Integers,
    spec: FeatureSpec,
    top: int,
) -> list[tuple[Reason, ...]]:
    """For each row of `matrix` (n, f): its `top` features by contribution, the others together, the bias.

    `contributions` (n, f + 1) have the bias last; `observations` are those that the rows were built of, as of `as_of` (n,) in
    microseconds.
    """
    top = min(top, len(matrix.names))
    parts = contributions[:, :-1]
    order = np.argsort(-np.abs(parts), axis=1, kind="stable")
    chosen = [(row, matrix.names[place]) for row, places in enumerate(order[:, :top].tolist()) for place in places]
    origins = origins_of(chosen, observations, as_of=as_of, spec=spec)
    found = []
    for row, places in enumerate(order[:, :top].tolist()):
        named = [
            Reason(
                kind=ReasonKind.FEATURE,
                contribution=float(parts[row, place]),
                feature=matrix.names[place],
                value=None if np.isnan(matrix.values[row, place]) else float(matrix.values[row, place]),
                **origins[row * top + rank],
            )
            for rank, place in enumerate(places)
        ]
        others = Reason(kind=ReasonKind.OTHERS, contribution=float(parts[row, order[row, top:]].sum()))
        bias = Reason(kind=ReasonKind.BIAS, contribution=float(contributions[row, -1]))
        found.append((*named, others, bias))
    return found


def add_up(contributions: Floats, published: Floats, *, rules: TaskRules) -> Booleans:
    """Whether the contributions (n, f + 1) of each row add up to what is `published`, (n,) or (n, k)."""
    total, tolerance = rules.totals(published)
    with np.errstate(all="ignore"):
        return np.asarray(np.abs(contributions.sum(axis=1) - total) <= _TOLERANCE + tolerance)


def origins_of(
    wanted: Sequence[tuple[int, str]], observations: Observations, *, as_of: Integers, spec: FeatureSpec
) -> list[dict[str, Any]]:
    """Where each of the `wanted` features, (entity's place, feature's name), comes from: fields of Reason.

    `as_of` (entities,) is in microseconds since 1970-01-01 UTC.
    """
    column_of, attributes = columns(spec), _attributes(spec)
    origins: list[dict[str, Any]] = []
    by_window = defaultdict(list)
    for number, (_, name) in enumerate(wanted):
        column = column_of.get(name)
        origins.append({"code": column.code} if column else {"attribute": attributes.get(name)})
        if column:
            by_window[column.window].append(number)
    known = {name: place for place, name in enumerate(observations.codes)}
    for window, numbers in by_window.items():
        codes = {column_of[wanted[number][1]].code for number in numbers}
        series = series_within(observations, as_of=as_of, codes=codes, window=window)
        begins = series.row[series.first]
        keys = observations.position[begins] * len(known) + observations.code[begins]
        place_of = dict(zip(keys.tolist(), range(len(keys)), strict=True))
        chosen: dict[str, list[int]] = {}
        for number in numbers:
            row, name = wanted[number]
            column = column_of[name]
            place = place_of.get(row * len(known) + known.get(column.code, -1)) if column.code in known else None
            if place is None:
                continue
            source = SOURCES[column.statistic]
            key = "ranged" if column.statistic == "distance" else source
            if key not in chosen:
                chosen[key] = _CHOOSE[key](series).tolist()
            if chosen[key][place] >= 0:
                origins[number] |= _origin(observations, int(series.row[chosen[key][place]]), source=source)
    return origins


def _attributes(spec: FeatureSpec) -> dict[str, str]:
    """The attribute of each feature that is made of one, by the feature's name."""
    return {
        **{name: name for name in spec.numbers},
        **{f"hours_since_{name}": name for name in spec.hours_since},
        **{f"{name}={value}": name for name, values in spec.categories for value in values},
    }


def _origin(observations: Observations, row: int, *, source: str) -> dict[str, Any]:
    try:
        moment = _EPOCH + timedelta(microseconds=int(observations.time[row]))
    except OverflowError:  # before the year 1, which Python's times do not reach
        moment = None
    return {
        "source": source,
        "observation_id": str(observations.observation_id[row]),
        "observation_date": moment,
        "observation_value": float(observations.value[row]),
    }


def _last_where(series: Series, counts: Booleans) -> Integers:
    """The place of the last row of each series that counts; -1 where none does."""
    return np.asarray(np.maximum.reduceat(np.where(counts, np.arange(len(series.row)), -1), series.first))


def _extreme(extreme: np.ufunc) -> Callable[[Series], Integers]:
    def choose(series: Series) -> Integers:
        of_series = extreme.reduceat(series.value, series.first)
        return _last_where(series, series.value == of_series[series.of_row])

    return choose


_CHOOSE: Mapping[str, Callable[[Series], Integers]] = {
    "last": lambda series: series.last,
    "newest": lambda series: series.last,
    "first": lambda series: series.first,
    "ranged": lambda series: _last_where(series, series.has_range),
    "lowest": _extreme(np.minimum),
    "highest": _extreme(np.maximum),
}
SOURCES: Mapping[str, str] = {
    "last": "last",
    "hours_since": "last",
    "distance": "last",
    "first": "first",
    "min": "lowest",
    "max": "highest",
    "mean": "newest",
    "std": "newest",
    "slope": "newest",
    "count": "newest",
    "outside": "newest",
    "sum": "newest",
    "days": "newest",
    "median": "newest",
    "range": "newest",
    "interval_mean": "newest",
    "interval_std": "newest",
    "since_first": "first",
}


def reasons_for(
    predictions: Predictions,
    models: Sequence[LoadedModel],
    matrix: Features,
    usable: Observations,
    *,
    as_of: Integers,
    scorable: Booleans,
    held: Collection[int],
    job: Job,
) -> dict[int, tuple[Reason, ...]]:
    """The reasons of each score in the bands that [reasons] names, by the place of its prediction.

    `matrix` and `predictions` have one row per True of `scorable` (entities,), in order; `usable` and `as_of` (entities,) are of all
    entities. A prediction whose place is `held` is not published, and needs no reasons.
    """
    if not job.reasons.bands:
        return {}
    bands = predictions.bands(job.bands)
    found: dict[int, tuple[Reason, ...]] = {}
    for model in models:
        version = model.manifest.model_version
        chosen = [
            place
            for place, band in enumerate(bands)
            if band in job.reasons.bands and place not in held and predictions.model_versions[place] == version
        ]
        if chosen:
            scores = predictions.scores.whole[chosen]
            rows = matrix.only(np.array(chosen, dtype=np.int64))
            entities = np.flatnonzero(scorable)[chosen]
            try:
                reasons = _reasons(model, scores, rows, usable, entities=entities, as_of=as_of, job=job)
            except Exception as error:  # noqa: BLE001 - a score that matters most is not lost for want of its reasons
                why = f"{type(error).__name__} was raised as they were made"
                leave_out("reasons", job=job.name, model_version=version, why=why)
            else:
                found |= {place: each for place, each in zip(chosen, reasons, strict=True) if each is not None}
    return found


def unexplained(inputs: BatchInputs, flags: JobFlags, *, scorable: Booleans, job: Job) -> set[int]:
    """The places of the predictions for which flags say that no reasons are made.

    There is a prediction per True of `scorable` (entities,).
    """
    found: set[int] = set()
    for switch in (Switch.SCORES, Switch.REASONS):
        if flags.setting(switch) is not None:
            off = np.array(inputs.off(flags, switch, job=job), dtype=bool)
            found |= {*np.flatnonzero(off[scorable]).tolist()}
    return found


def _reasons(
    model: LoadedModel,
    published: Floats,
    rows: Features,
    usable: Observations,
    *,
    entities: Integers,
    as_of: Integers,
    job: Job,
) -> Sequence[tuple[Reason, ...] | None]:
    """The reasons of each score that is `published`, (n,) or (n, k), with the features `rows` (n, f).

    `entities` (n,) are their places among all entities. None for a score where the model can tell none, or where they do not add up to it.
    """
    contributions = model.contributions(rows)
    if contributions is None:
        return [None] * len(published)
    exact = add_up(contributions, published, rules=model.rules)
    if not exact.all():
        why = "they do not add up to the score"
        leave_out("reasons", job=job.name, model_version=model.manifest.model_version, why=why)
    reasons = reasons_of(
        contributions,
        rows,
        observations_of(usable, entities),
        as_of=as_of[entities],
        spec=job.features,
        top=job.reasons.top,
    )
    return [each if right else None for each, right in zip(reasons, exact.tolist(), strict=True)]


def observations_of(observations: Observations, entities: Integers) -> Observations:
    """The observations of some entities, whose places `entities` (n,) ascend and become 0 to n - 1."""
    place = np.full(len(observations.keys), -1)
    place[entities] = np.arange(len(entities))
    kept = np.flatnonzero(place[observations.position] >= 0)
    rows = observations.only(kept)
    keys = tuple(observations.keys[each] for each in entities.tolist())
    return replace(rows, keys=keys, position=place[rows.position])
