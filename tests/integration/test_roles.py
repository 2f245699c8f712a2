"""Who may do what: logins of each role, connected for real, try what they may and what they must not."""

from __future__ import annotations

import itertools
import json
import logging
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from scorer.cli import main as cli
from scorer.config import Settings, shipped_root
from scorer.database import schema
from scorer.database.connection import Database, Target
from scorer.database.embedded.server import Server
from scorer.database.session import engine
from scorer.database.source.load import load
from scorer.database.source.sample import generate, write
from scorer.errors import UserError
from scorer.governance.fhir_export import export
from scorer.jobs.job import Job
from scorer.registry import registration
from scorer.runs.run import run_job

PASSWORD = "only-for-tests"
NOW = datetime(2025, 6, 1, tzinfo=UTC)
REPORTS = (
    *("current_scores", "score_history", "runs", "quarantine", "validation", "models", "sepsis_predictions"),
    *("replays", "recalls", "recall_events", "fhir_risk_assessments"),
)
ROLES = ("owner", "worker", "approver", "requester", "reader")

Denied = psycopg2.errors.InsufficientPrivilege
NotUpdatable = psycopg2.errors.ObjectNotInPrerequisiteState  # a view of two legs, whoever asks
Refused = psycopg2.DatabaseError  # by a function of ours, in a sentence
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


def fill(url: str) -> None:
    """A visit, its score in the ledger, and a candidate."""
    run_sql(url, "INSERT INTO public.visits (visit_id, client, admitted_at) VALUES (1, 'a', '2025-05-31')")
    run_sql(url, "INSERT INTO scorer.job_versions (job, job_version, definition) VALUES ('j', 'v', '{}')")
    run_sql(
        url,
        "INSERT INTO scorer.runs (job, job_version, trigger, as_of, as_known_at, scorer_version) "
        "VALUES ('j', 'v', 'manual', now(), now(), '0'), ('j', 'v', 'manual', now(), now(), '0')",
    )
    run_sql(url, LEDGER_ROW.format(run_id=1))
    run_sql(
        url,
        "INSERT INTO scorer.model_versions (job, model_version, sha256, manifest) VALUES ('j', 'one', repeat('0', 64), '{}')",
    )


@pytest.fixture(scope="module")
def url(make_database: Callable[[str], str], template: str) -> str:
    """A database with a visit, its score in the ledger, and a candidate; shared, since what is refused leaves no trace."""
    made = make_database(template)
    fill(made)
    return made


