"""The schema: what Alembic makes, unmakes and makes again; who may make it; and what it refuses to hold."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from scorer.config import Settings
from scorer.database import schema
from scorer.database.connection import Database, Target
from scorer.database.embedded.installs import Install, installs
from scorer.database.embedded.server import Server
from scorer.database.session import engine
from scorer.errors import UserError
from scorer.registry import registration

PASSWORD = "only-for-tests"


def run_sql(url: str, text: str, *parameters: object) -> list[tuple[Any, ...]]:
    """What the statement gives, committed."""
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(text, parameters or None)
        return list(cursor.fetchall()) if cursor.description else []


def catalog(url: str) -> str:
    """Everything that stands in the database but its rows, as pg_dump writes it."""
    pg_dump = installs()[0].programs / "pg_dump"
    ran = subprocess.run([pg_dump, "--schema-only", f"--dbname={url}"], capture_output=True, text=True, check=True)
    return re.sub(r"^\\(un)?restrict .*$", "", ran.stdout, flags=re.MULTILINE)


def as_login(url: str, name: str) -> str:
    """The same database, for a login with the tests' password."""
    return re.sub(r"//\w+@", f"//{name}:{PASSWORD}@", url)


def engine_of(url: str, settings: Settings) -> Any:
    return engine(Target.of(url, settings, role=None))


def one_sentence(text: str) -> bool:
    return "\n" not in text and text.endswith(".") and len(text) < 400


@pytest.fixture(scope="module")
def at_head(make_database: Callable[[str], str], settings: Settings) -> str:
    """What the schema is, made once in an empty database."""
    url = make_database("template1")
    schema.upgrade(engine_of(url, settings))
    return catalog(url)


# Up, down, and up again


def test_down_and_up_again_leaves_no_difference(database_url: str, at_head: str, settings: Settings) -> None:
    connected = engine_of(database_url, settings)
    assert schema.upgrade(connected).revision is None
    assert catalog(database_url) == at_head
    schema.downgrade(connected, revision="base")
    below = catalog(database_url)
    assert re.findall(r"^CREATE (.*?)(?: \(| AS|;|\()", below, re.MULTILINE) == [
        "SCHEMA reporting",
        "SCHEMA scorer",
        "TABLE scorer.alembic_version",
    ]
    assert not re.search(r"^(GRANT|ALTER DEFAULT)", below, re.MULTILINE), "a grant was left behind"
    schema.upgrade(connected)
    assert catalog(database_url) == at_head
    schema.downgrade(connected, revision="base")
    assert catalog(database_url) == below


def test_upgrade_again_with_rows_in_place_changes_nothing(migrated_url: str, settings: Settings) -> None:
    make_run(migrated_url)
    before = catalog(migrated_url), run_sql(migrated_url, "SELECT * FROM scorer.runs")
    assert schema.upgrade(engine_of(migrated_url, settings)).at_head
    registration.install_jobs(database=Database(migrated_url, settings))
    assert (catalog(migrated_url), run_sql(migrated_url, "SELECT * FROM scorer.runs")) == before


def test_down_takes_the_jobs_own_views_along_and_up_brings_them_back(migrated_url: str, settings: Settings) -> None:
    before = catalog(migrated_url)
    schema.downgrade(engine_of(migrated_url, settings), revision="base")
    assert "sepsis_predictions" not in catalog(migrated_url)
    assert run_sql(migrated_url, "SELECT count(*) FROM public.visits") == [(0,)]
    schema.upgrade(engine_of(migrated_url, settings))
    registration.install_jobs(database=Database(migrated_url, settings))
    assert catalog(migrated_url) == before


