"""What the daemon checks before it works, and before it takes on a reload; what is checked is replaced here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from scorer.checks.result import CheckResult
from scorer.config import Settings
from scorer.daemon import readiness
from scorer.daemon.readiness import ReadinessLoop
from scorer.database.connection import Database
from scorer.errors import UserError
from scorer.jobs.job import Job

SETTINGS = Settings(poll=timedelta(seconds=10))
HOLDS = CheckResult(name="database", holds=True, found="PostgreSQL 17")
JOB_HOLDS = CheckResult(name="job sepsis", holds=True, found="version 1", job="sepsis")
JOB_BROKEN = CheckResult(name="job other", holds=False, found="no model in production", job="other")


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch) -> list[CheckResult | Exception]:
    """What the next checks find, or raise."""
    found: list[CheckResult | Exception] = [HOLDS, JOB_HOLDS]

    def check(*, database: Database) -> Iterator[CheckResult]:
        for each in found:
            if isinstance(each, Exception):
                raise each
            yield each

    monkeypatch.setattr(readiness, "check", check)
    return found


def loop(settings: Settings = SETTINGS) -> ReadinessLoop:
    """A loop whose reload finds `settings`."""
    return ReadinessLoop(database=Database("", SETTINGS), reload_settings=lambda: settings)


def test_it_checks_until_all_holds_less_and_less_often(results: list[CheckResult | Exception], sepsis: Job) -> None:
    results.append(JOB_BROKEN)
    checking = loop()
    assert [checking.step() for _ in range(5)] == [10, 20, 40, 60, 60]
    found = checking.take()
    assert found is not None
    assert (found.broken, [job.name for job in found.jobs]) == ("job other: no model in production", ["sepsis"])
    results.remove(JOB_BROKEN)
    assert checking.step() == 3600
    while (newer := checking.take()) is not None:
        found = newer
    assert (found.broken, found.jobs, found.of_reload) == (None, (sepsis,), False)
    assert checking.step() == 3600
    assert checking.take() is None, "what holds is not checked again"


def test_a_reload_is_checked_by_the_settings_that_it_brings(results: list[CheckResult | Exception]) -> None:
    other = replace(SETTINGS, workers=3)
    checking = loop(other)
    checking.step()
    checking.take()
    checking.check_reload()
    checking.step()
    found = checking.take()
    assert found is not None
    assert (found.settings, found.of_reload, found.broken) == (other, True, None)
    assert checking.settings == other


def test_a_reload_that_would_need_a_restart_is_refused(results: list[CheckResult | Exception]) -> None:
    checking = loop(replace(SETTINGS, database_url="postgresql://elsewhere/ward"))
    checking.check_reload()
    checking.step()
    found = checking.take()
    assert found is not None
    assert found.broken == "database_url has changed, which a reload cannot take on; restart the service."
    assert checking.settings == SETTINGS


@pytest.mark.parametrize(
    ("error", "broken"),
    [(UserError("The jobs folder is not there."), "The jobs folder is not there."), (KeyError("x"), "a bug: KeyError")],
)
def test_what_a_check_raises_is_what_does_not_hold(
    error: Exception, broken: str, results: list[CheckResult | Exception]
) -> None:
    results.append(error)
    checking = loop()
    checking.step()
    found = checking.take()
    assert found is not None
    assert (found.broken, found.jobs) == (broken, ())
