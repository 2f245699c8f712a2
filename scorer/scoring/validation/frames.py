"""Frames: what the suites validate, columns of numbers by name; and pools of scores published before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from scorer.jobs.job import Job
from scorer.types.arrays import NO_TIME, Attributes, Booleans, Features, Floats, Integers, Observations
from scorer.types.values import Published

_MICROSECONDS_PER_HOUR = 3_600_000_000
# Columns in which an observation is compared with others of its moment. Only those that no other rule drops take part.
BESIDE = ("repeat", "superseded", "ambiguous")
# Upper limits that systems write where a range has none.
_NINES = (999.0, 9999.0, 99999.0, 999999.0, 9999999.0)
_SMALL = (np.float16, np.int16, np.int32)


@dataclass(frozen=True, slots=True)
class Frame:
    """Columns by name, each of shape (rows,); a row's number is its place in them.

    `texts` are shown with what is found, and never judged.
    """

    columns: Mapping[str, npt.NDArray[Any]]
    rows: int
    texts: Mapping[str, npt.NDArray[np.object_]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self.columns[name]

    def __len__(self) -> int:
        return self.rows


@dataclass(frozen=True, slots=True)
class Pool:
    """Scores published before, newest first, to validate a small batch with.

    by_inputs  one row for each inputs of an entity, which give the same score again
    by_entity  one row for each entity: a few entities that are scored again and again are no sample of all
    """

    by_inputs: Frame
    by_entity: Frame


def observation_frame(job: Job, observations: Observations, attributes: Attributes, *, as_of: Integers) -> Frame:
    """The frame of the observations suite: one row per observation, numbers only.

    `as_of` (entities,) is in microseconds since 1970-01-01 UTC.

    Its columns: hours_before_as_of, hours_since_<attribute> for each attribute that is a time, code_known (0 or 1), observation_value,
    plausible_min, plausible_max, reference_range_min, reference_range_max, range_fits_unit (0 or 1, NaN where there is nothing to go by),
    those of BESIDE, and the statement's further columns. Times that are missing are NaN.
    """
    known = {code.name: code for code in job.codes}
    listed = [known.get(code) for code in observations.codes]
    low, high = (
        np.array([getattr(code, side) if code else np.nan for code in listed] + [np.nan])[observations.code]
        for side in ("plausible_min", "plausible_max")
    )
    # All are int64 or float64: other types Great Expectations evaluates value by value, in Python.
    columns: dict[str, npt.NDArray[Any]] = {
        "hours_before_as_of": _hours(as_of[observations.position], observations.time),
        "code_known": np.array([code is not None for code in listed] + [False], dtype=np.int64)[observations.code],
        "observation_value": observations.value,
        "plausible_min": low,
        "plausible_max": high,
        "reference_range_min": observations.low,
        "reference_range_max": observations.high,
        "range_fits_unit": _range_fits_unit(job, observations),
        **beside(observations),
    }
    for name, times in attributes.times.items():
        columns[f"hours_since_{name}"] = _hours(observations.time, times[observations.position])
    for name, values in observations.extras.items():
        columns[name] = _widened(values)
    return Frame(columns, rows=len(observations))


def _widened(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A further column (n,): booleans (float16, see columns.py) and small whole numbers as float64.

    So a column of integers has one type, whether or not NULL is among them, and one proof of its rules.
    """
    return values.astype(np.float64) if values.dtype in _SMALL else values


def feature_frame(job: Job, features: Features, attributes: Attributes, *, read: Integers, used: Integers) -> Frame:
    """The frame of the features suite: one row per entity.

    `read` and `used` (entities,) count its observations. The columns: the features, attributes that are numbers, <category>_known for each
    category (0 or 1, NaN where it is missing), observations_read, observations_used, and dropped_share, the share of the read that is not
    used (0 where none was read).
    """
    columns: dict[str, npt.NDArray[Any]] = {
        "observations_read": read,
        "observations_used": used,
        "dropped_share": (read - used) / np.maximum(read, 1),
        **{
            f"{name}_known": _is_listed(attributes.texts[name], values)
            for name, values in job.features.categories
            if name in attributes.texts
        },
        **{name: features.values[:, place] for place, name in enumerate(features.names)},
    }
    # The attributes last, as they were read: of the feature made of one, what was infinite is gone.
    return Frame(columns | attributes.numbers, rows=len(read), texts=attributes.texts)


def score_frame(score: Floats, training_quantile: Floats) -> Frame:
    """The frame of the scores suite, from `score` (n,) and `training_quantile` (n,).

    The latter is the share of the training scores that lie below each score.
    """
    return Frame({"score": score, "training_quantile": training_quantile}, rows=len(score))


