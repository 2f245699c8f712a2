"""The write-back waits for no lock: a row that a clinician holds is passed over, accounted for, and written later."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scorer.checks.check import check
from scorer.database.connection import Database, Target
from scorer.database.session import Session
from scorer.database.store.ledger import write_back
from scorer.errors import UserError
from scorer.runs.run import dry_run

VISITS = range(1, 31)
HELD = 25
# What each visit shows beside what it should show; none where all is well.
ASTRAY = """
    SELECT v.visit_id
    FROM public.visits AS v
    LEFT JOIN scorer.current_scores AS c ON c.entity_id = CAST(v.visit_id AS text)
    LEFT JOIN scorer.scores AS s ON s.score_id = c.score_id
    LEFT JOIN scorer.write_backs AS w ON w.entity_id = c.entity_id
    WHERE (v.sepsis_score, v.risk_level, v.scored_at) IS DISTINCT FROM (s.score, s.risk_band, s.scored_at)
      AND w.entity_id IS NULL
"""


@pytest.fixture
def ward(hospital: Any) -> Any:
    """Thirty visits of today, so that their scores are valid; none scored yet."""
    hospital.noon = datetime.now(UTC)
    hospital.admit(*VISITS)
    return hospital


@pytest.fixture
def clinician(ward: Any) -> Iterator[Any]:
    """A session of the hospital's own, in a transaction that holds one visit and goes on."""
    with closing(ward.connect()) as session:
        session.cursor().execute("SELECT FROM visits WHERE visit_id = %s FOR UPDATE", (HELD,))
        yield session


@pytest.fixture
def session(ward: Any) -> Iterator[Session]:
    """Another worker's door to the database."""
    with closing(Session(Target.of(ward.url, ward.settings, role=ward.settings.worker_role))) as opened:
        yield opened


def written(ward: Any) -> list[int]:
    return [key for (key,) in ward.rows("SELECT visit_id FROM visits WHERE scored_at IS NOT NULL ORDER BY 1")]


def waiting(ward: Any) -> list[int]:
    return [int(key) for (key,) in ward.rows("SELECT entity_id FROM scorer.write_backs ORDER BY entity_id")]


def run_with_nothing_due(ward: Any) -> None:
    """A run as of a time at which no visit had begun."""
    assert ward.run(as_of=ward.noon - timedelta(hours=11)).counts.eligible == 0


def passed_over(ward: Any, clinician: Any) -> None:
    """Have a run pass over the held visit, and the clinician let go."""
    assert ward.run().counts.scored == len(VISITS)
    assert waiting(ward) == [HELD]
    clinician.rollback()


def test_a_held_row_is_passed_over_at_once_and_written_by_the_next_run(ward: Any, clinician: Any) -> None:
    ended_at: dict[str, float] = {}
    ended = ward.run(watch=lambda step: ended_at.update({step: time.monotonic()}))
    assert ended.counts.scored == len(VISITS)
    assert ended_at["write back"] - ended_at["record"] < ward.settings.lock_timeout.total_seconds() / 5
    assert written(ward) == [each for each in VISITS if each != HELD]
    assert waiting(ward) == [HELD]
    assert not ward.rows(ASTRAY)

    clinician.cursor().execute("UPDATE visits SET unit = 'SICU' WHERE visit_id = 3")
    clinician.commit()
    run_with_nothing_due(ward)
    assert written(ward) == list(VISITS)
    assert waiting(ward) == []
    assert not ward.rows(ASTRAY)


def test_a_clinician_who_wants_what_the_batch_has_written_is_not_deadlocked(ward: Any, clinician: Any) -> None:
    def want() -> None:
        clinician.cursor().execute("UPDATE visits SET unit = 'SICU' WHERE visit_id = 3")

    wanting = threading.Thread(target=want)
    pid = clinician.info.backend_pid

    def meet(step: str) -> None:
        if step == "write back":
            wanting.start()
            while ward.one("SELECT cardinality(pg_blocking_pids(%s))", pid) == 0:
                time.sleep(0.01)

    assert ward.run(watch=meet).counts.scored == len(VISITS)
    wanting.join(timeout=5)
    assert not wanting.is_alive()
    clinician.commit()
    assert ward.one("SELECT unit FROM visits WHERE visit_id = 3") == "SICU"
    assert waiting(ward) == [HELD]


def test_it_is_said_once_a_run_how_many_rows_wait(ward: Any, clinician: Any, caplog: pytest.LogCaptureFixture) -> None:
    ward.settings = replace(ward.settings, batch_size=10)
    ended = ward.run()
    ward.run()
    clinician.rollback()
    ward.run()
    logged = [record for record in caplog.records if "written back later" in record.getMessage()]
    assert [record.levelno for record in logged] == [logging.INFO, logging.INFO]  # nothing that calls for action
    assert vars(logged[0])["fields"] == {"run_id": ended.run_id, "job": ward.job.name, "rows": 1}
    assert written(ward) == list(VISITS)


