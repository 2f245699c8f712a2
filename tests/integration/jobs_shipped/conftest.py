"""The shipped jobs on their examples."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from scorer.config import shipped_root
from scorer.database.connection import Database
from scorer.database.source.load import load
from scorer.jobs.folder.tables import read_tables
from scorer.jobs.job import load_job
from scorer.registry import registration


@pytest.fixture
def with_example(hospital: Any, tmp_path: Path) -> Callable[[str], Any]:
    """Gives the hospital with the example of a shipped job loaded, and that job as its own."""

    def give(name: str) -> Any:
        hospital.job = load_job(name)
        with closing(hospital.connect()) as connection:
            load(
                shipped_root() / "sql" / name / "example",
                connection=connection,
                rejects=tmp_path / "rejects.csv",
                job_tables=read_tables(name, jobs_dir=None),
            )
        assert registration.grant_source(database=Database(hospital.url, hospital.settings))[name] is None
        return hospital

    return give
