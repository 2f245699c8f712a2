"""The growing ledger: its partitions, what they promise, and the upkeep that makes, ends and prunes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
import pytest
from click.testing import CliRunner

from scorer.cli.maintain import maintain
from scorer.config import Settings
from scorer.database import schema
from scorer.database.connection import Database, Target
from scorer.database.session import Session, engine
from scorer.database.store import partitions
from scorer.database.upkeep import maintenance as upkeep
from scorer.database.upkeep.maintenance import Done
from scorer.database.upkeep.upgrade_locks import pending_locks
from scorer.errors import UserError
from scorer.jobs.job import Job

DAY = timedelta(days=1)
OLD = datetime(2024, 1, 15, tzinfo=UTC)
KEPT = 200 * DAY
# The tables of a test are so small that a join would read them whole.
JOINED = "SET enable_hashjoin = off; SET enable_mergejoin = off"
# So many rows of the ledger for each run there is.
MANY = (
    "INSERT INTO scorer.scores (job, entity_id, output, run_id, batch_id, task, status, reason, as_of, as_known_at, input_hash, "
    "job_version, run_began_at) SELECT 'j', g::text, 'score', run_id, 1, 'binary', 'FAILED', 'r', as_of, as_of, '', 'v', started_at "
    "FROM scorer.runs CROSS JOIN generate_series(1, %s) AS g"
)


class Ledger:
    """A database at head, and rows of runs that began when a test says."""

    def __init__(self, url: str, settings: Settings) -> None:
        self.url = url
        self.settings = settings
        self.run("INSERT INTO scorer.job_versions (job, job_version, definition) VALUES ('j', 'v', '{}')")

    def connect(self) -> Any:
        return psycopg2.connect(self.url, options="-c TimeZone=UTC")

    def run(self, text: str, *parameters: object) -> list[tuple[Any, ...]]:
        with closing(self.connect()) as connection, connection, connection.cursor() as cursor:
            cursor.execute(text, parameters or None)
            return list(cursor.fetchall()) if cursor.description else []

    def one(self, text: str, *parameters: object) -> Any:
        ((value,),) = self.run(text, *parameters)
        return value

    def begin(self, began_at: datetime | None = None, *, status: str = "succeeded", eligible: int = 1) -> int:
        """A run that began then, or just now; its key."""
        return int(
            self.one(
                "INSERT INTO scorer.runs (job, job_version, trigger, as_of, as_known_at, scorer_version, started_at, status, "
                "finished_at, eligible, scored) SELECT 'j', 'v', 'manual', b, b, '0', b, %s, CASE WHEN %s <> 'running' THEN b END, %s, %s "
                "FROM (SELECT COALESCE(%s, now()) AS b) AS t RETURNING run_id",
                *(status, status, eligible, eligible, began_at),
            )
        )

    def write(self, run_id: int, *entity_ids: str, valid_until: str = "2024-02-01", **columns: object) -> list[int]:
        """Rows of the ledger, each with a reason, that are current; their keys."""
        row = {"batch_id": 1, "shadow": False} | columns
        keys = []
        for entity_id in entity_ids:
            keys.append(
                int(
                    self.one(
                        "INSERT INTO scorer.scores (job, entity_id, output, run_id, batch_id, task, status, score, as_of, as_known_at, "
                        "valid_until, input_hash, features, model_version, job_version, shadow, run_began_at) SELECT 'j', %s, 'score', "
                        "run_id, %s, 'binary', 'SCORED', 0.5, as_of, as_of, %s, '', '', 'm', 'v', %s, started_at FROM scorer.runs "
                        "WHERE run_id = %s RETURNING score_id",
                        *(entity_id, row["batch_id"], valid_until, row["shadow"], run_id),
                    )
                )
            )
            self.run(
                "INSERT INTO scorer.score_reasons (score_id, rank, kind, contribution, run_began_at) "
                "SELECT score_id, 1, 'bias', 0, run_began_at FROM scorer.scores WHERE score_id = %s",
                keys[-1],
            )
            self.run(
                "INSERT INTO scorer.current_scores (job, entity_id, output, status, status_as_of, status_at, input_hash, judged_by_job, "
                "score_id, score, as_of, scored_at, valid_until, model_version) "
                "SELECT job, entity_id, output, status, as_of, as_of, '', 'v', "
                "score_id, score, as_of, as_of, valid_until, model_version FROM scorer.scores WHERE score_id = %s "
                "ON CONFLICT (job, entity_id, output) DO UPDATE SET score_id = EXCLUDED.score_id, valid_until = EXCLUDED.valid_until",
                keys[-1],
            )
        return keys

    def point(self, score_id: int) -> None:
        """A request, a replay and a recall of a row of the ledger."""
        self.run(
            "INSERT INTO scorer.requests (job, entity_id, status, outcome, finished_at, score_id, run_began_at) "
            "SELECT job, entity_id, 'done', 'SCORED', now(), score_id, run_began_at FROM scorer.scores WHERE score_id = %s",
            score_id,
        )
        self.run(
            "INSERT INTO scorer.replays (score_id, run_began_at, part, verdict, alarming, scorer_version) "
            "SELECT score_id, run_began_at, 'vector', 'IDENTICAL', false, '0' FROM scorer.scores WHERE score_id = %s",
            score_id,
        )
        self.run(
            "INSERT INTO scorer.recalls (score_id, run_began_at, why) "
            "SELECT score_id, run_began_at, 'wrong' FROM scorer.scores WHERE score_id = %s",
            score_id,
        )

    def partitions(self) -> list[str]:
        return [
            name
            for (name,) in self.run(
                "SELECT partition FROM scorer.ledger_partitions WHERE ledger = 'scores' ORDER BY begins_at"
            )
        ]

    def tables(self) -> set[str]:
        return {name for (name,) in self.run("SELECT tablename FROM pg_tables WHERE schemaname = 'scorer'")}

    def maintain(self, *, dry_run: bool = False, **options: object) -> list[Done]:
        """What an upkeep did."""
        done: list[Done] = []
        upkeep.maintain(Database(self.url, replace(self.settings, **options)), dry_run=dry_run, report=done.append)
        return done


@pytest.fixture
def ledger(make_database: Callable[[str], str], template: str, settings: Settings) -> Ledger:
    return Ledger(make_database(template), settings)


def deeds(done: list[Done], *of: str) -> list[tuple[str, str]]:
    return [(each.deed, each.table) for each in done if not of or each.deed in of]


def month(moment: datetime, later: int = 0) -> str:
    years, months = divmod(moment.year * 12 + moment.month - 1 + later, 12)
    return f"{years}_{months + 1:02}"


# Partitions, and what they promise


def test_a_new_database_has_partitions_of_this_month_and_the_next_three(ledger: Ledger) -> None:
    now = datetime.now(UTC)
    assert ledger.partitions() == [f"scores_{month(now, later)}" for later in range(4)]
    assert {name.replace("scores", "score_reasons") for name in ledger.partitions()} <= ledger.tables()


def test_a_run_makes_the_partition_that_nobody_made(ledger: Ledger) -> None:
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


@pytest.mark.parametrize("began_at", ["now() - interval '40 days'", "now() + interval '1 microsecond'", "'-infinity'"])
def test_a_row_that_says_another_beginning_than_its_runs_is_refused(ledger: Ledger, began_at: str) -> None:
    run_id = ledger.begin()
    ledger.begin(datetime.now(UTC) - 40 * DAY)
    with pytest.raises(psycopg2.errors.CheckViolation):
        ledger.run(
            "INSERT INTO scorer.scores (job, entity_id, output, run_id, batch_id, task, status, reason, as_of, as_known_at, input_hash, "
            f"job_version, run_began_at) VALUES ('j', '1', 'score', %s, 1, 'binary', 'FAILED', 'r', now(), now(), '', 'v', {began_at})",
            run_id,
        )


def test_when_a_run_began_is_never_changed(ledger: Ledger) -> None:
    run_id = ledger.begin()
    for change in ("started_at = now() - interval '1 day'", "run_id = DEFAULT"):
        with pytest.raises(psycopg2.Error, match="began when it began"):
            ledger.run(f"UPDATE scorer.runs SET {change} WHERE run_id = %s", run_id)
    ledger.run("UPDATE scorer.runs SET started_at = started_at, resumed = 1 WHERE run_id = %s", run_id)


@pytest.mark.parametrize("table", ["scores", "score_reasons"])
@pytest.mark.parametrize(
    "text", ["UPDATE scorer.{} SET run_began_at = now()", "DELETE FROM scorer.{}", "TRUNCATE scorer.{} CASCADE"]
)
def test_a_partition_is_as_append_only_as_the_ledger(ledger: Ledger, table: str, text: str) -> None:
    ledger.write(ledger.begin(OLD), "1")
    for name in (table, f"{table}_2024_01"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege, match="is append-only"):
            ledger.run(text.format(name))
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            ledger.run("SET ROLE scorer_worker; " + text.format(name))
    for act in (
        "SELECT * FROM scorer.{}",
        "INSERT INTO scorer.{} SELECT",
        "ALTER TABLE scorer.scores DETACH PARTITION scorer.{}",
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


# The database as it was before, with rows


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
    told = [
        (each.revision, each.table, each.lock, each.rows)
        for each in pending_locks(Target.of(url, settings, role=None), revision="0008")
        if each.revision == "0009"
    ]
    assert told[0] == ("0009", "scores", "ACCESS EXCLUSIVE", 3)
    assert ("0009", "requests", "ACCESS EXCLUSIVE", 2) in told

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


# Upkeep


def test_a_database_in_shape_needs_nothing(ledger: Ledger) -> None:
    ledger.maintain()
    assert ledger.maintain() == []


def test_partitions_are_made_ahead_and_statistics_taken(ledger: Ledger) -> None:
    ledger.begin()
    ledger.run(MANY, 3000)
    ledger.one("SELECT pg_stat_force_next_flush() IS NULL")
    deadline = time.monotonic() + 20
    while not (done := ledger.maintain(dry_run=True, partitions_ahead=4)) or ("statistics", "scores") not in deeds(
        done
    ):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert ledger.one("SELECT reltuples FROM pg_class WHERE oid = 'scorer.scores'::regclass") <= 0
    named = month(datetime.now(UTC), 4)
    assert ("made", f"scores_{named}") in deeds(done)
    assert f"scores_{named}" not in ledger.tables()
    again = ledger.maintain(partitions_ahead=4)
    assert deeds(again) == deeds(done)
    assert ledger.one("SELECT reltuples FROM pg_class WHERE oid = 'scorer.scores'::regclass") == 3000
    assert ledger.partitions()[-1] == f"scores_{named}"


def test_a_daemon_makes_partitions_at_night_and_takes_nothing_away(ledger: Ledger, sepsis: Job) -> None:
    expired(ledger)
    settings = replace(ledger.settings, partitions_ahead=5, keep_ledger=KEPT, expired_ledger="drop")
    for _ in range(2):
        upkeep.nightly_upkeep(sepsis, Database(ledger.url, settings), lambda: False)
    assert ledger.partitions()[-1] == f"scores_{month(datetime.now(UTC), 5)}"
    assert ledger.partitions()[:2] == ["scores_2024_01", "scores_2024_02"]


def expired(ledger: Ledger) -> tuple[int, int]:
    """Two months that are over long ago, with a score each to which all there is points; the keys of these."""
    (first,) = ledger.write(ledger.begin(OLD), "1")
    (second,) = ledger.write(ledger.begin(OLD + 31 * DAY), "2")
    ledger.write(ledger.begin(), "3", valid_until="infinity")
    for key in (first, second):
        ledger.point(key)
    return first, second


def test_the_ledger_is_kept_for_ever_unless_the_settings_say_otherwise(ledger: Ledger) -> None:
    expired(ledger)
    assert not deeds(ledger.maintain(), "detached", "dropped")
    assert "scores_2024_01" in ledger.partitions()


def test_a_month_that_leaves_the_ledger_is_a_table_of_its_own(ledger: Ledger) -> None:
    first, second = expired(ledger)
    told = ledger.maintain(dry_run=True, keep_ledger=KEPT)
    assert "scores_2024_01" in ledger.partitions()
    assert ledger.one("SELECT count(*) FROM scorer.recalls WHERE run_began_at IS NULL") == 0
    done = ledger.maintain(keep_ledger=KEPT)
    of_months = [f"{table}_2024_{number}" for number in ("01", "02") for table in ("scores", "score_reasons")]
    assert deeds(told, "detached") == deeds(done, "detached") == [("detached", name) for name in of_months]
    assert ledger.partitions()[0] == f"scores_{month(datetime.now(UTC))}"
    assert ledger.run("SELECT score_id FROM scorer.scores_2024_01") == [(first,)]
    assert ledger.one("SELECT count(*) FROM scorer.scores") == 1
    with pytest.raises(psycopg2.errors.InsufficientPrivilege, match="append-only"):
        ledger.run("DELETE FROM scorer.scores_2024_01")
    for table in ("requests", "replays", "recalls"):
        assert ledger.run(f"SELECT score_id, run_began_at FROM scorer.{table} ORDER BY 1") == [
            (first, None),
            (second, None),
        ]
    assert not deeds(ledger.maintain(keep_ledger=KEPT))
    # A clock that goes back does not stop a run.
    ledger.write(ledger.begin(OLD), "1")
    assert ledger.partitions()[0] == "scores_2024_01_2"


def test_a_month_that_leaves_the_ledger_is_dropped_where_the_settings_say_so(ledger: Ledger) -> None:
    first, _ = expired(ledger)
    done = ledger.maintain(keep_ledger=KEPT, expired_ledger="drop")
    assert len(deeds(done, "dropped")) == 4
    assert not {name for name in ledger.tables() if "2024" in name}
    assert ledger.one("SELECT count(*) FROM scorer.recalls WHERE score_id = %s", first) == 1


def test_what_was_detached_is_not_dropped_by_another_setting(ledger: Ledger) -> None:
    expired(ledger)
    ledger.maintain(keep_ledger=KEPT)
    assert not deeds(ledger.maintain(keep_ledger=KEPT, expired_ledger="drop"))
    assert "scores_2024_01" in ledger.tables()


def test_a_month_with_an_open_run_or_a_valid_score_stays(ledger: Ledger) -> None:
    run_id = ledger.begin(OLD, status="running")
    ledger.write(run_id, "1")
    ledger.write(ledger.begin(OLD + 31 * DAY), "2", valid_until="infinity")
    done = ledger.maintain(keep_ledger=KEPT)
    assert [(each.table, each.why) for each in done if each.deed == "left"] == [
        ("scores_2024_01", f"run {run_id} of it is not ended"),
        ("scores_2024_02", "1 scores of it are current and valid"),
    ]
    assert not deeds(done, "detached", "dropped")
    assert ledger.one("SELECT count(*) FROM scorer.score_reasons") == 2


def test_what_others_hold_is_left_and_ended_by_the_next(ledger: Ledger) -> None:
    expired(ledger)
    with closing(ledger.connect()) as reading, reading.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM scorer.scores")
        done = ledger.maintain(keep_ledger=KEPT, lock_timeout=timedelta(milliseconds=300))
        assert ("left", "scores_2024_01") in deeds(done)
        # Nobody waits for what is half detached.
        ledger.run("SET lock_timeout = '1 s'; SELECT count(*) FROM reporting.score_history")
        ledger.write(ledger.begin(), "9", valid_until="infinity")
        reading.rollback()
    done = ledger.maintain(keep_ledger=KEPT)
    assert len(deeds(done, "detached")) == 4
    assert ledger.partitions()[0] == f"scores_{month(datetime.now(UTC))}"


def test_what_was_marked_to_be_dropped_is_kept_where_the_settings_say_so_by_then(ledger: Ledger) -> None:
    expired(ledger)
    with closing(ledger.connect()) as reading, reading.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM scorer.scores")
        ledger.maintain(keep_ledger=KEPT, expired_ledger="drop", lock_timeout=timedelta(milliseconds=300))
        reading.rollback()
    done = ledger.maintain(keep_ledger=KEPT, expired_ledger="detach")
    assert len(deeds(done, "detached")) == 4
    assert not deeds(done, "dropped")
    assert "scores_2024_01" in ledger.tables()
    assert not deeds(ledger.maintain(keep_ledger=KEPT, expired_ledger="drop"), "dropped")


def test_a_crash_in_the_middle_leaves_nothing_half(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    expired(ledger)
    alone = Session.alone

    def dies_before(last: int) -> Callable[[Session, str], None]:
        steps = iter(range(1, last))

        def run(session: Session, query: str) -> None:
            if next(steps, None) is None:
                raise KeyboardInterrupt
            alone(session, query)

        return run

    # Each table is marked, detached and dropped; the process dies before the one or the other.
    for last in (1, 2, 3, 2, 4, 1, 3, 4):
        monkeypatch.setattr(Session, "alone", dies_before(last))
        with pytest.raises(KeyboardInterrupt):
            ledger.maintain(keep_ledger=KEPT, expired_ledger="drop")
        assert ledger.one("SELECT count(*) FROM reporting.score_history WHERE entity_id = '3'") == 1
    monkeypatch.setattr(Session, "alone", alone)
    assert deeds(ledger.maintain(keep_ledger=KEPT, expired_ledger="drop"), "dropped")
    assert not {name for name in ledger.tables() if "2024" in name}
    assert not ledger.maintain(keep_ledger=KEPT, expired_ledger="drop")


def test_an_upkeep_that_is_killed_while_it_waits_is_ended_by_the_next(ledger: Ledger) -> None:
    expired(ledger)
    program = (
        "from datetime import timedelta; from scorer.database.upkeep import maintenance as upkeep; import sys; "
        "from scorer.config import Settings; from scorer.database.connection import Database; "
        "kept = Settings(keep_ledger=timedelta(days=200), lock_timeout=timedelta(minutes=5)); "
        "upkeep.maintain(Database(sys.argv[1], kept), dry_run=False, report=print)"
    )
    with closing(ledger.connect()) as reading, reading.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM scorer.scores")
        process = subprocess.Popen([sys.executable, "-c", program, ledger.url], stdout=subprocess.DEVNULL)
        pending = "SELECT count(*) FROM pg_inherits WHERE inhdetachpending"
        deadline = time.monotonic() + 60
        while not ledger.one(pending):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        of_here = "WHERE datname = current_database() AND application_name = 'scorer'"
        ledger.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity {of_here}")
        ledger.write(ledger.begin(), "9", valid_until="infinity")
        reading.rollback()
    deadline = time.monotonic() + 20
    while ledger.one(f"SELECT count(*) FROM pg_stat_activity {of_here}"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    ledger.maintain(keep_ledger=KEPT)
    assert ledger.one(pending) == 0
    assert ledger.partitions()[0] == f"scores_{month(datetime.now(UTC))}"


def test_one_upkeep_at_a_time(ledger: Ledger) -> None:
    with closing(Session(Target.of(ledger.url, ledger.settings, role="scorer_owner"))) as other:
        with other.transaction():
            assert upkeep.hold_upkeep(other)
        with pytest.raises(UserError, match="Another `scorer maintain` is at work"):
            ledger.maintain()


def test_a_login_that_may_not_act_as_the_owner_is_told_so(ledger: Ledger) -> None:
    name = f"maintain_{os.getpid()}"
    ledger.run(f"CREATE ROLE {name} LOGIN PASSWORD 'only-for-tests' IN ROLE scorer_worker")
    try:
        url = ledger.url.replace("//scorer@", f"//{name}:only-for-tests@")
        with pytest.raises(UserError, match='permission denied to set role "scorer_owner"; GRANT that role'):
            upkeep.maintain(Database(url, ledger.settings), dry_run=False, report=print)
        made: list[str] = []
        with closing(Session(Target.of(url, ledger.settings, role="scorer_worker"))) as session, session.transaction():
            made += upkeep.make_partitions(session, months=4)
        assert len(made) == 2
    finally:
        ledger.run(f"DROP OWNED BY {name}; DROP ROLE {name}")


def test_the_command_says_what_it_did_one_line_each(ledger: Ledger) -> None:
    expired(ledger)
    kept = replace(ledger.settings, database_url=ledger.url, keep_ledger=KEPT)
    said = CliRunner().invoke(maintain, ["--dry-run"], obj=kept)
    assert said.output.splitlines()[0] == "Would detach scores_2024_01."
    told = json.loads(CliRunner().invoke(maintain, ["--json"], obj=kept).output)
    assert (told["dry_run"], len(told["done"])) == (False, 5)
    assert told["done"][-1] == {"deed": "pruned", "table": "runs", "rows": 2, "why": None}
    assert told["done"][0] == {"deed": "detached", "table": "scores_2024_01", "rows": 0, "why": None}
    assert CliRunner().invoke(maintain, [], obj=kept).output == "Nothing is to be done.\n"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"keep_ledger": 99 * DAY}, 'keep_ledger is 99 days, .* make it "100 days" or more'),
        ({"keep_operations": DAY}, "keep_operations is 1 days"),
        ({"keep_requests": timedelta(hours=12)}, "keep_requests is 0.5 days"),
        ({"keep_rejections": DAY}, "keep_rejections is 1 days"),
    ],
)
def test_settings_that_keep_too_little_are_refused(ledger: Ledger, options: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said) as told:
        ledger.maintain(**options)
    assert "\n" not in str(told.value)
    assert str(told.value).endswith(".")


# Pruning


@pytest.fixture
def full(ledger: Ledger) -> Ledger:
    """Of each kind two rows: one of long ago that may go, and one that stays."""
    run = ledger.run
    old, idle, new = ledger.begin(OLD), ledger.begin(OLD, eligible=0), ledger.begin()
    ledger.write(old, "1")
    ended = "2024-01-16"
    for run_id, when in ((old, ended), (new, "now")):
        run(
            "INSERT INTO scorer.batches (batch_id, run_id, worker, started_at, finished_at, eligible, scored, unchanged, quarantined, "
            "insufficient, indeterminate, failed, observations_read, observations_dropped) OVERRIDING SYSTEM VALUE "
            "VALUES (%s, %s, 'w', %s, %s, 1, 1, 0, 0, 0, 0, 0, 1, 0)",
            *(run_id, run_id, when, when),
        )
        run(
            "INSERT INTO scorer.validation_results (run_id, batch_id, suite, rule, expectation, action, column_name, judged, unexpected, "
            "success, judged_at) VALUES (%s, %s, 's', 'r', 'e', 'warn', 'c', 1, 0, true, %s)",
            *(run_id, run_id, when),
        )
        run(
            "INSERT INTO scorer.feature_counts (batch_id, run_id, job, model_version, counted_at, scores, counts) "
            "VALUES (%s, %s, 'j', 'm', %s, 1, '{1}')",
            *(run_id, run_id, when),
        )
        run(
            "INSERT INTO scorer.requests (job, entity_id, status, outcome, requested_at, finished_at, run_id) "
            "VALUES ('j', '1', 'done', 'SCORED', %s, %s, %s), ('j', '1', 'waiting', NULL, %s, NULL, NULL)",
            *(when, when, run_id, when),
        )
        run(
            "INSERT INTO scorer.rejections (job, entity_id, observation_id, rule, action, column_name, observed, expected, run_id, "
            "resolved_at) VALUES ('j', %s, '1', 'r', 'drop', 'c', 'o', 'e', %s, %s), ('j', %s, '2', 'r', 'drop', 'c', 'o', 'e', %s, NULL)",
            *(str(run_id), run_id, when, str(run_id), run_id),
        )
        run(
            "INSERT INTO scorer.ticks (job, scheduled_for, outcome, schedule, run_id, recorded_by) VALUES ('j', %s, 'ran', 's', %s, 'd')",
            *(when, run_id if run_id == new else idle),
        )
        run("INSERT INTO scorer.chores (job, chore, night, ended_at, daemon) VALUES ('j', 'c', %s, now(), 'd')", when)
        run(
            "INSERT INTO scorer.alerts (job, kind, model_version, detail, since, ended_at) VALUES ('j', 'age', 'm', 'd', %s, %s)",
            *(when, when),
        )
        run("INSERT INTO scorer.arrivals (job, entity_id, observations, arrived_at) VALUES ('j', '1', 1, %s)", when)
        run(
            "INSERT INTO scorer.daemons (daemon, version, beat_at, ready, detail) VALUES (%s, '0', %s, true, '')",
            when,
            when,
        )
    run(
        "INSERT INTO scorer.alerts (job, kind, model_version, detail, since) VALUES ('j', 'drift', 'm', 'd', %s)", ended
    )
    (key,) = ledger.run("SELECT score_id FROM scorer.scores")[0]
    for alarming, when in ((False, ended), (True, ended), (False, "now")):
        run(
            "INSERT INTO scorer.replays (score_id, run_began_at, part, verdict, why, alarming, replayed_at, scorer_version) "
            "SELECT score_id, run_began_at, 'vector', 'DIFFERS', 'w', %s, %s, '0' FROM scorer.scores WHERE score_id = %s",
            *(alarming, when, key),
        )
    run(
        "INSERT INTO scorer.model_versions (job, model_version, sha256, manifest) VALUES ('j', 'm', repeat('0', 64), '{}')"
    )
    for when in (ended, "2024-01-17"):
        run(
            "WITH kept AS (INSERT INTO scorer.checkups (job, model_version, job_version, checked_at, window_from, scores, features, "
            "features_moved, retrain_after) VALUES ('j', 'm', 'v', %s, %s, 1, 1, 0, '91 days') RETURNING checkup_id) "
            "INSERT INTO scorer.live_performance (checkup_id, job, model_version, window_from, window_until, metric, rows, entities, "
            "positives) SELECT checkup_id, 'j', 'm', %s, %s, 'auroc', 1, 1, 1 FROM kept",
            *(when, when, when, when),
        )
    return ledger


PRUNED = {
    "requests": 3,
    "rejections": 3,
    "live_performance": 1,
    "checkups": 1,
    "validation_results": 1,
    "feature_counts": 1,
    "batches": 1,
    "ticks": 1,
    "chores": 1,
    "alerts": 2,
    "replays": 2,
    "arrivals": 1,
    "daemons": 1,
    "runs": 2,
}


def test_what_runs_leave_behind_is_pruned_and_what_is_needed_stays(full: Ledger) -> None:
    for table, stay in PRUNED.items():
        assert full.one(f"SELECT count(*) FROM scorer.{table}") == stay + 1, table
    found = full.maintain(dry_run=True)
    # In a dry run, what names a row is there still.
    assert {each.table for each in found if each.deed == "pruned"} == set(PRUNED) - {"checkups", "batches", "runs"}
    for table, stay in PRUNED.items():
        assert full.one(f"SELECT count(*) FROM scorer.{table}") == stay + 1, table
    done = full.maintain()
    assert [(each.table, each.rows) for each in done if each.deed == "pruned"] == [(table, 1) for table in PRUNED]
    for table, stay in PRUNED.items():
        assert full.one(f"SELECT count(*) FROM scorer.{table}") == stay, table
    assert full.one("SELECT count(*) FROM scorer.requests WHERE status = 'waiting'") == 2
    assert full.one("SELECT count(*) FROM scorer.rejections WHERE resolved_at IS NULL") == 2
    assert full.one("SELECT count(*) FROM scorer.replays WHERE alarming") == 1
    assert full.one("SELECT count(*) FROM scorer.runs WHERE started_at < now() - interval '1 day'") == 1
    assert not deeds(full.maintain(), "pruned")


def test_a_run_goes_with_its_rows_of_the_ledger(full: Ledger) -> None:
    full.maintain()
    done = full.maintain(keep_ledger=KEPT)
    assert ("detached", "scores_2024_01") in deeds(done)
    assert ("pruned", "runs") in deeds(done)
    assert full.one("SELECT count(*) FROM scorer.runs") == 1
    assert full.one("SELECT count(*) FROM scorer.current_scores") == 1


def test_what_a_run_that_is_not_ended_left_stays(full: Ledger) -> None:
    full.run(
        "UPDATE scorer.runs SET status = 'running', finished_at = NULL WHERE started_at = %s AND eligible = 1", OLD
    )
    full.maintain()
    for table in ("validation_results", "batches"):
        assert full.one(f"SELECT count(*) FROM scorer.{table}") == 2, table


def test_much_is_pruned_in_portions(full: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "PORTION", 10)
    full.run(
        "INSERT INTO scorer.requests (job, entity_id, status, reason, requested_at, finished_at) "
        "SELECT 'j', '1', 'cancelled', 'r', '2024-01-01', '2024-01-02' FROM generate_series(1, 35)"
    )
    done = full.maintain()
    assert ("requests", 36) in [(each.table, each.rows) for each in done]
    assert full.one("SELECT count(*) FROM scorer.requests") == 3
