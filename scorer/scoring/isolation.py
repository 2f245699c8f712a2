"""Failures kept from doing harm: an entity that raises, a challenger, reasons that cannot be made."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from typing import Literal

from scorer.errors import DataRefused, UserError
from scorer.log import events
from scorer.log.logger import say
from scorer.scoring.batch import BatchResult
from scorer.scoring.validation.reading import DATA_READABLE
from scorer.types.enums import Action, Status
from scorer.types.values import Counts, Outcome, Rejection, WorkItem

_log = logging.getLogger(__name__)

# So many entities of one batch may raise before it is the job, and not the entities, that is at fault.
_MOST_FAILED = 20


class ScoringFailed(Exception):
    """Scoring raised for too many entities of one batch.

    The message names the kind of the exception without its text, which may hold a patient's values.
    """


def isolate_failures(score: Callable[[tuple[WorkItem, ...]], BatchResult], items: tuple[WorkItem, ...]) -> BatchResult:
    """Score `items`, halving them where `score` raises; an entity that raises alone is FAILED.

    One whose data a statement of the job's cannot take (DataRefused) is QUARANTINED, with the cause in words, however many there are.
    Returns the result of all items. Raises ScoringFailed where too many entities raise otherwise. Any other UserError, which an operator
    can correct, is no entity's fault and is passed on.
    """
    failed: list[str] = []
    refused: Counter[str] = Counter()

    def score_part(part: tuple[WorkItem, ...]) -> BatchResult:
        try:
            return score(part)
        except DataRefused as error:
            if len(part) > 1:
                half = len(part) // 2
                return score_part(part[:half]) + score_part(part[half:])
            held = _held(part[0], error)
            refused[str(error)] += len(held.new_outcomes)  # told once, not at every run
            return held
        except UserError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever scoring an entity raises is that entity's outcome
            if len(part) > 1:
                half = len(part) // 2
                return score_part(part[:half]) + score_part(part[half:])
            failed.append(part[0].entity_id)
            if len(failed) > _MOST_FAILED:
                message = f"{type(error).__name__} was raised for more than {_MOST_FAILED} entities of a batch"
                raise ScoringFailed(message).with_traceback(error.__traceback__) from None
            return _failed(part[0], error)

    result = score_part(items)
    for sentence, entities in (+refused).items():
        say(_log, events.DATA_REFUSED, entities=entities, error=sentence)
    return result


def _held(item: WorkItem, error: DataRefused) -> BatchResult:
    outcome = Outcome(
        entity_id=item.entity_id,
        as_of=item.as_of,
        as_known_at=item.as_known_at,
        status=Status.QUARANTINED,
        input_hash=b"",
        reason=f"{DATA_READABLE}: {error.cause}",
    )
    rejection = Rejection(
        entity_id=item.entity_id,
        observation_id=None,
        rule=DATA_READABLE,
        action=Action.QUARANTINE,
        column_name="entity_id",
        observed=str(error),
        expected="data that the job's statements can read",
    )
    before = item.previous
    is_repeated = before is not None and (before.status, before.reason) == (outcome.status, outcome.reason)
    return BatchResult(
        counts=Counts(eligible=1, quarantined=1),
        new_outcomes=() if is_repeated else (outcome,),
        rejections=(rejection,),
        validated=(item.entity_id,),
    )


def _failed(item: WorkItem, error: Exception) -> BatchResult:
    reason = f"{type(error).__name__} was raised"  # not its text: that may hold a patient's value
    outcome = Outcome(
        entity_id=item.entity_id,
        as_of=item.as_of,
        as_known_at=item.as_known_at,
        status=Status.FAILED,
        input_hash=b"",
        reason=reason,
    )
    before = item.previous
    is_repeated = before is not None and (before.status, before.reason) == (outcome.status, outcome.reason)
    if not is_repeated:  # logged once, not at every run
        say(_log, events.ENTITY_FAILED, entity_id=item.entity_id, error=type(error).__name__)
    return BatchResult(
        counts=Counts(eligible=1, failed=1),
        new_outcomes=() if is_repeated else (outcome,),
        doubtful=(item,) if item.may_have_score else (),
    )


@lru_cache(maxsize=1000)
def leave_out(what: Literal["challenger", "reasons"], *, job: str, model_version: str, why: str) -> None:
    """Warn that scores are published without their reasons, or without a challenger beside them.

    Each reason `why` is logged once a process, however often it is met.
    """
    if what == "challenger":
        say(_log, events.CHALLENGER_LEFT_OUT, job=job, challenger=model_version, error=why)
    else:
        say(_log, events.REASONS_LEFT_OUT, job=job, model_version=model_version, error=why)
