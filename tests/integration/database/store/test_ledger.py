"""The ledger by the functions of the store: what is current, its reasons, and what the hospital's table bears."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scorer.database.session import Session
from scorer.database.store.batches import next_batch
from scorer.database.store.ledger import list_reasons, read_explained, take_back, write_back, write_outcomes
from scorer.errors import UserError
from scorer.types.enums import ReasonKind, Status
from scorer.types.values import Outcome, Reason, Run

WRITTEN = "SELECT sepsis_score, risk_level FROM visits ORDER BY visit_id"


def write(session: Session, hospital: Any, run: Run, model: str, *outcomes: Outcome) -> None:
    with session.transaction():
        batch_id = next_batch(session)
        write_outcomes(session, hospital.job, run, batch_id=batch_id, model_version=model, outcomes=outcomes)


def test_the_newest_outcome_is_current_and_a_shadow_never_is(
    hospital: Any, session: Session, begin: Any, model: str, outcome: Any
) -> None:
    hospital.admit(1)
    first, _ = begin()
    shadow = outcome("1", score=0.9, shadow=True, model_version="challenger")
    write(session, hospital, first, model, outcome("1"), shadow)
    second, _ = begin()
    write(session, hospital, second, model, outcome("1", Status.INSUFFICIENT))
    assert hospital.rows("SELECT status, score, model_version, shadow FROM scorer.scores ORDER BY score_id") == [
        ("SCORED", 0.5, model, False),
        ("SCORED", 0.9, "challenger", True),
        ("INSUFFICIENT", None, model, False),
    ]
    assert hospital.status(1) == ("INSUFFICIENT", "a test")
    with session.transaction():
        current = read_explained(session, hospital.job, "1", score_id=None)
        past = read_explained(session, hospital.job, "1", score_id=1)
        none = read_explained(session, hospital.job, "2", score_id=None)
    assert (current.standing, current.standing_reason) == ("INSUFFICIENT", "a test")
    assert (past.status, past.score, bytes(past.features)) == ("SCORED", 0.5, b"vector")
    assert (none.standing, none.score_id) == (None, None)


def test_an_entity_without_a_score_keeps_the_reason_and_a_score_its_reasons(
    hospital: Any, session: Session, begin: Any, model: str, outcome: Any
) -> None:
    hospital.admit(1, 2)
    run, _ = begin()
    reasons = (
        Reason(
            kind=ReasonKind.FEATURE,
            contribution=0.25,
            feature="hr_last",
            value=80.5,
            code="HR",
            source="last",
            observation_id="11",
            observation_date=hospital.noon - timedelta(hours=1),
            observation_value=80.5,
        ),
        Reason(kind=ReasonKind.BIAS, contribution=-2.5),
    )
    write(session, hospital, run, model, outcome("1", reasons=reasons), outcome("2", Status.FAILED))
    with session.transaction():
        assert list_reasons(session, 1) == reasons
        assert list_reasons(session, 2) == ()
    assert hospital.status(2) == ("FAILED", "a test")


def test_a_row_that_another_holds_is_skipped_and_written_by_a_later_batch(
    hospital: Any, session: Session, begin: Any, model: str, outcome: Any
) -> None:
    hospital.admit(1, 2)
    run, _ = begin()
    with closing(hospital.connect()) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT FROM visits WHERE visit_id = 1 FOR UPDATE")
        with session.transaction():
            batch_id = next_batch(session)
            still = datetime.now(UTC) + timedelta(hours=1)
            valid = outcome("1", valid_until=still), outcome("2", score=0.25, valid_until=still)
            write_outcomes(session, hospital.job, run, batch_id=batch_id, model_version=model, outcomes=valid)
            assert write_back(session, hospital.job) == 1
        assert hospital.rows(WRITTEN) == [(None, None), (0.25, "LOW")]
        with session.transaction():
            assert write_back(session, hospital.job, max_waiting=0) == 0, "none of those that wait is tried"
            assert write_back(session, hospital.job) == 1
        holder.rollback()
    with session.transaction():
        assert write_back(session, hospital.job) == 0
    assert hospital.one("SELECT count(*) FROM scorer.write_backs") == 0


def test_a_job_without_the_statement_writes_nothing_back(
    hospital: Any, session: Session, begin: Any, carry: Any
) -> None:
    hospital.admit(1)
    run, _ = begin()
    carry(run)
    kept = {name: text for name, text in hospital.job.statements.items() if name not in {"write_back", "take_back"}}
    with session.transaction():
        assert write_back(session, replace(hospital.job, statements=kept)) == 0
        assert take_back(session, replace(hospital.job, statements=kept)) == 0
    assert hospital.rows(WRITTEN) == [(None, None)]


def test_a_statement_that_does_not_return_whom_it_wrote_is_refused(hospital: Any, session: Session) -> None:
    mute = "UPDATE public.visits SET sepsis_score = NULL WHERE false"
    job = replace(hospital.job, statements={**hospital.job.statements, "write_back": mute})
    sentence = "write_back of job sepsis does not return the column 'entity_id'"
    with pytest.raises(UserError, match=sentence), session.transaction():
        write_back(session, job)
