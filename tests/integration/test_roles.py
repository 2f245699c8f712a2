"""Who may do what: logins of each role, connected for real, try what they may and what they must not."""

from __future__ import annotations

import itertools
import json
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from scorer import cli, schema
from scorer.cohort import generate, write
from scorer.config import Settings
from scorer.connection import Target
from scorer.embedded import Server
from scorer.errors import UserError
from scorer.job import Job, shipped_root
from scorer.load import load
from scorer.runs import run_job
from scorer.session import engine

PASSWORD = "only-for-tests"
NOW = datetime(2025, 6, 1, tzinfo=UTC)
REPORTS = ("current_scores", "score_history", "runs", "quarantine", "validation", "models", "sepsis_predictions")
ROLES = ("owner", "worker", "approver", "requester", "reader")

Denied = psycopg2.errors.InsufficientPrivilege
_numbers = itertools.count(1)


def run_sql(url: str, text: str, *parameters: object) -> list[tuple[Any, ...]]:
    """What the statement gives, committed."""
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(text, parameters or None)
        return list(cursor.fetchall()) if cursor.description else []


@pytest.fixture(scope="module")
def logins(server: Server, template: str) -> dict[str, str]:
    """A login for each role, which has nothing else, and one that has nothing: names by role."""
    made = {role: f"roles_{role}_{next(_numbers)}" for role in (*ROLES, "nobody")}
    for role, name in made.items():
        run_sql(server.url, f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'")
        if role != "nobody":
            run_sql(server.url, f"GRANT scorer_{role} TO {name}")
    return made


@pytest.fixture(scope="module")
def url(make_database: Callable[[str], str], template: str) -> str:
    """A database with a visit, its score in the ledger, and a candidate; shared, since what is refused leaves no trace."""
    made = make_database(template)
    run_sql(made, "INSERT INTO public.visits (visit_id, client, admitted_at) VALUES (1, 'a', '2025-05-31')")
    run_sql(made, "INSERT INTO scorer.job_versions (job, job_version, definition) VALUES ('j', 'v', '{}')")
    run_sql(
        made,
        "INSERT INTO scorer.runs (job, job_version, trigger, as_of, as_known_at, scorer_version) "
        "VALUES ('j', 'v', 'manual', now(), now(), '0')",
    )
    run_sql(made, LEDGER_ROW.format(run_id=1))
    run_sql(
        made,
        "INSERT INTO scorer.model_versions (job, model_version, sha256, manifest) VALUES ('j', 'one', repeat('0', 64), '{}')",
    )
    return made


LEDGER_ROW = (
    "INSERT INTO scorer.scores (job, entity_id, output, run_id, batch_id, task, status, score, as_of, as_known_at, "
    "valid_until, input_hash, features, model_version, job_version) "
    "VALUES ('j', '1', 'score', {run_id}, 1, 'binary', 'SCORED', 0.5, now(), now(), now(), '', '', 'm', 'v')"
)


@pytest.fixture
def tries(url: str, logins: dict[str, str]) -> Iterator[Callable[[str, str], list[tuple[Any, ...]]]]:
    """Runs a statement as the login of a role, and rolls it back."""
    with_closing: list[Any] = []

    def attempt(role: str, text: str) -> list[tuple[Any, ...]]:
        connection = psycopg2.connect(as_login(url, logins[role]))
        with_closing.append(connection)
        with connection.cursor() as cursor:
            cursor.execute(text)
            return list(cursor.fetchall()) if cursor.description else []

    yield attempt
    for connection in with_closing:
        connection.close()


@pytest.fixture
def promote(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[[str, str, str], tuple[int, str]]]:
    """Runs `scorer model promote` in a database; its exit code and what it said on stderr."""
    handlers = list(logging.getLogger().handlers)

    def command(url: str, job: str, version: str) -> tuple[int, str]:
        monkeypatch.setenv("SCORER_DATABASE_URL", url)
        with pytest.raises(SystemExit) as ended:
            cli.main(["model", "promote", job, version, "--why", "is well"])
        assert isinstance(ended.value.code, int)
        return ended.value.code, capsys.readouterr().err

    yield command
    logging.getLogger().handlers[:] = handlers


def as_login(url: str, name: str, password: str = PASSWORD) -> str:
    return re.sub(r"//\w+@", f"//{name}:{password}@", url)


def tables(url: str, schema_name: str) -> list[str]:
    return [
        f"{schema_name}.{name}"
        for (name,) in run_sql(url, "SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY 1", schema_name)
    ]


def test_logins_are_asked_for_their_password(url: str, logins: dict[str, str]) -> None:
    assert run_sql(as_login(url, logins["reader"]), "SELECT session_user") == [(logins["reader"],)]
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(as_login(url, logins["reader"], "another"))


def test_the_roles_themselves_can_neither_log_in_nor_do_more(url: str) -> None:
    roles = run_sql(
        url,
        "SELECT rolname, rolcanlogin OR rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls "
        "FROM pg_roles WHERE rolname LIKE 'scorer\\_%%' ORDER BY 1",
    )
    assert roles == [(f"scorer_{role}", False) for role in sorted(ROLES)]


def test_public_may_nothing(url: str, tries: Any) -> None:
    for name in (*tables(url, "scorer"), *(f"reporting.{view}" for view in REPORTS), *tables(url, "public")):
        with pytest.raises(Denied):
            tries("nobody", f"SELECT 1 FROM {name}")
    with pytest.raises(Denied):
        tries("nobody", "SELECT scorer.move_model('j', 'one', 'staging', 'why')")


# The reader


@pytest.mark.parametrize("view", REPORTS)
def test_a_reader_reads_the_reports(tries: Any, view: str) -> None:
    tries("reader", f"SELECT * FROM reporting.{view}")


def test_a_reader_reads_nothing_else(url: str, tries: Any) -> None:
    for name in (*tables(url, "scorer"), *tables(url, "public")):
        with pytest.raises(Denied):
            tries("reader", f"SELECT 1 FROM {name}")


def test_a_reader_writes_nothing(tries: Any) -> None:
    for text in (
        "INSERT INTO scorer.requests (job, entity_id) VALUES ('j', '1')",
        "DELETE FROM reporting.runs",
        "UPDATE reporting.current_scores SET score = 0",
        "SELECT scorer.move_model('j', 'one', 'staging', 'why')",
        "CREATE TABLE reporting.mine (a int)",
        "CREATE TABLE scorer.mine (a int)",
    ):
        with pytest.raises(Denied):
            tries("reader", text)


# The worker


def test_a_worker_appends_to_the_ledger(tries: Any) -> None:
    tries("worker", LEDGER_ROW.format(run_id=2))


@pytest.mark.parametrize(
    "text",
    [
        "UPDATE scorer.scores SET score = 0",
        "DELETE FROM scorer.scores",
        "TRUNCATE scorer.scores",
        "TRUNCATE scorer.scores CASCADE",
        "ALTER TABLE scorer.scores DISABLE TRIGGER ALL",
        "ALTER TABLE scorer.scores DISABLE TRIGGER scores_append_only",
        "DROP TRIGGER scores_append_only ON scorer.scores",
        "DROP TABLE scorer.scores",
        "SET session_replication_role = 'replica'",
        "CREATE OR REPLACE FUNCTION scorer.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
        "MERGE INTO scorer.scores AS s USING (SELECT 1) AS o ON true WHEN MATCHED THEN UPDATE SET score = 0",
        "INSERT INTO scorer.scores OVERRIDING SYSTEM VALUE SELECT * FROM scorer.scores ON CONFLICT (score_id) DO UPDATE SET score = 0",
        "SELECT * FROM scorer.scores FOR UPDATE",
    ],
)
def test_a_worker_never_changes_the_ledger(tries: Any, text: str) -> None:
    with pytest.raises(Denied):
        tries("worker", text)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT scorer.move_model('j', 'one', 'staging', 'why')",
        "UPDATE scorer.model_versions SET status = 'staging'",
        "DELETE FROM scorer.model_versions",
        "INSERT INTO scorer.model_versions (job, model_version, sha256, manifest, status) VALUES ('j', 'two', '', '{}', 'production')",
        "INSERT INTO scorer.model_versions (job, model_version, sha256, manifest, registered_by) VALUES ('j', 'two', '', '{}', 'x')",
        "INSERT INTO scorer.model_events (job, model_version, to_status, why) VALUES ('j', 'one', 'production', 'why')",
    ],
)
def test_a_worker_never_promotes_a_model(tries: Any, text: str) -> None:
    with pytest.raises(Denied):
        tries("worker", text)