def test_the_printed_plan_makes_the_same_schema(database_url: str, at_head: str, settings: Settings) -> None:
    plan = schema.upgrade_sql(engine_of(database_url, settings))
    assert run_sql(database_url, "SELECT count(*) FROM pg_namespace WHERE nspname IN ('scorer', 'reporting')") == [(0,)]
    psql = installs()[0].programs / "psql"
    command = [psql, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={database_url}"]
    ran = subprocess.run(command, input=plan, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert catalog(database_url) == at_head
    assert schema.state(engine_of(database_url, settings)).at_head
    assert schema.upgrade_sql(engine_of(database_url, settings)) == ""


def test_everything_is_explained(migrated_url: str) -> None:
    unexplained = run_sql(
        migrated_url,
        """
        SELECT n.nspname || '.' || c.relname || COALESCE('.' || a.attname, '')
        FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        CROSS JOIN LATERAL (
            SELECT NULL::name AS attname, 0 AS attnum
            UNION ALL
            SELECT attname, attnum FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND c.relkind <> 'v'
        ) AS a
        LEFT JOIN pg_description AS d ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = a.attnum
        WHERE n.nspname IN ('scorer', 'reporting') AND c.relkind IN ('r', 'v', 'p', 'm')
          AND COALESCE(d.description, '') = '' AND c.relname <> 'alembic_version'
        UNION ALL
        SELECT p.oid::regprocedure::text
        FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
        WHERE n.nspname IN ('scorer', 'reporting') AND COALESCE(obj_description(p.oid, 'pg_proc'), '') = ''
        UNION ALL
        SELECT n.nspname FROM pg_namespace AS n
        WHERE n.nspname IN ('scorer', 'reporting') AND COALESCE(obj_description(n.oid, 'pg_namespace'), '') = ''
        """,
    )
    assert not unexplained
    tables = run_sql(
        migrated_url,
        "SELECT count(*) FROM pg_class WHERE relnamespace = 'scorer'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition",
    )
    assert tables == [(38,)]


def test_reporting_views_have_the_columns_that_were_promised(migrated_url: str) -> None:
    promised = {
        "current_scores": "job, entity_id, status, score, risk_band, label, outputs, as_of, scored_at, valid_until, stale, "
        "model_version, score_id",
        "score_history": "job, entity_id, status, score, risk_band, label, outputs, as_of, scored_at, valid_until, stale, "
        "model_version, score_id, superseded, recalled",
        "sepsis_predictions": "visit_id, client, sepsis_probability, risk_level, scored_at, model_version",
        "runs": "run_id, job, trigger, status, scheduled_for, as_of, started_at, finished_at, eligible, scored, unchanged, "
        "quarantined, insufficient, indeterminate, failed, error",
        "quarantine": "job, entity_id, rule, column_name, observed, expected, first_seen_at, last_seen_at, attempts, resolved_at",
        "models": "job, model_version, status, sha256, registered_at, promoted_at",
    }
    for view, columns in promised.items():
        assert run_sql(migrated_url, f"SELECT {columns} FROM reporting.{view} LIMIT 0") == []
    kinds = run_sql(
        migrated_url,
        "SELECT atttypid::regtype::text FROM pg_attribute WHERE attrelid = 'reporting.sepsis_predictions'::regclass "
        "AND attname = 'visit_id'",
    )
    assert kinds == [("bigint",)]


def test_all_times_have_their_zone(migrated_url: str) -> None:
    naive = run_sql(
        migrated_url,
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema IN ('scorer', 'reporting') "
        "AND (data_type IN ('timestamp without time zone', 'date', 'real', 'numeric') "
        "OR (column_name LIKE '%%\\_at' AND data_type <> 'timestamp with time zone'))",
    )
    assert not naive


def test_functions_with_the_owners_rights_are_closed(migrated_url: str) -> None:
    functions = run_sql(
        migrated_url,
        """
        SELECT p.proname, p.prosecdef, p.proconfig, has_function_privilege('scorer_reader', p.oid, 'EXECUTE')
        FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace WHERE n.nspname = 'scorer' ORDER BY 1
        """,
    )
    assert [name for name, *_ in functions] == [
        "admit_first_model",
        "announce_answers",
        "announce_requests",
        "cancel_request",
        "card_gaps",
        "check_beginnings",
        "check_model_step",
        "clear_flag",
        "end_challenge",
        "first_score_since",
        "flag_bucket",
        "flag_detail",
        "flag_fault",
        "flag_includes",
        "flag_setting",
        "is_enabled",
        "job_flags",
        "look_around",
        "make_partition",
        "make_partitions",
        "make_room",
        "model_before",
        "move_model",
        "promotion_lacks",
        "psi",
        "recall_scores",
        "record_model_event",
        "refresh_statistics",
        "refuse_change",
        "refuse_new_beginning",
        "refuse_trial",
        "request_score",
        "roll_back_model",
        "same_libraries",
        "set_flag",
        "share_with_recalls",
        "sign_model_record",
        "start_challenge",
        "step_model",
        "stop_challenge",
        "withdraw_scores",
    ]
    for name, as_owner, configuration, open_to_all in functions:
        # A reader of reporting.drift runs what its index is taken with; it looks at nothing but what it is given.
        assert not open_to_all or name == "psi", f"{name} may be called by anybody"
        if as_owner:
            assert configuration == ["search_path=pg_catalog, pg_temp"], name
    as_owner = {name for name, as_owner, *_ in functions if as_owner}
    assert as_owner == {
        "announce_requests",
        "cancel_request",
        "clear_flag",
        "end_challenge",
        "flag_fault",
        "flag_setting",
        "is_enabled",
        "job_flags",
        "look_around",
        "make_partitions",
        "make_room",
        "move_model",
        "recall_scores",
        "record_model_event",
        "refresh_statistics",
        "request_score",
        "roll_back_model",
        "set_flag",
        "start_challenge",
        "stop_challenge",
        "withdraw_scores",
    }


# A schema that is not at head


def test_a_schema_that_was_never_made_is_one_sentence(database_url: str, settings: Settings) -> None:
    with pytest.raises(UserError, match=r"not made yet .* run `scorer db upgrade`") as raised:
        schema.require_head(engine_of(database_url, settings))
    assert one_sentence(str(raised.value))


def test_a_schema_that_was_taken_away_is_one_sentence(migrated_url: str, settings: Settings) -> None:
    schema.downgrade(engine_of(migrated_url, settings), revision="base")
    with pytest.raises(UserError, match=r"not made yet .* run `scorer db upgrade`"):
        schema.require_head(engine_of(migrated_url, settings))


@pytest.mark.parametrize("act", [schema.require_head, schema.upgrade, schema.upgrade_sql])
def test_a_schema_of_a_newer_version_is_left_alone(
    migrated_url: str, settings: Settings, act: Callable[[Any], Any]
) -> None:
    run_sql(migrated_url, "UPDATE scorer.alembic_version SET version_num = '0999'")
    before = catalog(migrated_url)
    with pytest.raises(
        UserError, match=r"revision 0999, which this version of scorer does not know .* install"
    ) as raised:
        act(engine_of(migrated_url, settings))
    assert one_sentence(str(raised.value))
    assert catalog(migrated_url) == before


def test_upgrades_at_once_end_well(database_url: str, at_head: str) -> None:
    environment = {**os.environ, "SCORER_DATABASE_URL": database_url}
    command = [sys.executable, "-c", "from scorer.cli.main import main; main(['db', 'upgrade'])"]
    processes = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in processes:
        said, complained = process.communicate()
        assert process.returncode == 0, complained
        assert "at head" in said
    assert set(at_head.splitlines()) <= set(catalog(database_url).splitlines())
    found = run_sql(database_url, "SELECT model_version, status FROM scorer.model_versions")
    assert found == [("2026.11.29", "production")]


def test_installations_at_once_end_well(make_database: Callable[[str], str], settings: Settings) -> None:
    url = make_database("template1")
    schema.upgrade(engine_of(url, settings))
    together = threading.Barrier(4)

    def install(_: int) -> list[str]:
        together.wait()
        return registration.install_jobs(database=Database(url, settings))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(install, range(4))) == [["sepsis"]] * 4
    events = run_sql(url, "SELECT to_status FROM scorer.model_events ORDER BY event_id")
    assert events == [("candidate",), ("staging",), ("production",)]


# Who may make it


def test_a_login_without_rights_is_told_in_one_sentence(
    make_database: Callable[[str], str], server: Server, settings: Settings
) -> None:
    run_sql(server.url, f"CREATE ROLE schema_stranger LOGIN PASSWORD '{PASSWORD}'")
    url = make_database("template1")
    for attempt in range(2):
        with pytest.raises(UserError, match="A privilege is missing") as raised:
            schema.upgrade(engine_of(as_login(url, "schema_stranger"), settings))
        assert one_sentence(str(raised.value)), attempt
        assert run_sql(url, "SELECT count(*) FROM pg_namespace WHERE nspname IN ('scorer', 'reporting')") == [(0,)]


def test_once_an_administrator_has_prepared_it_membership_is_enough(
    make_database: Callable[[str], str], server: Server, at_head: str, settings: Settings
) -> None:
    url = make_database("template1")
    run_sql(url, (Path(schema.__file__).parents[2] / "migrations" / "prepare.sql").read_text())
    run_sql(server.url, f"CREATE ROLE schema_member LOGIN PASSWORD '{PASSWORD}' IN ROLE scorer_owner")
    schema.upgrade(engine_of(as_login(url, "schema_member"), settings))
    registration.install_jobs(database=Database(as_login(url, "schema_member"), settings))
    assert set(at_head.splitlines()) <= set(catalog(url).splitlines())


@pytest.mark.parametrize("install", installs(), ids=lambda install: install.version)
def test_createrole_and_create_are_enough_on_a_new_cluster(install: Install, settings: Settings) -> None:
    with tempfile.TemporaryDirectory(prefix="scorer-schema-") as folder:
        Path(folder).chmod(0o755)
        with Server.at(Path(folder), programs=install.programs).serving() as other:
            run_sql(other.url, f"CREATE ROLE dba LOGIN CREATEROLE PASSWORD '{PASSWORD}'")
            run_sql(other.url, "GRANT CREATE ON DATABASE scorer TO dba")
            url = as_login(other.url, "dba")
            schema.upgrade(engine_of(url, settings))
            registration.install_jobs(database=Database(url, settings))
            owners = run_sql(
                other.url,
                "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE relnamespace = 'scorer'::regnamespace",
            )
            assert owners == [("scorer_owner",)]
            schema.require_head(engine_of(url, settings))
            schema.downgrade(engine_of(url, settings), revision="base")
            schema.upgrade(engine_of(url, settings))


def test_a_hospitals_own_reporting_schema_is_left_as_it_was(
    database_url: str, server: Server, settings: Settings
) -> None:
    run_sql(server.url, f"CREATE ROLE schema_hospital LOGIN PASSWORD '{PASSWORD}'")
    run_sql(server.url, f"CREATE ROLE schema_reader LOGIN PASSWORD '{PASSWORD}'")
    run_sql(database_url, "CREATE SCHEMA reporting AUTHORIZATION schema_hospital")
    run_sql(database_url, "CREATE VIEW reporting.beds AS SELECT 12 AS free")
    run_sql(database_url, "ALTER VIEW reporting.beds OWNER TO schema_hospital")
    schema.upgrade(engine_of(database_url, settings))
    registration.install_jobs(database=Database(database_url, settings))
    run_sql(server.url, "GRANT scorer_reader TO schema_reader")
    assert run_sql(as_login(database_url, "schema_reader"), "SELECT * FROM reporting.current_scores") == []
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        run_sql(as_login(database_url, "schema_reader"), "SELECT * FROM reporting.beds")
    schema.downgrade(engine_of(database_url, settings), revision="base")
    owner = "SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'reporting'"
    assert run_sql(database_url, owner) == [("schema_hospital",)]
    assert run_sql(as_login(database_url, "schema_hospital"), "SELECT free FROM reporting.beds") == [(12,)]


# What it refuses to hold


@pytest.fixture(scope="module")
def filled_url(make_database: Callable[[str], str], template: str) -> str:
    """A database with one run and its job version; what is refused leaves no trace, so that all may share it."""
    url = make_database(template)
    make_run(url)
    return url


@pytest.fixture
def cursor(filled_url: str) -> Iterator[Any]:
    """A superuser's cursor, in a transaction that is rolled back."""
    with closing(psycopg2.connect(filled_url)) as connection, connection.cursor() as open_cursor:
        yield open_cursor
        connection.rollback()


def make_run(url: str) -> None:
    run_sql(url, "INSERT INTO scorer.job_versions (job, job_version, definition) VALUES ('j', 'v', '{}')")
    run_sql(
        url,
        "INSERT INTO scorer.runs (job, job_version, trigger, as_of, as_known_at, scorer_version, eligible) "
        "VALUES ('j', 'v', 'manual', now(), now(), '0', 3)",
    )


def insert(cursor: Any, table: str, row: dict[str, object]) -> None:
    names, values = ", ".join(row), ", ".join(["%s"] * len(row))
    if table == "scorer.scores":
        names, values = f"{names}, run_began_at", f"{values}, (SELECT max(started_at) FROM scorer.runs)"
    cursor.execute(f"INSERT INTO {table} ({names}) VALUES ({values})", list(row.values()))


SCORED: dict[str, object] = {
    "job": "j",
    "entity_id": "1",
    "output": "score",
    "run_id": 1,
    "batch_id": 1,
    "task": "binary",
    "status": "SCORED",
    "score": 0.5,
    "risk_band": "MEDIUM",
    "as_of": "2025-06-01T00:00Z",
    "as_known_at": "2025-06-01T00:00Z",
    "valid_until": "2025-06-01T06:00Z",
    "input_hash": b"hash",
    "features": b"vector",
    "model_version": "m",
    "job_version": "v",
}
HELD: dict[str, object] = {
    **SCORED,
    "status": "QUARANTINED",
    "reason": "a rule",
    "score": None,
    "risk_band": None,
    "valid_until": None,
}


@pytest.mark.parametrize(
    "row",
    [
        SCORED,
        HELD,
        SCORED | {"score": 0.0},
        SCORED | {"score": 1.0},
        SCORED | {"task": "regression", "score": -1e300},
        HELD | {"model_version": None, "features": None},
    ],
)
def test_the_ledger_takes_what_is_whole(cursor: Any, row: dict[str, object]) -> None:
    insert(cursor, "scorer.scores", row)
    assert cursor.rowcount == 1


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ({"score": float("nan")}, "scores_finite"),
        ({"score": float("inf")}, "scores_finite"),
        ({"score": float("-inf")}, "scores_finite"),
        ({"score": float("nan"), "task": "regression"}, "scores_finite"),
        ({"score": float("inf"), "task": "regression"}, "scores_finite"),
        ({"score": 1.1}, "scores_probability"),
        ({"score": -0.1}, "scores_probability"),
        ({"score": 1.1, "task": "multiclass"}, "scores_probability"),
        ({"score": None}, "scores_scored_is_whole"),
        ({"valid_until": None}, "scores_scored_is_whole"),
        ({"model_version": None}, "scores_scored_is_whole"),
        ({"features": None}, "scores_scored_is_whole"),
        ({"status": "QUARANTINED", "reason": "r"}, "scores_scored_is_whole"),
        ({"status": "QUARANTINED", "reason": None, "score": None, "risk_band": None}, "scores_scored_is_whole"),
        ({"status": "FAILED", "reason": "r", "score": None}, "scores_scored_is_whole"),
        ({"status": "UNCHANGED", "reason": "r", "score": None, "risk_band": None}, "scores_status_check"),
        ({"task": "guess"}, "scores_task_check"),
    ],
)
def test_the_ledger_refuses(cursor: Any, change: dict[str, object], constraint: str) -> None:
    with pytest.raises(psycopg2.errors.CheckViolation) as refused:
        insert(cursor, "scorer.scores", SCORED | change)
    assert refused.value.diag.constraint_name == constraint


