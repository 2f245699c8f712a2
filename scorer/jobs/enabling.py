"""Which jobs are enabled: as last switched; else a site's own, and of those shipped the demo's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from scorer.config import FIRST_JOB
from scorer.jobs.job import job_names


def enabled_by_default(name: str, *, jobs_dir: Path | None) -> bool:
    """Whether a job is enabled that was never switched: it is a site's own, or the demo's.

    >>> [enabled_by_default(name, jobs_dir=None) for name in (FIRST_JOB, "another")]
    [True, False]
    """
    return name == FIRST_JOB or (jobs_dir is not None and (jobs_dir / "sql" / name / "job.toml").exists())


def enabled_jobs(switched: Mapping[str, bool], *, jobs_dir: Path | None) -> tuple[str, ...]:
    """The names of the enabled jobs, in alphabetical order.

    `switched` has, by name, how each job was last switched that ever was.
    """
    return tuple(
        name for name in job_names(jobs_dir) if switched.get(name, enabled_by_default(name, jobs_dir=jobs_dir))
    )


def not_enabled(name: str) -> str:
    """Why a job is not run, in words."""
    return f"it is not enabled; `scorer job enable {name}` enables it"
