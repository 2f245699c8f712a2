"""The commands about jobs, called as an operator does: what they print, and the sentences with which they refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]


@pytest.fixture
def call(hospital: Any, tmp_path: Path, program: Any) -> Call:
    """Calls the command on the hospital's database, with a folder for jobs."""
    environment = {
        "SCORER_DATABASE_URL": hospital.url,
        "SCORER_HOME": str(tmp_path / "home"),
        "SCORER_JOBS_DIR": str(tmp_path / "shops"),
    }

    def act(*arguments: str, code: int = 0, **more: str) -> Any:
        done = program(*arguments, environment=environment | more)
        assert done.code == code, done.err
        if code:
            assert done.err.startswith("scorer: ")
            assert done.err.count("\n") == 1
        return done

    return act


def test_a_new_job_is_made_loaded_checked_and_tried(call: Call, hospital: Any, tmp_path: Path) -> None:
    made = call("job", "new", "shop").out
    assert str(tmp_path / "shops" / "sql" / "shop") in made
    loaded = call("load", str(tmp_path / "shops" / "sql" / "shop" / "example"), "--job", "shop", "--json")
    assert [table["table"] for table in json.loads(loaded.out)["tables"]] == ["clients", "events", "outcomes"]
    checked = json.loads(call("job", "check", "shop", "--json").out)
    assert checked["holds"]
    assert {line["name"] for line in checked["lines"]} >= {"statements", "due", "landmarks", "leaks: later rows"}
    entity = hospital.one("SELECT client_id FROM shop_data.events GROUP BY 1 ORDER BY count(*) DESC LIMIT 1")
    shown = call("job", "try", "shop", "--entity", entity).out
    for step in ("1. Read: ", "2. Refused:", "3. Features:", "4. Score: none: no model is in production"):
        assert step in shown
    tried = json.loads(call("job", "try", "shop", "--entity", entity, "--json").out)
    assert tried["outcome"] is None
    assert {row["used"] for row in tried["rows"]} == {True, False}
    listed = {job["name"]: job for job in json.loads(call("job", "list", "--json").out)["jobs"]}
    assert (listed["shop"]["enabled"], listed["shop"]["runs"], listed["sepsis"]["origin"]) == (True, False, "shipped")
    assert "no: it has no model in production" in call("job", "list").out


def test_what_is_not_there_is_one_sentence(call: Call, hospital: Any) -> None:
    for arguments in (
        ("check", "nosuch"),
        ("features", "nosuch"),
        ("tables", "nosuch"),
        ("try", "nosuch", "--entity", "1"),
    ):
        assert 'There is no job "nosuch"' in call("job", *arguments, code=1).err
    assert "has no visit 7 now" in call("job", "try", "sepsis", "--entity", "7", code=1).err
    assert "has no tables.toml" in call("job", "tables", "sepsis", code=1).err
    assert "no version that begins so" in call("job", "diff", "sepsis", "abc", code=1).err
    assert "cannot be called" in call("job", "new", "Shop", code=1).err
    assert "not both" in call("job", "new", "shop", "--like", "sepsis", "--task", "binary", code=1).err
    assert "SCORER_JOBS_DIR" in call("job", "new", "shop", code=1, SCORER_JOBS_DIR="").err


def test_a_copy_says_what_was_left_out_and_what_differs_is_shown(call: Call) -> None:
    made = call("job", "new", "night", "--like", "sepsis").out
    assert "Left out: first_model" in made
    shown = call("job", "diff", "sepsis", "night").out
    assert "-first_model" in shown
    assert "Features added: none." in shown
    assert "are the same" in call("job", "diff", "night", "night").out
    found = json.loads(call("job", "diff", "sepsis", "night", "--json").out)
    assert "write_back.sql" in found["files"]


def test_versions_are_named_by_their_beginning(call: Call, hospital: Any) -> None:
    hospital.admit(1)
    hospital.run()
    hospital.execute(
        "INSERT INTO scorer.job_versions (job, job_version, definition) "
        "VALUES ('old', 'ffff000000000000', '{}'), ('old', 'ffff000000000001', '{}')"
    )
    beginning = hospital.job.version[:6]
    assert "are the same" in call("job", "diff", beginning, "sepsis").out
    assert "is the beginning of 2 versions" in call("job", "diff", "ffff", "sepsis", code=1).err
    assert "Features cannot be compared" in call("job", "diff", "ffff000000000000", "sepsis").out


def test_features_and_tables_are_printed(call: Call) -> None:
    call("job", "new", "shop", "--task", "regression")
    table = call("job", "features", "shop").out
    assert table.startswith("| name | meaning | unit |")
    features = json.loads(call("job", "features", "shop", "--json").out)["features"]
    assert len(features) == table.count("\n") - 2
    assert 'CREATE TABLE IF NOT EXISTS "shop_data"."clients"' in call("job", "tables", "shop").out
    tables = json.loads(call("job", "tables", "shop", "--json").out)
    assert tables["tables"][2]["columns"]["outcome"] == "double precision"


def test_a_job_is_shown_on_its_own_example(call: Call) -> None:
    call("job", "new", "shop")
    first = call("demo", "--job", "shop").out
    assert "No model of shop is in production yet" in first
    assert call("demo", "--job", "shop").out.count("already there") == 1
    call("job", "new", "night", "--like", "sepsis")
    assert "has no example" in call("demo", "--job", "night", code=1).err


def test_a_check_that_fails_ends_with_its_first_sentence(call: Call, tmp_path: Path) -> None:
    call("job", "new", "shop")
    failed = call("job", "check", "shop", code=1)
    assert "NO  statements: " in failed.out
    assert "the first: statements: The statement due of job shop names a table that is not there" in failed.err


def test_a_job_is_disabled_and_enabled_again(call: Call, hospital: Any, tmp_path: Path) -> None:
    call("job", "new", "shop")
    call("load", str(tmp_path / "shops" / "sql" / "shop" / "example"), "--job", "shop")
    said = call("job", "disable", "shop").out
    assert said.startswith("Job shop is disabled. Its scores, ledger, views and models stay")
    assert "was disabled already" in call("job", "disable", "shop").out
    for arguments in (("run", "shop"), ("run", "shop", "--dry-run")):
        assert (
            "Job shop is not run: it is not enabled; `scorer job enable shop` enables it."
            in call(*arguments, code=1).err
        )
    assert "shop" not in call("status").out + call("check").out + call("db", "upgrade").out
    assert "no: it is not enabled" in call("job", "list").out
    listed = {job["name"]: job for job in json.loads(call("job", "list", "--json").out)["jobs"]}
    assert (listed["shop"]["enabled"], listed["shop"]["runs"]) == (False, False)
    for arguments in (("plan", "shop"), ("job", "check", "shop")):
        call(*arguments)

    said = call("job", "enable", "shop").out
    assert said.startswith(
        "Job shop is enabled; its views and first model are in place.\nIt is not run yet: it has no model"
    )
    assert "scorer load" not in said  # its tables are there
    assert "was enabled already" in call("job", "enable", "shop").out
    assert "shop" in call("db", "upgrade").out
    hospital.execute("DROP SCHEMA shop_data CASCADE")
    assert "shop_data.clients, shop_data.events are not there" in call("job", "enable", "shop").out
    assert 'There is no job "shopp"' in call("job", "enable", "shopp", code=1).err
