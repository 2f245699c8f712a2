"""Each shipped job, on its own example: loaded, run, run again, mended, asked for, explained, replayed, recalled, evaluated, looked at.

The jobs are those that there are: a new one is in it by itself. How a held entity is mended may be said in the job's module in
tests/cohorts/, by MEND, a statement by the name of the rule; where it is not, the entity is given the rows of one that was scored.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from scorer.config import Settings, shipped_root
from scorer.database.connection import Database
from scorer.database.source.demo import JOB, load_sample
from scorer.jobs.folder.example import as_of_example
from scorer.jobs.folder.tables import SourceTable, has_tables, read_tables
from scorer.jobs.job import job_names, load_job
from scorer.runs.requests import RequestAnswering
from tests.cohorts.__main__ import jobs as with_module
from tests.cohorts.__main__ import module_of

KINDS = ("scored", "unchanged", "quarantined", "insufficient", "indeterminate", "failed")
HEALTH = (
    "status",
    "deployed_at",
    "prediction_count",
    "avg_latency_ms",
    "error_rate",
    "drift_detected",
    "last_prediction_at",
)
AT_ONCE = (1, 100, 1000)  # entities of a request


@dataclass
class Site:
    """A database with a job enabled, and the command on it."""

    name: str
    url: str
    settings: Settings
    call: Callable[..., Any]
    connection: Any

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """All rows of a statement, committed at once."""
        with self.connection.cursor() as cursor:
            cursor.execute(sql, parameters or None)
            return list(cursor.fetchall()) if cursor.description else []

    def json(self, *arguments: str, codes: Collection[int] = (0,)) -> Any:
        """What a command prints with --json, where it ends with one of `codes`."""
        return json.loads(self.call(*arguments, "--json", codes=codes))

    def run(self) -> dict[str, Any]:
        """A run as of the example's time, whose counts balance in what it prints and in its row."""
        as_of = as_of_example(shipped_root() / "sql" / self.name / "example")
        arguments = () if as_of is None else ("--as-of", as_of.isoformat())
        ended: dict[str, Any] = self.json("run", self.name, *arguments)
        assert ended["status"] == "succeeded"
        assert ended["eligible"] == sum(ended[kind] for kind in KINDS)
        columns = ", ".join(("eligible", *KINDS))
        (row,) = self.rows(f"SELECT {columns} FROM reporting.runs WHERE run_id = %s", ended["run_id"])
        assert list(row) == [ended[kind] for kind in ("eligible", *KINDS)]
        return ended

    def scored(self) -> list[str]:
        """The entities with a score."""
        told = "SELECT entity_id FROM reporting.current_scores WHERE job = %s AND status = 'SCORED' ORDER BY 1"
        return [entity for (entity,) in self.rows(told, self.name)]


@pytest.fixture
def site(
    request: pytest.FixtureRequest, migrated_url: str, settings: Settings, program: Any, tmp_path: Path
) -> Iterator[Site]:
    """A database with the shipped job that is asked for, enabled, and its example loaded."""
    environment = {**os.environ, "SCORER_DATABASE_URL": migrated_url, "SCORER_HOME": str(tmp_path)}

    def call(*arguments: str, codes: Collection[int] = (0,)) -> str:
        done = program(*arguments, environment=environment)
        assert done.code in codes, (arguments, done.err)
        return str(done.out)

    with closing(psycopg2.connect(migrated_url)) as connection:
        connection.autocommit = True
        made = Site(request.param, migrated_url, settings, call, connection)
        call("job", "enable", made.name)
        folder = shipped_root() / "sql" / made.name / "example"
        if folder.is_dir():
            loaded = made.json(
                "load", str(folder), *(("--job", made.name) if has_tables(made.name, jobs_dir=None) else ())
            )
            assert all(table["loaded"] > 0 for table in loaded["tables"])
        else:
            assert made.name == JOB, f"{folder} is missing"
            with closing(psycopg2.connect(migrated_url)) as loading:
                load_sample(load_job(JOB), visits=150, connection=loading, rejects=tmp_path / "rejects.csv")
        yield made


@pytest.mark.long
@pytest.mark.parametrize("site", job_names(None), indirect=True)
def test_a_job_does_all_that_is_promised(site: Site) -> None:
    first = site.run()
    assert first["scored"] >= 20, f"the example of {site.name} gives nothing to score as of now: {first}"
    assert first["failed"] == 0
    # What was recorded after an entity's end counts from its second judgement on.
    site.run()
    rows = site.rows("SELECT count(*) FROM scorer.scores WHERE job = %s AND score IS NOT NULL", site.name)
    again = site.run()
    assert (again["scored"], again["failed"]) == (0, 0)
    assert site.rows("SELECT count(*) FROM scorer.scores WHERE job = %s AND score IS NOT NULL", site.name) == rows

    explained_and_replayed(site)
    if first["quarantined"]:
        held = mended(site)
        site.run()
        ((status,),) = site.rows(
            "SELECT status FROM reporting.current_scores WHERE job = %s AND entity_id = %s", site.name, held
        )
        assert status != "QUARANTINED", f"{held} is held although it was mended"

    recalled(site)
    ask(site)
    looked_at(site)


