"""The result of one check: what was found, or the sentence of what does not hold."""

from __future__ import annotations

import pytest

from scorer.checks.result import CheckResult, result_of
from scorer.errors import StatementFailed, UserError


def test_a_check_that_returns_holds_with_what_it_found() -> None:
    assert result_of("schema", lambda: "at head") == CheckResult(name="schema", holds=True, found="at head")


@pytest.mark.parametrize("error", [UserError("The schema is old."), StatementFailed("The schema is old.")])
def test_a_check_that_raises_does_not_hold(error: Exception) -> None:
    def look() -> str:
        raise error

    result = result_of("job x", look, job="x", blocks=False)
    assert (result.holds, result.found, result.job, result.blocks) == (False, "The schema is old.", "x", False)


def test_a_fault_of_ours_is_not_told_as_a_check() -> None:
    def look() -> str:
        raise KeyError("x")

    with pytest.raises(KeyError):
        result_of("schema", look)
