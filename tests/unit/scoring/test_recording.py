"""Of which batches the scored rows are counted by the bins of the training data."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from scorer.registry.drift_bins import Counted
from scorer.scoring import recording
from scorer.scoring.batch import BatchResult
from scorer.scoring.timing import StepTimer
from scorer.types.enums import Status, Trigger
from scorer.types.flags import JobFlags
from scorer.types.values import Counts, Outcome, Run

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)
OUTCOME = Outcome(entity_id="1", as_of=NOON, status=Status.SCORED, input_hash=b"", score=0.5)
SHADOW = Outcome(entity_id="1", as_of=NOON, status=Status.SCORED, input_hash=b"", score=0.6, shadow=True)
RESULT = BatchResult(counts=Counts(eligible=1, scored=1), new_outcomes=(OUTCOME,), shadows=(SHADOW,), validated=("1",))


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What is handed to the database's functions, in order, in place of a database; batches are numbered from 30."""
    calls: list[tuple[str, dict[str, Any]]] = []
    numbers = iter(range(30, 100))
    monkeypatch.setattr(recording, "next_batch", lambda _: next(numbers))
    for name in ("write_outcomes", "write_rejections", "record_batch", "record_validation", "record_feature_counts"):
        monkeypatch.setattr(
            recording, name, lambda *values, name=name, **given: calls.append((name, given | {"values": values}))
        )
    return calls


def record(trigger: Trigger, *, tally: Any = lambda outcomes: [Counted("", len(outcomes), [1, 0])]) -> list[str]:
    """Records one result; the steps that were timed."""
    run = Run(
        run_id=1,
        job="j",
        trigger=trigger,
        status="running",
        as_of=NOON,
        started_at=NOON,
        finished_at=None,
        counts=Counts(),
    )
    pipeline: Any = SimpleNamespace(
        session=None, job=None, model_version="m", worker="here/1", tally=tally, flags=JobFlags()
    )
    steps = StepTimer()
    recording.record(pipeline, run, RESULT, steps=steps)
    return [*steps.seconds]


def test_a_result_is_written_then_recorded(written: list[tuple[str, dict[str, Any]]]) -> None:
    assert record(Trigger.SCHEDULE) == ["write", "record"]
    assert [name for name, _ in written] == [
        "write_outcomes",
        "write_rejections",
        "record_batch",
        "record_validation",
        "record_feature_counts",
    ]
    given = dict(written)
    assert given["write_outcomes"]["outcomes"] == (OUTCOME, SHADOW)
    assert given["write_rejections"]["judged"] == ("1",)
    *_, batch = given["record_batch"]["values"]
    assert (batch.shadows, [*batch.seconds]) == (1, ["write", "record"])
    counted = {"batch_id": 30, "model_version": "m", "facility": "", "scores": 1, "counts": [1, 0]}
    assert given["record_feature_counts"] == counted | {"values": given["record_feature_counts"]["values"]}


def test_of_batches_of_requests_one_in_sixteen_is_counted(written: list[tuple[str, dict[str, Any]]]) -> None:
    for _ in range(32):
        record(Trigger.REQUEST)
    assert [given["batch_id"] for name, given in written if name == "record_feature_counts"] == [32, 48]


@pytest.mark.parametrize(
    ("trigger", "tally"),
    [(Trigger.BACKFILL, lambda _: [Counted("", 1, [1])]), (Trigger.SCHEDULE, None), (Trigger.SCHEDULE, lambda _: [])],
)
def test_a_backfill_is_not_counted_nor_a_model_without_bins(
    trigger: Trigger, tally: Any, written: list[tuple[str, dict[str, Any]]]
) -> None:
    record(trigger, tally=tally)
    assert "record_feature_counts" not in dict(written)
