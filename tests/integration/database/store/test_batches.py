"""A batch by the functions of the store: what it claims, and what is recorded of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from scorer.database.session import Session
from scorer.database.store.batches import (
    BatchRecord,
    claim_work,
    finish_work,
    next_batch,
    recent_scores,
    record_batch,
    record_feature_counts,
    record_validation,
    write_orphans,
    write_rejections,
)
from scorer.database.store.ledger import write_outcomes
from scorer.types.enums import Action, Status
from scorer.types.values import Counts, Rejection, RuleResult


def test_work_is_claimed_by_one_session_and_comes_back_where_it_rolls_back(
    hospital: Any, session: Session, open_session: Callable[..., Session], begin: Any
) -> None:
    hospital.admit(1, 2, 3)
    run, _ = begin()
    other = open_session()
    with other.transaction(keep=False):
        first = claim_work(other, hospital.job, run, size=2)
        with session.transaction():
            rest = claim_work(session, hospital.job, run, size=10)
            finish_work(session, rest)
    assert [item.entity_id for item in first] == ["1", "2"]
    assert [(item.entity_id, item.as_of, item.previous) for item in rest] == [("3", hospital.noon, None)]
    with session.transaction():
        assert claim_work(session, hospital.job, run, size=10) == first


def test_work_comes_with_the_current_outcome(
    hospital: Any, session: Session, begin: Any, carry: Any, model: str
) -> None:
    hospital.admit(1, 2)
    run, _ = begin()
    carry(run, ends={"2": Status.INSUFFICIENT})
    again, eligible = begin()
    assert eligible == 2
    with session.transaction():
        one, two = (item.previous for item in claim_work(session, hospital.job, again, size=10))
    assert one is not None
    assert two is not None
    assert (one.status, one.input_hash, one.model_version) == (Status.SCORED, b"hash", model)
    assert one.valid_until == hospital.noon + timedelta(hours=6)
    assert (two.status, two.reason, two.valid_until) == (Status.INSUFFICIENT, "a test", None)
    assert one.job_version == two.job_version == hospital.job.version


def test_a_batch_is_recorded_with_its_counts_steps_and_rules(
    hospital: Any, session: Session, begin: Any, model: str
) -> None:
    run, _ = begin()
    record = BatchRecord(
        model_version=model,
        worker="here/1",
        counts=Counts(eligible=3, scored=2, unchanged=1),
        observations_read=40,
        observations_dropped=2,
        unknown_codes={"XYZ": 2},
        seconds={"claim": 0.12345678},
        shadows=1,
    )
    rule = RuleResult(
        "observations", "code_known", "expect", Action.DROP, "code", judged=40, unexpected=2, success=False
    )
    with session.transaction():
        batch_id = next_batch(session)
        assert next_batch(session) > batch_id
        record_batch(session, run, record, batch_id=batch_id)
        record_validation(session, run, batch_id=batch_id, results=[rule])
        record_validation(session, run, batch_id=None, results=[])
        record_feature_counts(
            session, run, batch_id=batch_id, model_version=model, facility="", scores=2, counts=[1, 0, 1]
        )
    columns = (
        "run_id, eligible, scored, unchanged, shadows, observations_read, observations_dropped, unknown_codes, seconds"
    )
    assert hospital.rows(f"SELECT {columns} FROM scorer.batches WHERE batch_id = %s", batch_id) == [
        (run.run_id, 3, 2, 1, 1, 40, 2, {"XYZ": 2}, {"claim": 0.123457})
    ]
    assert hospital.rows("SELECT batch_id, rule, judged, unexpected, success FROM scorer.validation_results") == [
        (batch_id, "code_known", 40, 2, False)
    ]
    assert hospital.rows("SELECT batch_id, scores, counts FROM scorer.feature_counts") == [(batch_id, 2, [1, 0, 1])]


def test_a_finding_is_open_until_its_entity_is_judged_without_it(hospital: Any, session: Session, begin: Any) -> None:
    run, _ = begin()

    def found(*rejections: Rejection, judged: list[str]) -> set[tuple[object, ...]]:
        with session.transaction():
            write_rejections(session, hospital.job, run, rejections=rejections, judged=judged)
        return {(entity, rule, observation) for entity, rule, _, observation, _ in hospital.open_findings()}

    held = Rejection("1", None, "one_client", Action.QUARANTINE, "client", "2 clients", "one client")
    dropped = Rejection("1", "11", "value_finite", Action.DROP, "observation_value", "inf", "finite")
    other = Rejection("2", "11", "value_finite", Action.DROP, "observation_value", "inf", "finite")
    everything = found(held, dropped, other, judged=["1", "2"])
    assert len(everything) == 3
    assert found(held, dropped, judged=["1"]) == everything, "found again, each is open once; the other is not judged"
    assert found(held, judged=["1"]) == everything - {("1", "value_finite", "11")}
    assert found(judged=["1", "2"]) == set()
    assert hospital.one("SELECT count(*) FROM scorer.rejections") == 3


def test_a_finding_that_is_found_again_stays_on_its_page(hospital: Any, session: Session, begin: Any) -> None:
    """No index hears of it then, which is most of what it costs."""
    run, _ = begin()
    entities = [str(number) for number in range(500)]
    found = [Rejection(each, None, "one_client", Action.QUARANTINE, "client", "2 clients", "one") for each in entities]
    for times in (1, 2):
        with session.transaction():
            write_rejections(session, hospital.job, run, rejections=found, judged=entities)
            query = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_xact_all_tables WHERE relid = 'scorer.rejections'::regclass"
            ((updated, on_their_pages),) = session.execute(query, {}).all()
        assert (updated, on_their_pages) == ((times - 1) * 500,) * 2


@pytest.mark.parametrize("rule", ["one_client", "entity_exists"])
def test_many_findings_are_not_compared_one_by_one(hospital: Any, session: Session, begin: Any, rule: str) -> None:
    """Whatever the planner believes: here, that few are open, and that it costs nothing to read all that were found for each."""
    run, _ = begin()
    entities = [str(number) for number in range(2000)]
    found = [Rejection(each, None, rule, Action.QUARANTINE, "client", "2 clients", "one client") for each in entities]
    for times in (1, 2):
        with session.transaction():
            for cost in ("cpu_tuple_cost", "cpu_operator_cost", "seq_page_cost"):
                session.execute(f"SET LOCAL {cost} = 1e-9", {})
            if rule == "entity_exists":
                write_orphans(session, hospital.job, run, rejections=found)
            else:
                write_rejections(session, hospital.job, run, rejections=found, judged=entities)
            scans = "SELECT seq_scan FROM pg_stat_xact_all_tables WHERE relid = 'pg_temp.staged_rejections'::regclass"
            ((looks,),) = session.execute(scans, {}).all()
            assert session.execute("SHOW enable_nestloop", {}).scalar() == "on", "for the statements that follow"
        assert looks < 10
        assert hospital.rows("SELECT attempts, count(*) FROM scorer.rejections GROUP BY attempts") == [(times, 2000)]


def test_the_newest_scores_of_a_model_are_those_that_it_published(
    hospital: Any, session: Session, begin: Any, carry: Any, model: str, outcome: Any
) -> None:
    hospital.admit(1, 2, 3)
    run, _ = begin()
    carry(run, ends={"3": Status.FAILED})
    hospital.admit(4)
    again, _ = begin()
    with session.transaction():
        shadow = outcome("4", model_version="another", shadow=True)
        batch_id = next_batch(session)
        write_outcomes(
            session, hospital.job, again, batch_id=batch_id, model_version=model, outcomes=[outcome("4"), shadow]
        )

    def newest(version: str, look_back: int) -> list[str]:
        with session.transaction():
            found = recent_scores(session, hospital.job, model_version=version, look_back=look_back)
        assert all((each.input_hash, each.score) == (b"hash", 0.5) for each in found)
        return [each.entity_id for each in found]

    assert newest(model, 100) == ["4", "2", "1"]
    assert newest(model, 2) == ["4"]
    assert newest("another", 100) == []
