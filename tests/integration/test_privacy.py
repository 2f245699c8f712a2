"""Nothing leaves: no socket but PostgreSQL's, no patient's value in a log line, no password anywhere."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

from scorer.jobs.features import feature_names

# Forbids, in the process that it is imported into and for good, all that could reach beyond this machine's database, and says on stderr
# what was tried. To bind is not forbidden: nothing is sent by it (a library finds out so whether there is IPv6).
GUARD = """
import os, socket, sys

def _guard(event, arguments):
    if event in {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.sendto", "socket.sendmsg"}:
        sys.stderr.write(f"FORBIDDEN {event}\\n")
        raise PermissionError(event)
    if event == "socket.connect" and not str(arguments[1]).startswith(os.environ["ALLOWED_SOCKET"]):
        sys.stderr.write(f"FORBIDDEN {event}\\n")
        raise PermissionError(event)

sys.addaudithook(_guard)
"""


@pytest.fixture
def environment(hospital: Any, tmp_path: Path) -> dict[str, str]:
    """Where the program finds the hospital, and nothing of whoever runs the tests."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("SCORER_")}
    return plain | {
        "SCORER_CONFIG": os.devnull,
        "SCORER_DATABASE_URL": hospital.url,
        "SCORER_HOME": str(tmp_path / "home"),
    }


@pytest.fixture
def started(environment: dict[str, str], tmp_path: Path) -> Callable[..., Any]:
    """Runs a program of Python's in a process started anew, with all that it can say on stderr."""

    def run(
        *arguments: str,
        before: tuple[str, ...] = (),
        program: str = "from scorer.cli.main import main; main()",
        **more: str,
    ) -> Any:
        done = subprocess.run(
            [*before, sys.executable, "-c", program, "--verbose", *arguments],
            env=environment | more,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return SimpleNamespace(code=done.returncode, out=done.stdout, err=done.stderr)

    return run


@pytest.fixture
def scorer(program: Any, environment: dict[str, str], tmp_path: Path) -> Callable[..., Any]:
    """Calls the command against the hospital, with all that it can say on stderr."""

    def call(*arguments: str, **more: str) -> Any:
        return program("--verbose", *arguments, environment=environment | more, cwd=tmp_path)

    return call


def counts(done: Any) -> Mapping[str, int]:
    assert done.code == 0, done.err
    found: Mapping[str, int] = json.loads(done.out)
    return found


def socket_folder(hospital: Any) -> str:
    folder = hospital.one("SELECT current_setting('unix_socket_directories')")
    assert hospital.one("SELECT inet_server_addr()") is None
    return str(folder)


def test_a_run_needs_no_socket_but_the_databases(hospital: Any, started: Callable[..., Any], tmp_path: Path) -> None:
    hospital.admit(1, 2)
    hospital.observe(2, observation_value=None)
    (tmp_path / "sitecustomize.py").write_text(GUARD)
    guarded = {"PYTHONPATH": str(tmp_path), "ALLOWED_SOCKET": socket_folder(hospital)}
    for attempt in (
        "import socket; socket.create_connection(('192.0.2.1', 443), timeout=1)",
        "import urllib.request; urllib.request.urlopen('https://example.org', timeout=1)",
        "import socket; socket.socket(socket.AF_UNIX).connect('/nowhere')",
        "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))",
    ):
        refused = started(program=attempt, **guarded)
        assert refused.code == 1
        assert "FORBIDDEN" in refused.err  # the guard is at work

    done = started("run", hospital.job.name, "--as-of", hospital.noon.isoformat(), "--json", **guarded)
    assert counts(done)["scored"] == 2
    assert "FORBIDDEN" not in done.err


def test_a_run_needs_no_network_at_all(hospital: Any, started: Callable[..., Any]) -> None:
    """The same below Python, where libraries open sockets of their own: in a network namespace that has none, not even a loopback."""
    alone = ("unshare", "--net", "--map-root-user") if os.geteuid() else ("unshare", "--net")
    if shutil.which("unshare") is None or subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs the right to make a network namespace; the test above looks at the same from within Python")
    hospital.admit(1, 2)
    refused = started(program="import socket; socket.create_connection(('127.0.0.1', 9), timeout=1)", before=alone)
    assert "unreachable" in refused.err
    done = started("run", hospital.job.name, "--as-of", hospital.noon.isoformat(), "--json", before=alone)
    assert counts(done)["scored"] == 2


# Values that stand for nothing else: whatever of them turns up in a log line has leaked.
VALUE, CLIENT, CODE, SEX = 987.654321, "ZQXCLIENT", "ZQXCODE", "ZQXSEX"
TELLTALES = ("987.65", "ZQX", "123.456789", "1903-07-05", "hunter2")


def spoiled(hospital: Any) -> None:
    """Visits with every kind of dirt, in values that cannot be mistaken."""
    hospital.admit(*range(1, 30), client=CLIENT, sex=SEX)
    hospital.execute("UPDATE public.patient_observations SET client = %s", CLIENT)
    hospital.observe(2, observation_value=VALUE, client=CLIENT)
    hospital.observe(3, observation_type_code=CODE, client=CLIENT)
    hospital.observe(4, client=CLIENT + "2")
    hospital.observe(5, observation_date="1903-07-05", client=CLIENT)
    hospital.observe(6, reference_range_min=VALUE, reference_range_max=1, client=CLIENT)
    hospital.observe(None, client=CLIENT, observation_value=VALUE)
    hospital.execute("UPDATE public.visits SET age_years = 987.654321 WHERE visit_id = 7")
    hospital.execute("UPDATE public.visits SET age_years = 123.456789 WHERE visit_id = 8")


def assert_discreet(done: Any) -> None:
    for telltale in TELLTALES:
        assert telltale not in done.err
        assert telltale not in done.out


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_log_of_a_dirty_run_holds_no_value(workers: str, hospital: Any, scorer: Callable[..., Any]) -> None:
    spoiled(hospital)
    done = scorer(
        "run", hospital.job.name, "--as-of", hospital.noon.isoformat(), "--workers", workers, SCORER_BATCH_SIZE="10"
    )
    assert done.code == 0, done.err
    assert "Run succeeded" in done.err
    assert_discreet(done)
    assert hospital.one("SELECT count(*) FROM reporting.quarantine WHERE observed LIKE '%%987.65%%'") == 3
    shown = scorer("status")
    assert shown.code == 0
    assert_discreet(shown)
    for entities in ((), ("--entities",)):
        page = scorer("report", "--out", "-", *entities)
        assert page.code == 0, page.err
        assert "one_client" in page.out
        assert_discreet(page)


# file of the job, what stands there, what goes wrong with it instead
STATEMENTS: dict[str, tuple[str, str, str, int]] = {
    "a cast that quotes the value": (
        "observations.sql",
        "    o.observation_id,",
        "    CAST(o.client AS bigint) AS observation_id,",
        0,
    ),
    "a division by zero": (
        "observations.sql",
        "    o.observation_value,",
        "    o.observation_value / (CASE WHEN o.client IS NULL THEN 1 ELSE 0 END) AS observation_value,",
        0,
    ),
    "a date that cannot be read": (
        "attributes.sql",
        "    v.client,",
        "    CAST(CAST(v.client AS date) AS text) AS admitted, v.client,",
        0,
    ),
    "a time zone that is not one": (
        "attributes.sql",
        "    v.client,",
        "    CAST(v.admitted_at AT TIME ZONE v.client AS timestamptz) AS admitted, v.client,",
        0,
    ),
    "a broken CHECK of the hospital's": (
        "write_back.sql",
        "risk_level = locked.risk_band",
        "risk_level = v.client",
        1,
    ),
    "a rule that stops the run": ("job.toml", "[actions] ", '[actions]\nvalue_not_too_high = "fail" ', 1),
}


@pytest.mark.parametrize("kind", STATEMENTS)
def test_the_log_of_a_failing_run_holds_no_value(
    kind: str, hospital: Any, scorer: Callable[..., Any], changed_job: Callable[..., Any], tmp_path: Path
) -> None:
    file, old, new, code = STATEMENTS[kind]
    changed_job((file, old, new))
    spoiled(hospital)
    hospital.execute(
        "ALTER TABLE public.visits ADD CONSTRAINT known_risk CHECK (risk_level IN ('LOW', 'MEDIUM', 'HIGH'))"
    )
    done = scorer(
        "run", hospital.job.name, "--as-of", hospital.noon.isoformat(), SCORER_JOBS_DIR=str(tmp_path / "site")
    )
    assert done.code == code, done.err
    assert_discreet(done)
    assert ("Traceback" in done.err) == (code == 70)
    status, error, _, scored = hospital.last_run()
    assert (status, scored) == ("succeeded" if code == 0 else "failed", 0)
    told = hospital.rows("SELECT observed FROM scorer.rejections WHERE rule = 'data_readable'")
    assert bool(told) == (code == 0)
    assert not [telltale for telltale in TELLTALES if telltale in f"{error}{told}"]


def test_a_rule_on_a_whole_column_does_not_tell_its_largest_value(
    hospital: Any, scorer: Callable[..., Any], changed_job: Callable[..., Any], tmp_path: Path
) -> None:
    largest = {
        "type": "expect_column_max_to_be_between",
        "kwargs": {"column": "observation_value", "max_value": 500},
        "meta": {"rule": "largest", "action": "fail", "expected": "no value above 500"},
    }
    changed_job(suites={"observations": lambda entries: entries.append(largest)})
    spoiled(hospital)
    done = scorer(
        "run", hospital.job.name, "--as-of", hospital.noon.isoformat(), SCORER_JOBS_DIR=str(tmp_path / "site")
    )
    assert done.code == 1
    assert "rule largest stops the run" in done.err
    assert_discreet(done)


def test_a_model_that_raises_quotes_nobody(
    hospital: Any,
    scorer: Callable[..., Any],
    make_model: Callable[..., Path],
    changed_job: Callable[..., Any],
    tmp_path: Path,
) -> None:
    """An encoder that meets a category it was not fitted on says which; so many say it that it is no single visit's fault."""
    changed_job(suites={"observations": list.clear, "features": list.clear})  # for speed: each half is judged anew
    site = {"SCORER_JOBS_DIR": str(tmp_path / "site")}
    names = list(feature_names(hospital.job.features))
    pick = FunctionTransformer(np.take, kw_args={"indices": [names.index("age_years")], "axis": 1})
    rows = np.zeros((10, len(names)))
    fitted = make_pipeline(pick, OneHotEncoder(), DecisionTreeClassifier()).fit(rows, [0, 1] * 5)
    hospital.put_into_production(hospital.job, make_model(hospital.job, fitted, version="narrow"))
    spoiled(hospital)
    hospital.execute("UPDATE public.visits SET age_years = CASE WHEN visit_id = 9 THEN 123.456789 ELSE 0 END")
    done = scorer("run", hospital.job.name, "--as-of", hospital.noon.isoformat(), "--json", **site)
    assert (counts(done)["failed"], counts(done)["scored"]) == (1, 28)
    assert "Scoring raised for an entity" in done.err
    assert_discreet(done)
    assert hospital.status(9) == ("FAILED", "ValueError was raised")

    hospital.execute("UPDATE public.visits SET age_years = 123.456789")
    done = scorer("run", hospital.job.name, "--as-of", hospital.noon.isoformat(), **site)
    assert done.code == 70
    assert "ValueError was raised for more than 20 entities" in done.err
    assert_discreet(done)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://zorro:hunter2@127.0.0.1:1/nowhere",
        "postgresql+psycopg2://zorro:hunter2@host.invalid/nowhere",
        "postgresql://zorro:hunter2@[broken/nowhere",
        "mysql://zorro:hunter2@host/nowhere",
        "zorro:hunter2@host",
    ],
)
def test_no_password_is_ever_told(url: str, scorer: Callable[..., Any]) -> None:
    done = scorer("status", SCORER_DATABASE_URL=url)
    assert done.code == 1, done.err
    assert done.err.startswith("scorer: ")
    assert done.err.count("\n") == 1
    assert_discreet(done)


def test_a_wrong_password_is_not_told(hospital: Any, scorer: Callable[..., Any]) -> None:
    where = f"host={socket_folder(hospital)}"
    done = scorer("run", hospital.job.name, SCORER_DATABASE_URL=f"postgresql://nobody_here:hunter2@/postgres?{where}")
    assert done.code == 1
    assert_discreet(done)
