"""Scores as lines of FHIR: a resource a line, each once, however exports follow each other.

A score bears the time at which its transaction began, and is seen when that ends. So an export takes the database's clock, waits for the
transactions that may have begun before it, and gives what bears an earlier time: all of that is there to be seen by then, and nothing that
comes later can bear one. The next export goes on from that time.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any

from scorer.database.access.audit import record_audit
from scorer.database.connection import Database
from scorer.database.readonly_session import ReadOnlySession
from scorer.database.reporting.in_hand import list_transactions_in_hand
from scorer.database.reporting.standing import read_own_clock, require_views
from scorer.database.session import Session
from scorer.database.store.ledger import RiskAssessment, list_risk_assessments
from scorer.errors import UserError
from scorer.jobs.job import Job

# How long a batch in hand is waited for.
PATIENCE = timedelta(minutes=2)
# How long a transaction of our program is waited for that has not asked for the lock of those that score: that is the first thing they do.
BEGINNING = timedelta(seconds=5)
_LOOKS = 0.1  # seconds between looks at what is in hand
_Counts = tuple[int, int, dict[str, int]]


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export gave: scores made or recalled from `since` on and before `until`.

    `lacking` is how many scores have no resource, by what they lack.
    """

    job: str
    since: datetime | None
    until: datetime
    final: int
    recalled: int
    lacking: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        """The export as the command line prints it."""
        return asdict(self)


def export(job: Job, *, database: Database, since: datetime | None, out: Path) -> Exported:
    """Write the resources of scores that were made or recalled since into a file, whole or not at all.

    Without `since`, those of all that is current or was recalled. Reads with a reader's rights. Raises UserError where the job has no
    [fhir], `since` is not past, the file cannot be written, or a transaction that may hold scores does not end.
    """
    if job.fhir is None:
        raise UserError(
            f"Job {job.name} has no [fhir] in its job.toml, which says whose scores they are; sql/fhir.md says how to write it."
        )
    out = out.resolve()
    if not out.parent.is_dir():
        raise UserError(f"{out} cannot be written: there is no folder {out.parent}.")
    if out.exists() and not out.is_file():
        raise UserError(f"{out} is no file; name one that is, or that is not there yet.")  # its place would be taken
    target = database.as_reader()
    with closing(ReadOnlySession(target, patience=target.statement_timeout)) as views:
        require_views(views, needed=["fhir_risk_assessments"])
        until = settled(views, job.name)
    if since is not None and since > until:
        raise UserError(
            f"--since {since.isoformat()} lies in the future: the database's clock says {until.isoformat()}."
        )
    with closing(Session(target)) as session:
        with session.transaction():  # of its own, so that no file is written of which nothing is recorded
            told = {"since": None if since is None else since.isoformat(), "until": until.isoformat()}
            record_audit(session, "exported", job=job.name, subject=str(out), **told)
        with session.transaction():
            final, recalled, lacking = _write(out, list_risk_assessments(session, job, since=since, until=until))
    return Exported(job.name, since, until, final=final, recalled=recalled, lacking=lacking)


def settled(views: ReadOnlySession, job: str, *, patience: timedelta = PATIENCE) -> datetime:
    """A moment such that whatever score or recall of the job bears an earlier time is seen by now.

    Raises UserError where a transaction that began before it goes on.
    """
    moment = read_own_clock(views)
    began = time.monotonic()
    left: set[str] | None = None
    while True:
        found = list_transactions_in_hand(views, job)
        waited = timedelta(seconds=time.monotonic() - began)
        there = {each for each in found if left is None or each.transaction in left}
        if waited >= BEGINNING:
            there = {each for each in there if each.scores}
        left = {each.transaction for each in there}
        if not left:
            return moment
        if waited >= patience:
            pid = min(each.pid for each in there)
            raise UserError(
                f"A transaction that scores {job} has gone on for more than {patience.total_seconds():.0f} s, and its scores would be "
                f"missed; export again once it has ended (server process {pid})."
            )
        time.sleep(_LOOKS)


def _write(out: Path, found: Iterable[RiskAssessment]) -> _Counts:
    """Write the lines, whole or not at all. Returns how many.

    The file is readable by its owner alone, since it holds patients' data.
    """
    try:
        handle, written = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}-")
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror}.") from error
    try:
        with os.fdopen(handle, "wb") as file:
            counts = _write_lines(file, found)
            file.flush()
            os.fsync(file.fileno())
        Path(written).replace(out)
        _keep_name(out.parent)
    except OSError as error:
        Path(written).unlink(missing_ok=True)
        raise UserError(f"{out} cannot be written: {error.strerror}.") from error
    except BaseException:
        Path(written).unlink(missing_ok=True)
        raise
    return counts


def _write_lines(file: IO[bytes], found: Iterable[RiskAssessment]) -> _Counts:
    """Write a line for each resource. Returns how many are final and recalled, and what others lack."""
    final = recalled = 0
    lacking: Counter[str] = Counter()
    for each in found:
        if each.resource is None:
            lacking[each.lacks or "resource"] += 1
            continue
        file.write(f"{each.resource}\n".encode())
        final, recalled = final + (not each.recalled), recalled + each.recalled
    return final, recalled, dict(sorted(lacking.items()))


def _keep_name(folder: Path) -> None:
    """Have the folder on disk too, so that a crash of the machine leaves the file its name."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
