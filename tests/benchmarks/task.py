"""What every contestant is given: the job, its model and bands, and the moment that is scored as of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import joblib

from scorer.config import shipped_root
from scorer.jobs.job import Job, load_job
from scorer.registry.manifest import ARTEFACT

AS_OF = datetime(2025, 6, 1, tzinfo=UTC)
NAME = "sepsis"


@dataclass(frozen=True)
class Task:
    """Scores of every visit of a database as of AS_OF; `home` is the folder of the settings."""

    home: Path

    @cached_property
    def job(self) -> Job:
        """The job, as shipped."""
        return load_job(NAME)

    @cached_property
    def model(self) -> Any:
        """The fitted estimator as its file has it; whoever predicts with it by itself opens that file."""
        assert self.job.first_model is not None
        return joblib.load(shipped_root() / "models" / NAME / self.job.first_model / ARTEFACT)

    @property
    def limits(self) -> tuple[tuple[str, float], ...]:
        """Bands and what a score is above in them, highest first."""
        assert self.job.bands is not None
        return self.job.bands.limits

    @property
    def lowest(self) -> str:
        """The band of all other scores."""
        assert self.job.bands is not None
        return self.job.bands.lowest