LEDGER_ROW = (
    "INSERT INTO scorer.scores (job, entity_id, output, run_id, batch_id, task, status, score, as_of, as_known_at, "
    "valid_until, input_hash, features, model_version, job_version, run_began_at) "
    "SELECT 'j', '1', 'score', {run_id}, 1, 'binary', 'SCORED', 0.5, now(), now(), now(), '', '', 'm', 'v', max(started_at) "
    "FROM scorer.runs"
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


def test_a_reader_alone_exports_to_fhir_and_a_requester_does_not(
    url: str, logins: dict[str, str], sepsis: Job, tmp_path: Path
) -> None:
    out = tmp_path / "scores.ndjson"
    exported = export(sepsis, database=Database(as_login(url, logins["reader"]), Settings()), since=None, out=out)
    assert (exported.final, out.read_bytes()) == (0, b"")
    for role in ("requester", "nobody"):
        with pytest.raises(UserError, match="scorer_reader"):
            export(sepsis, database=Database(as_login(url, logins[role]), Settings()), since=None, out=out)


def test_a_requester_reads_no_resource(tries: Any) -> None:
    for role in ("requester", "nobody"):
        with pytest.raises(Denied):
            tries(role, "SELECT 1 FROM reporting.fhir_risk_assessments")


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
        with pytest.raises((Denied, NotUpdatable)):
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
        (
            "INSERT INTO scorer.scores OVERRIDING SYSTEM VALUE SELECT * FROM scorer.scores"
            " ON CONFLICT (score_id, run_began_at) DO UPDATE SET score = 0"
        ),
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
    assert len(columns) == 12
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


CANDIDATE = (
    "INSERT INTO scorer.model_versions (job, model_version, sha256, manifest) VALUES ('{job}', '{version}', repeat('0', 64), "
    '\'{{"golden": {{"inputs": [[1]], "scores": [0.5]}}, "libraries": {{"python": "3.11.2", "numpy": "2.0"}}}}\')'
)
CARD = (
    "INSERT INTO scorer.model_cards (job, model_version, card) SELECT '{job}', '{version}', jsonb_object_agg(field, {said}) FROM unnest("
    "'{{intended_use,out_of_scope,training_data,performance,subgroups,limits,ethical_considerations,owner,contact}}'::text[]) AS field"
)
EVIDENCE = (
    "INSERT INTO scorer.model_evidence (job, model_version, sha256, kind, fingerprint, host, result) VALUES "
    "('{job}', '{version}', repeat('0', 64), '{kind}', '{fingerprint}', 'here', '{result}')"
)
HERE = '{"python": "3.11.9", "numpy": "2.0", "more": "1"}'
PASSED = '{"rows": 1, "max_difference": 0.9e-7}'
ALONE = '{"production": null, "entities": 3}'


def register(url: str, logins: dict[str, str], job: str, version: str = "a", *, role: str = "worker") -> None:
    run_sql(as_login(url, logins[role]), CANDIDATE.format(job=job, version=version))


def set_card(url: str, logins: dict[str, str], job: str, version: str = "a", *, said: str = "'said'") -> None:
    run_sql(as_login(url, logins["worker"]), CARD.format(job=job, version=version, said=said))


def record(
    url: str,
    logins: dict[str, str],
    job: str,
    kind: str,
    result: str,
    *,
    version: str = "a",
    fingerprint: str = HERE,
) -> None:
    text = EVIDENCE.format(job=job, version=version, kind=kind, result=result, fingerprint=fingerprint)
    run_sql(as_login(url, logins["approver"]), text)


def move(url: str, logins: dict[str, str], job: str, status: str, *, version: str = "a") -> None:
    run_sql(as_login(url, logins["approver"]), f"SELECT scorer.move_model('{job}', '{version}', '{status}', 'is well')")


def test_an_approver_promotes_what_another_registered_with_card_and_evidence(url: str, logins: dict[str, str]) -> None:
    register(url, logins, "p")
    with pytest.raises(Refused, match="cannot go from candidate to production"):
        move(url, logins, "p", "production")
    with pytest.raises(Refused, match="a reason is needed"):
        run_sql(as_login(url, logins["approver"]), "SELECT scorer.move_model('p', 'a', 'staging', ' ')")
    move(url, logins, "p", "staging")
    with pytest.raises(Refused, match="model a of p has no card: write one with `scorer model card p a --write"):
        move(url, logins, "p", "production")
    set_card(url, logins, "p", said="CASE WHEN field IN ('owner', 'limits') THEN E' \\n' ELSE 'said' END")
    with pytest.raises(Refused, match="the card of model a of p is not filled: limits, owner missing"):
        move(url, logins, "p", "production")
    set_card(url, logins, "p")
    with pytest.raises(Refused, match="model a of p has no golden vectors that passed today"):
        move(url, logins, "p", "production")
    record(url, logins, "p", "golden", PASSED)
    with pytest.raises(Refused, match=r"model a of p has no shadow run of today, by .* beside an empty production"):
        move(url, logins, "p", "production")
    record(url, logins, "p", "shadow", ALONE)
    move(url, logins, "p", "production")
    told = run_sql(url, "SELECT to_status, done_by, why FROM reporting.model_events WHERE job = 'p' ORDER BY event_id")
    assert told[1:] == [
        ("staging", logins["approver"], "is well"),
        ("production", logins["approver"], "is well"),
    ]
    shown = run_sql(url, "SELECT promoted_by, card_filled, evidence, stored FROM reporting.models WHERE job = 'p'")
    assert shown[0][:2] == (logins["approver"], True)
    assert set(shown[0][2]) == {"golden", "shadow"}
    assert shown[0][3] is False


@pytest.mark.parametrize(
    ("kind", "result", "fingerprint"),
    [
        ("golden", '{"rows": 1, "max_difference": 1e-6}', HERE),
        ("golden", '{"rows": 1, "max_difference": "NaN"}', HERE),
        ("golden", '{"rows": 1, "max_difference": null}', HERE),
        ("golden", '{"rows": 0, "max_difference": 0}', HERE),
        ("golden", '{"rows": 2, "max_difference": 0}', HERE),
        ("golden", PASSED, '{"python": "3.12.9", "numpy": "2.0"}'),
        ("golden", PASSED, '{"python": "3.11.9", "numpy": "2.0.1"}'),
        ("golden", PASSED, '{"python": "3.11.9"}'),
        ("shadow", '{"production": "other", "entities": 3}', HERE),
        ("shadow", '{"production": null, "entities": 0}', HERE),
        ("shadow", ALONE, '{"python": "3.11.9", "numpy": "1.9"}'),
    ],
)
def test_evidence_that_does_not_suffice_is_none(
    url: str, logins: dict[str, str], kind: str, result: str, fingerprint: str
) -> None:
    job = f"e{next(_numbers)}"
    register(url, logins, job)
    set_card(url, logins, job)
    move(url, logins, job, "staging")
    record(url, logins, job, kind, result, fingerprint=fingerprint)
    other = ("shadow", ALONE) if kind == "golden" else ("golden", PASSED)
    record(url, logins, job, *other)
    with pytest.raises(Refused, match={"golden": "no golden vectors that passed", "shadow": "no shadow run"}[kind]):
        move(url, logins, job, "production")
    record(url, logins, job, kind, PASSED if kind == "golden" else ALONE)
    move(url, logins, job, "production")


def test_whoever_registered_a_model_may_not_promote_it_in_whatever_role(url: str, logins: dict[str, str]) -> None:
    both = f"roles_both_{next(_numbers)}"
    run_sql(url, f"CREATE ROLE {both} LOGIN PASSWORD '{PASSWORD}' IN ROLE scorer_worker, scorer_approver")
    names = logins | {"approver": both, "worker": both}
    register(url, names, "own")
    set_card(url, names, "own")
    move(url, names, "own", "staging")
    for kind, result in (("golden", PASSED), ("shadow", ALONE)):
        record(url, names, "own", kind, result)
    for role in ("scorer_approver", "scorer_worker", "none"):
        with pytest.raises(psycopg2.Error, match=r"may not promote it|permission denied"):
            run_sql(as_login(url, both), f"SET ROLE {role}; SELECT scorer.move_model('own', 'a', 'production', 'mine')")
    # Another approver, who has looked at nothing himself, does not promote it on the word of the first.
    with pytest.raises(Refused, match="no golden vectors that passed today, by"):
        move(url, logins, "own", "production")


def test_evidence_bears_the_login_that_is_connected(url: str, logins: dict[str, str]) -> None:
    register(url, logins, "signed")
    run_sql(
        url,
        "INSERT INTO scorer.model_evidence (job, model_version, sha256, kind, fingerprint, host, result, recorded_by, recorded_at) "
        f"VALUES ('signed', 'a', repeat('0', 64), 'golden', '{{}}', 'x', '{{}}', '{logins['approver']}', '2099-01-01')",
    )
    assert run_sql(
        url, "SELECT recorded_by = session_user, recorded_at <= now() FROM scorer.model_evidence WHERE job = 'signed'"
    ) == [(True, True)]
    with pytest.raises(psycopg2.errors.ForeignKeyViolation):
        run_sql(
            url,
            EVIDENCE.format(job="signed", version="a", kind="golden", result="{}", fingerprint="{}").replace(
                "'0', 64", "'1', 64"
            ),
        )


@pytest.mark.parametrize(
    "text",
    [
        EVIDENCE.format(job="j", version="one", kind="golden", result=PASSED, fingerprint=HERE),
        "SELECT scorer.roll_back_model('j', 'one', 'why')",
        "SELECT scorer.admit_first_model('j', 'one', 'why')",
        "SELECT scorer.step_model('j', 'one', 'production', 'why', 'first')",
        "INSERT INTO scorer.model_cards (job, model_version, card, written_by) VALUES ('j', 'one', '{}', 'x')",
        "UPDATE scorer.model_cards SET card = '{}'",
        "DELETE FROM scorer.model_evidence",
        "UPDATE scorer.model_artefacts SET content = ''",
        "ALTER TABLE scorer.model_versions DISABLE TRIGGER model_versions_step",
        "SET SESSION AUTHORIZATION scorer_owner",
    ],
)
@pytest.mark.parametrize("role", ["worker", "reader", "requester"])
def test_nobody_else_makes_evidence_or_moves_a_model(tries: Any, role: str, text: str) -> None:
    with pytest.raises(Denied):
        tries(role, text)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT scorer.admit_first_model('j', 'one', 'why')",
        "SELECT scorer.step_model('j', 'one', 'production', 'why', 'first')",
        "UPDATE scorer.model_evidence SET recorded_by = 'another'",
        "DELETE FROM scorer.model_cards",
        "INSERT INTO scorer.model_artefacts (job, model_version, sha256, content) VALUES ('j', 'one', repeat('0', 64), '')",
        (
            "INSERT INTO scorer.model_evidence (job, model_version, sha256, kind, fingerprint, host, result, recorded_by) "
            "VALUES ('j', 'one', repeat('0', 64), 'golden', '{}', 'x', '{}', 'another')"
        ),
    ],
)
def test_an_approver_goes_no_other_way(tries: Any, text: str) -> None:
    with pytest.raises(Denied):
        tries("approver", text)