def test_the_ledger_takes_one_outcome_per_entity_and_run(cursor: Any) -> None:
    insert(cursor, "scorer.scores", SCORED)
    insert(cursor, "scorer.scores", SCORED | {"shadow": True})
    with pytest.raises(psycopg2.errors.UniqueViolation):
        insert(cursor, "scorer.scores", HELD)


CURRENT: dict[str, object] = {
    "job": "j",
    "entity_id": "1",
    "output": "score",
    "status": "SCORED",
    "status_as_of": "2025-06-01T00:00Z",
    "status_at": "2025-06-01T00:00Z",
    "input_hash": b"hash",
    "judged_by_job": "v",
    "score_id": 1,
    "score": 0.5,
    "as_of": "2025-06-01T00:00Z",
    "scored_at": "2025-06-01T00:00Z",
    "valid_until": "2025-06-01T06:00Z",
    "model_version": "m",
}


@pytest.mark.parametrize(
    "change",
    [{"score": float("nan")}, {"score": float("inf")}, {"score": None}, {"valid_until": None}, {"status": "UNCHANGED"}],
)
def test_what_is_current_is_whole(cursor: Any, change: dict[str, object]) -> None:
    insert(cursor, "scorer.current_scores", CURRENT)
    with pytest.raises(psycopg2.errors.CheckViolation):
        insert(cursor, "scorer.current_scores", CURRENT | {"entity_id": "2"} | change)


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("status = 'succeeded', finished_at = now(), scored = 2", "runs_balance"),
        ("status = 'succeeded', finished_at = now(), scored = 3, failed = 1", "runs_balance"),
        ("status = 'succeeded', scored = 3", "runs_finished"),
        ("finished_at = now()", "runs_finished"),
        ("status = 'failed', finished_at = now()", "runs_failed_say_why"),
        ("scored = -1", "runs_counts"),
        ("status = 'ended', finished_at = now()", "runs_status_check"),
        ("trigger = 'whim'", "runs_trigger_check"),
    ],
)
def test_a_run_that_does_not_add_up_is_refused(cursor: Any, change: str, constraint: str) -> None:
    with pytest.raises(psycopg2.errors.CheckViolation) as refused:
        cursor.execute(f"UPDATE scorer.runs SET {change}")
    assert refused.value.diag.constraint_name == constraint