def mended(site: Site) -> str:
    """Mend what holds an entity. Returns which."""
    held = site.rows(
        "SELECT q.entity_id, q.rule FROM reporting.quarantine AS q JOIN reporting.current_scores AS c USING (job, entity_id) "
        "WHERE q.job = %s AND q.resolved_at IS NULL AND c.status = 'QUARANTINED' ORDER BY 1, 2",
        site.name,
    )
    ways = getattr(module_of(site.name), "MEND", {}) if site.name in with_module() else {}
    for entity, rule in held:
        if rule in ways:
            site.rows(ways[rule], *[entity] * ways[rule].count("%s"))
            return str(entity)
    pattern = site.scored()[0]
    for entity in dict.fromkeys(entity for entity, _ in held):
        if replaced(site, str(entity), pattern=pattern):
            return str(entity)
    raise AssertionError(f"tests/cohorts/{site.name}.py needs MEND, how an entity is mended by its rule: {held[:5]}")


def replaced(site: Site, entity: str, *, pattern: str) -> bool:
    """Give an entity the rows of another, in each table that has its key. Returns whether there was one."""
    found = False
    for table in read_tables(site.name, jobs_dir=None):
        for column in table.columns:
            ((times,),) = site.rows(f"SELECT count(*) FROM {table.table} WHERE CAST({column} AS text) = %s", entity)
            if times and site.rows(f"SELECT 1 FROM {table.table} WHERE CAST({column} AS text) = %s", pattern):
                site.rows(f"DELETE FROM {table.table} WHERE CAST({column} AS text) = %s", entity)
                site.rows(copying(table, column), entity, pattern)
                found = True
                break
    return found


def copying(table: SourceTable, column: str) -> str:
    """The statement that copies the rows of one entity for another; keys of their own are made new."""

    def given(name: str, kind: str) -> str:
        if name == column:
            return f"CAST(%s AS {kind})"
        if name not in table.key or kind not in {"text", "bigint", "integer"}:
            return name
        return f"{name} || ' mended'" if kind == "text" else f"1000000000 + {name}"

    values = ", ".join(given(name, kind) for name, kind in table.columns.items())
    return (
        f"INSERT INTO {table.table} ({', '.join(table.columns)}) SELECT {values} FROM {table.table} "
        f"WHERE CAST({column} AS text) = %s"
    )


def ask(site: Site) -> None:
    """One entity, a hundred, and a thousand or all that there are, in one call: all are answered."""
    entities = [
        entity for (entity,) in site.rows("SELECT entity_id FROM reporting.current_scores WHERE job = %s", site.name)
    ]
    database = Database(site.url, site.settings)
    answering = RequestAnswering(database=database, jobs=[load_job(site.name)])
    try:
        for most in AT_ONCE:
            size = min(most, len(entities))
            site.call("request", site.name, "--timeout", "3600", *entities[:size])
            while answering.answer_waiting():
                pass
            newest = "SELECT status, reason FROM reporting.requests WHERE job = %s ORDER BY request_id DESC LIMIT %s"
            answers = set(site.rows(newest, site.name, size))
            assert {status for status, _ in answers} == {"done"}, answers
    finally:
        answering.close()


def explained_and_replayed(site: Site) -> None:
    entity = site.scored()[0]
    explained = site.json("explain", site.name, entity)
    features = [reason for reason in explained["reasons"] if reason["feature"] is not None]
    assert features, "no feature is said to contribute"
    assert all(reason["contribution"] is not None for reason in features)
    replays = site.json("replay", "--sample", "20", "--job", site.name)["replays"]
    assert replays
    assert {replay["verdict"] for replay in replays} == {"IDENTICAL"}, [
        each for each in replays if each["verdict"] != "IDENTICAL"
    ]


def recalled(site: Site) -> None:
    """Every score is taken back, and made again by the next run."""
    scored = len(site.scored())
    ((version,),) = site.rows(
        "SELECT model_version FROM reporting.models WHERE job = %s AND status = 'production'", site.name
    )
    site.call("recall", site.name, "--model", version, "--why", "a test", "--anyway")
    assert site.scored() == []
    assert site.run()["scored"] == scored


def looked_at(site: Site) -> None:
    """How good it is, how its model does, and whether training is due."""
    evaluated = site.json("evaluate", site.name)
    assert evaluated["attrition"]
    assert site.rows("SELECT 1 FROM reporting.evaluation_figures WHERE evaluation_id = %s", evaluated["evaluation_id"])
    site.call("monitor", site.name)
    columns = ", ".join(HEALTH)
    (health,) = site.rows(
        f"SELECT {columns} FROM reporting.model_health WHERE job = %s AND status = 'production'", site.name
    )
    told = dict(zip(HEALTH, health, strict=True))
    assert told["prediction_count"] > 0
    assert all(told[name] is not None for name in HEALTH if name != "drift_detected"), told
    assert site.rows("SELECT due FROM reporting.retrain_due WHERE job = %s", site.name)
    assert all(line["holds"] for line in site.json("check")["lines"] if line["job"] == site.name and line["blocks"])
    checked = site.json("job", "check", site.name, codes=(0, 1))["lines"]
    # The dirt of an example may have a word that no category knows.
    assert [line for line in checked if not line["holds"] and line["name"] != f"job {site.name} words"] == []
