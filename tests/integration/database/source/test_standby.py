"""Observations read from a standby: a real one, that streams from the tests' server, held back, paused and taken away."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from scorer.checks.check import check
from scorer.checks.hosts import check_standby
from scorer.database.connection import Database
from scorer.database.embedded.installs import reachable_programs
from scorer.database.embedded.server import Server
from scorer.errors import UserError
from scorer.runs.plan import plan_run

# Sessions that have just read a batch, by the statement they ran last: the attributes, after the observations.
READERS = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY%age_years%' AND pid <> pg_backend_pid()"


class Standby:
    """The standby, and what is done to it."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def of(self, url: str) -> str:
        """The URL of the same database here."""
        return self.server.url.replace("/scorer?", f"/{url.split('?', maxsplit=1)[0].rsplit('/', maxsplit=1)[-1]}?", 1)

    def one(self, query: str, url: str | None = None) -> Any:
        """The one value of a query."""
        with closing(psycopg2.connect(url or self.server.url)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(query)
                return cursor.fetchone()[0] if cursor.description else None


@pytest.fixture(scope="module")
def streaming(server: Server, home: Path) -> Iterator[Standby]:
    """A copy of the tests' server that goes on replaying what that writes."""
    with closing(psycopg2.connect(server.url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("SELECT current_setting('hba_file')")
        access = Path(cursor.fetchone()[0])
        before = access.read_text()
        access.write_text(f"{before}local replication scorer trust\n")
        cursor.execute("SELECT pg_reload_conf()")
        place = home / "standby"
        copy_server(server, place)
        with Server.at(place).serving() as running:
            yield Standby(running)
        access.write_text(before)
        cursor.execute("SELECT pg_reload_conf()")


def copy_server(server: Server, place: Path) -> None:
    """Lay a copy of the server's data under `place`, set to follow it."""
    account, data = server._account(), server._data()
    assert data is not None
    copy = place / "postgres" / data.name
    for folder in (place, copy.parent):
        folder.mkdir(mode=0o711)
    connect = f"host={server.folder.resolve() / 'socket'} port=5432 user=scorer"
    programs = reachable_programs(server._chosen(), account=account, copies=server.folder)
    copied = subprocess.run(
        [programs / "pg_basebackup", "-d", connect, "-D", copy, "-R", "-c", "fast"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
    )
    assert copied.returncode == 0, copied.stderr
    if os.geteuid() == 0:
        for path in (copy, *copy.rglob("*")):
            os.chown(path, account.uid, account.gid, follow_symlinks=False)


@pytest.fixture
def standby(streaming: Standby) -> Iterator[Standby]:
    yield streaming
    streaming.one("SELECT pg_wal_replay_resume()")
    streaming.one("ALTER SYSTEM RESET recovery_min_apply_delay")
    streaming.one("SELECT pg_reload_conf()")


@pytest.fixture
def followed(hospital: Any, standby: Standby) -> Any:
    """The hospital, read by way of its standby, where its database has arrived."""
    arrived = f"SELECT count(*) FROM pg_database WHERE datname = '{hospital.url.split('?')[0].rsplit('/', 1)[-1]}'"
    while not standby.one(arrived):
        pass
    hospital.settings = replace(
        hospital.settings, read_url=standby.of(hospital.url), read_lag_limit=timedelta(minutes=1), batch_size=3
    )
    return hospital


class Seen:
    """Where each batch was read: how many sessions at the primary, and at the standby, have read one last."""

    def __init__(self, hospital: Any, standby: Standby) -> None:
        self.hospital, self.standby = hospital, standby
        self.read: list[tuple[int, int]] = []

    def __call__(self, step: str) -> None:
        """Look after each batch's read."""
        if step == "read":
            self.read.append((self.hospital.one(READERS), self.standby.one(READERS)))


def left(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Why the standby was left, each time it was said."""
    said = [record for record in caplog.records if record.name == "scorer.database.source.reader"]
    return [record.fields["error"] for record in said if record.event.name == "STANDBY_LEFT"]  # type: ignore[attr-defined]


def test_observations_are_read_at_the_standby_and_all_else_at_the_primary(
    followed: Any, standby: Standby, caplog: pytest.LogCaptureFixture
) -> None:
    followed.admit(*range(1, 8))
    seen = Seen(followed, standby)
    assert followed.run(watch=seen).counts.scored == 7
    assert seen.read == [(0, 1)] * 3
    assert left(caplog) == []
    assert followed.one("SELECT count(*) FROM visits WHERE sepsis_score IS NOT NULL") == 7


def test_what_was_committed_just_before_a_run_is_read_although_the_standby_lags(
    followed: Any, standby: Standby, caplog: pytest.LogCaptureFixture
) -> None:
    followed.admit(1)
    standby.one("ALTER SYSTEM SET recovery_min_apply_delay = '1s'")
    standby.one("SELECT pg_reload_conf()")
    followed.execute("SET synchronous_commit = off")  # nor has it reached the disk
    followed.observe(1, hours_ago=0.5)
    seen = Seen(followed, standby)
    assert followed.run(watch=seen).counts.scored == 1
    assert seen.read == [(0, 1)]
    assert followed.one("SELECT observations_read FROM scorer.batches") == 9
    assert left(caplog) == []


def test_a_standby_that_does_not_come_so_far_is_left_for_the_rest_of_the_run(
    followed: Any, standby: Standby, caplog: pytest.LogCaptureFixture
) -> None:
    followed.admit(*range(1, 6))
    standby.one("SELECT pg_wal_replay_pause()")
    while standby.one("SELECT pg_get_wal_replay_pause_state()") != "paused":
        pass
    followed.observe(1, hours_ago=0.5)
    followed.settings = replace(followed.settings, read_lag_limit=timedelta(milliseconds=200))
    seen = Seen(followed, standby)
    assert followed.run(watch=seen).counts.scored == 5
    assert [primary for primary, _ in seen.read] == [1, 1]
    assert followed.one("SELECT sum(observations_read) FROM scorer.batches") == 41
    (why,) = left(caplog)
    assert "the standby lacks" in why
    lines = {line.name: line for line in check(database=Database(followed.url, followed.settings))}
    assert not lines["standby"].holds
    assert "would be read at the primary: the standby lacks" in lines["standby"].found
    # It is asked anew at the next run.
    standby.one("SELECT pg_wal_replay_resume()")
    followed.settings = replace(followed.settings, read_lag_limit=timedelta(minutes=1))
    followed.observe(2, hours_ago=0.5)
    again = Seen(followed, standby)
    assert followed.run(watch=again).counts.scored == 1
    assert again.read == [(0, 1)] * 2
    lines = {line.name: line for line in check(database=Database(followed.url, followed.settings))}
    assert lines["standby"].holds, lines["standby"].found


def test_a_standby_that_is_not_there_is_left(followed: Any, caplog: pytest.LogCaptureFixture) -> None:
    followed.admit(1, 2)
    followed.settings = replace(followed.settings, read_url="postgresql://scorer@/nowhere?host=/nowhere")
    assert followed.run().counts.scored == 2
    (why,) = left(caplog)
    assert "does not answer" in why


@pytest.mark.parametrize("attributes", ["any", "read-only", "standby", "prefer-standby"])
def test_target_session_attrs_may_ask_for_a_standby(followed: Any, attributes: str) -> None:
    settings = replace(followed.settings, read_url=f"{followed.settings.read_url}&target_session_attrs={attributes}")
    assert check_standby(Database(followed.url, settings).as_worker(), database=Database(followed.url, settings))


def test_a_server_that_is_no_standby_is_left(followed: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A standby that was promoted, say: what it is sent from then on is not what the primary holds."""
    followed.admit(1, 2)
    followed.settings = replace(followed.settings, read_url=followed.url)
    assert followed.run().counts.scored == 2
    assert left(caplog) == ["the server of read_url is no standby, or is one no more"]


def test_another_database_is_never_read(followed: Any, standby: Standby) -> None:
    followed.admit(1, 2)
    followed.settings = replace(followed.settings, read_url=standby.server.url)
    with pytest.raises(UserError, match="read_url leads to another database than database_url"):
        followed.run()
    assert followed.last_run()[0] == "failed"
    assert followed.scores() == {}


def test_plans_are_made_where_a_statement_runs(followed: Any) -> None:
    found = plan_run(followed.job, database=Database(followed.url, followed.settings))
    assert {each.name for each in found if each.where == "read_url"} == {"observations", "attributes"}
