"""Two hospitals in one database, by the installed command: what each may see, ask for and have explained, and what is told of it later."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from scorer.config import shipped_root
from scorer.database.source.sample import generate, write

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
JOB = "sepsis"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of jobs: the shipped one, which publishes the facility."""
    for kind in ("sql", "expectations"):
        shutil.copytree(shipped_root() / kind / JOB, tmp_path / "site" / kind / JOB)
    definition = tmp_path / "site" / "sql" / JOB / "job.toml"
    text = definition.read_text()
    assert 'published = ["client"]' in text
    definition.write_text(text.replace('published = ["client"]', 'published = ["client", "facility"]'))
    return tmp_path / "site"


def ask(url: str, sql: str) -> list[tuple[Any, ...]]:
    """All rows of a statement, committed at once."""
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall()) if cursor.description else []


def test_each_hospital_sees_and_asks_for_its_own(program: Any, database_url: str, site: Path, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SCORER_")} | {
        "SCORER_CONFIG": os.devnull,
        "SCORER_HOME": str(tmp_path / "home"),
        "SCORER_JOBS_DIR": str(site),
    }

    def scorer(*arguments: str, url: str = database_url) -> Any:
        return program(*arguments, environment=environment | {"SCORER_DATABASE_URL": url}, cwd=tmp_path)

    def done(*arguments: str, **more: str) -> str:
        ended = scorer(*arguments, **more)
        assert ended.code == 0, ended.err
        return str(ended.out)

    def login(name: str, role: str) -> str:
        ask(
            database_url,
            f"DO $$ BEGIN CREATE ROLE {name} LOGIN PASSWORD 'only-for-tests' IN ROLE {role}; "
            "EXCEPTION WHEN duplicate_object THEN NULL; END $$",
        )
        return re.sub(r"//\w+@", f"//{name}:only-for-tests@", database_url)

    facts = json.loads((shipped_root() / "sql" / JOB / "cohort.json").read_text())
    write(generate(facts, visits=40, seed=1, first_visit=1, now=NOW), tmp_path / "cohort")
    done("db", "upgrade")
    done("load", str(tmp_path / "cohort"))
    ask(database_url, "ALTER TABLE public.visits ADD COLUMN IF NOT EXISTS facility text")
    ask(
        database_url, "UPDATE public.visits SET facility = CASE WHEN mod(visit_id, 2) = 0 THEN 'north' ELSE 'south' END"
    )
    assert json.loads(done("run", JOB, "--as-of", NOW.isoformat(), "--json"))["status"] == "succeeded"
    people: dict[str, str] = {
        "north": login("accept_north", "scorer_reader"),
        "south": login("accept_south", "scorer_reader"),
        "asker": login("accept_asker", "scorer_requester"),
        "approver": login("accept_approver", "scorer_approver"),
        "worker": login("accept_worker", "scorer_worker"),
    }
    everyone = {row[0] for row in ask(database_url, "SELECT entity_id FROM reporting.current_scores")}
    own: Callable[[int], set[str]] = lambda rest: {each for each in everyone if int(each) % 2 == rest}  # noqa: E731
    seen: Callable[[str], set[str]] = lambda who: {  # noqa: E731
        row[0] for row in ask(people[who], "SELECT entity_id FROM reporting.current_scores")
    }
    assert own(0)
    assert own(1)

    assert seen("north") == seen("south") == set()  # nothing granted: nothing seen
    for who in ("north", "south", "asker"):
        facility = "south" if who == "south" else "north"
        done("facility", "grant", f"accept_{who}", facility, url=people["approver"])
    assert (seen("north"), seen("south")) == (own(0), own(1))
    for view in ("score_history", "score_reasons", "quarantine", "sepsis_predictions"):
        column = "CAST(visit_id AS text)" if view == "sepsis_predictions" else "entity_id"
        for who, rest in (("north", 0), ("south", 1)):
            rows = {row[0] for row in ask(people[who], f"SELECT {column} FROM reporting.{view}")}
            whole = {row[0] for row in ask(database_url, f"SELECT {column} FROM reporting.{view}")}
            assert rows == whole & own(rest), view
    assert ask(people["north"], "SELECT eligible, scored FROM reporting.runs") == [(None, None)]

    scored = sorted(
        row[0] for row in ask(database_url, "SELECT entity_id FROM reporting.current_scores WHERE score > 0")
    )
    ours, theirs = (next(each for each in scored if int(each) % 2 == rest) for rest in (0, 1))
    refused = scorer("request", JOB, theirs, url=people["asker"])
    assert refused.code == 1
    assert f"Entity '{theirs}' of job {JOB} is of no facility that login accept_asker may see" in refused.err
    assert refused.err.count("\n") == 1
    ask(people["asker"], f"SELECT scorer.request_score('{JOB}', '{ours}')")
    assert ask(people["north"], "SELECT entity_id FROM reporting.requests") == [(ours,)]
    assert ask(people["south"], "SELECT entity_id FROM reporting.requests") == []

    assert (
        scorer("explain", JOB, ours, url=people["north"]).code == 1
    )  # the worker's alone; a reader has reporting.score_reasons
    done("explain", JOB, theirs, url=people["worker"])
    told = ask(
        people["worker"],
        "SELECT actor, action, subject FROM reporting.audit WHERE actor LIKE 'accept%' ORDER BY happened_at",
    )
    assert told == [
        ("accept_approver", "facility granted", "accept_north"),
        ("accept_approver", "facility granted", "accept_south"),
        ("accept_approver", "facility granted", "accept_asker"),
        ("accept_asker", "requested", ours),
        ("accept_worker", "explained", theirs),
    ]
    done("facility", "revoke", "accept_north", "north", url=people["approver"])
    assert (seen("north"), seen("south")) == (set(), own(1))