def test_a_worker_registers_a_candidate(url: str, logins: dict[str, str]) -> None:
    run_sql(
        as_login(url, logins["worker"]),
        "INSERT INTO scorer.model_versions (job, model_version, sha256, manifest) VALUES ('k', 'a', repeat('0', 64), '{}')",
    )
    found = run_sql(url, "SELECT status, registered_by FROM scorer.model_versions WHERE job = 'k'")
    assert found == [("candidate", logins["worker"])]
    told = run_sql(url, "SELECT from_status, to_status, done_by FROM scorer.model_events WHERE job = 'k'")
    assert told == [(None, "candidate", logins["worker"])]


def test_a_worker_writes_three_columns_of_visits(url: str, tries: Any) -> None:
    tries("worker", "UPDATE public.visits SET sepsis_score = 0.5, risk_level = 'MEDIUM', scored_at = now()")
    columns = [
        name
        for (name,) in run_sql(
            url, "SELECT attname FROM pg_attribute WHERE attrelid = 'public.visits'::regclass AND attnum > 0"
        )
    ]
    assert len(columns) == 11
    for column in set(columns) - {"sepsis_score", "risk_level", "scored_at"}:
        with pytest.raises(Denied):
            tries("worker", f"UPDATE public.visits SET {column} = NULL")
    for table in tables(url, "public"):
        tries("worker", f"SELECT * FROM {table}")
        for text in (f"DELETE FROM {table}", f"INSERT INTO {table} DEFAULT VALUES", f"TRUNCATE {table}"):
            with pytest.raises(Denied):
                tries("worker", text)
    with pytest.raises(Denied):
        tries("worker", "UPDATE public.patient_observations SET observation_value = 0")


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE scorer.mine (a int)",
        "CREATE VIEW reporting.mine AS SELECT 1",
        "CREATE SCHEMA mine",
        "CREATE ROLE mine",
        "ALTER TABLE scorer.runs ADD COLUMN a int",
        "DROP VIEW reporting.runs",
        "DROP TABLE scorer.work",
        "SET ROLE scorer_owner",
        "SET ROLE scorer_approver",
        "UPDATE scorer.alembic_version SET version_num = '0'",
        "DELETE FROM scorer.runs",
        "DELETE FROM scorer.batches",
        "UPDATE scorer.batches SET scored = 0",
        "DELETE FROM scorer.rejections",
        "UPDATE scorer.job_versions SET definition = '{}'",
        "DELETE FROM scorer.validation_results",
        "UPDATE scorer.validation_results SET success = true",
        "DELETE FROM scorer.current_scores",
    ],
)
def test_a_worker_defines_nothing_and_removes_no_record(tries: Any, text: str) -> None:
    with pytest.raises(Denied):
        tries("worker", text)