@pytest.mark.parametrize("path", ["first", "back", "on"])
def test_saying_another_path_gains_nothing(url: str, logins: dict[str, str], path: str) -> None:
    """An approver's own setting is not believed; nor is an owner's UPDATE past the functions, as far as the rows speak against it."""
    job = f"path_{path}"
    register(url, logins, job)
    say = f"SELECT set_config('scorer.path', '{path}', false), set_config('scorer.why', 'because', false)"
    move(url, logins, job, "staging")
    with pytest.raises(Refused, match="has no card"):
        run_sql(
            as_login(url, logins["approver"]), f"{say}; SELECT scorer.move_model('{job}', 'a', 'production', 'why')"
        )
    straight = f"UPDATE scorer.model_versions SET status = 'production' WHERE job = '{job}'"
    with pytest.raises(Denied):
        run_sql(as_login(url, logins["approver"]), f"{say}; {straight}")
    as_owner = as_login(url, logins["owner"])
    if path == "first":
        run_sql(as_owner, f"{say}; {straight}")  # the exception: no model of the job was ever in production
        register(url, logins, job, "b")
        with pytest.raises(Refused, match="cannot go from candidate to production"):
            run_sql(as_owner, f"{say}; {straight} AND model_version = 'b'")
        with pytest.raises(Refused, match="may not promote"):
            run_sql(as_owner, f"SELECT scorer.admit_first_model('{job}', 'b', 'why')")
        return
    with pytest.raises(Refused, match="may not promote"):
        run_sql(as_owner, f"{say}; {straight}")
    with pytest.raises(Refused, match=r"was registered by|has no card"):
        run_sql(url, f"{say}; {straight}")  # a superuser, unless he takes the trigger away
    with pytest.raises(Refused, match="a reason is needed"):
        run_sql(url, straight.replace("production", "archived"))


