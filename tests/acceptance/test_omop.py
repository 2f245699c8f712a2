"""A job over an OMOP CDM, from `scorer job new` to scores, typed as an operator types it."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from scorer.config import shipped_root
from scorer.database.source.load import load
from scorer.database.source.sample import generate, write
from tests.cohorts import omop

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
VISITS = 60


@pytest.fixture
def call(migrated_url: str, tmp_path: Path, program: Any) -> Callable[..., Any]:
    """Calls the command on a database with a CDM, with a folder for jobs."""
    facts = json.loads((shipped_root() / "sql" / "sepsis" / "cohort.json").read_text(encoding="utf-8"))
    write(generate(facts, visits=VISITS, seed=3, first_visit=1, now=NOW), tmp_path)
    with closing(psycopg2.connect(migrated_url)) as connection:
        load(tmp_path, connection=connection, rejects=tmp_path / "rejects.csv")
        omop.convert(connection)
    environment = {
        "SCORER_DATABASE_URL": migrated_url,
        "SCORER_HOME": str(tmp_path / "home"),
        "SCORER_JOBS_DIR": str(tmp_path / "jobs"),
    }

    def act(*arguments: str, code: int = 0, **more: str) -> Any:
        done = program(*arguments, environment=environment | more)
        assert done.code == code, done.err
        if code:
            assert done.err.startswith("scorer: ")
            assert done.err.count("\n") == 1
        return done

    return act


def query(url: str, statement: str) -> list[tuple[Any, ...]]:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def test_from_a_new_job_to_scores_of_a_cdm(call: Callable[..., Any], migrated_url: str, tmp_path: Path) -> None:
    before = query(
        migrated_url, "SELECT count(*), sum(value_as_number) FROM cdm.measurement WHERE value_as_number < 1e6"
    )
    made = call("job", "new", "sepsis_omop", "--like", "sepsis", "--source", "omop").out
    assert "Left out: write_back: a CDM is not written to; read reporting.sepsis_omop_predictions." in made
    assert "Its times are taken as UTC, its concepts as concepts.csv has them" in made
    enabled = call("job", "enable", "sepsis_omop").out
    assert "views and first model are in place" in enabled
    checked = json.loads(call("job", "check", "sepsis_omop", "--json").out)
    assert checked["holds"], [line for line in checked["lines"] if not line["holds"]]
    assert "not compared: cdm.concept is not there" in {line["found"] for line in checked["lines"]}
    first = json.loads(call("run", "sepsis_omop", "--as-of", NOW.isoformat(), "--json").out)
    assert first["status"] == "succeeded"
    assert first["eligible"] == VISITS
    assert first["scored"] > VISITS / 2
    shown = query(migrated_url, "SELECT count(*), count(DISTINCT risk_level) FROM reporting.sepsis_omop_predictions")
    assert shown[0][0] == first["scored"]
    again = json.loads(call("run", "sepsis_omop", "--as-of", NOW.isoformat(), "--json").out)
    assert (again["scored"], again["failed"]) == (0, 0)
    assert again["unchanged"] == first["scored"]
    after = query(
        migrated_url, "SELECT count(*), sum(value_as_number) FROM cdm.measurement WHERE value_as_number < 1e6"
    )
    assert after == before
    assert "does not name :known_ats" in call("run", "sepsis_omop", "--as-known-at", NOW.isoformat(), code=1).err


def test_a_worker_may_not_write_the_cdm(call: Callable[..., Any], migrated_url: str) -> None:
    call("job", "new", "sepsis_omop", "--like", "sepsis", "--source", "omop")
    call("job", "enable", "sepsis_omop")
    with closing(psycopg2.connect(migrated_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SET ROLE scorer_worker; SELECT count(*) FROM cdm.measurement")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("UPDATE cdm.measurement SET value_as_number = 0")


def test_what_is_wrong_is_one_sentence(call: Callable[..., Any], tmp_path: Path) -> None:
    assert "Say --like with --source" in call("job", "new", "x", "--source", "omop", code=1).err
    assert (
        "Nobody has said how job churn reads a CDM"
        in call("job", "new", "x", "--like", "churn", "--source", "omop", code=1).err
    )
    call("job", "new", "sepsis_omop", "--like", "sepsis", "--source", "omop")
    assert (
        'There is a job "sepsis_omop" already'
        in call("job", "new", "sepsis_omop", "--like", "sepsis", "--source", "omop", code=1).err
    )
    concepts = tmp_path / "jobs" / "sql" / "sepsis_omop" / "concepts.csv"
    good = concepts.read_text()
    last = good.count("\n") + 1
    for line, words in (
        ("HR,8867-4,3027018,,,1,0", f"line {last}: concept 3027018 (HR) has no unit"),
        ("PULSE,8867-4,3027018,/min,0,1,0", f'line {last}: "PULSE" is none of the codes'),
        ("HR,8867-4,3027018,/min,8541,1,0", f"line {last}: concept 3027018 (HR) has unit 8541 in line 2 already"),
        ("HR,8867-4,3027018,/min,0,x,0", f'line {last}: the factor of concept 3027018 (HR) is "x"'),
    ):
        concepts.write_text(f"{good}{line}\n")
        assert words in call("run", "sepsis_omop", code=1).err
        assert words in call("job", "check", "sepsis_omop", code=1).out
    concepts.write_text(good.replace(",offset\n", ",shift\n", 1))
    assert "line 1: the columns must be" in call("run", "sepsis_omop", code=1).err