# The approver


def test_an_approver_moves_a_model_and_is_named(url: str, logins: dict[str, str]) -> None:
    as_approver = as_login(url, logins["approver"])
    run_sql(
        url,
        "INSERT INTO scorer.model_versions (job, model_version, sha256, manifest) VALUES ('p', 'a', repeat('0', 64), '{}')",
    )
    with pytest.raises(psycopg2.errors.CheckViolation, match="cannot go from candidate to production"):
        run_sql(as_approver, "SELECT scorer.move_model('p', 'a', 'production', 'in haste')")
    with pytest.raises(psycopg2.errors.CheckViolation, match="a reason is needed"):
        run_sql(as_approver, "SELECT scorer.move_model('p', 'a', 'staging', ' ')")
    run_sql(as_approver, "SELECT scorer.move_model('p', 'a', 'staging', 'looks well')")
    run_sql(as_approver, "SET ROLE scorer_approver; SELECT scorer.move_model('p', 'a', 'production', 'is well')")
    told = run_sql(
        as_approver, "SELECT to_status, done_by, why FROM scorer.model_events WHERE job = 'p' ORDER BY event_id"
    )
    assert told[1:] == [
        ("staging", logins["approver"], "looks well"),
        ("production", logins["approver"], "is well"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "UPDATE scorer.model_versions SET status = 'staging'",
        "INSERT INTO scorer.model_versions (job, model_version, sha256, manifest) VALUES ('j', 'x', repeat('0', 64), '{}')",
        "DELETE FROM scorer.model_versions",
        "INSERT INTO scorer.model_events (job, model_version, to_status, why) VALUES ('j', 'one', 'production', 'why')",
        "UPDATE scorer.model_events SET why = 'another'",
        "SELECT * FROM scorer.scores",
        "SELECT * FROM scorer.current_scores",
        "UPDATE scorer.runs SET status = 'failed'",
        "INSERT INTO scorer.requests (job, entity_id) VALUES ('j', '1')",
        "SELECT * FROM public.visits",
        "SET ROLE scorer_worker",
    ],
)
def test_an_approver_does_nothing_else(tries: Any, text: str) -> None:
    with pytest.raises(Denied):
        tries("approver", text)


