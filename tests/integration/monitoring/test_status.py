"""`scorer status`: what it tells, how little it waits for, and what it refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from alembic.script import ScriptDirectory

from scorer.config import Settings, shipped_root
from scorer.database import revisions as revision
from scorer.database.connection import Target
from scorer.database.readonly_session import ReadOnlySession
from scorer.database.schema import downgrade
from scorer.database.session import engine
from scorer.database.store.status import list_health, read_revision
from scorer.errors import DatabaseUnavailable, UserError
from scorer.monitoring.status import read_status

HEAVY = {
    "alembic", "sqlalchemy", "numpy", "pandas", "sklearn", "scipy", "joblib", "pyarrow", "great_expectations", "adbc_driver_postgresql",
    "apscheduler", "prometheus_client", "rich",
}  # fmt: skip


def environment(hospital: Any, **more: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "SCORER_CONFIG": os.devnull,
        "SCORER_HOME": str(hospital.settings.home),
        "SCORER_DATABASE_URL": hospital.url,
        **more,
    }


def told(hospital: Any, program: Any, **more: str) -> dict[str, Any]:
    done = program("status", "--json", environment=environment(hospital, **more))
    assert (done.code, done.err) == (0, "")
    return dict(json.loads(done.out))


def watching(hospital: Any) -> ReadOnlySession:
    return ReadOnlySession(
        Target.of(hospital.url, hospital.settings, role="scorer_worker"), patience=hospital.settings.connect_timeout
    )


def test_it_waits_for_no_library_that_it_does_not_use(hospital: Any) -> None:
    """What makes it start within a tenth of a second of the interpreter: compare `python -X importtime .venv/bin/scorer status`."""
    code = "import sys\nfrom scorer.cli.main import main\ntry:\n    main(['status'])\nfinally:\n    print(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(hospital), capture_output=True, text=True, check=False
    )
    imported = {name.partition(".")[0] for name in done.stderr.split()}
    assert {"psycopg2", "scorer"} <= imported
    assert imported & HEAVY == set()
    assert done.stdout.startswith("job         sepsis: ")


def test_before_the_first_run(hospital: Any, program: Any) -> None:
    (job,) = told(hospital, program)["jobs"]
    assert (job["job"], job["run_id"], job["backlog"], job["model_version"]) == ("sepsis", None, 0, "2026.11.21")
    assert job["next_tick_at"] > job["read_at"]
    shown = program("status", environment=environment(hospital)).out
    assert "last run    none yet" in shown
    assert "daemons     none at work" in shown


def test_what_waits_and_what_is_held(hospital: Any, program: Any) -> None:
    hospital.admit(1, 2, 3)
    hospital.observe(3, client="somebody else's")
    ended = hospital.run()
    hospital.execute(
        "INSERT INTO scorer.work (run_id, job, entity_id, as_of, enqueued_at) VALUES (%s, 'sepsis', '9', now(), now() - INTERVAL '2 h')",
        ended.run_id,
    )
    hospital.execute("INSERT INTO scorer.requests (job, entity_id) VALUES ('sepsis', '1')")
    hospital.execute(
        "INSERT INTO scorer.daemons (daemon, version, ready, detail) VALUES ('ward/7', '1', true, 'next tick soon')"
    )
    everything = told(hospital, program)
    (job,) = everything["jobs"]
    assert (job["run_id"], job["status"], job["eligible"], job["scored"]) == (
        ended.run_id,
        "succeeded",
        3,
        ended.counts.scored,
    )
    assert (job["backlog"], job["requests_waiting"], job["held"], job["ready"]) == (1, 1, 1, True)
    assert 7100 < job["backlog_seconds"] < 10_800
    assert [(daemon["daemon"], daemon["alive"]) for daemon in everything["daemons"]] == [("ward/7", True)]
    shown = program("status", environment=environment(hospital)).out
    assert "job         sepsis: ready\n" in shown
    assert "backlog     1 waiting, the oldest for 2 h\n" in shown
    assert "quarantine  1 held\n" in shown
    assert "ward/7 (1): at work, seen" in shown


def test_a_job_whose_files_are_not_here_or_broken_is_shown_all_the_same(
    hospital: Any, program: Any, tmp_path: Path
) -> None:
    hospital.admit(1)
    hospital.run()
    hospital.execute("INSERT INTO scorer.job_versions VALUES ('elsewhere', 'v', '{}')")
    (tmp_path / "sql" / "broken").mkdir(parents=True)
    (tmp_path / "sql" / "broken" / "job.toml").write_text("entity = 7\n")
    jobs = told(hospital, program, SCORER_JOBS_DIR=str(tmp_path))["jobs"]
    assert [job["job"] for job in jobs] == ["broken", "elsewhere", "sepsis"]
    assert "job.toml" in jobs[0]["hindered"]
    assert jobs[1]["hindered"] == "its files are not here"
    assert jobs[2]["hindered"] is None


def test_the_revisions_by_file_name_are_those_of_alembic() -> None:
    scripts = ScriptDirectory(str(shipped_root() / "migrations"))
    known = [script.revision for script in scripts.walk_revisions()]
    assert list(revision.known_revisions()) == known[::-1]
    assert revision.known_revisions()[-1] == scripts.get_current_head()


def test_a_schema_that_is_behind_ahead_or_missing_is_refused(hospital: Any, settings: Settings) -> None:
    hospital.execute("UPDATE scorer.alembic_version SET version_num = '9999'")
    with (
        closing(watching(hospital)) as watch,
        pytest.raises(UserError, match=r"revision 9999.*install the newer scorer"),
    ):
        read_status(watch, jobs_dir=None)
    *_, before, newest = revision.known_revisions()
    hospital.execute("UPDATE scorer.alembic_version SET version_num = %s", newest)
    downgrade(engine(Target.of(hospital.url, settings, role=None)), revision="-1")
    with (
        closing(watching(hospital)) as watch,
        pytest.raises(UserError, match=f"at revision {before} and should be at {newest}"),
    ):
        read_status(watch, jobs_dir=None)
    hospital.execute("DROP SCHEMA scorer CASCADE")
    with closing(watching(hospital)) as watch, pytest.raises(UserError, match=r"not made yet.*run `scorer db upgrade`"):
        read_status(watch, jobs_dir=None)


def test_a_server_that_hangs_is_waited_for_no_longer_than_said(hospital: Any, program: Any) -> None:
    with closing(psycopg2.connect(hospital.url)) as stuck, stuck.cursor() as cursor:
        cursor.execute("LOCK TABLE scorer.runs IN ACCESS EXCLUSIVE MODE")
        done = program("status", environment=environment(hospital, SCORER_CONNECT_TIMEOUT="300 ms"))
    assert done.code == 1
    assert "did not answer within 0.3 s" in done.err or "statement timeout" in done.err


def test_looking_changes_nothing(hospital: Any) -> None:
    with closing(watching(hospital)) as watch:
        assert read_revision(watch) == revision.known_revisions()[-1]
        (row,) = watch._read("SHOW default_transaction_read_only", {}, deadline=float("inf"))
    assert row.default_transaction_read_only == "on"


def test_a_look_goes_on_after_its_session_was_ended(hospital: Any) -> None:
    with closing(watching(hospital)) as watch:
        list_health(watch)
        hospital.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'scorer'"
        )
        with pytest.raises(DatabaseUnavailable):
            list_health(watch)
        assert [health.job for health in list_health(watch)] == ["sepsis"]
