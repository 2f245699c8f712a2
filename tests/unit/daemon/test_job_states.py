"""What is noted of each job, and logged where it is new."""

from __future__ import annotations

import logging

import pytest

from scorer.checks.result import CheckResult
from scorer.config import Settings
from scorer.daemon.job_states import JobStates
from scorer.daemon.readiness import Readiness
from scorer.jobs.job import Job

SETTINGS = Settings()


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str | None]]:
    """Name and job of each event since the last call."""
    found = [(record.event.name, record.fields.get("job")) for record in caplog.records]  # type: ignore[attr-defined]
    caplog.clear()
    return found


@pytest.fixture(autouse=True)
def _all_is_heard(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="scorer")


def test_each_job_stands_by_itself(caplog: pytest.LogCaptureFixture, sepsis: Job) -> None:
    states = JobStates()
    found = Readiness(
        settings=SETTINGS, jobs=(sepsis,), broken={"a": "no model", "b": "no table"}, not_run={"c": "not named"}
    )
    states.note(found, running=())
    assert told(caplog) == [("JOB_NOT_RUN", "c"), ("JOB_HINDERED", "a"), ("JOB_HINDERED", "b")]
    states.note(found, running=("sepsis",))
    assert told(caplog) == [], "nothing is told twice"
    assert {name: str(state) for name, state in states.read({"sepsis": None, "d": "its breaker is open"}).items()} == {
        "a": "not ready: no model",
        "b": "not ready: no table",
        "c": "not run here: not named",
        "d": "not ready: its breaker is open",
        "sepsis": "ready",
    }
    assert states.left_out(("sepsis",)) == {
        "a": "job a cannot be run: no model",
        "b": "job b cannot be run: no table",
        "c": "job c is not run here: not named",
    }


def test_a_job_whose_reload_is_refused_goes_on_as_it_was(caplog: pytest.LogCaptureFixture, sepsis: Job) -> None:
    states = JobStates()
    states.note(Readiness(settings=SETTINGS, jobs=(sepsis,)), running=())
    states.note(Readiness(settings=SETTINGS, broken={"sepsis": "no TOML"}, of_reload=True), running=("sepsis",))
    assert told(caplog) == [("JOB_NOT_RELOADED", "sepsis")]
    state = states.read({"sepsis": None})["sepsis"]
    assert (state.scores, state.broken) == (True, True)
    assert str(state) == "ready, as it was before the reload: no TOML"
    assert states.left_out(("sepsis",)) == {}, "its requests are answered"
    states.note(Readiness(settings=SETTINGS, jobs=(sepsis,), partial=True), running=("sepsis",))
    assert told(caplog) == [("JOB_FREED", "sepsis")]
    assert str(states.read({"sepsis": None})["sepsis"]) == "ready"


def test_a_second_look_at_some_jobs_leaves_the_others(caplog: pytest.LogCaptureFixture, sepsis: Job) -> None:
    states = JobStates()
    states.note(
        Readiness(settings=SETTINGS, jobs=(sepsis,), broken={"a": "x", "b": "y"}, not_run={"c": "z"}), running=()
    )
    told(caplog)
    states.note(Readiness(settings=SETTINGS, broken={"a": "other"}, partial=True), running=("sepsis",))
    assert told(caplog) == [("JOB_HINDERED", "a")]
    assert set(states.left_out(())) == {"a", "b", "c"}


def test_where_no_job_can_be_run_the_daemon_tells_it(caplog: pytest.LogCaptureFixture) -> None:
    JobStates().note(Readiness(settings=SETTINGS, broken={"a": "x"}), running=())
    assert told(caplog) == []


def test_what_blocks_no_job_is_told_once(caplog: pytest.LogCaptureFixture, sepsis: Job) -> None:
    states = JobStates()
    warning = CheckResult(name="standby", holds=False, found="It is behind.", blocks=False)
    for _ in range(2):
        states.note(Readiness(settings=SETTINGS, jobs=(sepsis,), warned=(warning,)), running=())
    assert told(caplog) == [("CHECK_WARNED", None)]


def test_a_job_that_is_disabled_while_it_runs_is_told_and_so_is_its_return(
    caplog: pytest.LogCaptureFixture, sepsis: Job
) -> None:
    states = JobStates()
    states.note(Readiness(settings=SETTINGS, jobs=(sepsis,), disabled={"other": "not enabled"}), running=())
    assert told(caplog) == [], "of what never ran nothing is told"
    disabled = {"sepsis": "not enabled", "other": "not enabled"}
    states.note(Readiness(settings=SETTINGS, disabled=disabled), running=("sepsis",))
    states.note(Readiness(settings=SETTINGS, disabled=disabled), running=())
    assert told(caplog) == [("JOB_NOT_RUN", "sepsis")]
    assert states.left_out(()) == {name: f"job {name} is not run here: not enabled" for name in disabled}
    states.note(Readiness(settings=SETTINGS, jobs=(sepsis,), disabled={"other": "not enabled"}), running=())
    assert told(caplog) == [("JOB_FREED", "sepsis")]
