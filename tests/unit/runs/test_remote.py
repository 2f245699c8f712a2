"""A task on another host: one with another job version does nothing, and what goes wrong there is one sentence without values."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from scorer.errors import UserError
from scorer.jobs.job import Job
from scorer.runs.remote import RemoteTask, settings_here, why_not


def test_a_host_with_another_version_of_the_job_refuses_the_task(
    sepsis: Job, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SCORER_HOME", str(tmp_path))
    task = RemoteTask(sepsis.name, "another version", cluster="1", database="ward")
    with pytest.raises(UserError, match=f"job sepsis has version {sepsis.version} there, and another version where"):
        settings_here(task)


def test_work_that_ends_by_itself_has_no_reason() -> None:
    assert why_not(lambda: None) is None


def test_why_work_could_not_be_done_names_the_host(caplog: pytest.LogCaptureFixture) -> None:
    def refuse() -> None:
        raise UserError("Its database is not there.")

    def fail() -> None:
        raise ValueError("Jane Doe")

    host = socket.gethostname()
    assert why_not(refuse) == f"worker on {host}: Its database is not there."
    assert why_not(fail) == f"worker on {host}: a bug: ValueError"
    assert [record.levelname for record in caplog.records] == ["CRITICAL"]