def pool_of(
    published: Sequence[Published],
    *,
    entity_ids: Sequence[str],
    input_hashes: Sequence[bytes],
    training_quantile: Callable[[Floats], Floats],
) -> Pool:
    """The pool of what was `published` before, newest first, for a batch that is about to be.

    Left out are scores of the batch's own inputs and, by entity, of its own entities. `training_quantile` takes scores (n,) and gives their
    places among the training scores (n,).
    """
    inputs, entities = set(zip(entity_ids, input_hashes, strict=True)), set(entity_ids)
    by_inputs, by_entity = [], []
    for each in published:
        if (each.entity_id, each.input_hash) not in inputs:
            inputs.add((each.entity_id, each.input_hash))
            by_inputs.append(each.score)
        if each.entity_id not in entities:
            entities.add(each.entity_id)
            by_entity.append(each.score)
    frames = []
    for scores in by_inputs, by_entity:
        score = np.array(scores, dtype=np.float64)
        frames.append(score_frame(score, training_quantile(score)))
    return Pool(*frames)


def with_newest(frame: Frame, before: Frame, *, rows: int) -> Frame:
    """The scores given in `frame`, filled up to `rows` rows with the newest `before`."""
    given = ~np.isnan(frame["score"])
    lacking = max(rows - int(given.sum()), 0)
    columns = {name: np.concatenate([values[given], before[name][:lacking]]) for name, values in frame.columns.items()}
    return Frame(columns, rows=len(columns["score"]))


def _hours(later: Integers, earlier: Integers) -> Floats:
    hours: Floats = (later - earlier) / _MICROSECONDS_PER_HOUR
    hours[(later == NO_TIME) | (earlier == NO_TIME)] = np.nan
    return hours


def _is_listed(texts: npt.NDArray[np.object_], values: Sequence[str]) -> Floats:
    """Whether each text (n,) is one of `values`: 1 or 0, NaN where there is none."""
    given = np.array([text is not None for text in texts.tolist()], dtype=bool)
    return np.where(given, np.isin(texts, np.array(values, dtype=object)), np.nan)


def _range_fits_unit(job: Job, observations: Observations) -> Floats:
    """Whether each row's reference range (n,) is one in the code's unit: 1 or 0, NaN where nothing tells.

    The upper limit tells. Where there is none, a lower limit above all upper limits is one of another unit. An upper limit of 0 or less, or
    of nothing but nines, is none, and nor is a range that is reversed.
    """
    known = {code.name: code for code in job.codes if code.range_upper_min is not None}
    limits = [known.get(code) for code in observations.codes]
    fits = np.full(len(observations), np.nan)
    if not any(limits):
        return fits
    lowest, highest = (
        np.array([getattr(code, side) if code else np.nan for code in limits] + [np.nan], dtype=np.float64)[
            observations.code
        ]
        for side in ("range_upper_min", "range_upper_max")
    )
    low, high = observations.low, observations.high
    with np.errstate(invalid="ignore"):
        tells = np.isfinite(high) & (high > 0) & ~np.isin(high, _NINES) & ~(low > high) & ~np.isnan(lowest)
        fits[tells] = (lowest <= high)[tells] & (high <= highest)[tells]
        fits[~tells & ~(high < low) & np.isfinite(low) & (low > highest)] = 0
    return fits


def beside(observations: Observations, among: Booleans | None = None) -> dict[str, Integers]:
    """The columns of BESIDE, (n,) each, 0 for the row that counts and for rows that stand alone.

    repeat      1, 2, ... for further rows that agree in entity, code, time and value
    superseded  1 for a value that was recorded before another of its code and time
    ambiguous   1, 2, ... for a value below another of its code and time, of which nothing says that either was recorded later

    Rows that are not `among` those to compare (n,) have no part in it. Rows are sorted by entity, code and time.
    """
    columns = {name: np.zeros(len(observations), np.int64) for name in BESIDE}
    keys = [observations.position, observations.code, observations.time]
    if among is not None:
        keys = [key[among] for key in keys]
    same = np.logical_and.reduce([key[1:] == key[:-1] for key in keys])
    if not same.any():
        return columns
    row = np.arange(len(observations)) if among is None else np.flatnonzero(among)
    tied = (np.append(same, False) | np.append(False, same)) & np.isfinite(observations.value[row])
    moment = np.cumsum(~np.append(False, same))[tied]
    row = row[tied]
    if not len(row):
        return columns
    by_value = np.lexsort((observations.value[row], moment))
    row, moment = row[by_value], moment[by_value]
    # Rows of one value, and values of one moment, by where each begins.
    value = observations.value[row]
    begins = np.flatnonzero(np.append(True, (moment[1:] != moment[:-1]) | (value[1:] != value[:-1])))
    count = np.diff(begins, append=len(row))
    columns["repeat"][row] = np.arange(len(row)) - np.repeat(begins, count)
    rank = np.zeros(len(row), np.int64) if observations.rank is None else observations.rank[row]
    recorded = np.maximum.reduceat(rank, begins)
    firsts = np.flatnonzero(np.append(True, np.diff(moment[begins]) != 0))
    values = np.diff(firsts, append=len(begins))
    newest = recorded == np.repeat(np.maximum.reduceat(recorded, firsts), values)
    so_far = np.cumsum(newest)
    above = np.repeat(so_far[firsts + values - 1], values) - so_far
    columns["superseded"][row[begins]] = ~newest
    columns["ambiguous"][row[begins]] = np.where(newest, above, 0)
    return columns
