"""The check of a job's data: some entities are judged as a run judges them, and what is found is told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from scorer.database.store.batches import recent_scores
from scorer.errors import RunStopped, UserError
from scorer.scoring.opening import Pipeline
from scorer.scoring.pipeline import score_batch
from scorer.scoring.timing import StepTimer
from scorer.scoring.validation.reading import DATA_READABLE, ONE_ROW, RULES
from scorer.types.enums import Status
from scorer.types.values import Rejection, Run, WorkItem

_SHOWN = 5  # entities of a finding
_LOOK_BACK = 10_000  # of the ledger's newest rows
_WITHOUT_VALUES = frozenset({ONE_ROW, DATA_READABLE})  # rules whose findings hold none of the data


@dataclass(frozen=True, slots=True)
class Sample:
    """What became of some entities: those that were read, or were scored before where none is due.

    `rejections` are of the program's own rules, `labels` those that the model gave; `stopped` says which rule would stop a run of these
    alone.
    """

    entity_ids: tuple[str, ...] = ()
    judged: int = 0
    labels: tuple[str, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    failed: tuple[str, ...] = ()
    stopped: str | None = None


def try_sample(pipeline: Pipeline, run: Run, items: tuple[WorkItem, ...]) -> Sample:
    """Judge `items` as a batch, in the open transaction. Returns what became of them."""
    ids = tuple(item.entity_id for item in items)
    if not items:
        scored = recent_scores(
            pipeline.session, pipeline.job, model_version=pipeline.model_version, look_back=_LOOK_BACK
        )
        return Sample(entity_ids=tuple(dict.fromkeys(each.entity_id for each in scored)))
    try:
        result = score_batch(pipeline, run, items, steps=StepTimer())
    except RunStopped as stopped:
        return Sample(entity_ids=ids, judged=len(ids), stopped=str(stopped))
    outcomes = result.new_outcomes
    return Sample(
        entity_ids=ids,
        judged=len(ids),
        labels=tuple(sorted({each.label for each in outcomes if each.label is not None})),
        rejections=tuple(each for each in result.rejections if each.rule in RULES),
        failed=tuple(f"{each.entity_id} ({each.reason})" for each in outcomes if each.status is Status.FAILED),
    )


def tell_sample(sample: Sample) -> str:
    """Say what became of a sample. Raises UserError where some of it was set apart, with the reasons."""
    told = [f"{rule} of {_some(ids)}: {why}" for rule, ids, why in _by_rule(sample.rejections)]
    if sample.failed:
        told.append(f"scoring raised for {_some(sample.failed)}")
    if sample.stopped is not None:
        told.append(sample.stopped.rstrip("."))
    if told:
        raise UserError(f"Of {sample.judged} entities tried: {'; '.join(told)}.")
    return f"{sample.judged} entities tried, and all can be read" if sample.judged else "no entity is due"


def _by_rule(rejections: Iterable[Rejection]) -> list[tuple[str, list[str], str]]:
    """Each rule with the entities that broke it and what was seen of the first."""
    found: dict[str, tuple[list[str], str]] = {}
    for each in rejections:
        ids, _ = found.setdefault(each.rule, ([], each.observed if each.rule in _WITHOUT_VALUES else each.expected))
        if each.entity_id not in ids:
            ids.append(each.entity_id)
    return [(rule, ids, why.rstrip(".")) for rule, (ids, why) in found.items()]


def _some(names: Iterable[str]) -> str:
    shown = list(names)
    return ", ".join(shown[:_SHOWN]) + (f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else "")