def test_a_run_that_adds_up_succeeds(cursor: Any) -> None:
    cursor.execute(
        "UPDATE scorer.runs SET status = 'succeeded', finished_at = now(), scored = 1, unchanged = 1, quarantined = 1"
    )
    assert cursor.rowcount == 1


def test_a_batch_that_does_not_add_up_is_refused(cursor: Any) -> None:
    counts = dict.fromkeys(("unchanged", "quarantined", "insufficient", "indeterminate", "failed"), 0)
    row = {"run_id": 1, "worker": "w", "eligible": 2, **counts, "observations_read": 0, "observations_dropped": 0}
    insert(cursor, "scorer.batches", row | {"scored": 2})
    with pytest.raises(psycopg2.errors.CheckViolation, match="batches_balance"):
        insert(cursor, "scorer.batches", row | {"scored": 1})


def test_an_entity_waits_once(cursor: Any) -> None:
    row = {"run_id": 1, "job": "j", "entity_id": "1", "as_of": "2025-06-01T00:00Z"}
    insert(cursor, "scorer.work", row)
    with pytest.raises(psycopg2.errors.UniqueViolation):
        insert(cursor, "scorer.work", row | {"run_id": 2})


def test_a_finding_is_open_once(cursor: Any) -> None:
    texts = dict.fromkeys(("observation_id", "rule", "column_name", "observed", "expected"), "x")
    row = {"job": "j", "entity_id": "1", "action": "drop", "run_id": 1, **texts}
    insert(cursor, "scorer.rejections", row | {"resolved_at": "2025-06-01T00:00Z"})
    insert(cursor, "scorer.rejections", row)
    with pytest.raises(psycopg2.errors.UniqueViolation):
        insert(cursor, "scorer.rejections", row)


