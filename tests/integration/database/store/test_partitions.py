"""The partitions of the ledger, and what they promise."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product

import psycopg2
import pytest

from scorer.config import Settings
from scorer.database import schema
from scorer.database.connection import Target
from scorer.database.session import engine
from scorer.database.upkeep.upgrade_locks import pending_locks
from scorer.errors import UserError
from tests.integration.database.ledgers import DAY, JOINED, MANY, OLD, Ledger, month


def test_a_new_database_has_partitions_of_this_month_and_the_next_three(ledger: Ledger) -> None:
    now = datetime.now(UTC)
    assert ledger.partitions() == [f"scores_{month(now, later)}" for later in range(4)]
    assert {name.replace("scores", "score_reasons") for name in ledger.partitions()} <= ledger.tables()


def test_a_run_makes_a_partition_that_is_missing(ledger: Ledger) -> None:
    ledger.begin(datetime(2031, 6, 30, 23, 59, tzinfo=UTC))
    assert ledger.partitions()[-1] == "scores_2031_06"
    ledger.begin(datetime(2031, 6, 1, tzinfo=UTC))
    ledger.begin(datetime(2031, 7, 1, tzinfo=UTC))
    assert ledger.partitions()[-2:] == ["scores_2031_06", "scores_2031_07"]


def test_runs_that_begin_at_once_without_a_partition_make_one(ledger: Ledger) -> None:
    together = threading.Barrier(4)

    def begin(_: int) -> int:
        together.wait()
        return ledger.begin(OLD)

    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(begin, range(4)))
    assert len(set(runs)) == 4
    assert ledger.partitions()[0] == "scores_2024_01"


def test_a_partition_is_made_while_others_write_and_read(ledger: Ledger) -> None:
    run_id = ledger.begin()
    with closing(ledger.connect()) as writing, writing.cursor() as cursor:
        cursor.execute(
            "INSERT INTO scorer.scores (job, entity_id, output, run_id, batch_id, task, status, reason, as_of, as_known_at, input_hash, "
            "job_version, run_began_at) SELECT 'j', '1', 'score', run_id, 1, 'binary', 'FAILED', 'r', as_of, as_of, '', 'v', started_at "
            "FROM scorer.runs WHERE run_id = %s",
            (run_id,),
        )
        cursor.execute("SELECT count(*) FROM reporting.score_history")
        ledger.run("SET lock_timeout = '1 s'; SELECT * FROM scorer.make_partitions(9)")
        writing.rollback()
    assert len(ledger.partitions()) == 10


def test_a_run_over_the_turn_of_a_month_writes_where_it_began(ledger: Ledger) -> None:
    run_id = ledger.begin(datetime(2024, 1, 31, 23, 59, 59, tzinfo=UTC), status="running")
    ledger.begin(datetime(2024, 2, 1, 0, 0, tzinfo=UTC))
    ledger.write(run_id, "1", batch_id=1)
    ledger.write(run_id, "2", batch_id=2)
    assert ledger.run("SELECT tableoid::regclass::text, count(*) FROM scorer.scores GROUP BY 1") == [
        ("scorer.scores_2024_01", 2)
    ]
    assert ledger.run("SELECT DISTINCT tableoid::regclass::text FROM scorer.score_reasons") == [
        ("scorer.score_reasons_2024_01",)
    ]


def test_an_entity_has_one_outcome_in_all_batches_of_a_run(ledger: Ledger) -> None:
    run_id = ledger.begin()
    ledger.write(run_id, "1", batch_id=1)
    with pytest.raises(psycopg2.errors.UniqueViolation):
        ledger.write(run_id, "1", batch_id=2)
    ledger.write(ledger.begin(), "1")


def test_a_row_that_says_another_beginning_than_its_runs_is_refused(ledger: Ledger) -> None:
    run_id = ledger.begin()
    ledger.begin(datetime.now(UTC) - 40 * DAY)
    for began_at in ("now() - interval '40 days'", "now() + interval '1 microsecond'", "'-infinity'"):
        with pytest.raises(psycopg2.errors.CheckViolation):
            ledger.run(
                "INSERT INTO scorer.scores (job, entity_id, output, run_id, batch_id, task, status, reason, as_of, as_known_at, "
                "input_hash, job_version, run_began_at) "
                f"VALUES ('j', '1', 'score', %s, 1, 'binary', 'FAILED', 'r', now(), now(), '', 'v', {began_at})",
                run_id,
            )


def test_when_a_run_began_is_never_changed(ledger: Ledger) -> None:
    run_id = ledger.begin()
    for change in ("started_at = now() - interval '1 day'", "run_id = DEFAULT"):
        with pytest.raises(psycopg2.Error, match="began when it began"):
            ledger.run(f"UPDATE scorer.runs SET {change} WHERE run_id = %s", run_id)
    ledger.run("UPDATE scorer.runs SET started_at = started_at, resumed = 1 WHERE run_id = %s", run_id)


def test_a_partition_is_as_append_only_as_the_ledger(ledger: Ledger) -> None:
    ledger.write(ledger.begin(OLD), "1")
    changes = ("UPDATE scorer.{} SET run_began_at = now()", "DELETE FROM scorer.{}", "TRUNCATE scorer.{} CASCADE")
    for table, change in product(("scores", "score_reasons"), changes):
        for name in (table, f"{table}_2024_01"):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege, match="is append-only"):
                ledger.run(change.format(name))
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                ledger.run("SET ROLE scorer_worker; " + change.format(name))
    for table, act in product(
        ("scores", "score_reasons"),
        (
            "SELECT * FROM scorer.{}",
            "INSERT INTO scorer.{} SELECT",
            "ALTER TABLE scorer.scores DETACH PARTITION scorer.{}",
        ),
    ):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            ledger.run("SET ROLE scorer_worker; " + act.format(f"{table}_2024_01"))


def test_a_worker_may_make_partitions_and_take_statistics_and_no_more(ledger: Ledger) -> None:
    assert ledger.run("SET ROLE scorer_worker; SELECT * FROM scorer.make_partitions(4)")[0][0].startswith("scores_")
    ledger.run("SET ROLE scorer_worker; SELECT scorer.refresh_statistics('scores')")
    for refused in (
        "SELECT scorer.make_partition(now())",
        "DROP TABLE scorer.scores_2024_01",
        "DELETE FROM scorer.batches",
        "DELETE FROM scorer.requests",
        "UPDATE scorer.recalls SET run_began_at = NULL",
    ):
        with pytest.raises(psycopg2.Error):
            ledger.run(f"SET ROLE scorer_worker; {refused}")
    for asked in (-1, 25, None):
        if asked is not None:
            with pytest.raises(psycopg2.Error, match="24 at the most"):
                ledger.run("SELECT scorer.make_partitions(%s)", asked)
    with pytest.raises(psycopg2.Error, match="no table 'pg_class' in the schema scorer"):
        ledger.run("SELECT scorer.refresh_statistics('pg_class')")


def test_a_recall_never_changes_but_for_where_its_score_lies(ledger: Ledger) -> None:
    (key,) = ledger.write(ledger.begin(OLD), "1")
    ledger.point(key)
    for change in (
        "why = 'other'",
        "run_began_at = now()",
        "run_began_at = NULL, why = 'other'",
        "score_id = 5, run_began_at = NULL",
    ):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege, match="append-only"):
            ledger.run(f"UPDATE scorer.recalls SET {change}")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege, match="append-only"):
        ledger.run("DELETE FROM scorer.recalls")
    for table in ("requests", "replays", "recalls"):
        with pytest.raises(psycopg2.Error):
            ledger.run(f"UPDATE scorer.{table} SET run_began_at = run_began_at + interval '1 s'")


def test_whatever_has_36_partitions_is_read_by_its_indexes(ledger: Ledger) -> None:
    for each in range(36):
        ledger.begin(datetime(2024 + each // 12, each % 12 + 1, 2, tzinfo=UTC))
    ledger.run(MANY, 1500)
    ledger.run(
        "INSERT INTO scorer.score_reasons (score_id, rank, kind, contribution, run_began_at) "
        "SELECT score_id, 1, 'bias', 0, run_began_at FROM scorer.scores"
    )
    ledger.run("ANALYZE scorer.scores, scorer.score_reasons")
    for text in (
        "SELECT * FROM reporting.score_history WHERE job = 'j' AND entity_id = '7'",
        "SELECT * FROM scorer.scores WHERE score_id = 7",
        "SELECT * FROM scorer.scores WHERE score_id = ANY ('{7,9}')",
        "SELECT * FROM scorer.scores ORDER BY score_id DESC LIMIT 20",
        "SELECT max(score_id) FROM scorer.scores",
        "SELECT * FROM reporting.recalls WHERE recall_id = 1",
        "SELECT * FROM reporting.replays WHERE score_id = 7",
        "SELECT * FROM reporting.score_reasons WHERE job = 'j' AND entity_id = '7'",
    ):
        plan = "\n".join(line for (line,) in ledger.run(f"{JOINED}; EXPLAIN {text}"))
        assert not re.search("Seq Scan on (scores|score_reasons)_202[45]", plan), text


def test_a_ledger_with_rows_becomes_the_first_partition_and_comes_back(
    make_database: Callable[[str], str], settings: Settings
) -> None:
    url = make_database("template1")
    connected = engine(Target.of(url, settings, role=None))
    schema.upgrade(connected)
    schema.downgrade(connected, revision="0008")
    before = Ledger(url, settings)
    before.run(
        "INSERT INTO scorer.runs (job, job_version, trigger, as_of, as_known_at, scorer_version, eligible) "
        "VALUES ('j', 'v', 'manual', now(), now(), '0', 2)"
    )
    wrote = (
        "INSERT INTO scorer.scores (job, entity_id, output, run_id, batch_id, task, status, score, as_of, as_known_at, valid_until, "
        "input_hash, features, model_version, job_version{}) "
        "SELECT 'j', %s, 'score', run_id, 1, 'binary', 'SCORED', 0.5, as_of, as_of, as_of, "
        "'', '', 'm', 'v'{} FROM scorer.runs WHERE run_id = 1 RETURNING score_id"
    )
    for entity_id in ("1", "2", "3"):
        before.run(wrote.format("", ""), entity_id)
    before.run("INSERT INTO scorer.score_reasons (score_id, rank, kind, contribution) VALUES (1, 1, 'bias', 0)")
    before.run(
        "INSERT INTO scorer.requests (job, entity_id, status, outcome, finished_at, score_id) "
        "VALUES ('j', '1', 'done', 'SCORED', now(), 1), ('j', '9', 'waiting', NULL, NULL, NULL)"
    )
    before.run(
        "INSERT INTO scorer.replays (score_id, part, verdict, alarming, scorer_version) VALUES (2, 'vector', 'IDENTICAL', false, '0')"
    )
    before.run("INSERT INTO scorer.recalls (score_id, why) VALUES (3, 'wrong')")
    before.run(
        "GRANT SELECT ON scorer.scores TO scorer_reader; CREATE VIEW reporting.theirs AS SELECT count(*) AS rows FROM scorer.scores"
    )
    with pytest.raises(
        UserError, match=r"eporting.theirs reads the ledger's table, .* drop it, upgrade, and make it again"
    ):
        schema.upgrade(engine(Target.of(url, replace(settings), role="scorer_owner")))
    before.run("ALTER VIEW reporting.theirs OWNER TO scorer_owner")
    filenode = before.one("SELECT pg_relation_filenode('scorer.scores')")
    rows = "SELECT score_id, entity_id, score FROM scorer.scores ORDER BY score_id"
    held = before.run(rows)
    before.run("ANALYZE scorer.scores, scorer.requests")
    locks = [
        (each.revision, each.table, each.lock, each.rows)
        for each in pending_locks(Target.of(url, settings, role=None), revision="0008")
        if each.revision == "0009"
    ]
    assert locks[0] == ("0009", "scores", "ACCESS EXCLUSIVE", 3)
    assert ("0009", "requests", "ACCESS EXCLUSIVE", 2) in locks

    schema.upgrade(connected)
    assert pending_locks(Target.of(url, settings, role=None), revision=schema.state(connected).revision) == []
    first = before.partitions()[0]
    assert first == f"scores_before_{month(datetime.now(UTC), 1)}"
    assert before.one(f"SELECT pg_relation_filenode('scorer.{first}')") == filenode, "the rows were rewritten"
    assert before.run(rows) == held
    assert before.one("SELECT rows FROM reporting.theirs") == 3
    assert before.one("SELECT has_table_privilege('scorer_reader', 'scorer.scores', 'SELECT')")
    assert not before.one(f"SELECT has_table_privilege('scorer_reader', 'scorer.{first}', 'SELECT')")
    assert before.run("SELECT entity_id, recalled FROM reporting.score_history ORDER BY 1") == [
        ("1", False),
        ("2", False),
        ("3", True),
    ]
    assert (
        before.one("SELECT count(*) FROM reporting.recalls")
        == before.one("SELECT count(*) FROM reporting.replays")
        == 1
    )
    # A run that was under way goes on in the same table, whose old key still sees what it wrote before.
    with pytest.raises(psycopg2.errors.UniqueViolation):
        before.run(wrote.format(", run_began_at", ", started_at"), "1")
    assert before.run(wrote.format(", run_began_at", ", started_at"), "4")[0][0] > 3
    for text in ("DELETE FROM scorer.{}", "UPDATE scorer.{} SET score = 0", "TRUNCATE scorer.{} CASCADE"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege, match="is append-only"):
            before.run(text.format(first))
    now = before.begin()
    before.write(now, "5")

    schema.downgrade(connected, revision="0008")
    assert before.run(rows)[:3] == held
    assert before.one("SELECT count(*) FROM scorer.scores") == 5
    assert before.one("SELECT rows FROM reporting.theirs") == 5
    assert before.one("SELECT count(*) FROM scorer.recalls") == before.one("SELECT count(*) FROM scorer.replays") == 1
    schema.upgrade(connected)
    assert before.one("SELECT count(*) FROM scorer.scores") == 5
