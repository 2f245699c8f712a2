"""The check of the hospital's own triggers on the tables that a job writes to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

from scorer.database.connection import Database
from scorer.database.error_messages import SEARCH_PATH_REMEDY
from scorer.database.session import Session
from scorer.database.store.ledger import take_back, write_back
from scorer.database.store.server import explain_statement, list_trigger_functions
from scorer.errors import UserError
from scorer.jobs.job import load_job

_STATEMENTS = ("write_back", "take_back")


def check_triggers(name: str, *, database: Database) -> str:
    """Look at the triggers that the job's writing fires. Returns those without a search_path.

    Raises UserError where one of them names something without its schema: in a session of ours, which searches pg_catalog alone, it
    would not find it.
    """
    job = load_job(name, jobs_dir=database.settings.jobs_dir)
    statements = [job.statements[each] for each in _STATEMENTS if each in job.statements]
    if not statements:
        return "the job writes to no table of the hospital's"
    with closing(Session(database.as_worker())) as session, session.transaction(keep=False):
        for write in (write_back, take_back):  # nothing is: it makes the tables that they read
            write(session, job, max_waiting=0)
        plans = [explain_statement(session, text, {}, form="JSON, VERBOSE") for text in statements]
        tables = sorted({table for plan in plans for table in written_tables(plan)})
        found = list_trigger_functions(session, tables)
    broken = [each for each in found if each.unqualified]
    if broken:
        told = "; ".join(
            f"{each.trigger} on {each.relation} runs {each.function}, which names {', '.join(each.unqualified)} without a schema"
            for each in broken
        )
        raise UserError(
            f"A write to the hospital's table would fail in a trigger of its own, since scorer's sessions search pg_catalog alone: {told}; "
            f"{SEARCH_PATH_REMEDY.format(function=broken[0].function)}"
        )
    if not found:
        return (
            f"nothing on {', '.join(tables)} depends on the caller's search_path"
            if tables
            else "no table is written to directly"
        )
    return "they run with scorer's search_path, pg_catalog alone: " + ", ".join(
        f"{each.trigger} on {each.relation} ({each.function})" for each in found
    )


def written_tables(plan: Any) -> Iterator[str]:
    """The tables that a plan in JSON, with their schemas by VERBOSE, writes to."""
    if isinstance(plan, dict):
        if plan.get("Node Type") == "ModifyTable" and "Relation Name" in plan:
            yield f"{plan['Schema']}.{plan['Relation Name']}"
        plan = list(plan.values())
    if isinstance(plan, list):
        for part in plan:
            yield from written_tables(part)