def test_names_laid_in_the_way_do_not_mislead_the_owners_functions(url: str, logins: dict[str, str]) -> None:
    """What a caller puts into its own temporary schema or search path is not what a SECURITY DEFINER function finds."""
    with closing(psycopg2.connect(as_login(url, logins["approver"]))) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE FUNCTION pg_temp.btrim(text) RETURNS text LANGUAGE sql AS $$ SELECT 'a reason' $$")
        cursor.execute("SET search_path = pg_temp, scorer, pg_catalog")
        with pytest.raises(psycopg2.errors.CheckViolation, match="a reason is needed"):
            cursor.execute("SELECT scorer.move_model('j', 'one', 'staging', '')")


def test_the_command_promotes_as_an_approver(url: str, logins: dict[str, str], promote: Any) -> None:
    run_sql(
        url,
        "INSERT INTO scorer.model_versions (job, model_version, sha256, manifest) VALUES ('c', 'a', repeat('0', 64), '{}')",
    )
    assert promote(as_login(url, logins["approver"]), "c", "a") == (0, "")
    assert run_sql(url, "SELECT status FROM scorer.model_versions WHERE job = 'c'") == [("production",)]


@pytest.mark.parametrize("role", ["worker", "reader", "requester", "nobody"])
def test_the_command_promotes_as_nobody_else(url: str, logins: dict[str, str], role: str, promote: Any) -> None:
    code, said = promote(as_login(url, logins[role]), "j", "one")
    assert code == 1
    assert said.startswith("scorer: A privilege is missing")
    assert said.count("\n") == 1


# The requester


def test_a_requester_asks_and_sees_what_was_asked(url: str, logins: dict[str, str]) -> None:
    as_requester = as_login(url, logins["requester"])
    run_sql(as_requester, "INSERT INTO scorer.requests (job, entity_id) VALUES ('j', '1')")
    found = run_sql(as_requester, "SELECT job, entity_id, status, requested_by, score_id FROM reporting.requests")
    assert found == [("j", "1", "waiting", logins["requester"], None)]


def test_a_requester_sees_no_request_of_another_and_the_readers_see_all(
    server: Server, url: str, logins: dict[str, str]
) -> None:
    other = f"roles_other_{next(_numbers)}"
    run_sql(server.url, f"CREATE ROLE {other} LOGIN PASSWORD '{PASSWORD}' IN ROLE scorer_requester")
    ((asked,),) = run_sql(as_login(url, other), "SELECT scorer.request_score('j', '1')")
    mine = f"SELECT requested_by FROM reporting.requests WHERE request_id = {asked}"
    assert run_sql(as_login(url, other), mine) == [(other,)]
    assert run_sql(as_login(url, logins["requester"]), mine) == []
    for role in ("worker", "approver", "reader"):
        assert run_sql(as_login(url, logins[role]), mine) == [(other,)]
    everybodys = "SELECT sum(waiting) FROM reporting.request_statistics"
    assert run_sql(as_login(url, logins["requester"]), everybodys) == run_sql(url, everybodys)
    assert run_sql(as_login(url, other), f"SELECT status FROM scorer.requests WHERE request_id = {asked}")
    for column in ("entity_id", "requested_by", "score_id", "reason", "*"):
        with pytest.raises(Denied):
            run_sql(as_login(url, other), f"SELECT {column} FROM scorer.requests")


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO scorer.requests (job, entity_id, status) VALUES ('j', '1', 'done')",
        "INSERT INTO scorer.requests (job, entity_id, requested_by) VALUES ('j', '1', 'another')",
        "INSERT INTO scorer.requests (job, entity_id, requested_at) VALUES ('j', '1', now())",
        "INSERT INTO scorer.requests (job, entity_id, score_id) VALUES ('j', '1', 1)",
        "UPDATE scorer.requests SET status = 'done'",
        "DELETE FROM scorer.requests",
        "SELECT * FROM scorer.scores",
        "SELECT * FROM scorer.current_scores",
        "SELECT * FROM reporting.current_scores",
        "SELECT * FROM scorer.model_versions",
        "INSERT INTO scorer.work (run_id, job, entity_id, as_of) VALUES (1, 'j', '1', now())",
        "SELECT scorer.move_model('j', 'one', 'staging', 'why')",
        "SELECT * FROM public.visits",
        "SET ROLE scorer_worker",
    ],
)
def test_a_requester_does_nothing_else(tries: Any, text: str) -> None:
    with pytest.raises(Denied):
        tries("requester", text)