# Models


MANIFEST = {"golden": {"inputs": [[0.0]], "scores": [0.5]}, "libraries": {"python": "3.11.2", "numpy": "1"}}


def register(cursor: Any, version: str, **more: object) -> None:
    insert(
        cursor,
        "scorer.model_versions",
        {"job": "j", "model_version": version, "sha256": "0" * 64, "manifest": json.dumps(MANIFEST), **more},
    )


def move(cursor: Any, version: str, status: str, why: str = "because") -> None:
    cursor.execute("SELECT scorer.move_model('j', %s, %s, %s)", (version, status, why))


def test_a_model_goes_step_by_step_and_each_step_is_recorded(cursor: Any, approve: Callable[..., None]) -> None:
    for version in ("one", "two"):
        register(cursor, version)
        approve(cursor, "j", version)
    cursor.execute(
        "SELECT model_version, status, promoted_at IS NOT NULL FROM scorer.model_versions WHERE job = 'j' ORDER BY 1"
    )
    assert cursor.fetchall() == [("one", "archived", True), ("two", "production", True)]
    cursor.execute(
        "SELECT model_version, from_status, to_status, why, done_by = session_user FROM scorer.model_events "
        "WHERE job = 'j' ORDER BY event_id"
    )
    assert cursor.fetchall() == [
        ("one", None, "candidate", "registered", True),
        ("one", "candidate", "staging", "a test", False),
        ("one", "staging", "production", "a test", False),
        ("two", None, "candidate", "registered", True),
        ("two", "candidate", "staging", "a test", False),
        ("one", "production", "archived", "a test", False),
        ("two", "staging", "production", "a test", False),
    ]


