"""What the tests of the store share: sessions of the worker, and a run whose batches end as a test says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from scorer.database.connection import Target
from scorer.database.session import Session
from scorer.database.store.batches import BatchRecord, claim_work, finish_work, next_batch, record_batch
from scorer.database.store.ledger import write_outcomes
from scorer.database.store.models import production_model
from scorer.database.store.runs import Look, begin_run, enqueue_due, register_job_version
from scorer.types.enums import Status, Trigger
from scorer.types.values import Counts, Outcome, Run

COUNTED = {
    Status.SCORED: "scored",
    Status.QUARANTINED: "quarantined",
    Status.INSUFFICIENT: "insufficient",
    Status.INDETERMINATE: "indeterminate",
    Status.FAILED: "failed",
}


@pytest.fixture
def open_session(hospital: Any) -> Iterator[Callable[..., Session]]:
    """Opens a session with the hospital's database, as the worker unless another role is given."""
    opened: list[Session] = []

    def give(role: str | None = "scorer_worker") -> Session:
        opened.append(Session(Target.of(hospital.url, hospital.settings, role=role)))
        return opened[-1]

    yield give
    for each in opened:
        each.close()


@pytest.fixture
def session(open_session: Callable[..., Session]) -> Session:
    """A worker's session."""
    return open_session()


@pytest.fixture
def model(session: Session, hospital: Any) -> str:
    """The version in production."""
    with session.transaction():
        found = production_model(session, hospital.job.name)
    assert found is not None
    return found[0]


@pytest.fixture
def begin(session: Session, hospital: Any, model: str) -> Callable[..., tuple[Run, int]]:
    """Begins a run as of noon and enqueues who is due, in a sweep unless another look is given; the run, and how many."""

    def act(*, look: Look = Look(sweep=True), limit: int | None = None) -> tuple[Run, int]:  # noqa: B008 - a frozen value
        with session.transaction():
            register_job_version(session, hospital.job)
            run = begin_run(session, hospital.job, model_version=model, trigger=Trigger.MANUAL, as_of=hospital.noon)
            return run, enqueue_due(session, hospital.job, run, look=look, model_versions=[model], limit=limit)

    return act


@pytest.fixture
def outcome(hospital: Any) -> Callable[..., Outcome]:
    """Gives an outcome of an entity, SCORED with 0.5 unless another status is given."""

    def make(entity_id: str, status: Status = Status.SCORED, **columns: Any) -> Outcome:
        plain: dict[str, Any] = {
            "entity_id": entity_id,
            "as_of": hospital.noon,
            "status": status,
            "input_hash": b"hash",
        }
        if status is Status.SCORED:
            valid_until = hospital.noon + timedelta(hours=6)
            plain |= {"score": 0.5, "risk_band": "LOW", "valid_until": valid_until, "features": b"vector"}
        else:
            plain |= {"reason": "a test"}
        return Outcome(**plain | columns)

    return make


@pytest.fixture
def carry(
    session: Session, hospital: Any, model: str, outcome: Callable[..., Outcome]
) -> Callable[..., tuple[int, Sequence[str]]]:
    """Carries a batch of a run, as a worker does; each entity ends SCORED unless `ends` says otherwise.

    It gives the batch's key and its entities.
    """

    def act(run: Run, *, size: int = 100, ends: Mapping[str, Status] | None = None) -> tuple[int, Sequence[str]]:
        with session.transaction():
            claimed = claim_work(session, hospital.job, run, size=size)
            outcomes = [
                outcome(item.entity_id, (ends or {}).get(item.entity_id, Status.SCORED), as_of=item.as_of)
                for item in claimed
            ]
            counts = {name: sum(COUNTED[each.status] == name for each in outcomes) for name in COUNTED.values()}
            finish_work(session, claimed)
            batch_id = next_batch(session)
            write_outcomes(session, hospital.job, run, batch_id=batch_id, model_version=model, outcomes=outcomes)
            record = BatchRecord(model_version=model, worker="here/1", counts=Counts(eligible=len(claimed), **counts))
            record_batch(session, run, record, batch_id=batch_id)
        return batch_id, [item.entity_id for item in claimed]

    return act
