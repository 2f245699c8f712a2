"""`scorer status`: what it shows, how little it waits for, and what it loads."""

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

from scorer.config import shipped_root
from scorer.scoring.validation.rule_engine import PROOFS, made_with

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


def status(hospital: Any, program: Any, **more: str) -> dict[str, Any]:
    done = program("status", "--json", environment=environment(hospital, **more))
    assert (done.code, done.err) == (0, "")
    return dict(json.loads(done.out))


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


@pytest.mark.skipif(
    made_with() != tuple(json.loads((shipped_root() / "expectations" / PROOFS).read_text())["made_with"]),
    reason="the shipped proofs were made with other libraries",
)
def test_the_first_run_of_an_installation_proves_nothing(hospital: Any, tmp_path: Path) -> None:
    hospital.admit(1)
    hospital.observe(1)
    code = (
        "import sys\nfrom scorer.cli.main import main\ntry:\n    main(['run', 'sepsis', '--json'])\n"
        "finally:\n    print('great_expectations' in sys.modules, file=sys.stderr)"
    )
    new = environment(hospital, CACHE_DIRECTORY=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", code], env=new, capture_output=True, text=True, check=False)
    assert (json.loads(done.stdout)["eligible"], done.stderr.splitlines()[-1]) == (1, "False")
    assert not [*tmp_path.iterdir()]


def test_a_cold_run_waits_for_no_library_that_it_does_not_use(hospital: Any) -> None:
    """Compare `python -X importtime .venv/bin/scorer run sepsis`."""
    hospital.admit(1)
    hospital.observe(1)
    hospital.observe(1, observation_value=71.0)  # two values of one code and time
    hospital.run()  # which leaves the proof of the suites
    code = (
        "import sys\nfrom scorer.cli.main import main\ntry:\n    main(['run', 'sepsis', '--json'])\n"
        "finally:\n    print('imported', *sys.modules, file=sys.stderr)"
    )
    cold = environment(hospital, CACHE_DIRECTORY=str(hospital.settings.proofs_dir.parent))
    done = subprocess.run([sys.executable, "-c", code], env=cold, capture_output=True, text=True, check=False)
    imported = {name.partition(".")[0] for name in done.stderr.splitlines()[-1].split()}
    assert json.loads(done.stdout)["status"] == "succeeded"
    assert (
        imported & {"alembic", "great_expectations", "lightgbm", "matplotlib", "pandas", "polars", "scipy", "sklearn"}
        == set()
    )


def test_before_the_first_run(hospital: Any, program: Any) -> None:
    (job,) = status(hospital, program)["jobs"]
    assert (job["job"], job["run_id"], job["backlog"], job["model_version"]) == ("sepsis", None, 0, "2026.11.29")
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
    everything = status(hospital, program)
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


def test_a_server_that_hangs_is_waited_for_no_longer_than_said(hospital: Any, program: Any) -> None:
    with closing(psycopg2.connect(hospital.url)) as stuck, stuck.cursor() as cursor:
        cursor.execute("LOCK TABLE scorer.runs IN ACCESS EXCLUSIVE MODE")
        done = program("status", environment=environment(hospital, SCORER_CONNECT_TIMEOUT="300 ms"))
    assert done.code == 1
    assert "did not answer within 0.3 s" in done.err or "statement timeout" in done.err
