"""The shipped jobs on their examples: loaded, granted, their models put into production."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from scorer.config import shipped_root
from scorer.database.connection import Database
from scorer.database.source.load import load
from scorer.jobs.folder.tables import read_tables
from scorer.jobs.job import Job, load_job
from scorer.registry import registration
from scorer.runs.run import Ended


@pytest.fixture
def with_example(hospital: Any, tmp_path: Path) -> Callable[[str], Any]:
    """Gives the hospital with the example of a shipped job loaded, and that job enabled and as its own."""

    def give(name: str) -> Any:
        hospital.job = load_job(name)
        registration.enable_job(name, database=Database(hospital.url, hospital.settings))
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


@dataclass
class Shown:
    """A shipped job over its example, and the run that scored it."""

    hospital: Any
    job: Job
    ended: Ended

    def found(self, rule: str) -> int:
        """How many entities have open findings of a rule."""
        statement = "SELECT count(DISTINCT entity_id) FROM reporting.quarantine WHERE job = %s AND rule = %s AND resolved_at IS NULL"
        return int(self.hospital.one(statement, self.job.name, rule))

    def known(self, pairs: str) -> list[Any]:
        """What `outcomes_known` says of entities at times, given as the rows of a VALUES list."""
        text = self.job.statements["outcomes_known"]
        for name, value in self.job.parameters.items():
            text = text.replace(f":{name}", f"'{value}'")
        for name, column in (("entity_ids", "e"), ("as_ofs", "t")):
            text = text.replace(f":{name}", f"ARRAY(SELECT {column} FROM (VALUES {pairs}) AS v (e, t))")
        return [label for _, label in sorted(self.hospital.rows(text))]


@pytest.fixture
def shown(with_example: Callable[[str], Any]) -> Callable[[str], Shown]:
    """Loads the example of a shipped job, and scores it as of now."""

    def give(name: str) -> Shown:
        hospital = with_example(name)
        return Shown(hospital, hospital.job, hospital.run(hospital.job, as_of=datetime.now(UTC)))

    return give