STEPS = {"candidate": (), "staging": ("staging",), "production": ("production",), "archived": ("archived",)}
ALLOWED = {
    ("candidate", "staging"),
    ("candidate", "archived"),
    ("staging", "archived"),
    ("production", "archived"),
    ("archived", "staging"),
}


@pytest.mark.parametrize("start", STEPS)
@pytest.mark.parametrize("end", [*STEPS, "retired"])
def test_a_model_skips_no_step(cursor: Any, approve: Callable[..., None], start: str, end: str) -> None:
    register(cursor, "one")
    for step in STEPS[start]:
        if step == "production":
            approve(cursor, "j", "one")
        else:
            move(cursor, "one", step)
    if (start, end) in ALLOWED:
        move(cursor, "one", end)
        cursor.execute("SELECT status FROM scorer.model_versions WHERE job = 'j'")
        assert cursor.fetchone() == (end,)
    elif (start, end) == ("staging", "production"):
        with pytest.raises(psycopg2.Error, match="was registered by scorer, and whoever registered a model may not"):
            move(cursor, "one", end)
    else:
        with pytest.raises(psycopg2.Error, match=f"cannot go from {start} to {end}"):
            move(cursor, "one", end)


@pytest.mark.parametrize("why", ["", "   ", None])
def test_a_model_is_moved_for_a_reason(cursor: Any, why: str | None) -> None:
    register(cursor, "one")
    with pytest.raises(psycopg2.Error, match="a reason is needed"):
        cursor.execute("SELECT scorer.move_model('j', 'one', 'staging', %s)", (why,))


