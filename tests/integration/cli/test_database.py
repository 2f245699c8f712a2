"""`scorer db`: what an upgrade locks is said before it, and the URL is one for libpq."""

from __future__ import annotations

from dataclasses import replace

import pytest
from click.testing import CliRunner, Result

from scorer.cli.database import db
from scorer.config import Settings
from scorer.database.upkeep import upgrade_locks
from scorer.database.upkeep.upgrade_locks import UpgradeLock

LOCK = UpgradeLock("0001", "scores", "SHARE", "writers", "builds an index", rows=3_000_000, seconds=27.0)


def call(url: str, *arguments: str) -> Result:
    return CliRunner().invoke(db, arguments, obj=replace(Settings(), database_url=url))


def test_what_is_locked_is_said_before_an_upgrade_and_above_its_plan(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str | None] = []

    def pending(_: object, *, revision: str | None) -> list[UpgradeLock]:
        asked.append(revision)
        return [LOCK]

    monkeypatch.setattr(upgrade_locks, "pending_locks", pending)
    first, second, *_ = call(database_url, "plan").output.splitlines()
    assert first == f"-- {LOCK.sentence}"
    assert not second.startswith("-- Revision")
    said, done = call(database_url, "upgrade").output.splitlines()
    assert said == LOCK.sentence
    assert done.startswith("The schema is now at head (from nothing)")
    assert asked == [None, None]


def test_an_url_of_sqlalchemy_is_printed_as_libpq_reads_it() -> None:
    assert call("postgresql+psycopg2://u:p@h/d", "url").output == "postgresql://u:p@h/d\n"