# The owner, and whoever stands above


@pytest.mark.parametrize("who", ["owner", "superuser"])
@pytest.mark.parametrize(
    "text",
    [
        "UPDATE scorer.scores SET score = 0",
        "UPDATE scorer.scores SET score = score",
        "DELETE FROM scorer.scores",
        "TRUNCATE scorer.scores CASCADE",
        "UPDATE scorer.model_events SET why = 'another'",
        "DELETE FROM scorer.model_events",
        "TRUNCATE scorer.model_events",
    ],
)
def test_the_ledger_refuses_whoever_asks(url: str, logins: dict[str, str], who: str, text: str) -> None:
    asking = url if who == "superuser" else as_login(url, logins["owner"])
    before = run_sql(url, "SELECT count(*) FROM scorer.scores")
    with pytest.raises(Denied, match=r"is append-only: (UPDATE|DELETE|TRUNCATE) is refused"):
        run_sql(asking, text)
    assert run_sql(url, "SELECT count(*) FROM scorer.scores") == before == [(1,)]


# A run by a login that is a worker and nothing else


def test_a_run_needs_no_more_than_the_workers_role(
    migrated_url: str, logins: dict[str, str], settings: Settings, sepsis: Job, tmp_path: Path
) -> None:
    load_visits(migrated_url, tmp_path)
    as_worker = as_login(migrated_url, logins["worker"])
    ended = run_job(sepsis, url=as_worker, settings=replace(settings, batch_size=20), as_of=NOW + timedelta(hours=1))
    assert (ended.status, ended.counts.eligible, ended.counts.balanced) == ("succeeded", 60, True)
    assert ended.counts.scored > 30
    written_back = run_sql(migrated_url, "SELECT count(*) FROM public.visits WHERE sepsis_score IS NOT NULL")
    assert written_back == [(ended.counts.scored,)]
    assert run_sql(migrated_url, "SELECT count(*) FROM scorer.batches") == [(3,)]
    assert run_sql(migrated_url, "SELECT 1 FROM reporting.quarantine LIMIT 1")
    again = run_job(sepsis, url=as_worker, settings=settings, as_of=NOW + timedelta(hours=1))
    assert again.counts.scored == 0


def load_visits(url: str, folder: Path) -> None:
    facts = json.loads((shipped_root() / "sql" / "sepsis" / "cohort.json").read_text(encoding="utf-8"))
    write(generate(facts, visits=60, seed=7, first_visit=1, now=NOW), folder)
    with closing(psycopg2.connect(url)) as connection:
        load(folder, connection=connection, rejects=folder / "rejects.csv")


@pytest.mark.parametrize("role", ["reader", "requester", "approver", "nobody"])
def test_no_other_login_can_run_a_job(
    url: str, logins: dict[str, str], settings: Settings, sepsis: Job, role: str
) -> None:
    with pytest.raises(UserError, match="role") as told:
        run_job(sepsis, url=as_login(url, logins[role]), settings=settings)
    assert "\n" not in str(told.value)


def test_a_workers_login_cannot_migrate(url: str, logins: dict[str, str], settings: Settings) -> None:
    connected = engine(Target.of(as_login(url, logins["worker"]), settings, role=None))
    with pytest.raises(UserError, match="A privilege is missing"):
        schema.upgrade(connected)
