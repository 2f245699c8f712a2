"""What `scorer plan` shows to those who approve a job, and that showing it neither writes nor holds anything."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from scorer.cli import main as cli
from scorer.config import Settings
from scorer.database.connection import Database
from scorer.database.store.server import TableLock
from scorer.errors import UserError
from scorer.jobs.job import Job, load_job
from scorer.jobs.sql_text import without_comments
from scorer.registry import registration
from scorer.runs.plan import PlannedStatement, plan_run

JOBS = Path(__file__).parents[2] / "jobs"
OURS = [
    "begin_run",
    "due",
    "lock_against_recalls",
    "claim_work",
    "observations",
    "recent_scores",
    "write_ledger",
    "write_current",
    "write_reasons",
    "write_rejections",
    "resolve_rejections",
    "finish_work",
    "record_batch",
    "record_validation",
    "end_run",
]


def planned(hospital: Any) -> dict[str, PlannedStatement]:
    found = plan_run(hospital.job, database=Database(hospital.url, hospital.settings))
    assert len({each.name for each in found}) == len(found)
    return {each.name: each for each in found}


def fill(hospital: Any, visits: int) -> None:
    """So many visits of 20 observations each, as the planner knows them."""
    hospital.execute(
        "INSERT INTO visits (visit_id, client, admitted_at) SELECT v, 'C' || v, now() - interval '1 day' "
        "FROM generate_series(1, %s) AS v",
        visits,
    )
    hospital.execute(
        "INSERT INTO patient_observations (visit_id, observation_date, observation_type_code, observation_value) "
        "SELECT v, now(), 'HR', 80 FROM generate_series(1, %s) AS v, generate_series(1, 20)",
        visits,
    )
    hospital.execute("ANALYZE visits, patient_observations")


@pytest.fixture
def wards(hospital: Any) -> Any:
    """The hospital with the tables of the second job, which needs no model to be planned."""
    hospital.execute((JOBS / "sql" / "ward_load" / "tables.sql").read_text())
    hospital.settings = Settings(home=hospital.settings.home, jobs_dir=JOBS)
    hospital.job = load_job("ward_load", jobs_dir=JOBS)
    assert set(registration.grant_source(database=Database(hospital.url, hospital.settings)).values()) == {None}
    return hospital


# What is shown


def test_every_statement_of_a_run_is_shown_in_order(hospital: Any) -> None:
    found = plan_run(hospital.job, database=Database(hospital.url, hospital.settings))
    assert [each.name for each in found] == [
        "begin_run",
        "due",
        "orphans",
        "write_rejections",
        "resolve_orphans",
        "lock_against_recalls",
        "claim_work",
        "observations",
        "attributes",
        "recent_scores",
        "write_ledger",
        "write_current",
        "write_reasons",
        "resolve_rejections",
        "finish_work",
        "record_batch",
        "record_validation",
        "stage_write_back",
        "write_back",
        "record_write_backs",
        "end_run",
        "stage_take_back",
        "take_back",
        "record_take_backs",
    ]
    for each in found:
        assert re.fullmatch(r"[A-Z].{20,}[.]", each.does)
        assert each.plan
        assert each.where == "database_url"
        assert each.rows <= each.most_rows
    for name in ("due", "observations", "attributes", "orphans", "write_back"):
        (each,) = [one for one in found if one.name == name]
        assert each.statement == without_comments(hospital.job.statements[name])


def test_the_hospitals_tables_are_read_without_a_lock_and_one_is_written(hospital: Any) -> None:
    of_hospital = {
        name: {(lock.relation, lock.mode) for lock in each.locks if lock.relation.startswith("public.")}
        for name, each in planned(hospital).items()
    }
    read, written = ("public.visits", "ACCESS SHARE"), ("public.visits", "ROW EXCLUSIVE")
    assert {name: locks for name, locks in of_hospital.items() if locks} == {
        "due": {read},
        "orphans": {read, ("public.patient_observations", "ACCESS SHARE")},
        "observations": {read, ("public.patient_observations", "ACCESS SHARE")},
        "attributes": {read},
        "write_back": {("public.visits", "ROW SHARE"), written},
        "take_back": {("public.visits", "ROW SHARE"), written},
    }


def test_the_locks_shown_are_those_that_running_takes(hospital: Any) -> None:
    """Of the statement that matters most, run for real."""
    found = planned(hospital)["write_back"].locks
    hospital.admit(1, 2)
    taken: set[tuple[str, str]] = set()

    def watch(step: str) -> None:
        if step == "write back":
            locks = (
                "SELECT relation::regclass::text, mode FROM pg_locks WHERE pid <> pg_backend_pid() "
                "AND relation = 'public.visits'::regclass"
            )
            taken.update(hospital.rows(locks))

    assert hospital.run(watch=watch).counts.scored == 2
    in_words = {("public." + name.removeprefix("public."), mode) for name, mode in taken}
    assert {(lock.relation, lock.mode.title().replace(" ", "") + "Lock") for lock in found} <= in_words
    assert {mode for _, mode in taken} <= {"AccessShareLock", "RowShareLock", "RowExclusiveLock"}


def test_rows_are_the_planners_estimates_for_a_batch(hospital: Any) -> None:
    fill(hospital, 2000)
    hospital.settings = replace(hospital.settings, batch_size=50)
    found = planned(hospital)
    assert found["due"].most_rows == 2000
    # Of the rows that are joined it knows too little: that all of them belong to the visits asked for, and how many ids are looked up.
    assert 400 <= found["observations"].most_rows <= 2000, "50 visits of 20 observations"
    assert any("patient_observations_visit_id" in line for line in found["observations"].plan), "by the index"
    assert found["attributes"].most_rows == 50
    assert "entity 1" not in str(found)
    assert max(len(line) for each in found.values() for line in each.plan) < 2000


def test_another_job_is_shown_with_what_it_has(wards: Any) -> None:
    found = planned(wards)
    assert list(found) == OURS
    assert TableLock("wards.counts", "ACCESS SHARE") in found["observations"].locks
    assert all(
        lock.mode == "ACCESS SHARE" for each in found.values() for lock in each.locks if "wards." in lock.relation
    )


def test_a_statement_that_the_database_would_refuse_is_one_sentence(
    hospital: Any, changed_job: Callable[..., Job]
) -> None:
    hospital.execute("REVOKE SELECT ON patient_observations FROM scorer_worker")
    with pytest.raises(UserError, match=r"A privilege is missing: .*patient_observations"):
        planned(hospital)
    hospital.job = changed_job(("attributes.sql", "v.age_years", "v.age_in_years"))
    hospital.execute("GRANT SELECT ON patient_observations TO scorer_worker")
    with pytest.raises(UserError, match="The statement attributes of job sepsis does not fit the database"):
        planned(hospital)


# What is left alone


def contents(hospital: Any) -> list[tuple[Any, ...]]:
    """A digest of every table and the state of every sequence, by name; and how many relations there are."""
    tables = hospital.rows(
        "SELECT c.oid::regclass::text, c.relkind FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace "
        "WHERE n.nspname IN ('public', 'scorer') AND c.relkind IN ('r', 'S') ORDER BY 1"
    )
    digest = "SELECT %s, count(*)::text || COALESCE(md5(string_agg(t::text, '' ORDER BY t::text)), '') FROM {} AS t"
    state = "SELECT %s, last_value || ' ' || is_called FROM {}"
    found = [
        row for name, kind in tables for row in hospital.rows((digest if kind == "r" else state).format(name), name)
    ]
    return [*found, ("relations", hospital.one("SELECT count(*) FROM pg_class"))]


def test_nothing_is_written_run_or_held(hospital: Any) -> None:
    hospital.admit(1, 2, 3)
    hospital.run(limit=2)
    hospital.execute(
        "CREATE FUNCTION public.never() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'a statement was run'; END$$"
    )
    for table in ("public.visits", "scorer.runs", "scorer.work", "scorer.scores", "scorer.current_scores"):
        hospital.execute(
            f"CREATE TRIGGER never BEFORE INSERT OR UPDATE OR DELETE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION public.never()"
        )
    before = contents(hospital)
    hospital.settings = replace(hospital.settings, lock_timeout=timedelta(milliseconds=100))
    with closing(hospital.connect()) as other, other.cursor() as cursor:
        for table in ("public.visits", "public.patient_observations", "scorer.current_scores", "scorer.runs"):
            cursor.execute(f"SELECT FROM {table} FOR UPDATE")  # had a row to be locked, it would be waited for in vain
        assert planned(hospital)
        other.rollback()
    assert contents(hospital) == before
    here = "datname = current_database() AND application_name"  # others' databases may be on the server
    held = f"SELECT count(*) FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid) WHERE {here} LIKE 'scorer%%'"
    while hospital.one(f"SELECT count(*) FROM pg_stat_activity WHERE {here} = 'scorer'"):
        pass  # the server takes a moment to end a session
    assert hospital.one(held) == 0


# The command


def test_the_command_is_readable_and_its_json_whole(
    hospital: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SCORER_DATABASE_URL", hospital.url)
    monkeypatch.setenv("SCORER_HOME", str(hospital.settings.home))
    with pytest.raises(SystemExit) as ended:
        cli.main(["plan", "sepsis"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert "A run of job sepsis, on its schedule 5 * * * * (UTC), in batches of 5,000, as scorer_worker." in text
    assert "\n2. due, once a run, at database_url. The visits that may be due as of a time" in text
    assert (
        "\n   locks: public.visits ROW EXCLUSIVE, public.visits ROW SHARE\n   statement:\n      WITH locked AS ("
        in text
    )
    assert text.rstrip().endswith("waited for by nobody.")
    with pytest.raises(SystemExit):
        cli.main(["plan", "sepsis", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert (found["job"], found["job_version"]) == ("sepsis", hospital.job.version)
    (due,) = [each for each in found["statements"] if each["name"] == "due"]
    assert due["tree"]["Node Type"] == "ModifyTable"
    assert {"relation": "public.visits", "mode": "ACCESS SHARE"} in due["locks"]
