"""A score is the same, to the last bit, in whatever batch, order, process and place in the table; so are its features and input hash."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from scorer.config import Settings
from scorer.database.connection import Database
from scorer.jobs.job import Job
from scorer.runs.run import run_job

NOW = datetime.fromisoformat("2026-03-01T12:00:00+00:00")
VISITS = 160
MIRROR = 1_000_000

# The same rows, each with the number it had, in another order on disk.
REINSERTED = """
    CREATE TEMPORARY TABLE kept AS SELECT * FROM patient_observations;
    TRUNCATE patient_observations;
    INSERT INTO patient_observations OVERRIDING SYSTEM VALUE SELECT * FROM kept ORDER BY md5(observation_id::text);
    ANALYZE patient_observations"""
CLUSTERED = """
    CREATE INDEX backwards ON patient_observations (observation_value DESC, observation_id DESC);
    CLUSTER patient_observations USING backwards;
    ANALYZE patient_observations"""
WITHOUT_INDEX = "DROP INDEX patient_observations_visit_id_observation_date_idx"
# The first visit becomes the last.
MIRRORED = f"""
    UPDATE visits SET visit_id = {MIRROR} - visit_id;
    UPDATE patient_observations SET visit_id = {MIRROR} - visit_id"""

_SCORES = """
    SELECT entity_id, as_of, status, reason, encode(float8send(score), 'hex'), risk_band, encode(input_hash, 'hex'),
        encode(features, 'hex'), valid_until
    FROM scorer.scores"""


@pytest.fixture(scope="module")
def scores_of(
    cohort: Callable[[int], str], make_database: Callable[[str], str], settings: Settings, sepsis: Job
) -> Callable[..., dict[str, tuple[Any, ...]]]:
    """Scores a fresh copy of the cohort, after `change`, and gives by visit all that must be the same."""
    import psycopg2

    def score(
        change: str = "", *, batch_size: int | None = None, workers: int = 1, limit: int | None = None
    ) -> dict[str, tuple[Any, ...]]:
        url = make_database(cohort(VISITS))
        connection = psycopg2.connect(url)
        try:
            with connection, connection.cursor() as cursor:
                if change:
                    cursor.execute(change)
            sized = replace(settings, batch_size=batch_size)
            ended = run_job(sepsis, database=Database(url, sized), as_of=NOW, workers=workers, limit=limit)
            assert ended.counts.eligible == (limit or VISITS)
            with connection, connection.cursor() as cursor:
                cursor.execute(_SCORES)
                return {row[0]: row[1:] for row in cursor.fetchall()}
        finally:
            connection.close()

    return score


@pytest.fixture(scope="module")
def expected(scores_of: Callable[..., dict[str, tuple[Any, ...]]]) -> dict[str, tuple[Any, ...]]:
    """All in one batch, as loaded."""
    found = scores_of()
    assert len(found) == VISITS
    assert {status for _, status, *_ in found.values()} >= {"SCORED", "QUARANTINED", "INSUFFICIENT"}
    assert len({score for _, _, _, score, *_ in found.values()}) > VISITS * 3 // 4
    return found


@pytest.mark.parametrize("batch_size", [7, 100])
def test_in_whatever_batch(batch_size: int, scores_of: Callable[..., Any], expected: dict[str, Any]) -> None:
    assert scores_of(batch_size=batch_size) == expected


def test_alone(scores_of: Callable[..., Any], expected: dict[str, Any]) -> None:
    alone = scores_of(batch_size=1, limit=30)
    assert len(alone) == 30
    assert alone == {entity_id: expected[entity_id] for entity_id in alone}


@pytest.mark.parametrize("change", [REINSERTED, CLUSTERED, WITHOUT_INDEX])
def test_in_whatever_order_the_observations_lie(
    change: str, scores_of: Callable[..., Any], expected: dict[str, Any]
) -> None:
    assert scores_of(change, batch_size=100) == expected


@pytest.mark.parametrize("batch_size", [None, 11])
def test_in_whatever_order_the_entities_come(
    batch_size: int | None, scores_of: Callable[..., Any], expected: dict[str, Any]
) -> None:
    mirrored = scores_of(MIRRORED, batch_size=batch_size)
    assert {str(MIRROR - int(entity_id)): score for entity_id, score in mirrored.items()} == expected


def test_by_four_workers(scores_of: Callable[..., Any], expected: dict[str, Any]) -> None:
    assert scores_of(batch_size=9, workers=4) == expected