def test_a_rollback_brings_back_what_was_there_before_and_nothing_else(url: str, logins: dict[str, str]) -> None:
    names = {"a": None, "b": "a", "c": "b"}
    for version, present in names.items():
        register(url, logins, "back", version)
        set_card(url, logins, "back", version)
        record(url, logins, "back", "golden", PASSED, version=version)
        record(url, logins, "back", "shadow", json.dumps({"production": present, "entities": 1}), version=version)
        move(url, logins, "back", "staging", version=version)
        move(url, logins, "back", "production", version=version)

    def back(role: str, version: str) -> None:
        run_sql(as_login(url, logins[role]), f"SELECT scorer.roll_back_model('back', '{version}', 'alarms doubled')")

    def standing() -> dict[str, str]:
        return dict(run_sql(url, "SELECT model_version, status FROM scorer.model_versions WHERE job = 'back'"))

    for version in ("a", "c", "none"):
        with pytest.raises(Refused, match="is not the one that was in production before"):
            back("approver", version)
    with pytest.raises(Denied):
        back("worker", "b")
    with pytest.raises(Refused, match="cannot go from archived to production"):
        move(url, logins, "back", "production", version="b")
    back("approver", "b")
    assert standing() == {"a": "archived", "b": "production", "c": "archived"}
    assert run_sql(
        url,
        "SELECT model_version, to_status, done_by, why FROM scorer.model_events WHERE job = 'back' ORDER BY event_id DESC LIMIT 2",
    ) == [
        ("b", "production", logins["approver"], "alarms doubled"),
        ("c", "archived", logins["approver"], "alarms doubled"),
    ]
    back("approver", "a")
    assert standing() == {"a": "production", "b": "archived", "c": "archived"}
    with pytest.raises(Refused, match="is not the one that was in production before"):
        back("approver", "b")
    # What was archived comes back by no other way than the first time.
    move(url, logins, "back", "staging", version="c")
    with pytest.raises(Refused, match=r"no shadow run of today, by .* beside model a, which is in production"):
        move(url, logins, "back", "production", version="c")
    move(url, logins, "back", "archived", version="a")
    back("approver", "a")  # production was emptied: what was there last comes back
    assert standing()["a"] == "production"


