"""`scorer run --all`: each job that this host runs has its run, in one process."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import pytest

from scorer.database.connection import Database
from scorer.registry import registration


@pytest.fixture
def run_all(hospital: Any, program: Any) -> Callable[..., tuple[int, dict[str, Any], str]]:
    """Runs all; gives the exit code, what is printed by the job's name, and stderr without the log."""

    def call(*arguments: str, **settings: str) -> tuple[int, dict[str, Any], str]:
        environment = {
            "PATH": os.environ["PATH"],
            "SCORER_CONFIG": os.devnull,
            "SCORER_HOME": str(hospital.settings.home),
            "SCORER_DATABASE_URL": hospital.url,
            **settings,
        }
        done = program("run", "--all", "--json", *arguments, environment=environment)
        lines = [json.loads(line) for line in done.out.splitlines()]
        said = [line for line in done.err.splitlines() if line.startswith("scorer: ")]
        return done.code, {line["job"]: line for line in lines}, "\n".join(said)

    return call


def test_enabled_jobs_run_and_one_without_tables_is_left_out(
    hospital: Any, run_all: Callable[..., tuple[int, dict[str, Any], str]]
) -> None:
    hospital.admit(1)
    hospital.observe(1)
    registration.enable_job("iit", database=Database(hospital.url, hospital.settings))
    code, ended, said = run_all()
    assert (code, said) == (0, "")
    assert {name: (each["status"], each["eligible"]) for name, each in ended.items()} == {"sepsis": ("succeeded", 1)}
    assert hospital.one("SELECT count(*) FROM scorer.runs WHERE status = 'succeeded' AND trigger = 'manual'") == 1


def test_a_job_that_cannot_run_stops_no_other(
    hospital: Any, run_all: Callable[..., tuple[int, dict[str, Any], str]]
) -> None:
    """Of those that the option jobs names, one has no tables and one is not enabled."""
    hospital.admit(1)
    hospital.observe(1)
    registration.enable_job("iit", database=Database(hospital.url, hospital.settings))
    code, ended, said = run_all(SCORER_JOBS="churn,iit,sepsis")
    assert code == 1
    assert {name: each["status"] for name, each in ended.items()} == {
        "churn": "failed",
        "iit": "failed",
        "sepsis": "succeeded",
    }
    assert "it is not enabled" in ended["churn"]["error"]
    assert said.splitlines()[-1] == "scorer: 2 of 3 jobs failed: churn, iit."
    assert ended["sepsis"]["scored"] + ended["sepsis"]["insufficient"] == 1


def test_where_no_job_is_run_it_is_one_sentence(
    hospital: Any, run_all: Callable[..., tuple[int, dict[str, Any], str]]
) -> None:
    registration.disable_job("sepsis", database=Database(hospital.url, hospital.settings))
    assert run_all() == (1, {}, "scorer: No job is run here; `scorer job list` says of each why not.")


def test_the_options_are_those_of_every_run(
    hospital: Any, run_all: Callable[..., tuple[int, dict[str, Any], str]]
) -> None:
    hospital.admit(1, 2)
    code, ended, _ = run_all("--dry-run", "--limit", "1")
    assert (code, ended["sepsis"]["status"], ended["sepsis"]["eligible"]) == (0, "dry run", 1)
    assert hospital.one("SELECT count(*) FROM scorer.runs") == 0
