"""`scorer run`: what the command line says reaches the run."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from click.testing import CliRunner, Result

from scorer.cli.run import run
from scorer.config import Settings
from scorer.errors import UserError
from scorer.registry import registration
from scorer.runs import run as runs
from scorer.types.values import Counts

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)
NOWHERE = Settings(database_url="postgresql://u@127.0.0.1:9/d")


def call(*arguments: str) -> Result:
    return CliRunner().invoke(run, ["sepsis", *arguments], obj=NOWHERE)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What was asked of the function that runs a job, or that tries it, which does nothing."""
    found: dict[str, Any] = {}

    def pretend(name: str) -> None:
        def instead(job: Any, **arguments: Any) -> runs.Ended:
            found.update(arguments, called=name, job=job.name)
            return runs.Ended(None, job.name, "succeeded", NOON, 0.5, Counts(eligible=2, scored=2))

        monkeypatch.setattr(runs, name, instead)

    pretend("run_job")
    pretend("dry_run")
    monkeypatch.setattr(registration, "require_enabled", lambda _name, **_: None)
    return found


def test_every_option_reaches_the_run(asked: dict[str, Any]) -> None:
    times = ["--as-of", "2025-06-01T12:00:00Z", "--as-known-at", "2025-06-01T16:00:00+02:00"]
    done = call(*times, "--limit", "7", "--workers", "3", "--backend", "threads", "--json")
    assert json.loads(done.stdout)["scored"] == 2
    assert (asked["called"], asked["job"], asked["limit"], asked["workers"]) == ("run_job", "sepsis", 7, 3)
    assert (asked["as_of"], asked["as_known_at"]) == (NOON, NOON.replace(hour=14))
    assert asked["database"].settings.backend == "threads"


def test_where_nothing_is_said_it_is_now_of_all_by_one_worker(asked: dict[str, Any]) -> None:
    done = call()
    assert done.stdout.startswith("Dry run of sepsis as of")
    assert (asked["as_of"], asked["as_known_at"], asked["limit"], asked["workers"]) == (None, None, None, 1)
    assert asked["database"].settings == NOWHERE


def test_a_dry_run_tries_the_job(asked: dict[str, Any]) -> None:
    call("--dry-run", "--limit", "7")
    assert (asked["called"], asked["limit"]) == ("dry_run", 7)


def test_a_scheduler_is_for_dask_alone(asked: dict[str, Any]) -> None:
    refused = call("--scheduler", "tcp://one:1").exception
    assert isinstance(refused, UserError)
    assert str(refused) == "--scheduler is for a Dask cluster; add --backend dask."
    assert not asked
