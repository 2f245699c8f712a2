"""One batch in one transaction, step by step; all of it, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scorer.database.connection import Database
from scorer.registry.ensemble import Ensemble, Linear
from scorer.runs.due import enqueue
from scorer.scoring import pipeline as steps_of_the_pipeline
from scorer.scoring.opening import Pipeline, open_pipeline
from scorer.scoring.pipeline import ModelChanged, carry_batch
from scorer.types.enums import Trigger
from scorer.types.values import Counts, Run

STEPS = ["claim", "read", "validate", "features", "validate", "score", "validate", "score"]


@pytest.fixture
def opened(hospital: Any) -> Iterator[tuple[Pipeline, Run]]:
    """The pipeline of a hospital with six visits, and a run that found them due."""
    hospital.admit(*range(1, 7))
    pipeline = open_pipeline(hospital.job, database=Database(hospital.url, hospital.settings))
    try:
        with pipeline.session.transaction():
            run, eligible = enqueue(pipeline, as_of=hospital.noon, limit=None, trigger=Trigger.MANUAL)
        assert eligible == 6
        yield pipeline, run
    finally:
        pipeline.close()


def left(hospital: Any) -> tuple[int, ...]:
    """How many rows are waiting, scored, and written back."""
    counts = "SELECT (SELECT count(*) FROM scorer.work), (SELECT count(*) FROM scorer.scores), count(sepsis_score) FROM public.visits"
    ((*found,),) = hospital.rows(counts)
    return tuple(found)


def test_a_batch_goes_through_the_steps_in_order(hospital: Any, opened: tuple[Pipeline, Run]) -> None:
    pipeline, run = opened
    steps: list[str] = []
    assert carry_batch(pipeline, run, watch=steps.append) == Counts(eligible=6, scored=6)
    assert steps == [*STEPS, "write", "record", "write back", "commit"]
    assert left(hospital) == (0, 6, 6)
    steps.clear()
    assert carry_batch(pipeline, run, watch=steps.append) is None
    assert steps == ["claim", "commit"]


@pytest.mark.parametrize("step", ["record", "write_back"])
def test_a_batch_that_fails_late_leaves_nothing_and_can_be_carried_again(
    step: str, hospital: Any, opened: tuple[Pipeline, Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = getattr(steps_of_the_pipeline, step)

    def fail_at_the_end(*arguments: Any, **named: Any) -> None:
        plain(*arguments, **named)
        raise RuntimeError("late")

    monkeypatch.setattr(steps_of_the_pipeline, step, fail_at_the_end)
    with pytest.raises(RuntimeError, match="late"):
        carry_batch(*opened)
    assert left(hospital) == (6, 0, 0)
    monkeypatch.undo()
    assert carry_batch(*opened) == Counts(eligible=6, scored=6)


def test_a_batch_is_left_to_be_claimed_where_another_model_is_in_production(
    hospital: Any, opened: tuple[Pipeline, Run], make_model: Callable[..., Path]
) -> None:
    job, width = hospital.job, len(opened[0].model.manifest.features)
    member = Linear(
        centre=[0.0] * width, scale=[1.0] * width, weight=[0.0] * width, missing=[0.0] * width, bias=0.0, limit=1.0
    )
    hospital.put_into_production(job, make_model(job, Ensemble([member]), version="other"))
    with pytest.raises(ModelChanged):
        carry_batch(*opened)
    assert left(hospital) == (6, 0, 0)
