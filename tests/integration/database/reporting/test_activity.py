"""Sums of runs, ticks, batches and requests, against the tables that the views are made of."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from scorer.database.readonly_session import ReadOnlySession
from scorer.database.reporting.activity import (
    list_failed_runs,
    list_newest_runs,
    sum_load,
    sum_requests,
    sum_runs,
    sum_step_seconds,
    sum_ticks,
)
from scorer.database.reporting.standing import Asked
from tests.integration.weeks import DAYS


def test_runs_add_up_by_day(views: ReadOnlySession, week: Any, asked: Callable[..., Asked]) -> None:
    sums = [each for each in sum_runs(views, asked()) if each.trigger == "manual"]
    assert len(sums) == DAYS
    assert [(each.at, each.eligible, each.scored) for each in sums] == week.rows(
        "SELECT date_trunc('day', started_at), sum(eligible)::bigint, sum(scored)::bigint FROM scorer.runs "
        "WHERE job = 'sepsis' AND trigger = 'manual' GROUP BY 1 ORDER BY 1"
    )
    assert sum(each.unbalanced for each in sums) == 0
    assert all(each.longest_seconds == each.seconds > 0 for each in sums)  # one a day
    (one,) = sum_runs(views, asked(run_id=2))
    assert one.runs == 1
    assert sum_runs(views, asked(until=datetime.now(UTC) - timedelta(days=6))) == []


def test_a_failed_run_says_why(views: ReadOnlySession, asked: Callable[..., Asked]) -> None:
    (failed,) = list_failed_runs(views, asked())
    assert (failed.trigger, failed.error) == ("schedule", "The <b>database</b> did not answer.")


def test_ticks_by_outcome_and_reason(views: ReadOnlySession, asked: Callable[..., Asked]) -> None:
    found = {(each.outcome, each.reason): each.ticks for each in sum_ticks(views, asked())}
    assert found == {
        ("late", "the run before went on"): 3,
        ("missed", "no daemon was at work"): 1,
        ("ran", None): 26,
    }


def test_load_is_that_of_the_batches(views: ReadOnlySession, week: Any, asked: Callable[..., Asked]) -> None:
    load = sum_load(views, asked())
    of_batches = week.rows(
        "SELECT count(*), sum(observations_read)::bigint, sum(observations_dropped)::bigint FROM scorer.batches AS b "
        "JOIN scorer.runs AS r USING (run_id) WHERE r.job = 'sepsis'"
    )
    assert of_batches == [
        tuple(
            sum(getattr(each, name) for each in load)
            for name in ("batches", "observations_read", "observations_dropped")
        )
    ]
    steps = {each.step: each.seconds for each in sum_step_seconds(views, asked())}
    assert {"claim", "read", "validate", "features", "score", "write"} <= set(steps)
    assert sum(steps.values()) <= sum(each.seconds for each in load) + 0.1


def test_requests_of_all_and_by_day(views: ReadOnlySession, asked: Callable[..., Asked]) -> None:
    of_all, *by_day = sum_requests(views, asked())
    assert (of_all.at, of_all.done, of_all.longest_ms) == (None, 60, 180.0)
    assert of_all.half_ms == 91.5
    assert sum(each.done for each in by_day) == 60


def test_the_newest_runs_are_three_of_each_job(views: ReadOnlySession) -> None:
    newest = list_newest_runs(views)
    of_sepsis = [each.run_id for each in newest if each.job == "sepsis"]
    assert len(of_sepsis) == 3
    assert of_sepsis == sorted(of_sepsis, reverse=True)
