"""The demo, called as in the README: what it says is what stands in the database, and again it scores only what is new."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest

COUNTS = "eligible, scored, unchanged, quarantined, insufficient, indeterminate, failed"
Call = Callable[..., str]


@pytest.fixture(scope="module")
def call(home: Path, program: Any) -> Iterator[Call]:
    """Calls the installed command at a home of its own; gives its stdout."""
    environment = {**os.environ, "SCORER_HOME": str(home / "demo")}

    def scorer(*arguments: str) -> str:
        done = program(*arguments, environment=environment)
        assert done.code == 0, done.err
        return str(done.out)

    yield scorer
    scorer("db", "stop")


def query(call: Call, statement: str) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(call("db", "url").strip())
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())
    finally:
        connection.close()


def newest_run(call: Call) -> tuple[int, ...]:
    (row,) = query(call, f"SELECT {COUNTS} FROM reporting.runs ORDER BY run_id DESC LIMIT 1")
    counts = tuple(int(str(count)) for count in row)
    assert counts[0] == sum(counts[1:])
    return counts


def test_on_nothing_then_again_then_with_more(call: Call) -> None:
    said = call("demo", "--visits", "120")
    eligible, scored, unchanged, quarantined, insufficient, *_ = newest_run(call)
    assert eligible >= 120  # and orphans, where a job offers them
    assert scored > 80
    assert unchanged == 0
    assert quarantined > 0
    assert insufficient > 0
    assert re.search(rf"\b{eligible}\s+{scored}\s+{unchanged}\s+{quarantined}\s+{insufficient}\s", said)
    for band, visits in query(call, "SELECT risk_level, count(*) FROM reporting.sepsis_predictions GROUP BY 1"):
        assert re.search(rf"{band}\s+{visits}\b", said), f"{band} {visits}"
    for view in ("reporting.sepsis_predictions", "reporting.quarantine", "reporting.runs", "public.visits"):
        assert view in said
        assert query(call, f"SELECT count(*) > 0 FROM {view}") == [(True,)]
    for rule in ("code_known", "value_present", "value_finite", "not_repeated", "one_client"):
        assert rule in said
        assert query(call, f"SELECT count(*) > 0 FROM reporting.quarantine WHERE rule = '{rule}'") == [(True,)]
    written_back = "SELECT count(*) FROM visits WHERE sepsis_score IS NOT NULL AND scored_at IS NOT NULL"
    assert query(call, written_back) == [(scored,)]
    ledger = query(call, "SELECT count(*) FROM scorer.scores")

    said = call("demo", "--visits", "120")
    assert "The sample cohort is there already" in said
    assert newest_run(call)[1:3] == (0, scored)
    assert query(call, "SELECT count(*) FROM scorer.scores") == ledger

    call("demo", "--visits", "130")
    assert query(call, "SELECT count(*) FROM visits") == [(130,)]
    assert 0 < newest_run(call)[1] <= 10
    assert newest_run(call)[2] == scored
