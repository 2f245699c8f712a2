"""Inputs made ready for a model: validated, built into features, and which entities can be scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scorer.jobs.job import Job
from scorer.scoring.features.build import build
from scorer.scoring.timing import StepTimer
from scorer.scoring.validation.suites import EntityResult, ObservationResult, Suites
from scorer.types.arrays import Attributes, Booleans, Features, Integers, Observations


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the suites and the features made of n entities' inputs.

    `usable` are the observations that no rule refused, `matrix` (n, f) the features built of them; `read` and `used` (n,) count
    distinct observations before and after. `held` gives, by the entity's place, the rule that holds it; those neither held nor with too few
    observations are `scorable` (n,).
    """

    usable: Observations
    matrix: Features
    read: Integers
    used: Integers
    held: Mapping[int, str]
    scorable: Booleans
    by_observations: ObservationResult
    by_features: EntityResult


def prepare(
    job: Job,
    suites: Suites,
    observations: Observations,
    attributes: Attributes,
    *,
    entity_ids: Sequence[str],
    as_of: Integers,
    steps: StepTimer,
) -> Prepared:
    """Validate and build the inputs of n entities, each as of its own time in `as_of` (n,).

    Raises RunStopped where a rule whose action is fail is broken.
    """
    by_observations = suites.validate_observations(observations, attributes, as_of=as_of)
    usable = observations.only(by_observations.usable)
    steps.end("validate")
    matrix = build(usable, attributes, as_of=as_of, spec=job.features)
    steps.end("features")
    counted = (observations.only(by_observations.distinct), usable)
    read, used = (np.bincount(each.position, minlength=len(as_of)) for each in counted)
    by_features = suites.validate_features(entity_ids, matrix, attributes, read=read, used=used)
    steps.end("validate")
    held = {**by_features.held, **by_observations.held}
    scorable = used >= job.min_observations
    scorable[[*held]] = False
    return Prepared(
        usable=usable,
        matrix=matrix,
        read=read,
        used=used,
        held=held,
        scorable=scorable,
        by_observations=by_observations,
        by_features=by_features,
    )
