"""The result of one check, as `scorer check` shows it and the daemon reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from scorer.errors import StatementFailed, UserError


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One thing that must hold: whether it does, and what was found.

    Where it does not hold, `blocks` says whether scoring must not start: of its `job` alone, or of every job where that is None.
    With `runs` false, the job is not run here, and nothing of it has to hold.
    """

    name: str
    holds: bool
    found: str
    blocks: bool = True
    job: str | None = None
    runs: bool = True


def result_of(name: str, look: Callable[[], str], *, job: str | None = None, blocks: bool = True) -> CheckResult:
    """Call `look`. Returns what it found, or, as a check that does not hold, the error that it raised."""
    try:
        return CheckResult(name=name, holds=True, found=look(), blocks=blocks, job=job)
    except (UserError, StatementFailed) as error:
        return CheckResult(name=name, holds=False, found=str(error), blocks=blocks, job=job)
