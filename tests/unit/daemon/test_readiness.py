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

    def check(*, database: Database, among: frozenset[str] | None = None) -> Iterator[CheckResult]:
        for each in found:
            if isinstance(each, Exception):
                raise each
            yield each

    monkeypatch.setattr(readiness, "check", check)
    return found


def loop(settings: Settings = SETTINGS) -> ReadinessLoop:
    """A loop whose reload finds `settings`."""
    return ReadinessLoop(database=Database("", SETTINGS), reload_settings=lambda: settings)


def test_a_broken_job_is_looked_at_until_it_holds_and_stops_no_other(
    results: list[CheckResult | Exception], sepsis: Job
) -> None:
    results.append(JOB_BROKEN)
    checking = loop()
    assert [checking.step() for _ in range(5)] == [10, 20, 40, 60, 60]
    found = checking.take()
    assert found is not None
    assert (found.blocked, found.broken, found.partial) == (None, {"other": "no model in production"}, False)
    assert found.jobs == (sepsis,)
    found = checking.take()
    assert found is not None
    assert found.partial
    results.remove(JOB_BROKEN)
    assert checking.step() == 60
    while (newer := checking.take()) is not None:
        found = newer
    assert (found.broken, found.jobs) == ({}, (sepsis,))
    assert checking.step() == 60
    assert checking.take() is None, "what holds is not checked again"


def test_where_no_job_can_be_run_all_is_checked_again(results: list[CheckResult | Exception]) -> None:
    results[1:] = [JOB_BROKEN]
    checking = loop()
    assert [checking.step() for _ in range(3)] == [10, 20, 40]
    while (found := checking.take()) is not None:
        assert (found.jobs, found.partial, found.broken) == ((), False, {"other": "no model in production"})


def test_a_job_that_is_not_run_is_looked_at_again_unless_the_settings_leave_it_out(
    results: list[CheckResult | Exception],
) -> None:
    results.append(CheckResult(name="job other", holds=True, found="not run here: no table", job="other", runs=False))
    checking = loop()
    assert [checking.step() for _ in range(2)] == [10, 20]
    found = checking.take()
    assert found is not None
    assert (found.not_run, found.broken) == ({"other": "no table"}, {})
    named = loop(replace(SETTINGS, jobs=("sepsis",)))
    named.check_reload()
    assert named.step() == 60


def test_a_database_that_is_gone_at_a_second_look_is_for_others_to_tell(results: list[CheckResult | Exception]) -> None:
    results.append(JOB_BROKEN)
    checking = loop()
    checking.step()
    checking.take()
    results[:] = [CheckResult(name="database", holds=False, found="It does not answer.")]
    checking.step()
    assert checking.take() is None


def test_what_blocks_no_job_is_a_warning(results: list[CheckResult | Exception], sepsis: Job) -> None:
    warning = CheckResult(name="standby", holds=False, found="It is behind.", blocks=False)
    results.append(warning)
    checking = loop()
    assert checking.step() == 60
    found = checking.take()
    assert found is not None
    assert (found.blocked, found.jobs, found.warned) == (None, (sepsis,), (warning,))


def test_a_reload_is_checked_by_the_settings_that_it_brings(results: list[CheckResult | Exception]) -> None:
    other = replace(SETTINGS, workers=3)
    checking = loop(other)
    checking.step()
    checking.take()
    checking.check_reload()
    checking.step()
    found = checking.take()
    assert found is not None
    assert (found.settings, found.of_reload, found.blocked) == (other, True, None)
    assert checking.settings == other


def test_a_reload_that_would_need_a_restart_is_refused(results: list[CheckResult | Exception]) -> None:
    checking = loop(replace(SETTINGS, database_url="postgresql://elsewhere/ward"))
    checking.check_reload()
    checking.step()
    found = checking.take()
    assert found is not None
    assert found.blocked == "database_url has changed, which a reload cannot take on; restart the service."
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
    assert (found.blocked, found.jobs) == (broken, ())


def test_jobs_are_checked_again_where_one_was_enabled_or_disabled(
    results: list[CheckResult | Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    switches: dict[str, bool] = {}
    monkeypatch.setattr(ReadinessLoop, "_read_switches", lambda _: dict(switches))
    checking = loop()
    checking.step()
    checking.take()
    switches["sepsis"] = False
    results.remove(JOB_HOLDS)
    assert checking.step() == 60
    found = checking.take()
    assert found is not None
    assert (found.jobs, found.partial, found.of_reload) == ((), False, False)
    assert "`scorer job enable sepsis`" in found.disabled["sepsis"]
    checking.step()
    assert checking.take() is None

    # Where the database does not answer at that moment, it is looked at again.
    results[:] = [CheckResult(name="database", holds=False, found="It does not answer.")]
    switches["sepsis"] = True
    checking.step()
    assert checking.take() is None
    results[:] = [HOLDS, JOB_HOLDS]
    checking.step()
    found = checking.take()
    assert found is not None
    assert (len(found.jobs), "sepsis" in found.disabled) == (1, False)
