"""Bands, moves, validity and quarantine, of rows whose answer is known."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scorer.database.connection import Database
from scorer.database.readonly_session import ReadOnlySession
from scorer.database.reporting.scores import sum_bands, sum_moves, sum_quarantine, sum_validity
from scorer.database.reporting.standing import Asked
from tests.integration.weeks import DAYS, VALUE

NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=2)


def test_bands_and_moves(views: ReadOnlySession, week: Any, asked: Callable[..., Asked]) -> None:
    bands = sum_bands(views, asked())
    assert sum(each.scores for each in bands) == week.one(
        "SELECT count(*) FROM scorer.scores WHERE job = 'sepsis' AND status = 'SCORED'"
    )
    highest = {each.band: each.highest for each in bands}
    assert highest["HIGH"] is not None
    assert highest["LOW"] is not None
    assert highest["HIGH"] > highest["LOW"]
    up = [each for each in sum_moves(views, asked(entities=True)) if each.to_band == "HIGH"]
    assert sum(each.moves for each in up) == DAYS - 1
    assert sorted(entity for each in up for entity in each.entities) == ["1009", "2009", "9"]
    assert all(each.entities == [] for each in sum_moves(views, asked()))


def test_quarantine_tells_what_a_rule_asks_for_and_no_value(
    views: ReadOnlySession, week: Any, asked: Callable[..., Asked]
) -> None:
    assert week.one("SELECT count(*) FROM scorer.rejections WHERE observed LIKE %s", f"%{VALUE:.2f}%")
    refused = {each.rule: each for each in sum_quarantine(views, asked(entities=True))}
    held = refused["one_client"]
    assert (held.action, held.open_entities) == ("quarantine", DAYS)
    assert list(held.entities) == ["1003", "2003", "3", "3003"]
    assert not [each for each in refused.values() if "987" in f"{each.expected}{each.entities}"]
    assert all(each.entities == [] for each in sum_quarantine(views, asked()))


@pytest.fixture
def ledger(hospital: Any) -> Callable[..., None]:
    """Writes a published score of sepsis: of whom, how many hours from NOON on, valid for how many hours."""
    hospital.execute("INSERT INTO scorer.job_versions (job, job_version, definition) VALUES ('j', 'v', '{}')")

    def write(entity: str, hours: float, valid: float) -> None:
        at = NOON + timedelta(hours=hours)
        run = hospital.one(
            "INSERT INTO scorer.runs (job, job_version, trigger, as_of, as_known_at, scorer_version, started_at, status, finished_at) "
            "VALUES ('j', 'v', 'manual', %s, %s, '0', %s, 'succeeded', %s) RETURNING run_id",
            *(at, at, at, at + timedelta(hours=1)),
        )
        hospital.execute(
            "INSERT INTO scorer.scores (job, entity_id, output, run_id, batch_id, task, status, score, as_of, as_known_at, valid_until, "
            "input_hash, features, model_version, job_version, scored_at, run_began_at) "
            "VALUES ('j', %s, 'score', %s, %s, 'binary', 'SCORED', 0.5, %s, %s, %s, '', '', 'm', 'v', %s, %s)",
            *(entity, run, run, at, at, at + timedelta(hours=valid), at, at),
        )

    return write


def test_validity_of_scores_whose_answer_is_known(hospital: Any, ledger: Callable[..., None]) -> None:
    """In twelve hours: one is followed in time, one leaves a gap of two hours, one expires for good, one is bygone at once."""
    ledger("followed", 0, 6)
    ledger("followed", 4, 6)  # takes the place of the first: four hours and six
    ledger("gap", 0, 3)
    ledger("gap", 5, 100)  # three hours, a gap of two, seven of the twelve
    ledger("expires", 1, 2)  # two hours, and none after it
    ledger("bygone", 2, -5)
    asked = Asked(since=NOON, until=NOON + timedelta(hours=12), step="hour", jobs=["j"])
    session = ReadOnlySession(Database(hospital.url, hospital.settings).as_reader(), patience=timedelta(seconds=10))
    try:
        (found,) = sum_validity(session, asked)
    finally:
        session.close()
    hour = 3600.0
    assert (found.scores, found.bygone) == (6, 1)
    assert found.valid_seconds == (4 + 6 + 3 + 7 + 2) * hour
    assert (found.gaps, found.gap_seconds, found.longest_gap_seconds) == (1, 2 * hour, 2 * hour)
    assert (found.valid_at_end, found.expired_unfollowed) == (1, 2)
    assert found.half_seconds == 4 * hour
