"""The check of a job's times: a column without a zone is found wherever a statement leaves its zone to the session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scorer.checks.check import check
from scorer.checks.times import check_times
from scorer.database.connection import Database
from scorer.errors import UserError
from scorer.jobs.job import Job

BERLIN = "AT TIME ZONE 'Europe/Berlin'"


@pytest.fixture
def times_of(ward: Any, tmp_path: Path) -> Callable[[], str]:
    """Checks the shipped job, or the changed one where there is one."""

    def give() -> str:
        site = tmp_path / "site"
        settings = replace(ward.settings, jobs_dir=site) if site.exists() else ward.settings
        return check_times("sepsis", database=Database(ward.url, settings))

    return give


def without_zones(ward: Any, table: str, *columns: str) -> None:
    ward.execute("DROP VIEW reporting.sepsis_predictions")
    for column in columns:
        ward.execute(f"ALTER TABLE public.{table} ALTER COLUMN {column} TYPE timestamp")


def test_the_shipped_statements_leave_no_zone_open(times_of: Callable[[], str]) -> None:
    found = times_of()
    for statement in (
        "due",
        "requested",
        "observations",
        "attributes",
        "orphans",
        "landmarks",
        "write_back",
        "take_back",
    ):
        assert statement in found
    assert "could not" not in found


def test_columns_without_a_zone_are_found_before_any_run(ward: Any, times_of: Callable[[], str]) -> None:
    without_zones(ward, "visits", "admitted_at", "discharged_at")
    with pytest.raises(
        UserError, match=r"public\.visits\.admitted_at.*taken as UTC; write AT TIME ZONE 'Europe/Berlin'"
    ):
        times_of()
    results = {each.name: each for each in check(database=Database(ward.url, ward.settings))}
    assert not results["job sepsis times"].holds
    assert results["job sepsis times"].blocks
    assert results["job sepsis times"].job == "sepsis"


def test_a_column_that_is_given_without_a_zone_is_found(
    ward: Any, changed_job: Callable[..., Job], times_of: Callable[[], str]
) -> None:
    ward.execute("ALTER TABLE public.visits ADD COLUMN first_seen timestamp")
    changed_job(("attributes.sql", "v.client", "v.first_seen,\n    v.client"))
    with pytest.raises(
        UserError, match="The statement attributes of job sepsis gives the column first_seen without a time zone"
    ):
        times_of()


@pytest.mark.parametrize(
    "expression",
    [
        "v.seen < k.as_of",
        "k.as_of >= v.seen",
        "CAST(v.seen AS timestamptz) IS NOT NULL",
        "COALESCE(v.seen, k.as_of) IS NOT NULL",
        "v.seen BETWEEN k.as_of AND k.as_of",
        "v.seen IN (SELECT now())",
        "v.seen < LOCALTIMESTAMP",
        "v.seen < CAST(k.as_of AS timestamp)",
        "GREATEST(v.seen, now()) IS NOT NULL",
        "v.visit_id IN (SELECT s.visit_id FROM public.seen AS s WHERE s.at > '2026-01-01')",
    ],
)
def test_a_comparison_that_needs_the_sessions_zone_is_found(
    ward: Any, changed_job: Callable[..., Job], times_of: Callable[[], str], expression: str
) -> None:
    ward.execute("ALTER TABLE public.visits ADD COLUMN seen timestamp")
    ward.execute("CREATE VIEW public.seen AS SELECT visit_id, CAST(seen AS timestamptz) AS at FROM public.visits")
    ward.execute("GRANT SELECT ON public.seen TO scorer_worker")
    changed_job(("attributes.sql", "v.client", f"({expression})::integer AS seen,\n    v.client"))
    with pytest.raises(UserError, match=r"The statement attributes of job sepsis reads public\.visits\.seen without"):
        times_of()


@pytest.mark.parametrize(
    "expression",
    [
        f"v.seen {BERLIN} < k.as_of",
        f"v.seen < k.as_of {BERLIN}",
        "v.seen < TIMESTAMP '2026-01-01'",
        "v.seen - interval '1 day' > v.seen",
        "EXTRACT(epoch FROM v.seen) > 0",
    ],
)
def test_a_statement_that_says_the_zone_is_let_be(
    ward: Any, changed_job: Callable[..., Job], times_of: Callable[[], str], expression: str
) -> None:
    ward.execute("ALTER TABLE public.visits ADD COLUMN seen timestamp")
    changed_job(("attributes.sql", "v.client", f"({expression})::integer AS seen,\n    v.client"))
    assert "attributes" in times_of()


def test_a_time_that_is_written_back_without_a_zone_is_found(ward: Any, times_of: Callable[[], str]) -> None:
    without_zones(ward, "visits", "scored_at")
    with pytest.raises(UserError, match=r"The statement write_back of job sepsis reads public\.visits\.scored_at"):
        times_of()


def test_a_statement_that_cannot_be_looked_into_is_told(
    ward: Any, changed_job: Callable[..., Job], times_of: Callable[[], str]
) -> None:
    changed_job(("attributes.sql", "v.client", "v.no_such_column,\n    v.client"))
    assert times_of().endswith("could not be looked into: attributes")
