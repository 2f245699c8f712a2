"""The tables that a job's statements name, whatever else stands in them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scorer.jobs.job import Job
from scorer.jobs.source_tables import source_tables, tables_of


def read(job: Job, due: str, **more: str) -> list[str]:
    """The tables of a job with these statements alone, as schema.name."""
    return [".".join(table) for table in source_tables(replace(job, statements={"due": due, **more}))]


def test_those_of_the_shipped_job(sepsis: Job) -> None:
    assert source_tables(sepsis) == (("public", "patient_observations"), ("public", "visits"))


@pytest.mark.parametrize(
    ("due", "tables"),
    [
        ("SELECT 1 FROM Public.Visits", ["public.visits"]),
        ('SELECT 1 FROM "Ward A"."Über""sicht" AS x', ['Ward A.Über"sicht']),
        ("SELECT 1 FROM ONLY a.b LEFT JOIN c.d ON true CROSS JOIN LATERAL e.f", ["a.b", "c.d", "e.f"]),
        ("WITH x AS (SELECT 1 FROM a.b) SELECT 1 FROM x JOIN (SELECT 1 FROM c.d) AS y ON true", ["a.b", "c.d"]),
        ("SELECT extract(year FROM v.born), trim(BOTH FROM v.name), substring(v.a FROM v.b) FROM a.v", ["a.v"]),
        ("SELECT v.a IS DISTINCT FROM v.b FROM a.v", ["a.v"]),
        ("SELECT 1 FROM a.f(1) JOIN unnest(:entity_ids) AS k ON true", []),
        ("SELECT 'x FROM a.b' -- FROM c.d\n, E'it\\'s FROM e.f', $q$ FROM g.h $q$ /* FROM i.j */ FROM k.l", ["k.l"]),
        ("SELECT 1 FROM visits JOIN scorer.runs ON true JOIN pg_catalog.pg_class ON true", []),
        (
            "SELECT 1 FROM a.b WHERE EXISTS (SELECT FROM c.d) AND x = ANY (ARRAY(SELECT y FROM e.f))",
            ["a.b", "c.d", "e.f"],
        ),
        ("FROM", []),
        (")) SELECT 1 FROM a.b", ["a.b"]),
    ],
)
def test_a_table_stands_after_from_and_join_alone(sepsis: Job, due: str, tables: list[str]) -> None:
    assert read(sepsis, due) == tables


def test_what_a_job_writes_is_no_source(sepsis: Job) -> None:
    assert read(sepsis, "SELECT 1 FROM a.b", write_back="UPDATE c.d SET x = 1 FROM e.f") == ["a.b"]


def test_those_of_some_statements_alone(sepsis: Job) -> None:
    job = replace(sepsis, statements={"due": "SELECT 1 FROM a.b", "source_faults": "SELECT 1 FROM c.d"})
    assert tables_of(job, ("source_faults", "views")) == (("c", "d"),)
