"""Features that moved, live figures, changes and alerts, as a reader reads them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scorer.database.readonly_session import ReadOnlySession
from scorer.database.reporting.models import (
    list_alerts_between,
    list_changes,
    list_live_figures,
    list_moved_features,
    list_open_alerts,
)
from scorer.database.reporting.standing import Asked


def test_the_features_that_moved_most_are_those_of_the_drift_view(
    views: ReadOnlySession, week: Any, asked: Callable[..., Asked]
) -> None:
    """Of one run, reporting.drift says the same; over the week it is what all its counts come to."""
    run = week.one("SELECT max(run_id) FROM scorer.feature_counts WHERE job = 'sepsis'")
    of_run = list_moved_features(views, asked(run_id=run))
    assert [(each.feature, each.rows, each.psi) for each in of_run] == week.rows(
        "SELECT feature, rows, psi FROM reporting.drift WHERE run_id = %s AND job = 'sepsis' AND psi IS NOT NULL ORDER BY psi DESC",
        run,
    )
    of_week = {each.feature: each for each in list_moved_features(views, asked())}
    batches = week.one("SELECT count(*) FROM scorer.feature_counts WHERE job = 'sepsis'")
    assert of_week["HR_last_stay"].rows == 100 * batches
    assert list(of_week["HR_last_stay"].counts)[:3] == [40 * batches, 60 * batches, 0]
    assert of_week["age_years"].psi == pytest.approx(of_run[[each.feature for each in of_run].index("age_years")].psi)


def test_live_figures_by_checkup(views: ReadOnlySession, asked: Callable[..., Asked]) -> None:
    figures = list_live_figures(views, asked())
    assert [each.value for each in figures if each.metric == "auroc"] == [0.81, 0.79, 0.76]
    assert list_live_figures(views, asked(until=datetime.now(UTC) - timedelta(days=100))) == []


def test_changes_are_steps_and_recalls_of_the_time(
    views: ReadOnlySession, week: Any, asked: Callable[..., Asked]
) -> None:
    week.execute(
        "INSERT INTO scorer.recall_events (job, happened_at, why, model_version, in_force, scores, shadow_scores, entities) "
        "VALUES ('sepsis', now() - INTERVAL '1 hour', 'the wrong ward', 'by-hand', true, 12, 0, 12)"
    )
    changes = list_changes(views, asked())
    assert (changes[-1].kind, changes[-1].scores, changes[-1].why) == ("recall", 12, "the wrong ward")
    assert ("staging", "production", "by-hand") in {
        (each.from_status, each.to_status, each.model_version) for each in changes
    }
    assert list_changes(views, asked(since=datetime.now(UTC))) == []


def test_alerts_of_the_time_and_those_that_are_open(
    views: ReadOnlySession, week: Any, asked: Callable[..., Asked]
) -> None:
    (alert,) = list_alerts_between(views, asked())
    assert (alert.kind, alert.ended_at) == ("drift", None)
    assert [each.kind for each in list_open_alerts(views)] == ["drift"]
    week.execute("UPDATE scorer.alerts SET ended_at = now() - INTERVAL '1 day'")
    assert list_open_alerts(views) == []
    assert len(list_alerts_between(views, asked())) == 1
    assert list_alerts_between(views, asked(since=datetime.now(UTC))) == []
