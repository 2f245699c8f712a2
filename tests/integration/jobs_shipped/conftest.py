"""What the tests of the shipped jobs share: a database with a job's example in it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from scorer.config import shipped_root
from scorer.database.connection import Database
from scorer.database.source.load import load
from scorer.jobs.folder.tables import read_tables
from scorer.jobs.job import load_job
from scorer.registry.registration import grant_source


@pytest.fixture
def example(hospital: Any, tmp_path: Path) -> Callable[[str], Any]:
    """Loads a shipped job's example; gives the site that has it, to look at and to run."""

    def act(name: str) -> Any:
        hospital.job = load_job(name)
        with closing(psycopg2.connect(hospital.url)) as connection:
            load(
                shipped_root() / "sql" / name / "example",
                connection=connection,
                rejects=tmp_path / "rejects.csv",
                job_tables=read_tables(name, jobs_dir=None),
            )
        assert grant_source(database=Database(hospital.url, hospital.settings))[name] is None
        return hospital

    return act
