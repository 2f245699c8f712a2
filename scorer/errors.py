"""What an operator can correct, apart from bugs.

A UserError carries one sentence: what is wrong, where, and what to do. The command line prints it and exits with 1. Any other exception
is a bug: traceback, exit 70.
"""

from __future__ import annotations

from typing import Any


class UserError(Exception):
    """Something that an operator can correct."""


class DatabaseUnavailable(UserError):
    """The database did not answer, or asked to be tried again: worth waiting for.

    `sqlstate` says which; None where nothing was heard.
    """

    def __init__(self, sentence: str, *, sqlstate: str | None = None) -> None:
        super().__init__(sentence)
        self.sqlstate = sqlstate

    @property
    def answers(self) -> bool:
        """Whether the database is there and only could not do it now.

        That is a serialization failure, a deadlock, a lock that was not free, or a transaction that stood idle for too long.
        """
        return self.sqlstate in {"40001", "40P01", "55P03", "25P03"}

    @property
    def only_reads(self) -> bool:
        """Whether the server refused to write: a standby, or a primary that is one no more."""
        return self.sqlstate == "25006"


class DatabaseBusy(UserError):
    """Others needed the database for longer than `neighbour_patience`: the run stopped.

    Nothing is wrong with the job.
    """


class RunStopped(UserError):
    """A rule whose action is `fail` was broken: the run stops, the batch in hand publishes nothing.

    `results` are the RuleResults of that suite, to be recorded although the batch is rolled back.
    """

    def __init__(self, sentence: str, *, results: tuple[Any, ...] = ()) -> None:
        super().__init__(sentence)
        self.results = results


class Stopping(Exception):
    """The process was asked to stop.

    What is not committed is rolled back, and the run is left to the next process.
    """


class DataRefused(UserError):
    """A statement of a job's own met data that it cannot take: text that is no number, a division by zero.

    `cause` says so in words, without a value of the data. Where it is read for entities, those whose data it is are set apart.
    """

    def __init__(self, sentence: str, *, cause: str) -> None:
        super().__init__(sentence)
        self.cause = cause


class TimedOut(UserError):
    """A statement took longer than statement_timeout allows."""


class StatementFailed(Exception):
    """A statement of the program's own failed: a bug.

    Its text is the SQLSTATE and the constraint, if any. The server's own words are left out: they may quote a patient's values.
    """
