"""Requests by the functions of the store: asked, taken, answered, refused; and what other sessions hold."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from scorer.database.session import Session
from scorer.database.store.batches import next_batch
from scorer.database.store.ledger import write_outcomes
from scorer.database.store.requests import (
    acknowledge_requests,
    ask_for_arrivals,
    cancel_request,
    find_asked,
    finish_answers,
    hold_asked,
    list_asked_jobs,
    list_strange_jobs,
    read_requests,
    refuse_requests,
    refuse_strangers,
    request_score,
    take_requests,
)
from scorer.database.store.runs import begin_run, register_job_version, wait_for_answers
from scorer.errors import StatementFailed
from scorer.types.enums import Trigger
from scorer.types.values import Counts


@pytest.fixture
def ask(session: Session) -> Callable[..., list[int]]:
    """Asks for scores of entities of a job; the keys of the requests."""

    def act(*entity_ids: str, job: str = "sepsis") -> list[int]:
        with session.transaction():
            return request_score(session, job, entity_ids)

    return act


def shown(session: Session, keys: list[int]) -> list[tuple[Any, ...]]:
    with session.transaction():
        return [(each["status"], each["outcome"]) for each in read_requests(session, keys)]


def test_a_request_is_answered_in_the_transaction_that_scores(
    hospital: Any, session: Session, model: str, outcome: Any, ask: Any
) -> None:
    hospital.admit(1)
    keys = ask("1", "9")
    with session.transaction():
        assert list_asked_jobs(session, ["sepsis", "another"]) == ["sepsis"]
        assert list_asked_jobs(session, ["another"]) == []
        taken = take_requests(session, hospital.job, max_requests=10)
        assert [(asked.request_id, asked.entity_id) for asked in taken.asked] == list(zip(keys, "19", strict=True))
        assert (taken.held, taken.blocked) == ((), False)
        as_of = max(asked.as_of for asked in taken.asked)
        there = find_asked(session, hospital.job, ["1", "9"], as_of=as_of)
        assert there == {"1": as_of}
        (item,) = hold_asked(session, hospital.job, there)
        assert (item.entity_id, item.as_of, item.previous) == ("1", as_of, None)
        register_job_version(session, hospital.job)
        run = begin_run(session, hospital.job, model_version=model, trigger=Trigger.REQUEST, as_of=as_of)
        scored = outcome("1", as_of=as_of, valid_until=as_of + timedelta(hours=6))
        batch_id = next_batch(session)
        write_outcomes(session, hospital.job, run, batch_id=batch_id, model_version=model, outcomes=[scored])
        acknowledge_requests(session, hospital.job, run, [(taken.asked[0], "SCORED")])
        assert refuse_requests(session, [taken.asked[1].request_id], reason="no such entity") == 1
        finish_answers(session, run, Counts(eligible=1, scored=1))
    assert shown(session, keys) == [("done", "SCORED"), ("refused", None)]
    assert hospital.rows("SELECT status, eligible, scored FROM scorer.runs") == [("succeeded", 1, 1)]
    with session.transaction():
        assert list_asked_jobs(session, ["sepsis"]) == []
        assert refuse_requests(session, keys, reason="again") == 0, "none of them waits"


def test_a_run_of_answers_that_does_not_balance_is_refused(hospital: Any, session: Session, begin: Any) -> None:
    run, _ = begin()
    with pytest.raises(StatementFailed, match="constraint runs_"), session.transaction():
        finish_answers(session, run, Counts(eligible=2, scored=1))


def test_what_another_session_answers_is_left_to_it(
    hospital: Any, session: Session, open_session: Callable[..., Session], ask: Any
) -> None:
    first, second = ask("1", "2")
    (again,) = ask("1")
    other = open_session()
    with other.transaction():
        assert [each.request_id for each in take_requests(other, hospital.job, max_requests=1).asked] == [first]
        with session.transaction():
            taken = take_requests(session, hospital.job, max_requests=10)
            assert [each.request_id for each in taken.asked] == [second]
            assert taken.held == (again,)
            passed = take_requests(session, hospital.job, max_requests=10, passed_over=[second, again])
            assert (passed.asked, passed.held) == ((), ())


def test_no_request_is_taken_while_a_run_makes_its_work_visible(
    hospital: Any, session: Session, open_session: Callable[..., Session], ask: Any
) -> None:
    ask("1")
    other = open_session()
    with other.transaction():
        wait_for_answers(other, hospital.job)
        with session.transaction():
            taken = take_requests(session, hospital.job, max_requests=10)
            assert (taken.asked, taken.held, taken.blocked) == ((), (), True)
    with session.transaction():
        assert len(take_requests(session, hospital.job, max_requests=10).asked) == 1


def test_a_request_is_cancelled_once_and_only_while_it_waits(session: Session, ask: Any) -> None:
    (key,) = ask("1")
    for expected in (True, False):
        with session.transaction():
            assert cancel_request(session, key) is expected
    with session.transaction():
        assert not cancel_request(session, key + 1)
    assert shown(session, [key]) == [("cancelled", None)]


def test_requests_of_a_job_that_no_daemon_has_are_listed_and_refused_in_time(
    hospital: Any, session: Session, ask: Any
) -> None:
    (mine,) = ask("1")
    hospital.execute("INSERT INTO scorer.job_versions (job, job_version, definition) VALUES ('gone', 'v', '{}')")
    hospital.execute(
        "INSERT INTO scorer.requests (job, entity_id, requested_at) VALUES ('gone', '1', now() - interval '2 hours')"
    )
    with session.transaction():
        assert list_strange_jobs(session, ["sepsis"], patience=timedelta(hours=1)) == {"gone": 1}
        assert list_strange_jobs(session, ["sepsis"], patience=timedelta(hours=3)) == {}
        assert refuse_strangers(session, ["sepsis"], patience=timedelta(hours=3)) == []
        ((refused, job),) = refuse_strangers(session, ["sepsis"], patience=timedelta(hours=1))
    assert job == "gone"
    assert [status for status, _ in shown(session, [mine, refused])] == ["waiting", "refused"]


def test_an_entity_with_enough_new_observations_is_asked_for_once(hospital: Any, session: Session) -> None:
    least = hospital.job.min_observations
    hospital.execute(
        "INSERT INTO scorer.arrivals (job, entity_id, observations) VALUES ('sepsis', '1', %s), ('sepsis', '2', %s)",
        *(least, least - 1),
    )
    for expected in (1, 0):
        with session.transaction():
            assert ask_for_arrivals(session, hospital.job) == expected
    assert hospital.rows("SELECT entity_id, status FROM scorer.requests") == [("1", "waiting")]
