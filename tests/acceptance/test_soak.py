"""One day of each soak; `make soak` runs thirty, `make soak JOBS=all` seven."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from scorer.jobs.job import job_names

ROOT = Path(__file__).parents[2]


def soak(*arguments: str) -> str:
    """What a soak prints that finds no fault."""
    command = [sys.executable, "-m", "tests.soak.soak", "--days", "1", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_day_of_hourly_runs_is_accounted_for() -> None:
    told = "decline late 1; decline missed 4; decline ran 19; sepsis late 1; sepsis missed 4; sepsis ran 19"
    assert told in soak()


def test_a_day_of_all_shipped_jobs_is_accounted_for() -> None:
    told = soak("--jobs", "all")
    assert "sepsis late 1; sepsis missed 4; sepsis ran 19" in told
    assert {name for name in job_names(None) if name not in told} == set()
