"""The check of a job's statements: each is planned, and run for twenty entities; it needs no model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from scorer.checks.result import CheckResult, result_of
from scorer.database.connection import Database
from scorer.database.readonly_session import ReadOnlySession
from scorer.database.session import Session
from scorer.database.source.columns import labels
from scorer.database.source.reader import Source
from scorer.database.store.requests import find_asked
from scorer.database.store.runs import sample_due
from scorer.database.store.status import list_missing_tables
from scorer.errors import UserError
from scorer.jobs.job import Job
from scorer.jobs.source_tables import tables_of
from scorer.runs.plan import plan_run
from scorer.scoring.opening import require_columns
from scorer.scoring.validation.suites import Suites
from scorer.tasks.known import task_of
from scorer.tasks.task import TaskRules
from scorer.types.arrays import Floats, Observations
from scorer.types.values import WorkItem

SAMPLE = 20  # entities that are read
_SHOWN = 5  # names that a line shows


def check_statements(job: Job, *, database: Database) -> Iterator[CheckResult]:
    """Check the statements of a job, one by one; it ends with one on which the rest depend."""
    target = database.as_worker()
    with closing(Session(target)) as session, closing(Source.of(database)) as source:
        planned = result_of("statements", lambda: _planned(job, database=database), job=job.name)
        yield planned
        if not planned.holds:
            return
        items: list[WorkItem] = []
        yield result_of("due", lambda: _due(job, session, items), job=job.name)
        yield result_of("observations", lambda: _observations(job, source, items), job=job.name)
        yield result_of("attributes", lambda: _attributes(job, source, items), job=job.name)
        yield result_of("suites", lambda: _suites(job, source, database), job=job.name)
        if "landmarks" in job.statements:
            yield result_of("landmarks", lambda: _landmarks(job, source), job=job.name, blocks=False)
        for name in ("orphans", "outcome_faults", "outcomes_known"):
            if name in job.statements:
                yield result_of(name, lambda name=name: _others(job, source, name, items), job=job.name, blocks=False)  # type: ignore[misc]
        if "source_faults" in job.statements:
            yield from _source(job, source, database)


def _planned(job: Job, *, database: Database) -> str:
    return f"{len(plan_run(job, database=database))} statements of a run are planned as {database.settings.worker_role}"


def _due(job: Job, session: Session, items: list[WorkItem]) -> str:
    """Run `due`, put its first entities into `items`, and ask for them as a request does."""
    now = datetime.now(UTC)
    with session.transaction(keep=False):
        items.extend(sample_due(session, job, as_of=now, limit=SAMPLE))
        found = find_asked(session, job, [item.entity_id for item in items], as_of=now)
    if not items:
        return f"gives no {job.entity}: the tables may be empty"
    if times := [entity for entity, times in Counter(item.entity_id for item in items).items() if times > 1]:
        raise UserError(f"The statement due of job {job.name} gives {job.entity} {times[0]} more than once.")
    if missing := [item.entity_id for item in items if item.entity_id not in found]:
        raise UserError(
            f"The {job.entity} {missing[0]} is given by due, and not found when a score of it is requested; see requested.sql, "
            "and whether due leaves out those that it is not told of."
        )
    return f"gives entities; {len(items)} are read for this check"


def _observations(job: Job, source: Source, items: list[WorkItem]) -> str:
    rows = source.observations(job, items)
    told = [f"{len(rows)} of {len(items)} entities"]
    known = {code.name for code in job.codes}
    read = Counter(rows.codes[code] for code in rows.code.tolist() if code >= 0)
    if strange := [code for code in read if code not in known]:
        told.append(f"codes that [codes] lacks: {_named(strange)}")
    if items and len(rows) and (unseen := sorted(known - set(read))):
        told.append(f"codes that none of them has: {_named(unseen)}")
    if beyond := _beyond(job, rows):
        raise UserError(
            f"More than half of the values of {_named(beyond)} lie outside the plausible range of [codes]: are they in another unit?"
        )
    return "; ".join(told)


def _beyond(job: Job, rows: Observations) -> list[str]:
    """The codes most of whose values are outside their plausible range."""
    found = []
    for code in job.codes:
        values = rows.value[[rows.codes[each] == code.name if each >= 0 else False for each in rows.code.tolist()]]
        values = values[np.isfinite(values)]
        outside = (values < code.plausible_min) | (values > code.plausible_max)
        if len(values) and outside.mean() > 0.5:  # noqa: PLR2004 - half
            found.append(code.name)
    return found


def _attributes(job: Job, source: Source, items: list[WorkItem]) -> str:
    attributes = source.attributes(job, items)
    if attributes.repeated is not None:
        (first, *_) = (items[place].entity_id for place in np.flatnonzero(attributes.repeated).tolist())
        raise UserError(
            f"The statement attributes of job {job.name} gives more than one row for {int(attributes.repeated.sum())} of {len(items)} "
            f"entities, such as {first}; a run would set them apart."
        )
    kinds = {"numbers": [*attributes.numbers], "times": [*attributes.times], "texts": [*attributes.texts]}
    told = [f"{kind}: {', '.join(names)}" for kind, names in kinds.items() if names]
    spare = {name: values for name, values in job.features.categories if name in attributes.texts}
    for name, values in spare.items():
        there = {str(text) for text in attributes.texts[name] if text is not None}
        if items and there and not there & {*values, *job.features.words[name]}:
            raise UserError(
                f"The attribute {name} is {_named(sorted(there))} in this database, and [features] categories lists {_named(values)}: "
                "no value is known."
            )
    return "; ".join(told) or "none"


def _suites(job: Job, source: Source, database: Database) -> str:
    suites = Suites(job, compiled=database.settings.validation == "compiled", records=database.settings.proofs_dir)
    require_columns(job, source, suites)
    return "statements, [features] and suites name the same columns"


def _landmarks(job: Job, source: Source) -> str:
    """Run `landmarks`. Returns how many there are, by outcome.

    Raises UserError where they cannot be learnt from.
    """
    table = source.landmarks(job)
    where = f"The statement landmarks of job {job.name}"
    if not table.num_rows:
        return "gives no row: there is nothing to train on yet"
    entities, as_ofs = table["entity_id"].to_pylist(), table["as_of"].to_pylist()
    if not all(isinstance(entity, str) for entity in entities):
        raise UserError(f"{where} gives entity_id as {table['entity_id'].type}, where text is expected; CAST it.")
    if any(as_of is None or as_of.tzinfo is None for as_of in as_ofs):
        raise UserError(f"{where} gives a row without as_of, or without a time zone in it; it must be a timestamptz.")
    ((entity, as_of), times), *_ = Counter(zip(entities, as_ofs, strict=True)).most_common(1)
    if times > 1:
        raise UserError(f"{where} gives {job.entity} {entity} as of {as_of.isoformat()} {times} times; give it once.")
    now = datetime.now(UTC)
    if ahead := sum(as_of > now for as_of in as_ofs):
        raise UserError(f"{where} gives {ahead} rows whose as_of lies in the future; their outcome cannot be known.")
    label, rules = read_labels(job, labels(table["label"]), of="landmarks")
    label = label[~np.isnan(label)]
    if not len(label):
        return f"{table.num_rows} of {len(set(entities))} entities, none with a known outcome"
    if lacking := rules.lacks(label):
        raise UserError(f"{where} gives {table.num_rows} rows, of whose outcomes {lacking}.")
    return f"{table.num_rows} of {len(set(entities))} entities; outcomes: {rules.told(label)}"


def read_labels(job: Job, column: npt.NDArray[Any], *, of: str) -> tuple[Floats, TaskRules]:
    """The labels (n,) of a column as training reads them, NaN where unknown, and the rules of their task.

    Raises UserError where they do not fit the job's task.
    """
    where = f"the statement {of} of job {job.name}"
    label, classes = task_of(job.task, classes=job.classes).read_labels(column, where=where)
    return label, task_of(job.task, classes=classes)


def _others(job: Job, source: Source, name: str, items: list[WorkItem]) -> str:
    if name == "orphans":
        return f"{len(source.orphans(job, sweep=True, known=()))} entities that have observations and do not exist"
    if name == "outcome_faults":
        faults = source.outcome_faults(job)
        return "; ".join(f"{outcomes} {fault}" for fault, outcomes in faults) or "none"
    label, _ = read_labels(job, source.outcomes_known(job, items), of=name)
    return f"the outcome of {int((~np.isnan(label)).sum())} of {len(items)} entities is known"


def _source(job: Job, source: Source, database: Database) -> Iterator[CheckResult]:
    """What `source_faults` finds, a line each; or that it finds nothing, or its tables are not there."""
    with closing(ReadOnlySession(database.as_worker(), patience=database.settings.connect_timeout)) as session:
        missing = list_missing_tables(session, tables_of(job, ("source_faults",)))
    if missing:
        found = f"not compared: {', '.join(missing)} is not there"
        yield CheckResult(name="source_faults", holds=True, found=found, job=job.name)
        return
    faults: list[str] = []
    looked = result_of("source_faults", lambda: _no_fault(job, source, faults), job=job.name, blocks=False)
    if not faults:
        yield looked
    for fault in faults:
        yield CheckResult(name="source_faults", holds=False, found=fault, blocks=False, job=job.name)


def _no_fault(job: Job, source: Source, faults: list[str]) -> str:
    faults.extend(source.source_faults(job))
    return "none: the source is as the job takes it to be"


def _named(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
