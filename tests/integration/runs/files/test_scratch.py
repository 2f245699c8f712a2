"""A scratch database scores as a hospital's own does, keeps nothing of a delivery, and is dropped whoever is killed."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from scorer.config import Settings
from scorer.database.connecting import plain_session
from scorer.database.connection import Database
from scorer.database.embedded.server import Server
from scorer.database.source.load import load
from scorer.database.source.load_tables import File, source_tables
from scorer.errors import UserError
from scorer.jobs.job import Job
from scorer.runs.files.scratch import PREFIX, Models, Scratch, opened_scratch
from scorer.runs.run import run_job
from tests.integration.runs.files.conftest import NOON, OBSERVED, VISITS, admitted, observed, write


def databases(server: Server) -> set[str]:
    with closing(psycopg2.connect(server.url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", (PREFIX,))
        return {name for (name,) in cursor.fetchall()}


def pair(folder: Path, *visit_ids: int) -> list[File]:
    visits, observations, _ = source_tables()
    return [
        File(write(folder / "visits.csv", VISITS, admitted(*visit_ids)), visits),
        File(write(folder / "patient_observations.csv", OBSERVED, observed(*visit_ids)), observations),
    ]


def test_a_delivery_is_scored_to_the_bit_as_a_run_scores_it(
    scratch: Scratch, models: Models, migrated_url: str, settings: Settings, sepsis: Job, tmp_path: Path
) -> None:
    files = pair(tmp_path, *range(1, 31))
    scratch.open(models.model)
    judged = scratch.judge(files, rejects=tmp_path / "rejects.csv", as_of=NOON)
    database = Database(migrated_url, settings)
    with closing(plain_session(database, application_name="test")) as connection:
        load(tmp_path, connection=connection, rejects=tmp_path / "others.csv")
    run_job(sepsis, database=database, as_of=NOON)
    with closing(psycopg2.connect(migrated_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT entity_id, score, risk_band, as_of, valid_until FROM reporting.current_scores")
        found = {entity_id: rest for entity_id, *rest in cursor.fetchall()}
    made = {
        each.entity_id: [each.score, each.risk_band, each.as_of, each.valid_until]
        for each in judged.result.new_outcomes
    }
    assert len(made) == 30
    assert made == found


def test_nothing_of_a_delivery_is_kept_for_the_next(scratch: Scratch, models: Models, tmp_path: Path) -> None:
    scratch.open(models.model)
    for number in range(2):
        judged = scratch.judge(pair(tmp_path, 1, 2, 3), rejects=tmp_path / "rejects.csv", as_of=NOON)
        assert judged.result.counts.scored == 3, number
        assert judged.result.counts.unchanged == 0
    judged = scratch.judge(pair(tmp_path, 7), rejects=tmp_path / "rejects.csv", as_of=NOON)
    assert [each.entity_id for each in judged.result.new_outcomes] == ["7"]
    with scratch.pipeline.session.transaction(keep=False):
        rows = scratch.pipeline.session.execute(
            "SELECT (SELECT count(*) FROM scorer.scores), (SELECT count(*) FROM scorer.work), (SELECT count(*) FROM scorer.runs)",
            {},
        ).one()
    assert tuple(rows) == (0, 0, 0)


def test_what_a_dead_process_left_is_dropped_and_what_a_living_one_has_is_not(
    scratch: Scratch, sepsis: Job, server: Server, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    living = databases(server)
    assert len(living) == 1
    server.make_database(f"{PREFIX}1")
    monkeypatch.setattr("os.getpid", lambda: 2)
    with opened_scratch(sepsis, server=server, settings=settings, tables=()):
        assert databases(server) == living | {f"{PREFIX}2"}
        server.make_database(f"{PREFIX}3")  # as if of one whose last statement had gone on until now
    assert databases(server) == living


def test_the_model_is_that_in_production_where_the_database_has_one(
    migrated_url: str, settings: Settings, sepsis: Job
) -> None:
    found = Models(sepsis, Database(migrated_url, settings))
    assert found.changed()
    assert found.model is not None
    assert found.model.manifest.model_version == sepsis.first_model
    assert not found.changed()
    with closing(psycopg2.connect(migrated_url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("ALTER TABLE scorer.model_versions DISABLE TRIGGER USER")
        cursor.execute("UPDATE scorer.model_versions SET status = 'archived'")
    with pytest.raises(UserError, match="no model in production"):
        found.changed()


def test_a_database_without_a_schema_has_no_model_of_its_own(models: Models) -> None:
    assert not models.changed()
    assert models.model is None
