"""What is told of runs, ticks, the balance, requests and load; and what is left out where there is nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from scorer.database.reporting.activity import Load, RequestSum, RunSum, StepSeconds, TickSum
from scorer.monitoring.report.operation import balance, by_step, load, requests, what_ran
from scorer.monitoring.report.reading import OfJob

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


def runs(**given: Any) -> RunSum:
    counts = dict.fromkeys(("unchanged", "quarantined", "insufficient", "indeterminate", "failed", "unbalanced"), 0)
    usual = {
        "job": "a",
        "trigger": "schedule",
        "at": MONDAY,
        "runs": 2,
        "succeeded": 2,
        "failed_runs": 0,
        "going_on": 0,
    }
    return RunSum(**usual | counts | {"eligible": 10, "scored": 10, "longest_seconds": 3.0, "seconds": 4.0} | given)


def tick(reason: str, number: int) -> TickSum:
    return TickSum("a", "late", reason, number, MONDAY, MONDAY)


@pytest.mark.parametrize("section", [what_ran, balance, requests, load])
def test_nothing_is_told_of_nothing(section: Any, of_job: Callable[..., OfJob]) -> None:
    assert section(of_job(), name="j") is None


def test_runs_are_told_by_what_set_them_off(of_job: Callable[..., OfJob]) -> None:
    made = what_ran(of_job(runs=[runs(), runs(trigger="manual", runs=1, succeeded=1), runs(runs=4)]), name="j")
    assert made is not None
    assert '<th scope="row">manual</th><td class="n">1</td>' in made
    assert '<th scope="row">schedule</th><td class="n">6</td>' in made
    assert 'class="whole"' not in made


def test_of_many_reasons_the_rarest_are_put_together(of_job: Callable[..., OfJob]) -> None:
    made = what_ran(of_job(ticks=[tick(f"reason {place}", 20 - place) for place in range(12)]), name="j")
    assert made is not None
    assert "reason 7" in made
    assert "reason 8" not in made
    assert f'<th scope="row">others</th><td class="n">{12 + 11 + 10 + 9}</td>' in made


def test_a_balance_that_is_none_stands_out(of_job: Callable[..., OfJob]) -> None:
    good = balance(of_job(runs=[runs(quarantined=3, scored=7)]), name="j")
    assert good is not None
    assert '<span class="good">the ledger balances</span>' in good
    bad = balance(of_job(runs=[runs(scored=9, unbalanced=1)]), name="j")
    assert bad is not None
    assert '<span class="bad">out of balance: 1 run</span>' in bad
    assert "add up to 9 of 10" in bad


def test_series_are_by_step_and_without_those_that_are_nothing(of_job: Callable[..., OfJob]) -> None:
    tuesday, before = MONDAY.replace(day=24), MONDAY.replace(day=1)
    made = by_step([("x", "c1", [(MONDAY, 1), (tuesday, 2), (tuesday, 3), (before, 9)]), ("y", "c2", [])], of_job())
    assert [(each.name, each.values) for each in made] == [("x", [1, 5, 0, 0, 0, 0, 0])]


def test_requests_that_wait_are_told_without_others(of_job: Callable[..., OfJob]) -> None:
    waiting = requests(of_job(standing={"requests_waiting": 2, "requests_since": MONDAY}), name="j")
    assert waiting is not None
    assert "Waiting: 2 requests, the oldest since 23 Nov 00:00." in waiting
    answered = requests(of_job(requests=[RequestSum("a", None, 5, 1, 0, 2, 0, 20.0, 90.0, 1500.0)]), name="j")
    assert answered is not None
    assert '<th scope="row">all</th><td class="n">5</td><td class="n">1</td>' in answered
    assert "1.5 s" in answered


def test_load_is_told_by_step_of_the_line(of_job: Callable[..., OfJob]) -> None:
    made = load(
        of_job(
            load=[Load("a", MONDAY, 3, 1000, 10, 30.0, 20.0)],
            steps=[StepSeconds("a", "read", 15.0), StepSeconds("a", "write", 5.0)],
        ),
        name="j",
    )
    assert made is not None
    assert '<th scope="row">read</th><td class="n">15 s</td><td class="n">75.0 %</td>' in made
    assert "<dt>observations read</dt><dd>1,000</dd>" in made
