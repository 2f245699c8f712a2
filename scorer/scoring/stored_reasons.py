"""Which scores of a batch are stored with their reasons, and those reasons; where they cannot be had, the scores stand without."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from scorer.jobs.job import Job
from scorer.log import events
from scorer.log.logger import say
from scorer.registry.model import LoadedModel, band_names
from scorer.scoring.predictions import Predictions
from scorer.scoring.reasons import add_up, reasons_of
from scorer.types.values import Booleans, Features, Integers, Observations, Reason

_log = logging.getLogger(__name__)


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