def test_of_two_promotions_at_once_one_wins_and_the_other_is_told(url: str, logins: dict[str, str]) -> None:
    for version in ("a", "b"):
        register(url, logins, "race", version)
        set_card(url, logins, "race", version)
        record(url, logins, "race", "golden", PASSED, version=version)
        record(url, logins, "race", "shadow", ALONE, version=version)
        move(url, logins, "race", "staging", version=version)
    said: list[str] = []

    def second() -> None:
        try:
            move(url, logins, "race", "production", version="b")
        except psycopg2.Error as error:
            said.append(str(error))

    with closing(psycopg2.connect(as_login(url, logins["approver"]))) as first, first.cursor() as cursor:
        cursor.execute("SELECT scorer.move_model('race', 'a', 'production', 'is well')")
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.5)
        assert thread.is_alive(), "the second did not wait for the first"
        first.commit()
        thread.join(10)
    assert "model b of race has no shadow run of today" in said[0]
    assert "beside model a, which is in production" in said[0]
    assert run_sql(url, "SELECT model_version, status FROM scorer.model_versions WHERE job = 'race' ORDER BY 1") == [
        ("a", "production"),
        ("b", "staging"),
    ]


def test_bytes_that_were_not_registered_are_not_stored(url: str, logins: dict[str, str]) -> None:
    register(url, logins, "bytes")
    insert = (
        "INSERT INTO scorer.model_artefacts (job, model_version, sha256, content) VALUES ('bytes', 'a', {sha}, 'x')"
    )
    as_worker = as_login(url, logins["worker"])
    with pytest.raises(psycopg2.errors.CheckViolation, match="model_artefacts_are_what_was_registered"):
        run_sql(as_worker, insert.format(sha="repeat('0', 64)"))
    with pytest.raises(psycopg2.errors.ForeignKeyViolation):
        run_sql(as_worker, insert.format(sha="encode(sha256('x'), 'hex')"))


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
        with pytest.raises(Refused, match="a reason is needed"):
            cursor.execute("SELECT scorer.move_model('j', 'one', 'staging', '')")


@pytest.mark.parametrize("role", ["worker", "reader", "requester", "nobody"])
def test_the_command_promotes_as_nobody_else(url: str, logins: dict[str, str], role: str, promote: Any) -> None:
    run_sql(url, CANDIDATE.format(job="sepsis", version="more") + " ON CONFLICT DO NOTHING")
    code, said = promote(as_login(url, logins[role]), "sepsis", "more")
    assert code == 1
    assert re.match("scorer: (A privilege is missing|Login roles_worker_.* may not promote model more of sepsis)", said)
    assert said.count("\n") == 1


RECALL = "SELECT scorer.recall_scores('j', 'a mix-up', NULL, 'v', NULL, NULL, true, {trial})"


def test_an_approver_recalls_and_is_named(
    make_database: Callable[[str], str], template: str, logins: dict[str, str]
) -> None:
    url = make_database(template)
    fill(url)
    run_sql(as_login(url, logins["approver"]), RECALL.format(trial=False))
    for name in ("recalls", "recall_events"):
        assert run_sql(as_login(url, logins["reader"]), f"SELECT job, why FROM reporting.{name}") == [("j", "a mix-up")]
    assert run_sql(as_login(url, logins["approver"]), "SELECT done_by FROM reporting.recall_events") == [
        (logins["approver"],)
    ]
    assert run_sql(url, "SELECT recalled_by FROM scorer.recalls") == [(logins["approver"],)]


@pytest.mark.parametrize("role", ["worker", "requester", "reader", "nobody"])
def test_nobody_else_recalls(tries: Any, role: str) -> None:
    for trial in (True, False):
        with pytest.raises(Denied):
            tries(role, RECALL.format(trial=trial))


WITHDRAW = "SELECT scorer.withdraw_scores('j', 'score', true, ARRAY ['1'], ARRAY ['{why}'])"


def test_a_worker_takes_scores_back_for_a_reason_that_a_run_can_have(tries: Any) -> None:
    assert tries("worker", WITHDRAW.format(why="gone")) == []  # it has no current score
    with pytest.raises(Refused, match="takes no score back for that reason"):
        tries("worker", WITHDRAW.format(why="a whim"))
    for role in ("approver", "requester", "reader", "nobody"):
        with pytest.raises(Denied):
            tries(role, WITHDRAW.format(why="gone"))


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO scorer.recalls (score_id, why) VALUES (1, 'x')",
        "DELETE FROM scorer.recalls",
        "UPDATE scorer.recall_events SET done_by = 'another'",
        """INSERT INTO scorer.recall_events (job, happened_at, why, model_version, in_force, scores, shadow_scores, entities)
        VALUES ('j', now(), 'x', 'one', false, 1, 0, 0)""",
        "UPDATE scorer.replays SET verdict = 'IDENTICAL'",
        "DELETE FROM scorer.replays",
    ],
)
@pytest.mark.parametrize("role", ["worker", "approver", "requester", "reader", "nobody"])
def test_a_recall_and_a_replay_are_recorded_by_their_ways_alone(tries: Any, role: str, text: str) -> None:
    with pytest.raises(Denied):
        tries(role, text)


