"""One bad entity never stops a batch: it is held by name, with the cause in words, and all others are scored."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from scorer.config import shipped_root
from scorer.database import schema
from scorer.database.connection import Database
from scorer.database.embedded.server import Server
from scorer.database.session import engine
from scorer.database.source.reader import Source
from scorer.evaluation.landmarks import read_landmarks
from scorer.jobs.job import Job
from scorer.registry import registration

TO_TEXT = """
    ALTER TABLE patient_observations
        ALTER COLUMN observation_value TYPE text USING observation_value::text,
        ALTER COLUMN reference_range_max TYPE varchar(20) USING reference_range_max::text
"""
CAST = (
    "observations.sql",
    "    o.observation_value,",
    "    CAST(o.observation_value AS double precision) AS observation_value,",
)


# Text where numbers belong


@pytest.mark.parametrize("text", ["<0.01", "", "hemolyzed", "1,5"])
def test_one_text_among_numbers_is_left_out_and_told(hospital: Any, text: str) -> None:
    hospital.admit(1, 2)
    hospital.run()
    before = hospital.scores()
    hospital.execute(TO_TEXT)
    assert hospital.run().counts.unchanged == 2
    row = hospital.observe(2, observation_value=text, reference_range_max="see sheet")
    assert hospital.run().counts.scored == 1
    assert hospital.scores() == before
    assert hospital.open_findings() == [
        ("2", "range_is_number", "warn", str(row), "HR 'see sheet'"),
        ("2", "value_present", "drop", str(row), f"HR '{text}'"),
    ]
    hospital.execute(
        "UPDATE patient_observations SET observation_value = ' 75.5 ', reference_range_max = '100' WHERE observation_id = %s",
        row,
    )
    hospital.run()
    assert hospital.open_findings() == []


def test_a_text_that_no_rule_of_the_suite_refuses_is_left_out_all_the_same(
    hospital: Any, changed_job: Callable[..., Job]
) -> None:
    def forget(rules: list[dict[str, Any]]) -> None:
        rules[:] = [rule for rule in rules if rule["meta"]["rule"] != "value_present"]

    job = changed_job(suites={"observations": forget})
    hospital.execute(TO_TEXT)
    hospital.admit(1)
    row = hospital.observe(1, observation_value="<0.01")
    hospital.run(job)
    assert hospital.open_findings() == [("1", "value_is_number", "drop", str(row), "HR '<0.01'")]
    assert hospital.one("SELECT observations_dropped FROM scorer.batches") == 1


def test_training_leaves_out_what_scoring_leaves_out(hospital: Any, source: Source) -> None:
    hospital.admit(1, 2, discharged_at=hospital.noon)
    before = read_landmarks(hospital.job, source)
    hospital.execute(TO_TEXT)
    hospital.observe(2, hours_ago=5, observation_value="<0.01")
    after = read_landmarks(hospital.job, source)
    assert after.features.values.tobytes() == before.features.values.tobytes()
    assert after.read.sum() > before.read.sum()
    assert (after.used == before.used).all()


# What a statement of the job's cannot take


@pytest.mark.parametrize("bad", [1, 25, 30])
def test_a_cast_that_fails_holds_those_whose_data_it_is(
    hospital: Any, changed_job: Callable[..., Job], caplog: pytest.LogCaptureFixture, bad: int
) -> None:
    hospital.execute(TO_TEXT)
    hospital.admit(*range(1, 31))
    for visit in range(1, bad + 1):
        hospital.observe(visit, observation_value="<0.01")
    job = changed_job(CAST)
    with caplog.at_level(logging.WARNING):
        counts = hospital.run(job).counts
    assert (counts.scored, counts.quarantined, counts.failed) == (30 - bad, bad, 0)
    cause = "invalid text representation (SQLSTATE 22P02)"
    assert hospital.status(1) == ("QUARANTINED", f"data_readable: {cause}")
    found = hospital.open_findings()
    assert len(found) == bad
    sentence = (
        f"The statement observations of job sepsis meets data that it cannot take: {cause}; mend the data, or have the statement "
        "allow for them."
    )
    assert found[0] == ("1", "data_readable", "quarantine", "", sentence)
    assert "0.01" not in caplog.text
    told = [vars(record)["fields"] for record in caplog.records if "cannot take" in record.getMessage()]
    assert [fields["entities"] for fields in told] == [bad]

    caplog.clear()
    hospital.run(job)
    assert not [record for record in caplog.records if "cannot take" in record.getMessage()], "told once"
    assert hospital.ledger(1) == ["QUARANTINED"]
    hospital.execute("UPDATE patient_observations SET observation_value = '75.5' WHERE observation_value = '<0.01'")
    assert hospital.run(job).counts.scored == bad
    assert hospital.open_findings() == []


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("(SELECT x FROM (VALUES (1.0), (2.0)) AS t (x) WHERE v.visit_id = 2 OR x = 1.0)", "cardinality violation"),
        ("1.0 / (v.visit_id - 2)", "division by zero"),
        ("CAST(10.0 ^ (v.visit_id * 200) AS double precision)", "numeric value out of range"),
        ("public.refuse(v.visit_id)", "raise exception"),
    ],
)
def test_whatever_the_data_make_of_a_statement_holds_one_visit(
    hospital: Any, changed_job: Callable[..., Job], expression: str, words: str
) -> None:
    hospital.execute(
        "CREATE FUNCTION public.refuse(visit bigint) RETURNS double precision LANGUAGE plpgsql AS $$ BEGIN "
        "IF visit = 2 THEN RAISE 'patient % is not for you', visit; END IF; RETURN 1; END $$"
    )
    hospital.admit(1, 2, 3)
    job = changed_job(("attributes.sql", "    v.hours_before_icu", f"    {expression} AS hours_before_icu"))
    counts = hospital.run(job).counts
    if words == "numeric value out of range":  # 10 ^ 400 and 10 ^ 600
        assert (counts.scored, counts.quarantined) == (1, 2)
    else:
        assert (counts.scored, counts.quarantined) == (2, 1)
    status, reason = hospital.status(2)
    assert status == "QUARANTINED"
    assert words in reason
    assert "not for you" not in "".join(map(str, hospital.open_findings()))


# An entity that the source gives twice


def test_a_visit_that_is_there_twice_is_held_and_the_others_are_scored(hospital: Any) -> None:
    hospital.admit(1, 2, 3)
    hospital.run()
    hospital.execute("ALTER TABLE visits DROP CONSTRAINT visits_pkey CASCADE")
    hospital.execute("INSERT INTO visits SELECT * FROM visits WHERE visit_id = 2")
    hospital.observe(1)
    hospital.observe(3)
    counts = hospital.run().counts
    assert (counts.scored, counts.quarantined) == (2, 1)
    assert hospital.status(2) == ("QUARANTINED", "one_row")
    assert (
        "2",
        "one_row",
        "quarantine",
        "",
        "two rows or more in the attributes statement",
    ) in hospital.open_findings()
    hospital.execute("DELETE FROM visits WHERE ctid = (SELECT max(ctid) FROM visits WHERE visit_id = 2)")
    hospital.run()
    assert hospital.statuses() == dict.fromkeys("123", "SCORED")
    assert hospital.open_findings() == []


def test_training_leaves_a_visit_out_that_is_there_twice(hospital: Any, source: Source) -> None:
    hospital.admit(1, 2, discharged_at=hospital.noon)
    hospital.execute("ALTER TABLE visits DROP CONSTRAINT visits_pkey CASCADE")
    hospital.execute("INSERT INTO visits SELECT * FROM visits WHERE visit_id = 2")
    landmarks = read_landmarks(hospital.job, source)
    assert set(landmarks.entity_ids[landmarks.scorable]) == {"1"}


# Text that is not what the database says


@pytest.fixture
def in_ascii(server: Server, tmp_path: Path, hospital: Any) -> Iterator[Any]:
    """A hospital whose database has the encoding SQL_ASCII."""
    with closing(psycopg2.connect(server.url)) as connection:
        connection.autocommit = True
        connection.cursor().execute("CREATE DATABASE of_any_bytes ENCODING SQL_ASCII LOCALE 'C' TEMPLATE template0")
        database = Database(server.url.replace("/scorer?", "/of_any_bytes?", 1), hospital.settings)
        with closing(psycopg2.connect(database.url)) as made, made, made.cursor() as cursor:
            for table in ("visits", "patient_observations", "outcomes"):
                cursor.execute((shipped_root() / "sql" / "source" / f"create_{table}.sql").read_text())
        schema.upgrade(engine(database.as_login()))
        registration.install_jobs(database=database)
        registration.grant_source(database=database)
        other = replace(hospital, url=database.url, _connection=None)
        yield other
        other.close()
        connection.cursor().execute("DROP DATABASE of_any_bytes WITH (FORCE)")


def test_text_that_is_not_utf8_holds_its_visit_and_names_the_encoding(in_ascii: Any) -> None:
    in_ascii.admit(1, 2)
    in_ascii.execute("UPDATE visits SET unit = E'S\\xfcd' WHERE visit_id = 2")
    counts = in_ascii.run().counts
    assert (counts.scored, counts.quarantined) == (1, 1)
    cause = "its text is not UTF-8 (the database's encoding is SQL_ASCII)"
    assert in_ascii.status(2) == ("QUARANTINED", f"data_readable: {cause}")
