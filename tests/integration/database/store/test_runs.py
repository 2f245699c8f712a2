"""A run by the functions of the store: begun, enqueued, held, carried, ended; and whom a run looks at."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from scorer.database.session import Session
from scorer.database.store.batches import write_orphans
from scorer.database.store.runs import (
    Look,
    begin_run,
    count_carried,
    count_waiting,
    end_run,
    find_recent_sweep,
    give_up_work,
    hold_run,
    is_run_held,
    is_waiting,
    list_orphans,
    list_unfinished_runs,
    list_unsettled,
    read_run,
    release_run,
    resume_run,
)
from scorer.errors import StatementFailed
from scorer.types.enums import Action, Status, Trigger
from scorer.types.values import Counts, Rejection


def test_a_run_is_carried_to_its_end(hospital: Any, session: Session, begin: Any, carry: Any) -> None:
    hospital.admit(1, 2, 3)
    run, eligible = begin()
    assert (eligible, run.status, run.as_of) == (3, "running", hospital.noon)
    with session.transaction():
        assert (count_waiting(session, run.run_id), count_carried(session, run.run_id)) == (3, 0)
        assert [each.run_id for each in list_unfinished_runs(session, hospital.job)] == [run.run_id]
        assert list_unfinished_runs(session, replace(hospital.job, name="another")) == []
    carry(run, size=2, ends={"1": Status.QUARANTINED})
    with session.transaction():
        assert (count_waiting(session, run.run_id), count_carried(session, run.run_id)) == (1, 2)
        assert is_waiting(session, run.run_id)
        end_run(session, run.run_id)
        assert read_run(session, run.run_id).status == "running", "work of it waits"
        assert read_run(session, run.run_id).counts == Counts(eligible=3)
    carry(run)
    with session.transaction():
        assert not is_waiting(session, run.run_id)
        end_run(session, run.run_id)
        ended = read_run(session, run.run_id)
        assert list_unfinished_runs(session, hospital.job) == []
    assert (ended.status, ended.error) == ("succeeded", None)
    assert ended.finished_at is not None
    assert ended.counts == Counts(eligible=3, scored=2, quarantined=1)


def test_an_entity_that_waits_is_enqueued_once_and_stays_due_where_its_run_fails(
    hospital: Any, session: Session, begin: Any
) -> None:
    hospital.admit(1, 2)
    first, _ = begin()
    assert begin()[1] == 0
    with session.transaction():
        give_up_work(session, first.run_id)
        end_run(session, first.run_id, error="a test")
        failed = read_run(session, first.run_id)
    assert (failed.status, failed.error) == ("failed", "a test")
    assert begin(limit=1)[1] == 1
    assert begin()[1] == 1


def test_a_success_that_does_not_balance_is_refused(hospital: Any, session: Session, begin: Any) -> None:
    hospital.admit(1)
    run, _ = begin()
    hospital.execute("DELETE FROM scorer.work")
    with pytest.raises(StatementFailed, match="constraint runs_"), session.transaction():
        end_run(session, run.run_id)


def test_one_session_carries_a_run(session: Session, open_session: Callable[..., Session], begin: Any) -> None:
    run, _ = begin()
    other = open_session()
    with session.transaction():
        assert not is_run_held(session, run.run_id)
        assert hold_run(session, run.run_id)
    with other.transaction():
        assert is_run_held(other, run.run_id)
        assert not hold_run(other, run.run_id)
    with session.transaction():
        release_run(session, run.run_id)
    with other.transaction():
        assert hold_run(other, run.run_id)
        resume_run(other, run.run_id)
    other.close()
    until = time.monotonic() + 60
    with session.transaction():
        while is_run_held(session, run.run_id):  # until its session is over
            assert time.monotonic() < until


def test_a_run_that_is_as_known_at_another_moment(hospital: Any, session: Session, model: str, begin: Any) -> None:
    begin()  # the job's version is recorded
    earlier = hospital.noon - timedelta(hours=1)
    with session.transaction():
        begin_run(
            session,
            hospital.job,
            model_version=model,
            trigger=Trigger.BACKFILL,
            as_of=hospital.noon,
            as_known_at=earlier,
        )
        now = begin_run(session, hospital.job, model_version=model, trigger=Trigger.MANUAL, as_of=None)
    assert now.as_of == now.started_at
    known = [known for (known,) in hospital.rows("SELECT as_known_at FROM scorer.runs ORDER BY run_id")]
    assert known == [hospital.noon, earlier, now.as_of]


def test_a_sweep_that_succeeded_is_enough_until_its_day_is_over(
    hospital: Any, session: Session, begin: Any, carry: Any
) -> None:
    hospital.admit(1, 2)
    run, _ = begin()

    def is_enough(*, begun: float = 1, as_of: float = 1, version: str | None = None) -> bool:
        job = hospital.job if version is None else replace(hospital.job, version=version)
        with session.transaction():
            return find_recent_sweep(
                session,
                job,
                begun_since=run.started_at - timedelta(hours=begun),
                as_of_since=run.as_of - timedelta(hours=as_of),
            )

    assert not is_enough(), "it is not ended"
    carry(run)
    with session.transaction():
        end_run(session, run.run_id)
    assert is_enough()
    assert not is_enough(begun=-1)
    assert not is_enough(as_of=-1)
    assert not is_enough(version="another")


def test_a_look_is_for_those_who_may_be_due_and_for_the_unsettled(
    hospital: Any, session: Session, begin: Any, carry: Any, model: str
) -> None:
    long_ago = hospital.noon - timedelta(days=60)
    hospital.admit(1, 2, 3, admitted_at=long_ago, discharged_at=long_ago + timedelta(days=2))
    run, _ = begin()
    carry(run, ends={"1": Status.QUARANTINED, "2": Status.INSUFFICIENT})
    with session.transaction():
        by_this = list_unsettled(session, hospital.job, model_versions=(model,))
        by_another = list_unsettled(session, hospital.job, model_versions=("another",))
    assert by_this == "{1}"
    assert sorted(by_another.strip("{}").split(",")) == ["1", "2"]
    assert begin(look=Look(sweep=False))[1] == 0, "their records have ended"
    assert begin(look=Look(sweep=False, entity_ids=by_this))[1] == 1
    assert begin(look=Look(sweep=False, entity_ids=by_another))[1] == 0, "one waits, and the other is settled"


def test_observations_of_no_entity_are_open_until_they_are_gone(hospital: Any, session: Session, begin: Any) -> None:
    run, _ = begin()
    orphan = Rejection("77", None, "entity_exists", Action.DROP, "entity_id", "3 observations", "entities that exist")
    for found in ([orphan], [orphan]):
        with session.transaction():
            write_orphans(session, hospital.job, run, rejections=found)
            assert list_orphans(session, hospital.job) == ["77"]
    with session.transaction():
        write_orphans(session, hospital.job, run, rejections=[])
        assert list_orphans(session, hospital.job) == []
