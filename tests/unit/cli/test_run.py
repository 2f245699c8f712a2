"""`scorer run`: what the command line says reaches the run."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from click.testing import CliRunner, Result

from scorer.checks import installation
from scorer.checks.installation import InstalledJob
from scorer.cli.main import main
from scorer.cli.run import run
from scorer.config import Settings
from scorer.errors import UserError
from scorer.jobs.job import load_job
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


# All jobs


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Three jobs that this host runs, and how the run of each ends: by what is raised, where that is given here by its name."""
    ends: dict[str, Any] = {}

    def instead(job: Any, **_: Any) -> runs.Ended:
        if job.name in ends:
            raise ends[job.name]
        return runs.Ended(7, job.name, "succeeded", NOON, 0.5, Counts(eligible=2, scored=2))

    jobs = tuple(InstalledJob(name, job=load_job(name)) for name in ("churn", "iit", "sepsis"))
    monkeypatch.setattr(installation, "jobs_here", lambda _: jobs)
    monkeypatch.setattr(runs, "run_job", instead)
    return ends


def call_all(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[dict[str, Any]], str]:
    """The exit code, what is printed as JSON, and stderr of the whole command."""
    with pytest.raises(SystemExit) as raised:
        main(["run", "--all", "--json", *arguments])
    printed = capsys.readouterr()
    return int(str(raised.value.code)), [json.loads(line) for line in printed.out.splitlines()], printed.err


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCORER_DATABASE_URL", str(NOWHERE.database_url))


@pytest.mark.usefixtures("here")
def test_all_jobs_run_one_after_the_other_and_each_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    code, lines, err = call_all(capsys=capsys)
    assert (code, err) == (0, "")
    assert [(line["job"], line["run_id"], line["status"]) for line in lines] == [
        (name, 7, "succeeded") for name in ("churn", "iit", "sepsis")
    ]


def test_a_job_that_fails_stops_no_other(here: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    here["iit"] = UserError("Its table is gone; make it.")
    code, lines, err = call_all(capsys=capsys)
    assert code == 1
    assert [(line["job"], line["status"]) for line in lines] == [
        ("churn", "succeeded"),
        ("iit", "failed"),
        ("sepsis", "succeeded"),
    ]
    assert lines[1] == {"job": "iit", "status": "failed", "error": "Its table is gone; make it."}
    assert err == "scorer: Job iit: Its table is gone; make it.\nscorer: 1 of 3 jobs failed: iit.\n"


def test_a_bug_in_one_job_stops_no_other_and_is_told_as_a_bug(
    here: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    here["churn"], here["iit"] = KeyError("x"), UserError("Its table is gone; make it.")
    code, lines, err = call_all(capsys=capsys)
    assert (code, [line["status"] for line in lines]) == (70, ["failed", "failed", "succeeded"])
    assert lines[0]["error"] == "a bug: KeyError"
    assert "Traceback" in err
    assert "this is a bug in scorer" in err


def test_an_interrupt_stops_all(here: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    here["churn"] = KeyboardInterrupt()
    code, lines, _ = call_all(capsys=capsys)
    assert (code, lines) == (130, [])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--all", "sepsis"],
            r"--all runs every job, and sepsis is named; leave one of them out; see `scorer run --help`.",
        ),
        ([], r"Missing argument 'JOB'; see `scorer run --help`."),
    ],
)
def test_it_is_one_job_or_all(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="1"):
        main(["run", *arguments])
    assert capsys.readouterr().err == f"scorer: {sentence}\n"