def test_a_batch_that_fails_after_its_write_back_leaves_no_trace(ward: Any, clinician: Any) -> None:
    def fail(step: str) -> None:
        if step == "write back":
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ward.run(watch=fail)
    assert (written(ward), waiting(ward), ward.scores()) == ([], [], {})
    passed_over(ward, clinician)


def test_what_was_taken_out_waits_again_after_a_rollback(ward: Any, clinician: Any, session: Session) -> None:
    passed_over(ward, clinician)
    with session.transaction(keep=False):
        assert write_back(session, ward.job) == 0
    assert waiting(ward) == [HELD]
    assert not ward.rows(ASTRAY)
    with session.transaction():
        assert write_back(session, ward.job) == 0
    assert written(ward) == list(VISITS)
    assert waiting(ward) == []


def test_a_stale_score_is_dropped_instead(ward: Any, clinician: Any) -> None:
    passed_over(ward, clinician)
    ward.execute("UPDATE scorer.current_scores SET valid_until = now() WHERE entity_id = %s", str(HELD))
    run_with_nothing_due(ward)
    assert waiting(ward) == []
    assert HELD not in written(ward)


def test_a_newer_score_takes_the_place_of_the_one_that_waits(ward: Any, clinician: Any) -> None:
    assert ward.run().counts.scored == len(VISITS)
    since = ward.one("SELECT since FROM scorer.write_backs")
    first = ward.scores()[str(HELD)]
    ward.observe(HELD, hours_ago=0, observation_value=171.0)
    assert ward.run().counts.scored == 1
    assert ward.rows("SELECT entity_id, since FROM scorer.write_backs") == [(str(HELD), since)]
    clinician.rollback()
    run_with_nothing_due(ward)
    assert ward.one("SELECT sepsis_score FROM visits WHERE visit_id = %s", HELD) == ward.scores()[str(HELD)] != first
    assert waiting(ward) == []
    assert not ward.rows(ASTRAY)


def test_a_newer_score_that_is_written_ends_the_waiting(ward: Any, clinician: Any) -> None:
    passed_over(ward, clinician)
    ward.observe(HELD, hours_ago=0, observation_value=171.0)
    assert ward.run().counts.scored == 1
    assert waiting(ward) == []
    assert not ward.rows(ASTRAY)


def test_two_workers_do_not_wait_for_each_other(ward: Any, clinician: Any, session: Session) -> None:
    passed_over(ward, clinician)
    with (
        closing(Session(Target.of(ward.url, ward.settings, role=ward.settings.worker_role))) as other,
        session.transaction(),
    ):
        assert write_back(session, ward.job) == 0
        with other.transaction():
            assert write_back(other, ward.job) == 0
        assert waiting(ward) == [HELD]
    assert written(ward) == list(VISITS)
    assert waiting(ward) == []


def test_what_waits_is_not_written_over_the_newer_score_of_another_worker(
    ward: Any, clinician: Any, session: Session
) -> None:
    passed_over(ward, clinician)
    ward.observe(HELD, hours_ago=0, observation_value=171.0)
    met: list[int] = []

    def meet(step: str) -> None:
        if step == "write":
            with session.transaction():
                met.append(write_back(session, ward.job))

    assert ward.run(watch=meet).counts.scored == 1
    assert met == [0]
    assert waiting(ward) == []
    assert not ward.rows(ASTRAY)


def test_a_dry_run_and_a_check_let_what_waits_be(ward: Any, clinician: Any) -> None:
    assert ward.run().counts.scored == len(VISITS)
    before = ward.rows("SELECT xmin FROM scorer.write_backs")
    began = time.monotonic()
    assert all(each.holds for each in check(database=Database(ward.url, ward.settings)))
    dry_run(ward.job, database=Database(ward.url, ward.settings), as_of=ward.noon)
    clinician.rollback()
    assert all(each.holds for each in check(database=Database(ward.url, ward.settings)))
    assert time.monotonic() - began < 2 * ward.settings.lock_timeout.total_seconds()
    assert ward.rows("SELECT xmin FROM scorer.write_backs") == before
    assert HELD not in written(ward)


@pytest.mark.parametrize("instead", ["", "RETURNING v.visit_id"])
def test_a_statement_that_does_not_say_what_it_wrote_is_refused(
    ward: Any, changed_job: Callable[..., Any], instead: str
) -> None:
    job = changed_job(("write_back.sql", "RETURNING locked.entity_id AS entity_id", instead))
    with pytest.raises(UserError, match=r"^The statement write_back of job sepsis does not return .*'entity_id'.*\.$"):
        ward.run(job)
    assert (written(ward), waiting(ward), ward.scores()) == ([], [], {})