def test_a_trial_of_a_recall_cannot_be_committed(
    make_database: Callable[[str], str], template: str, logins: dict[str, str]
) -> None:
    url = make_database(template)
    fill(url)
    with pytest.raises(psycopg2.Error, match="was a trial, which cannot be committed"):
        run_sql(as_login(url, logins["approver"]), RECALL.format(trial=True))
    kept = "SELECT (SELECT count(*) FROM scorer.recalls), (SELECT count(*) FROM scorer.recall_events)"
    assert run_sql(url, kept) == [(0, 0)]


@pytest.mark.parametrize(("column", "value"), [("replayed_by", "'another'"), ("replayed_at", "'2001-01-01Z'")])
def test_a_worker_does_not_say_who_replayed_or_when(tries: Any, column: str, value: str) -> None:
    with pytest.raises(Denied):
        tries(
            "worker",
            f"INSERT INTO scorer.replays (score_id, part, verdict, alarming, scorer_version, {column}) "
            f"SELECT score_id, 'vector', 'IDENTICAL', false, '0', {value} FROM scorer.scores",
        )


def test_a_worker_records_replays(tries: Any) -> None:
    replay = (
        "INSERT INTO scorer.replays (score_id, part, verdict, alarming, scorer_version) "
        "SELECT score_id, 'vector', 'IDENTICAL', false, '0' FROM scorer.scores"
    )
    tries("worker", replay)
    for role in ("approver", "requester", "reader", "nobody"):
        with pytest.raises(Denied):
            tries(role, replay)


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
    ended = run_job(
        sepsis, database=Database(as_worker, replace(settings, batch_size=20)), as_of=NOW + timedelta(hours=1)
    )
    assert (ended.status, ended.counts.eligible, ended.counts.balanced) == ("succeeded", 60, True)
    assert ended.counts.scored > 30
    written_back = run_sql(migrated_url, "SELECT count(*) FROM public.visits WHERE sepsis_score IS NOT NULL")
    assert written_back == [(ended.counts.scored,)]
    assert run_sql(migrated_url, "SELECT count(*) FROM scorer.batches") == [(3,)]
    assert run_sql(migrated_url, "SELECT 1 FROM reporting.quarantine LIMIT 1")
    again = run_job(sepsis, database=Database(as_worker, settings), as_of=NOW + timedelta(hours=1))
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
        run_job(sepsis, database=Database(as_login(url, logins[role]), settings))
    assert "\n" not in str(told.value)


def test_a_workers_login_cannot_migrate(url: str, logins: dict[str, str], settings: Settings) -> None:
    connected = engine(Target.of(as_login(url, logins["worker"]), settings, role=None))
    with pytest.raises(UserError, match="A privilege is missing"):
        schema.upgrade(connected)


def test_the_owner_enables_jobs_and_an_approver_may_disable_them(
    url: str, logins: dict[str, str], settings: Settings
) -> None:
    def switches() -> list[tuple[Any, ...]]:
        return run_sql(url, "SELECT enabled, switched_by FROM reporting.job_switches WHERE is_current")

    def database_of(role: str) -> Database:
        return Database(as_login(url, logins[role]), settings)

    registration.disable_job("sepsis", database=database_of("approver"))
    assert switches() == [(False, logins["approver"])]
    for column, value in (("switched_by", "'another'"), ("switched_at", "'2020-01-01Z'")):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            run_sql(
                as_login(url, logins["approver"]),
                f"INSERT INTO scorer.job_switches (job, enabled, {column}) VALUES ('sepsis', false, {value})",
            )
    for role in ("worker", "requester", "reader"):
        with pytest.raises(UserError):
            registration.disable_job("sepsis", database=database_of(role))
    for role in ("worker", "approver", "requester", "reader"):
        with pytest.raises(UserError):
            registration.enable_job("sepsis", database=database_of(role))
    registration.enable_job("sepsis", database=database_of("owner"))
    assert switches() == [(True, logins["owner"])]
