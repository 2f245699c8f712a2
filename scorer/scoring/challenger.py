"""A challenger: a version in staging that scores beside the one in production, whom nothing that it does can harm."""

from __future__ import annotations

import logging
from functools import lru_cache

from scorer.jobs.publication import Declining
from scorer.log import events
from scorer.log.logger import say
from scorer.registry.model import LoadedModel
from scorer.scoring.predictions import Predictions, predict
from scorer.types.arrays import Features

_log = logging.getLogger(__name__)


class Challenger:
    """The challenger of a job, loaded."""

    def __init__(self, model: LoadedModel, *, job: str) -> None:
        self.model = model
        self._job = job

    @property
    def model_version(self) -> str:
        """Its version."""
        return self.model.manifest.model_version

    def predict(self, matrix: Features, *, spec: Declining) -> Predictions | None:
        """What it says of each row of `matrix`; None, and a warning told once, where it raises."""
        try:
            return predict(self.model, matrix, spec=spec)
        except Exception as error:  # noqa: BLE001 - whatever it raises, production goes on
            leave_out(self._job, self.model_version, f"{type(error).__name__} was raised as it scored")
            return None


@lru_cache(maxsize=1000)
def leave_out(job: str, model_version: str, why: str) -> None:
    """Tell that production scores without its challenger; once a process, whoever finds it and however often."""
    say(_log, events.CHALLENGER_LEFT_OUT, job=job, challenger=model_version, error=why)
