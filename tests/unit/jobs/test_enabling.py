"""Which jobs are enabled: by their newest switch, else as they come."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from scorer.config import shipped_root
from scorer.jobs.enabling import enabled_by_default, enabled_jobs, not_enabled


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site's folder with a job of its own."""
    shutil.copytree(shipped_root() / "sql" / "sepsis", tmp_path / "sql" / "readmit")
    return tmp_path


def test_a_job_without_a_switch_is_as_it_comes(site: Path) -> None:
    assert [enabled_by_default(name, jobs_dir=site) for name in ("sepsis", "readmit", "other")] == [True, True, False]
    assert enabled_jobs({}, jobs_dir=None) == ("sepsis",), "of the shipped jobs the demo's alone"
    assert enabled_jobs({}, jobs_dir=site) == ("readmit", "sepsis")


def test_a_switch_counts_for_jobs_that_are_here(site: Path) -> None:
    assert enabled_jobs({"sepsis": False, "elsewhere": True}, jobs_dir=site) == ("readmit",)
    assert enabled_jobs({"readmit": False}, jobs_dir=site) == ("sepsis",)
    assert "`scorer job enable readmit`" in not_enabled("readmit")
