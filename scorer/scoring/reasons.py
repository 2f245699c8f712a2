"""Why a score is what it is: the features that contribute most, each with the observation that it comes from; the parts add up.

Contributions are in log-odds: those of a score's features, and the bias, sum to logit(score). A feature comes from one observation of its
code within its window: the one whose value it is or, where it is made of all of them, the newest. `source` says which:

    last      of last and hours_since; of distance, the last one that has a reference range
    first     of first
    lowest    of min; of several that are equal, the last
    highest   of max; of several that are equal, the last
    newest    of mean, std, slope, count, outside: the newest of those in the window
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import numpy as np

from scorer.jobs.features import FeatureSpec, columns
from scorer.jobs.job import Job
from scorer.log import events
from scorer.log.logger import say
from scorer.registry.model import LoadedModel, band_names
from scorer.scoring.features import Series, series_within
from scorer.scoring.predictions import Predictions
from scorer.types.arrays import Booleans, Features, Floats, Integers, Observations
from scorer.types.enums import ReasonKind
from scorer.types.values import Reason

_log = logging.getLogger(__name__)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Parts that are farther apart from the score than this, in log-odds, explain another score.
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
    """For each row of `matrix` (n, f): its `top` features by the size of what they contribute, all others together, and the bias.

    `contributions` are (n, f + 1), the bias last; `observations` are those that the rows were built of, as of `as_of` (n,) in microseconds.
    """
    top = min(top, len(matrix.names))
    parts = contributions[:, :-1]
    order = np.argsort(-np.abs(parts), axis=1, kind="stable")
    asked = [(row, matrix.names[place]) for row, places in enumerate(order[:, :top].tolist()) for place in places]
    origins = origins_of(asked, observations, as_of=as_of, spec=spec)
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


def add_up(contributions: Floats, score: Floats) -> Booleans:
    """Whether the contributions (n, f + 1) of each score (n,) add up to its logit."""
    with np.errstate(all="ignore"):
        apart = np.abs(contributions.sum(axis=1) - (np.log(score) - np.log1p(-score)))
        # The logit of a probability near 0 or 1 is known as exactly only as that is.
        exact = np.finfo(np.float64).eps / np.minimum(score, 1.0 - score)
        return np.asarray(apart <= _TOLERANCE + 4 * exact)


def origins_of(
    asked: Sequence[tuple[int, str]], observations: Observations, *, as_of: Integers, spec: FeatureSpec
) -> list[dict[str, Any]]:
    """For each pair of an entity's place and a feature's name, what the feature is made of, in the words of Reason."""
    made_of, attributes = columns(spec), _attributes(spec)
    origins: list[dict[str, Any]] = []
    together = defaultdict(list)
    for number, (_, name) in enumerate(asked):
        column = made_of.get(name)
        origins.append({"code": column.code} if column else {"attribute": attributes.get(name)})
        if column:
            together[column.window].append(number)
    known = {name: place for place, name in enumerate(observations.codes)}
    for window, numbers in together.items():
        codes = {made_of[asked[number][1]].code for number in numbers}
        series = series_within(observations, as_of=as_of, codes=codes, window=window)
        begins = series.row[series.first]
        keys = observations.position[begins] * len(known) + observations.code[begins]
        place_of = dict(zip(keys.tolist(), range(len(keys)), strict=True))
        chosen: dict[str, list[int]] = {}
        for number in numbers:
            row, name = asked[number]
            column = made_of[name]
            place = place_of.get(row * len(known) + known.get(column.code, -1)) if column.code in known else None
            if place is None:
                continue
            source = SOURCES[column.statistic]
            key = "ranged" if column.statistic == "distance" else source
            if key not in chosen:
                chosen[key] = _CHOOSE[key](series).tolist()
            if chosen[key][place] >= 0:
                origins[number] |= _told(observations, int(series.row[chosen[key][place]]), source=source)
    return origins


def _attributes(spec: FeatureSpec) -> dict[str, str]:
    """By the name of each feature of an attribute, the attribute."""
    return {
        **{name: name for name in spec.numbers},
        **{f"hours_since_{name}": name for name in spec.hours_since},
        **{f"{name}={value}": name for name, values in spec.categories for value in values},
    }


def _told(observations: Observations, row: int, *, source: str) -> dict[str, Any]:
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
    """Where the last row of each series lies that counts; -1 where none does."""
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
}


def reasons_for(
    said: Predictions,
    models: Sequence[LoadedModel],
    matrix: Features,
    usable: Observations,
    *,
    as_of: Integers,
    wanted: Booleans,
    held: Collection[int],
    job: Job,
) -> dict[int, tuple[Reason, ...]]:
    """The reasons of each score in the bands of the job's [reasons], by its place among the `wanted` (rows of `matrix`).

    `usable` and `as_of` are of all entities, of which `wanted` tells those with a row; a score that is `held` back needs no reasons.
    """
    if not job.reasons.bands:
        return {}
    bands = band_names(job.bands, said.scores.score)
    found: dict[int, tuple[Reason, ...]] = {}
    for model in models:
        version = model.manifest.model_version
        asked = [
            place
            for place, band in enumerate(bands)
            if band in job.reasons.bands and place not in held and said.by[place] == version
        ]
        if asked:
            try:
                found |= _reasons(model, said, matrix, usable, asked=asked, as_of=as_of, wanted=wanted, job=job)
            except Exception as error:  # noqa: BLE001 - a score that matters most is not lost for want of its reasons
                leave_out(job.name, version, f"{type(error).__name__} was raised as they were made")
    return found


def _reasons(
    model: LoadedModel,
    said: Predictions,
    matrix: Features,
    usable: Observations,
    *,
    asked: list[int],
    as_of: Integers,
    wanted: Booleans,
    job: Job,
) -> dict[int, tuple[Reason, ...]]:
    rows = Features(names=matrix.names, values=matrix.values[asked])
    contributions = model.contributions(rows)
    if contributions is None:
        return {}
    exact = add_up(contributions, said.scores.score[asked])
    if not exact.all():
        leave_out(job.name, model.manifest.model_version, "they do not add up to the score")
    entities = np.flatnonzero(wanted)[asked]
    reasons = reasons_of(
        contributions,
        rows,
        observations_of(usable, entities),
        as_of=as_of[entities],
        spec=job.features,
        top=job.reasons.top,
    )
    return {place: each for place, each, right in zip(asked, reasons, exact.tolist(), strict=True) if right}


def observations_of(observations: Observations, entities: Integers) -> Observations:
    """Those of some of the entities, which are numbered anew in their order, an ascending one."""
    place = np.full(len(observations.keys), -1)
    place[entities] = np.arange(len(entities))
    kept = np.flatnonzero(place[observations.position] >= 0)
    rows = observations.only(kept)
    keys = tuple(observations.keys[each] for each in entities.tolist())
    return replace(rows, keys=keys, position=place[rows.position])


@lru_cache(maxsize=1000)
def leave_out(job: str, model_version: str, why: str) -> None:
    """Tell that scores stand without their reasons; once a process, however often."""
    say(_log, events.REASONS_LEFT_OUT, job=job, model_version=model_version, error=why)
