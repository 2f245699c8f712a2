"""Failures kept from doing harm: an entity that raises, a challenger, reasons that cannot be made."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import lru_cache
from typing import Literal

from scorer.errors import UserError
from scorer.log import events
from scorer.log.logger import say
from scorer.scoring.batch import BatchResult
from scorer.types.enums import Status
from scorer.types.values import Counts, Outcome, WorkItem

_log = logging.getLogger(__name__)

# So many entities of one batch may raise before it is the job, and not the entities, that is at fault.
_MOST_FAILED = 20


class ScoringFailed(Exception):
    """Scoring raised for too many entities of one batch.

    The message names the kind of the exception without its text, which may hold a patient's values.
    """


def isolate_failures(score: Callable[[tuple[WorkItem, ...]], BatchResult], items: tuple[WorkItem, ...]) -> BatchResult:
    """Score `items`, halving them where `score` raises; an entity that raises alone is FAILED.

    Returns the result of all items. Raises ScoringFailed where too many entities raise. A UserError, which an operator can correct, is no
    entity's fault and is passed on.
    """
    failed: list[str] = []

    def score_part(part: tuple[WorkItem, ...]) -> BatchResult:
        try:
            return score(part)
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

    return score_part(items)


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
