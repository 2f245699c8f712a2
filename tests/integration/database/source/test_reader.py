"""Reading the hospital's tables: which columns are asked for, and what a statement means."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from scorer.database.connection import Database
from scorer.database.source.reader import Source
from scorer.errors import UserError
from scorer.jobs.job import Job
from scorer.jobs.sql_text import without_comments
from scorer.types.values import WorkItem


def test_a_column_that_is_gone_by_now_is_asked_for_no_more(hospital: Any) -> None:
    hospital.admit(1)
    hospital.execute("CREATE TABLE wards AS SELECT 'A' AS ward, 'B' AS floor")
    hospital.execute("GRANT SELECT ON wards TO scorer_worker")
    plain = without_comments(hospital.job.statements["observations"])
    with_all = f"SELECT given.*, w.* FROM ({plain}) AS given CROSS JOIN public.wards AS w"
    job = replace(hospital.job, statements={**hospital.job.statements, "observations": with_all})
    items = (WorkItem(entity_id="1", as_of=hospital.noon),)
    source = Source.of(Database(hospital.url, hospital.settings))
    try:
        before = source.observations(job, items)
        hospital.execute("ALTER TABLE wards DROP COLUMN floor")
        after = source.observations(job, items)
    finally:
        source.close()
    assert {"ward", "floor"} <= before.extras.keys()
    assert after.extras.keys() == before.extras.keys() - {"floor"}
    assert len(after) == len(before) > 0


def test_a_literal_of_dashes_or_with_a_colon_stays_one(hospital: Any, changed_job: Callable[..., Job]) -> None:
    """A hospital's word for "no unit" is '--': the conditions hold, in a run as in psql."""
    hospital.execute(
        "ALTER TABLE patient_observations ADD unit_text text DEFAULT 'x', ADD result_status text DEFAULT ' :f'"
    )
    hospital.admit(1, 2)
    hospital.execute("UPDATE patient_observations SET unit_text = '--' WHERE observation_type_code = 'HR'")
    hospital.execute("UPDATE patient_observations SET result_status = '--' WHERE observation_type_code = 'RR'")
    job = changed_job(
        (
            "observations.sql",
            "WHERE (COALESCE",
            """WHERE o.unit_text <> '--'
            AND o.result_status <> '--' -- it's no unit; not :released
            AND o.result_status IN ('-', ' :f') AND (COALESCE""",
        )
    )
    items = tuple(WorkItem(entity_id=each, as_of=hospital.noon) for each in ("1", "2"))
    with closing(Source.of(Database(hospital.url, hospital.settings))) as source:
        found = source.observations(job, items)
    assert found.codes == ("SBP", "TEMP")
    assert len(found) == hospital.one(
        "SELECT count(*) FROM patient_observations WHERE unit_text <> '--'\n  AND result_status <> '--'"
    )


def test_a_parameter_may_be_cast_in_postgresqls_own_way(hospital: Any, changed_job: Callable[..., Job]) -> None:
    hospital.admit(1, 2)
    before = hospital.run().counts
    job = changed_job(
        ("due.sql", "CAST(:recheck AS interval)", ":recheck::interval"),
        ("due.sql", "CAST(:as_of AS timestamptz)", ":as_of::timestamptz"),
        ("due.sql", "CAST(:sweep AS boolean)", ":sweep::boolean"),
        ("due.sql", "CAST(:entity_ids AS text [])", ":entity_ids::text[]"),
        ("observations.sql", "CAST(:entity_ids AS bigint [])", ":entity_ids::bigint[]"),
        ("attributes.sql", "CAST(:entity_ids AS bigint [])", ":entity_ids::bigint[]"),
        ("orphans.sql", "CAST(:sweep AS boolean)", ":sweep::boolean"),
    )
    assert hospital.run(job).counts.scored == before.scored == 2


def test_a_statement_may_not_name_what_the_job_does_not_give(hospital: Any, changed_job: Callable[..., Job]) -> None:
    job = changed_job(("observations.sql", "\nWHERE (COALESCE", "\nWHERE o.client <> :stranger AND (COALESCE"))
    with (
        closing(Source.of(Database(hospital.url, hospital.settings))) as source,
        pytest.raises(
            UserError, match=r"^The statement observations of job sepsis names :stranger, which \[parameters\]"
        ),
    ):
        source.observations(job, ())


def test_money_is_refused_by_the_name_of_its_column(hospital: Any, changed_job: Callable[..., Job]) -> None:
    job = changed_job(
        ("attributes.sql", "    v.age_years,", "    CAST(CAST(v.age_years AS numeric) AS money) AS age_years,")
    )
    with (
        closing(Source.of(Database(hospital.url, hospital.settings))) as source,
        pytest.raises(UserError, match="gives age_years as money, which comes without its point; CAST it AS numeric"),
    ):
        source.attributes(job, ())
