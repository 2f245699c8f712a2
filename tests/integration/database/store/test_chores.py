"""Nightly chores by the functions of the store: held by one, begun again after a crash, ended once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scorer.config import Settings
from scorer.database.session import Session
from scorer.database.store.chores import (
    Night,
    begin_chore,
    end_chore,
    hold_chore,
    last_night,
    newest,
    nightly,
    put_off_chore,
    release_chore,
)
from scorer.errors import UserError

NIGHT = datetime(2025, 6, 1, 2, tzinfo=UTC)
DAY = timedelta(days=1)


def test_a_chore_is_begun_again_until_it_has_ended(session: Session) -> None:
    def begin(night: datetime = NIGHT) -> int:
        return begin_chore(session, "sepsis", "upkeep", night=night, daemon="here/1")

    with session.transaction():
        assert last_night(session, "sepsis", "upkeep") is None
        assert begin() == 1
        assert last_night(session, "sepsis", "upkeep") == Night(NIGHT, None)
        assert begin() == 2, "the process that began it has died"
        put_off_chore(session, "sepsis", "upkeep", night=NIGHT)
        assert begin() <= 2, "it counts as not tried"
        end_chore(session, "sepsis", "upkeep", night=NIGHT, error="a test")
        ended = last_night(session, "sepsis", "upkeep")
        assert ended is not None
        assert ended.ended_at is not None
        assert begin() == 0
        assert begin(NIGHT + DAY) == 1
        assert last_night(session, "sepsis", "checkup") is None
        assert last_night(session, "another", "upkeep") is None


def test_a_night_in_the_future_does_not_count(session: Session) -> None:
    with session.transaction():
        for night in (NIGHT, datetime.now(UTC) + DAY):
            begin_chore(session, "sepsis", "upkeep", night=night, daemon="here/1")
        assert last_night(session, "sepsis", "upkeep") == Night(NIGHT, None)


def test_one_session_holds_a_chore(session: Session, open_session: Callable[..., Session]) -> None:
    other = open_session()
    with session.transaction():
        assert hold_chore(session, "sepsis", "upkeep")
    with other.transaction():
        assert not hold_chore(other, "sepsis", "upkeep"), "it lasts beyond the transaction"
        assert hold_chore(other, "sepsis", "checkup")
        assert hold_chore(other, "another", "upkeep")
    with session.transaction():
        release_chore(session, "sepsis", "upkeep")
    with other.transaction():
        assert hold_chore(other, "sepsis", "upkeep")


@pytest.mark.parametrize(
    ("cron", "now", "expected"),
    [
        ("0 2 * * *", NIGHT + timedelta(hours=10), NIGHT),
        ("0 2 * * *", NIGHT, NIGHT),
        ("0 2 * * *", NIGHT - timedelta(minutes=1), NIGHT - DAY),
        ("* * * * *", NIGHT + timedelta(seconds=30), NIGHT),
        ("0 2 1 1 *", NIGHT, datetime(2025, 1, 1, 2, tzinfo=UTC)),
        ("0 2 29 2 *", NIGHT + 366 * DAY, None),
    ],
)
def test_the_newest_night_is_found_however_often_nights_come(
    cron: str, now: datetime, expected: datetime | None
) -> None:
    assert newest(nightly(replace(Settings(), nightly=cron)), now) == expected


def test_a_schedule_of_nights_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(UserError, match="nightly"):
        nightly(replace(Settings(), nightly="every night"))


def test_chores_of_jobs_are_kept_apart(hospital: Any, session: Session) -> None:
    with session.transaction():
        for job in ("sepsis", "another"):
            begin_chore(session, job, "upkeep", night=NIGHT, daemon="here/1")
        end_chore(session, "sepsis", "upkeep", night=NIGHT, error=None)
    rows = hospital.rows("SELECT job, ended_at IS NULL, error FROM scorer.chores ORDER BY job")
    assert rows == [("another", True, None), ("sepsis", False, None)]
