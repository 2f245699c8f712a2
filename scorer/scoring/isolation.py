"""Failures set apart: a batch that raises is halved until the culprit stands alone."""

from __future__ import annotations

import logging
from collections.abc import Callable

from scorer.errors import UserError
from scorer.log import events
from scorer.log.logger import say
from scorer.scoring.outcomes import BatchResult
from scorer.types.enums import Status
from scorer.types.values import Counts, Outcome, WorkItem

_log = logging.getLogger(__name__)

# So many entities of one batch may raise before it is the job, and not the entities, that is at fault.
_CULPRITS = 20


class ScoringFailed(Exception):
    """Scoring raised for too many entities of one batch. Says of what kind, not in what words: they may hold a patient's values."""


def isolate_failures(judge: Callable[[tuple[WorkItem, ...]], BatchResult], items: tuple[WorkItem, ...]) -> BatchResult:
    """The judgement of `items`; where it raises, of either half alone, until the culprit stands alone and is FAILED.

    What an operator can mend (UserError) is not an entity's fault and is raised; where too many entities raise, ScoringFailed is.
    """
    culprits: list[str] = []

    def part(those: tuple[WorkItem, ...]) -> BatchResult:
        try:
            return judge(those)
        except UserError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever scoring an entity raises is that entity's outcome
            if len(those) > 1:
                half = len(those) // 2
                return part(those[:half]) + part(those[half:])
            culprits.append(those[0].entity_id)
            if len(culprits) > _CULPRITS:
                told = ScoringFailed(f"{type(error).__name__} was raised for more than {_CULPRITS} entities of a batch")
                raise told.with_traceback(error.__traceback__) from None
            return _failed(those[0], error)

    return part(items)


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
    repeated = before is not None and (before.status, before.reason) == (outcome.status, outcome.reason)
    if not repeated:  # told once, not at every run
        say(_log, events.ENTITY_FAILED, entity_id=item.entity_id, error=type(error).__name__)
    return BatchResult(counts=Counts(eligible=1, failed=1), new_outcomes=() if repeated else (outcome,))
