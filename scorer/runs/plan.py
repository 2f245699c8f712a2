"""What a run of a job would do in the database: statements, their plans, row estimates and locks.

It is for the database administrator who approves a job. Nothing is run: each statement is planned by EXPLAIN in a read-only transaction of
its own, which is rolled back. The locks are those that planning it took, which are those that running it takes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from scorer.config import Settings
from scorer.database import schema
from scorer.database.connection import Database, Target
from scorer.database.error_messages import sentences
from scorer.database.session import Session, engine
from scorer.database.statements import bound, statement
from scorer.database.store.server import TableLock, explain_statement, list_table_locks, set_parameter
from scorer.jobs.job import Job
from scorer.jobs.sql_text import without_comments, without_parameters

# In the order of a run; those of the job's own are named in its definition, all others are files of sql/engine/.
_ONCE_A_RUN = ("begin_run", "due", "orphans", "write_rejections", "resolve_orphans")
_ONCE_A_BATCH = (
    "lock_against_recalls",
    "claim_work",
    "observations",
    "attributes",
    "recent_scores",
    "write_ledger",
    "write_current",
    "write_reasons",
    "write_rejections",
    "resolve_rejections",
    "finish_work",
    "record_batch",
    "record_validation",
    "stage_write_back",
    "write_back",
    "record_write_backs",
)
_AT_THE_END = ("end_run", "stage_take_back", "take_back", "record_take_backs")
_OF_JOBS = frozenset({"due", "orphans", "observations", "attributes", "write_back", "take_back"})
_READ_AS_COLUMNS = frozenset({"orphans", "observations", "attributes"})
_AT_STANDBY = frozenset({"observations", "attributes"})
_FOR_WRITE_BACK = frozenset({"stage_write_back", "write_back", "record_write_backs"})
_FOR_TAKE_BACK = frozenset({"stage_take_back", "take_back", "record_take_backs"})
# As a run has them planned: see prefer_index_scans.sql, forbid_nested_loops.sql and database/source/reader.py
_PLANNED_WITHOUT = {
    "claim_work": "enable_bitmapscan",
    "observations": "enable_seqscan",
    "attributes": "enable_seqscan",
    "resolve_rejections": "enable_nestloop",
    "resolve_orphans": "enable_nestloop",
}
_WITHIN = {"due": "enqueue_due"}  # a statement of the job's that runs as a part of one of ours
_STAGED = (
    "create_staged_outcomes",
    "create_staged_reasons",
    "create_staged_rejections",
    "create_staged_write_back",
    "create_staged_take_back",
)


@dataclass(frozen=True, slots=True)
class PlannedStatement:
    """A statement with what it does, when and at which URL, its plan as text and as a tree, and its locks.

    `rows` is how many the planner expects it to return, or to write where it returns none; `most_rows`, how many any of its steps handles.
    """

    name: str
    does: str
    when: str
    where: str
    statement: str
    plan: tuple[str, ...]
    tree: Mapping[str, Any]
    rows: int
    most_rows: int
    locks: tuple[TableLock, ...]


def plan_run(job: Job, *, database: Database) -> list[PlannedStatement]:
    """Plan each statement of a run of `job`, in order. Raises UserError where the database refuses one."""
    target = database.as_worker()
    schema.require_head(engine(target))
    reading = (
        target
        if database.settings.read_url is None
        else Target.of(database.settings.read_url, database.settings, role=database.settings.worker_role)
    )
    with closing(Session(target)) as primary, closing(Session(reading)) as standby:
        return [
            _planned(
                job, name, when=when, session=standby if name in _AT_STANDBY else primary, settings=database.settings
            )
            for name, when in _statements(job)
        ]


def _statements(job: Job) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for names, when in (
        (_ONCE_A_RUN, "once a run"),
        (_ONCE_A_BATCH, "once a batch"),
        (_AT_THE_END, "at the end of a run"),
    ):
        for name in names:
            left_out = (
                name in seen
                or (name in _OF_JOBS and name not in job.statements)
                or (name in _FOR_WRITE_BACK and "write_back" not in job.statements)
                or (name in _FOR_TAKE_BACK and "take_back" not in job.statements)
                or (
                    names is _ONCE_A_RUN
                    and name in {"write_rejections", "resolve_orphans"}
                    and "orphans" not in job.statements
                )
            )
            if not left_out:
                seen.add(name)
                yield name, when


def _planned(job: Job, name: str, *, when: str, session: Session, settings: Settings) -> PlannedStatement:
    text = job.statements[name] if name in _OF_JOBS else statement(name)
    query = _query(name, text)
    parameters = {**_examples(job, settings), **job.parameters}
    with session.transaction(keep=False), sentences(where=f"The statement {name} of job {job.name}"):
        _prepare(session, job, query=query, size=settings.batch_size or job.batch_size)
        if name in _PLANNED_WITHOUT:
            set_parameter(session, _PLANNED_WITHOUT[name], setting="off")
        ((found,),) = explain_statement(session, query, parameters, form="JSON")
        lines = explain_statement(session, query, parameters, form="TEXT")
        locks = list_table_locks(session)
    return PlannedStatement(
        name=name,
        does=_first_sentence(text),
        when=when,
        where="read_url" if name in _AT_STANDBY and settings.read_url is not None else "database_url",
        statement=without_comments(text),
        plan=tuple(_without_examples(lines)),
        tree=_without_examples(found["Plan"]),
        rows=_rows(found["Plan"]),
        most_rows=max(step["Plan Rows"] for step in steps_of(found["Plan"])),
        locks=locks,
    )


def _query(name: str, text: str) -> str:
    """The statement as a run sends it."""
    if name in _WITHIN:
        return statement(_WITHIN[name]).replace(f"{{{name}}}", without_comments(text))
    if name in _READ_AS_COLUMNS:
        return without_parameters(bound(text))
    return without_comments(text)


def _prepare(session: Session, job: Job, *, query: str, size: int) -> None:
    """Make the temporary tables and settings that the statement reads, then the transaction read-only."""
    moments = f"{{{','.join([f'{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}'] * size)}}}"
    entities = {
        "entity_ids": f"{{{','.join(map(str, range(size)))}}}",
        "as_ofs": moments,
        "known_ats": moments,
    }
    if "pg_temp." in query:
        for name in _STAGED:
            session.execute(statement(name), {})
    for name, value in {**job.parameters, **entities, "sweep": "false"}.items():
        set_parameter(session, f"scorer.{name}", setting=str(value))
    set_parameter(session, "transaction_read_only", setting="on")


def _examples(job: Job, settings: Settings) -> dict[str, Any]:
    """A value for each parameter of our own statements; the planner expects of it what it does of a run's."""
    size = settings.batch_size or job.batch_size
    entities = [f"entity {number}" for number in range(size)]
    names = {
        "job": job.name,
        "queue": job.name,
        "output": job.output,
        "task": job.task.value,
        "job_version": job.version,
        "flag": f"{job.name}.write_back",
        "facility_attribute": job.features.facility_attribute,
    }
    numbers = dict.fromkeys(
        (
            *("run_id", "batch_id", "eligible", "scored", "unchanged", "quarantined", "insufficient", "indeterminate"),
            *("failed", "shadows", "observations_read", "observations_dropped"),
        ),
        0,
    )
    texts = {"model_version": "a version", "scorer_version": "a version", "worker": "a worker", "trigger": "manual"}
    documents = {"unknown_codes": "{}", "seconds": "{}", "results": "[]"}
    limits = {"max_items": size, "max_waiting": size, "look_back": size, "max_rows": size}
    times = dict.fromkeys(("as_of", "as_known_at"), datetime.now(UTC))
    unset = {
        "max_entities": None,
        "scheduled_for": None,
        "error": None,
        "begun_at": None,
        "flags": None,
        "setting": None,
    }
    arrays = {"work_ids": list(range(size)), "judged": entities, "written": entities, "model_versions": ["a version"]}
    looks = {"sweep": False, "swept": False, "entity_ids": "{}"}  # a run of every day
    return {**names, **numbers, **texts, **documents, **limits, **times, **unset, **arrays, **looks}


def _first_sentence(text: str) -> str:
    """The first sentence of the comment that a statement begins with."""
    lines = [line.removeprefix("--").strip() for line in text.splitlines() if line.startswith("--")]
    return re.split(r"(?<=[.])\s", " ".join(lines), maxsplit=1)[0]


def _without_examples(value: Any) -> Any:
    """The plan without the elements of long arrays, which are examples."""
    if isinstance(value, str):
        return re.sub(r"'\{[^'{}]{100,}\}'", "'{...}'", value)
    if isinstance(value, dict):
        return {name: _without_examples(each) for name, each in value.items()}
    return [_without_examples(each) for each in value] if isinstance(value, list) else value


def steps_of(tree: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The steps of a plan, each before those that it reads from."""
    yield tree
    for part in tree.get("Plans", ()):
        yield from steps_of(part)


def _rows(tree: Mapping[str, Any]) -> int:
    """The planner's estimate of the rows that a statement returns, or, where it returns none, writes."""
    while not tree["Plan Rows"] and tree.get("Plans"):
        tree = tree["Plans"][0]
    return int(tree["Plan Rows"])
