"""The check of a job's times: of which zone a statement takes columns without one.

Where it names none, the session's zone decides, which is UTC: a hospital's wall times would be taken for moments some hours away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from scorer.database.connection import Database
from scorer.database.error_messages import sentences
from scorer.database.session import Session
from scorer.database.statements import bound, only_named
from scorer.database.store.ledger import take_back, write_back
from scorer.database.store.server import give_no_row, list_zone_guesses, set_parameter
from scorer.errors import DatabaseUnavailable, StatementFailed, UserError
from scorer.jobs.job import Job, load_job
from scorer.jobs.sql_text import without_comments

_SENT_WITH_VALUES = ("due", "requested")
_SENT_AS_COLUMNS = ("observations", "attributes", "orphans", "landmarks", "outcome_faults", "outcomes_known")
_WRITES = ("write_back", "take_back")
# Parameters that are read as settings of the session, with values that can be read as theirs.
_SETTINGS = {"entity_ids": "{}", "as_ofs": "{}", "known_ats": "{}", "sweep": "false"}
_CURE = "AT TIME ZONE 'Europe/Berlin', or the zone that the hospital's clock is in"


def check_times(name: str, *, database: Database) -> str:
    """Look into each statement of the job. Returns which have been looked into.

    All happens in transactions that are rolled back. Raises UserError where a statement takes a time without a zone as of the
    session's, or returns one.
    """
    job = load_job(name, jobs_dir=database.settings.jobs_dir)
    seen: list[str] = []
    hidden: list[str] = []
    with closing(Session(database.as_worker())) as session:
        for which, query, parameters in _statements(job):
            where = f"The statement {which} of job {job.name}"
            try:
                given, guessed = _looked_into(session, job, which, query, parameters)
            except DatabaseUnavailable:
                raise
            except (UserError, StatementFailed):  # what is wrong with it is said by the check of the job
                hidden.append(which)
                continue
            if given:
                raise UserError(f"{where} gives the column {given[0]} without a time zone; write {_CURE}, behind it.")
            if guessed:
                raise UserError(
                    f"{where} reads {', '.join(guessed)} without saying in which time zone, so that it would be taken as UTC; "
                    f"write {_CURE}, behind each."
                )
            seen.append(which)
    told = f"; could not be looked into: {', '.join(hidden)}" if hidden else ""
    return f"no statement leaves a time zone open ({', '.join(seen)}){told}"


def _statements(job: Job) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Name, text and parameters of each statement that reads or writes the hospital's tables."""
    values = {"as_of": datetime.now(UTC), "sweep": False, "entity_ids": [""], **job.parameters}
    for name in (each for each in (*_SENT_WITH_VALUES, *_SENT_AS_COLUMNS, *_WRITES) if each in job.statements):
        query = without_comments(job.statements[name])
        if name in _SENT_WITH_VALUES:
            yield name, query, only_named(query, values, where=f"The statement {name} of job {job.name}")
        elif name in _SENT_AS_COLUMNS:
            yield name, bound(query).replace(":", r"\:"), {}  # what is left of colons names no parameter
        else:
            yield name, query.replace(":", r"\:"), {}


def _looked_into(
    session: Session, job: Job, which: str, query: str, parameters: Mapping[str, Any]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The columns without a zone that it gives, and those that it takes as of the session's zone."""
    with session.transaction(keep=False), sentences(where=f"The statement {which} of job {job.name}"):
        for name, value in {**job.parameters, **_SETTINGS}.items():
            set_parameter(session, f"scorer.{name}", setting=str(value))
        write_back(session, job, max_waiting=0)  # these two make the temporary tables that the statements read
        take_back(session, job, max_waiting=0)
        given = () if which in _WRITES else give_no_row(session, query, parameters)
        return given, list_zone_guesses(session, query, parameters)
