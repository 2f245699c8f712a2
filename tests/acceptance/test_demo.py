"""The demo, called as in the README: what it says is what stands in the database, and again it scores only what is new."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from scorer.config import FIRST_JOB
from scorer.jobs.job import job_names, load_job

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


@pytest.mark.parametrize("job", [name for name in job_names(None) if name != FIRST_JOB])
def test_another_job_is_shown_on_its_example(call: Call, job: str) -> None:
    """From nothing to outcomes, whether or not the job writes back: enabled, loaded, scored, and again nothing new."""
    said = call("demo", "--job", job)
    assert said.startswith(f"Job {job} is enabled in this database; `scorer job disable {job}` has it run no more.")
    runs = f"SELECT {COUNTS} FROM reporting.runs WHERE job = '{job}' ORDER BY run_id DESC LIMIT 1"
    ((eligible, scored, *_),) = query(call, runs)
    assert re.search(rf"\b{eligible}\s+{scored}\s", said)
    assert int(str(scored)) > 20
    assert f"reporting.{job}_predictions " in said
    if load_job(job).bands is not None:
        for band, entities in query(
            call,
            f"SELECT risk_band, count(*) FROM reporting.current_scores WHERE job = '{job}' AND risk_band > '' GROUP BY 1",
        ):
            assert re.search(rf"{band}\s+{entities}\b", said), f"{band} {entities}"
    listed = {each["name"]: each for each in json.loads(call("job", "list", "--json"))["jobs"]}
    assert (listed[job]["enabled"], listed[job]["runs"]) == (True, True)
    again = call("demo", "--job", job)
    assert "already there" in again
    assert "is enabled in this database" not in again
    call("demo", "--job", job)  # what was recorded after an entity's end counts from its second judgement on
    assert query(call, runs)[0][1] == 0
