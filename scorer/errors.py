"""What the operator can mend, apart from bugs.

A UserError carries one sentence: what is wrong, where, and what to do. The command line prints it and exits
with 1. Any other exception is a bug: traceback, exit 70.
"""

from __future__ import annotations

from typing import Any


class UserError(Exception):
    """Something the operator can mend."""


class DatabaseUnavailable(UserError):
    """The database did not answer, or asked us to try again: worth waiting for (`sqlstate` says which)."""

    def __init__(self, sentence: str, *, sqlstate: str | None = None) -> None:
        super().__init__(sentence)
        self.sqlstate = sqlstate

    @property
    def answers(self) -> bool:
        """Whether the database is there, and merely could not do it now: a lock, a deadlock, a serialization failure, a wait too long."""
        return self.sqlstate in {"40001", "40P01", "55P03", "25P03"}


class DatabaseBusy(UserError):
    """Others needed the database for longer than a run's patience: it stopped, and nothing is wrong with the job."""


class RunStopped(UserError):
    """A rule whose action is `fail` was broken: the run stops and the batch in hand publishes nothing.

    `results` are the RuleResults of that suite, to be recorded although the batch is rolled back.
    """

    def __init__(self, sentence: str, *, results: tuple[Any, ...] = ()) -> None:
        super().__init__(sentence)
        self.results = results


class Stopping(Exception):
    """We were asked to stop: what is not committed is rolled back, and the run is left to the next process."""


class StatementFailed(Exception):
    """A statement failed in a way that is a bug of ours or of a job's SQL.

    Says the SQLSTATE and the constraint, if any, and not the server's own words, which may quote a patient's values.
    """
