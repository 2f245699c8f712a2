"""A worker through failures: what it tries again, how it waits, and how it ends when asked to; without a database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from scorer.config import Settings
from scorer.database.connection import Database
from scorer.errors import DatabaseUnavailable, Stopping, UserError
from scorer.runs.worker import Hooks, Worker

SETTINGS = Settings(
    retry_tries=3, retry_first_wait=timedelta(milliseconds=1), retry_last_wait=timedelta(milliseconds=2)
)
GONE = DatabaseUnavailable("The database does not answer; start it.", sqlstate="57P01")


def worker(**hooks: Any) -> tuple[Worker, list[str]]:
    """A worker, and how often its pipeline was closed."""
    closed: list[str] = []
    pipeline = SimpleNamespace(close=lambda: closed.append("pipeline"))
    return Worker(pipeline, database=Database("", SETTINGS), hooks=Hooks(**hooks)), closed  # type: ignore[arg-type]


def failing(times: int, error: Exception = GONE) -> tuple[Callable[[], str], list[int]]:
    """What raises so often before it is done, and its tries."""
    tries: list[int] = []

    def action() -> str:
        tries.append(len(tries))
        if len(tries) <= times:
            raise error
        return "done"

    return action, tries


def test_what_the_database_fails_is_done_again_in_new_sessions() -> None:
    steps: list[str] = []
    made, closed = worker(watch=steps.append)
    action, tries = failing(2)
    assert made.with_retries(action) == "done"
    assert len(tries) == 3
    assert closed == ["pipeline"] * 2
    assert set(steps) == {"wait"}, "a worker that waits shows life"


def test_a_database_that_keeps_failing_is_given_up_after_the_last_wait() -> None:
    action, tries = failing(100)
    with pytest.raises(DatabaseUnavailable):
        worker()[0].with_retries(action)
    assert len(tries) == len(SETTINGS.retry_waits) + 1


def test_what_is_not_the_databases_fault_is_not_done_again() -> None:
    action, tries = failing(1, UserError("The column is not there."))
    with pytest.raises(UserError):
        worker()[0].with_retries(action)
    assert len(tries) == 1


def test_a_worker_that_is_asked_to_stop_waits_no_longer() -> None:
    made, _ = worker(stopping=lambda: True)
    for wait in (made.rest, made.stop_if_asked, lambda: made.with_retries(failing(1)[0])):
        with pytest.raises(Stopping):
            wait()
    worker()[0].stop_if_asked()
