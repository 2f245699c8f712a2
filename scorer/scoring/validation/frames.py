"""Frames: what the suites validate, columns of numbers by name; and pools of scores published before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scorer.jobs.job import Job
from scorer.types.arrays import NO_TIME, Attributes, Features, Floats, Integers, Observations
from scorer.types.values import Published

_MICROSECONDS_PER_HOUR = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Frame:
    """Columns by name, each of shape (rows,); a row's number is its place in them."""

    columns: Mapping[str, npt.NDArray[Any]]
    rows: int

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
    plausible_min, plausible_max, reference_range_min, reference_range_max, repeat (0 for the first of rows that agree in entity, code, time
    and value, then 1, 2, ...), and the statement's further columns. Times that are missing are NaN.
    """
    known = {code.name: code for code in job.codes}
    listed = [known.get(code) for code in observations.codes]
    low, high = (
        np.array([getattr(code, side) if code else np.nan for code in listed] + [np.nan])[observations.code]
        for side in ("plausible_min", "plausible_max")
    )
    # Whole numbers are int64 and the rest float64: other types Great Expectations evaluates value by value, in Python.
    columns: dict[str, npt.NDArray[Any]] = {
        "hours_before_as_of": _hours(as_of[observations.position], observations.time),
        "code_known": np.array([code is not None for code in listed] + [False], dtype=np.int64)[observations.code],
        "observation_value": observations.value,
        "plausible_min": low,
        "plausible_max": high,
        "reference_range_min": observations.low,
        "reference_range_max": observations.high,
        "repeat": _repeats(observations),
    }
    for name, times in attributes.times.items():
        columns[f"hours_since_{name}"] = _hours(observations.time, times[observations.position])
    for name, values in observations.extras.items():
        columns[name] = values.astype(np.float64) if values.dtype == np.float16 else values
    return Frame(columns, rows=len(observations))


def feature_frame(features: Features, attributes: Attributes, *, read: Integers, used: Integers) -> Frame:
    """The frame of the features suite: one row per entity.

    `read` and `used` (entities,) count its observations. The columns: the features, attributes that are numbers, observations_read,
    observations_used, and dropped_share, the share of the read that is not used (0 where none was read).
    """
    columns: dict[str, npt.NDArray[Any]] = {
        "observations_read": read,
        "observations_used": used,
        "dropped_share": (read - used) / np.maximum(read, 1),
        **{name: features.values[:, place] for place, name in enumerate(features.names)},
    }
    # The attributes last, as they were read: of the feature made of one, what was infinite is gone.
    return Frame(columns | attributes.numbers, rows=len(read))


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


def _repeats(observations: Observations) -> Integers:
    """For each row (n,), how many rows before it agree with it in entity, code, time and value.

    Rows are sorted so that those that agree are neighbours.
    """
    if not len(observations):
        return np.empty(0, np.int64)
    keys = (observations.position, observations.code, observations.time, observations.value)
    same = np.concatenate([[False], np.logical_and.reduce([key[1:] == key[:-1] for key in keys])])
    row = np.arange(len(same))
    return np.asarray(row - np.maximum.accumulate(np.where(same, 0, row)))
