"""The status as it is read from a database: jobs without files, and schemas that are not at head."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scorer.config import Settings
from scorer.database import revisions
from scorer.database.connection import Target
from scorer.database.readonly_session import ReadOnlySession
from scorer.database.schema import downgrade
from scorer.database.session import engine
from scorer.errors import UserError
from scorer.monitoring.status import read_status


def opened(hospital: Any) -> ReadOnlySession:
    target = Target.of(hospital.url, hospital.settings, role="scorer_worker")
    return ReadOnlySession(target, patience=hospital.settings.connect_timeout)


def test_a_job_whose_files_are_not_here_or_broken_is_shown_all_the_same(hospital: Any, tmp_path: Path) -> None:
    hospital.admit(1)
    hospital.run()
    hospital.execute("INSERT INTO scorer.job_versions VALUES ('elsewhere', 'v', '{}')")
    (tmp_path / "sql" / "broken").mkdir(parents=True)
    (tmp_path / "sql" / "broken" / "job.toml").write_text("entity = 7\n")
    with closing(opened(hospital)) as session:
        jobs = read_status(session, settings=replace(hospital.settings, jobs_dir=tmp_path)).jobs
    assert [job.job for job in jobs] == ["broken", "elsewhere", "sepsis"]
    assert "job.toml" in str(jobs[0].planned.hindered)
    assert jobs[1].planned.hindered == "its files are not here"
    assert jobs[2].planned.hindered is None


def test_a_schema_that_is_behind_ahead_or_missing_is_refused(hospital: Any, settings: Settings) -> None:
    hospital.execute("UPDATE scorer.alembic_version SET version_num = '9999'")
    with (
        closing(opened(hospital)) as session,
        pytest.raises(UserError, match=r"revision 9999.*install the newer scorer"),
    ):
        read_status(session, settings=hospital.settings)
    *_, before, newest = revisions.known_revisions()
    hospital.execute("UPDATE scorer.alembic_version SET version_num = %s", newest)
    downgrade(engine(Target.of(hospital.url, settings, role=None)), revision="-1")
    with (
        closing(opened(hospital)) as session,
        pytest.raises(UserError, match=f"at revision {before} and should be at {newest}"),
    ):
        read_status(session, settings=hospital.settings)
    hospital.execute("DROP SCHEMA scorer CASCADE")
    with closing(opened(hospital)) as session, pytest.raises(UserError, match=r"not made yet.*run `scorer db upgrade`"):
        read_status(session, settings=hospital.settings)