def test_a_model_that_is_not_there_cannot_be_moved(cursor: Any) -> None:
    with pytest.raises(psycopg2.Error, match="there is no model none of j"):
        move(cursor, "none", "staging")


def test_two_models_in_production_are_refused(cursor: Any, approve: Callable[..., None]) -> None:
    for version in ("one", "two"):
        register(cursor, version)
    approve(cursor, "j", "one")
    move(cursor, "two", "staging")
    cursor.execute("ALTER TABLE scorer.model_versions DISABLE TRIGGER model_versions_step")
    with pytest.raises(psycopg2.errors.UniqueViolation, match="model_versions_one_in_production"):
        cursor.execute("UPDATE scorer.model_versions SET status = 'production' WHERE model_version = 'two'")


@pytest.mark.parametrize("status", ["staging", "production", "archived"])
def test_a_model_is_registered_as_a_candidate(cursor: Any, status: str) -> None:
    with pytest.raises(psycopg2.Error, match="must be registered as a candidate"):
        register(cursor, "one", status=status)


@pytest.mark.parametrize(
    "change",
    [
        "sha256 = repeat('1', 64)",
        "manifest = '{\"features\": []}'",
        "model_version = 'other'",
        "registered_by = 'another'",
        "registered_at = now() - interval '1 day'",
    ],
)
def test_a_registered_model_does_not_change(cursor: Any, change: str) -> None:
    register(cursor, "one")
    with pytest.raises(psycopg2.Error, match="only its status may change"):
        cursor.execute(f"UPDATE scorer.model_versions SET {change} WHERE job = 'j'")


@pytest.mark.parametrize("sha256", ["", "0" * 63, "G" * 64, "0" * 65])
def test_a_model_without_its_sha256_is_refused(cursor: Any, sha256: str) -> None:
    with pytest.raises(psycopg2.errors.CheckViolation, match="sha256"):
        register(cursor, "one", sha256=sha256)


@pytest.mark.parametrize("change", ["why = 'another'", "done_by = 'another'"])
def test_events_of_models_are_never_changed(cursor: Any, change: str) -> None:
    register(cursor, "one")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege, match="append-only"):
        cursor.execute(f"UPDATE scorer.model_events SET {change}")
