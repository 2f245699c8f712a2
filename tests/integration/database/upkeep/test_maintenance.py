"""Upkeep: partitions made ahead, statistics taken, and the months that leave the ledger."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg2
import pytest
from click.testing import CliRunner

from scorer.cli.database import maintain
from scorer.database.connection import Database, Target
from scorer.database.session import Session
from scorer.database.upkeep import maintenance as upkeep
from scorer.errors import UserError
from scorer.jobs.job import Job
from tests.integration.database.ledgers import DAY, KEPT, MANY, OLD, Ledger, deeds, expired, month


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


def test_the_ledger_is_kept_for_ever_unless_the_settings_say_otherwise(ledger: Ledger) -> None:
    expired(ledger)
    assert not deeds(ledger.maintain(), "detached", "dropped")
    assert "scores_2024_01" in ledger.partitions()


def test_a_month_that_leaves_the_ledger_is_a_table_of_its_own(ledger: Ledger) -> None:
    first, second = expired(ledger)
    planned = ledger.maintain(dry_run=True, keep_ledger=KEPT)
    assert "scores_2024_01" in ledger.partitions()
    assert ledger.one("SELECT count(*) FROM scorer.recalls WHERE run_began_at IS NULL") == 0
    done = ledger.maintain(keep_ledger=KEPT)
    of_months = [f"{table}_2024_{number}" for number in ("01", "02") for table in ("scores", "score_reasons")]
    assert deeds(planned, "detached") == deeds(done, "detached") == [("detached", name) for name in of_months]
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
        # No session waits for what is half detached.
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
        with pytest.raises(UserError, match='the login must be able to set role "scorer_owner"; GRANT that role'):
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
    printed = json.loads(CliRunner().invoke(maintain, ["--json"], obj=kept).output)
    assert (printed["dry_run"], len(printed["done"])) == (False, 5)
    assert printed["done"][-1] == {"deed": "pruned", "table": "runs", "rows": 2, "why": None}
    assert printed["done"][0] == {"deed": "detached", "table": "scores_2024_01", "rows": 0, "why": None}
    assert CliRunner().invoke(maintain, [], obj=kept).output == "Nothing is to be done.\n"
