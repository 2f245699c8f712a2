"""A challenger: a version in staging that scores beside the one in production and can do it no harm."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from scorer.jobs.job import Job
from scorer.jobs.publication import Declining
from scorer.registry.estimator import require_probabilities
from scorer.registry.model import LoadedModel
from scorer.scoring.batch import BatchInputs
from scorer.scoring.isolation import leave_out
from scorer.scoring.predictions import Predictions, predict, swapped
from scorer.types.arrays import Booleans, Features
from scorer.types.enums import Status
from scorer.types.values import Outcome


class Challenger:
    """The challenger of a job, loaded."""

    def __init__(self, model: LoadedModel, *, job: str) -> None:
        self.model = model
        self._job = job

    @property
    def model_version(self) -> str:
        """The challenger's model version."""
        return self.model.manifest.model_version

    def predict(self, matrix: Features, *, spec: Declining) -> Predictions | None:
        """Predict each row of `matrix`. Returns None, and warns once a process, where the model raises."""
        try:
            found = predict(self.model, matrix, spec=spec)
            if self.model.rules.gives_probabilities:
                require_probabilities(found.undeclined, name=f"Model {self.model_version}")
        except Exception as error:  # noqa: BLE001 - whatever it raises, production goes on
            why = f"{type(error).__name__} was raised as it scored"
            leave_out("challenger", job=self._job, model_version=self.model_version, why=why)
            return None
        return found


def predict_both(
    model: LoadedModel, challenger: Challenger | None, matrix: Features, *, entity_ids: list[str], job: Job
) -> tuple[Predictions, Predictions | None]:
    """Predict each row of `matrix` by the model and, if there is one, by its challenger.

    Returns what is published of each row, and what is kept in the shadow: the other model's, or None where there is no other. Which of the
    two is published of an entity is the job's split.
    """
    published = predict(model, matrix, spec=job.declining)
    shadow = None if challenger is None else challenger.predict(matrix, spec=job.declining)
    if shadow is None:
        return published, None
    by_challenger = [job.split.takes(job.name, entity_id) for entity_id in entity_ids]
    return swapped(published, shadow, np.array(by_challenger, dtype=bool))


def shadow_outcomes(
    shadow: Predictions, published: Sequence[Outcome], inputs: BatchInputs, *, job: Job, scorable: Booleans
) -> tuple[Outcome, ...]:
    """The shadow beside each new outcome that is `published` of a scorable entity.

    `shadow` has one row per True of `scorable` (entities,), in order.
    """
    new = {outcome.entity_id: outcome for outcome in published}
    values = shadow.scores.score.tolist()
    bands = shadow.bands(job.bands)
    labels = shadow.scores.labels
    outcomes = []
    for place, item in enumerate(itertools.compress(inputs.items, scorable.tolist())):
        beside = new.get(item.entity_id)
        if beside is None:
            continue
        plain = replace(
            beside,
            status=Status.INDETERMINATE,
            score=None,
            risk_band=None,
            label=None,
            valid_until=None,
            reasons=(),
            shadow=True,
        )
        if values[place] != values[place]:
            outcomes.append(replace(plain, **shadow.without_score(place)))
        else:
            outcomes.append(
                replace(
                    plain,
                    status=Status.SCORED,
                    reason=None,
                    score=values[place],
                    risk_band=bands[place],
                    label=labels[place] if labels else None,
                    outputs=shadow.outputs(place),
                    valid_until=item.as_of + job.valid_for,
                    model_version=shadow.model_versions[place],
                )
            )
    return tuple(outcomes)
