"""Errors that an operator can correct: which of the database's mean that it is there."""

from __future__ import annotations

import pytest

from scorer.errors import DatabaseBusy, DatabaseUnavailable, RunStopped, StatementFailed, Stopping, UserError


@pytest.mark.parametrize(
    ("sqlstate", "answers"),
    [
        ("40001", True),
        ("40P01", True),
        ("55P03", True),
        ("25P03", True),
        ("57P01", False),
        ("08006", False),
        (None, False),
    ],
)
def test_a_database_that_refuses_is_there(sqlstate: str | None, answers: bool) -> None:
    assert DatabaseUnavailable("It is away.", sqlstate=sqlstate).answers == answers


def test_a_bug_and_a_stop_are_no_errors_of_the_operators() -> None:
    assert issubclass(DatabaseUnavailable, UserError)
    assert issubclass(DatabaseBusy, UserError)
    assert issubclass(RunStopped, UserError)
    assert not issubclass(StatementFailed, UserError)
    assert not issubclass(Stopping, UserError)


def test_a_server_that_refuses_to_write_is_told_apart() -> None:
    assert DatabaseUnavailable("It only reads.", sqlstate="25006").only_reads
    assert not DatabaseUnavailable("It is away.").only_reads
