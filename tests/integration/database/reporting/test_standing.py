"""Where jobs stand, by views alone; a schema without them is refused in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
import pytest

from scorer.database.readonly_session import ReadOnlySession
from scorer.database.reporting.standing import (
    Asked,
    list_standing,
    open_snapshot,
    read_own_clock,
    read_span,
    require_views,
)
from scorer.errors import UserError


def test_a_job_stands_as_its_tables_say(views: ReadOnlySession, week: Any, asked: Callable[..., Asked]) -> None:
    (sepsis,) = list_standing(views, asked())
    assert sepsis.model_version == "by-hand"
    assert (sepsis.write_backs_waiting, sepsis.requests_waiting, sepsis.backlog) == (1, 0, 0)
    assert sepsis.last_known_at == week.one(
        "SELECT GREATEST((SELECT max(finished_at) FROM scorer.runs), (SELECT max(recorded_at) FROM scorer.ticks))"
    )
    assert len(list_standing(views, asked(jobs=None))) == week.one("SELECT count(*) FROM reporting.health")
    assert list_standing(views, asked(jobs=[])) == []


def test_a_run_has_its_span(views: ReadOnlySession, week: Any) -> None:
    began, ended = week.rows("SELECT started_at, finished_at FROM scorer.runs WHERE run_id = 1")[0]
    span = read_span(views, 1)
    assert (span.job, span.started_at, span.finished_at) == ("sepsis", began, ended)
    with pytest.raises(UserError, match="no run 0"):
        read_span(views, 0)


def test_what_is_read_of_a_snapshot_is_of_one_moment(
    views: ReadOnlySession, week: Any, asked: Callable[..., Asked]
) -> None:
    open_snapshot(views)
    (before,) = list_standing(views, asked())
    week.execute("UPDATE scorer.runs SET finished_at = finished_at + INTERVAL '30 days' WHERE run_id = 1")
    assert list_standing(views, asked()) == [before]
    views.close()
    assert list_standing(views, asked())[0].last_known_at > before.last_known_at


def test_the_session_is_a_readers(views: ReadOnlySession) -> None:
    assert abs(read_own_clock(views) - datetime.now(UTC)) < timedelta(minutes=1)
    require_views(views)
    with pytest.raises(UserError, match="privilege"):
        views.all("read_revision")  # of a table that a reader may not see


def test_a_schema_without_the_views_is_told(views: ReadOnlySession, week: Any) -> None:
    with closing(psycopg2.connect(week.url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("DROP VIEW reporting.published_scores")
    with pytest.raises(UserError, match=r"no view reporting.published_scores; run `scorer db upgrade`"):
        require_views(views)
