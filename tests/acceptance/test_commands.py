"""The commands as an operator calls them: the installed program, on an embedded PostgreSQL in a home of its own."""

from __future__ import annotations

import csv
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from scorer.config import shipped_root
from scorer.database.embedded.installs import installs
from scorer.database.source.sample import generate, write

SCRIPT = Path(sys.executable).with_name("scorer")
VISITS = 200
COUNTS = ("eligible", "scored", "unchanged", "quarantined", "insufficient", "indeterminate", "failed")


@dataclass(frozen=True)
class Place:
    """A home with a running server."""

    home: Path
    cohort: Path
    program: Any

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "SCORER_HOME": str(self.home)}

    def __call__(self, *arguments: str, code: int = 0, **more: str) -> Any:
        """What the command printed, having ended with `code`."""
        done = self.program(*arguments, environment=self.environment | more)
        assert done.code == code, done.err
        return done

    def json(self, *arguments: str, **more: str) -> Any:
        """The one JSON object that is printed, and nothing else with it."""
        done = self(*arguments, "--json", **more)
        assert done.out.endswith("}\n")
        assert done.out.count("\n") == 1
        return json.loads(done.out)

    @cached_property
    def url(self) -> str:
        """Of its server, while that runs."""
        return str(self("db", "url").out.strip())

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        connection = psycopg2.connect(self.url)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def content(self) -> dict[str, Any]:
        """A digest of all rows of every table, ours and the hospital's."""
        tables = self.query(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN ('scorer', 'public')"
        )
        asked = ", ".join(
            f"(SELECT md5(string_agg(t::text, E'\\n' ORDER BY t::text)) FROM {name} AS t)" for (name,) in tables
        )
        return dict(zip((name for (name,) in tables), self.query(f"SELECT {asked}")[0], strict=True))


@pytest.fixture(scope="module")
def place(home: Path, program: Any) -> Iterator[Place]:
    """Started, migrated and loaded by the commands."""
    folder = home / "commands"
    facts = json.loads((shipped_root() / "sql" / "sepsis" / "cohort.json").read_text())
    write(generate(facts, visits=VISITS, seed=5, first_visit=1, now=datetime.now(UTC)), folder / "cohort")
    found = Place(folder / "home", folder / "cohort", program)
    assert "is running" in found("db", "start").out
    try:
        assert "is now at head (from nothing)" in found("db", "upgrade").out
        yield found
    finally:
        assert "is stopped; its data is kept" in found("db", "stop").out
        found("db", "url", code=1)


@pytest.fixture(scope="module")
def loaded(place: Place) -> dict[str, Any]:
    report: dict[str, Any] = place.json("load", str(place.cohort))
    return report


@pytest.fixture
def due(place: Place, loaded: dict[str, Any]) -> Place:
    """The place, where every visit is due again: each has a newer observation."""
    place.query(
        "INSERT INTO patient_observations (visit_id, client, observation_date, observation_type_code, observation_value)"
        " SELECT visit_id, client, admitted_at + interval '3 hours 3 seconds', 'HR', 60 + 40 * random() FROM visits"
    )
    return place


class TestDatabase:
    def test_start_again_and_upgrade_again_change_nothing(self, place: Place) -> None:
        before = place.content()
        assert "is running" in place("db", "start").out
        assert "was at head" in place("db", "upgrade").out
        assert place.content() == before

    def test_url_is_for_psql(self, place: Place) -> None:
        psql = shutil.which("psql") or str(installs()[0].programs / "psql")
        asked = f"'{psql}' -X -A -t \"$('{SCRIPT}' db url)\" -c 'SELECT count(*) FROM scorer.job_versions'"
        done = subprocess.run(asked, shell=True, env=place.environment, capture_output=True, text=True, check=True)
        assert int(done.stdout) >= 0

    def test_check(self, place: Place) -> None:
        told = place.json("db", "check")
        assert told["at_head"] is True
        assert told["revision"] == told["head"]
        assert place("db", "check").out == f"The schema is at head, revision {told['head']}.\n"

    def test_plan_prints_what_an_upgrade_would_run_and_runs_nothing(self, place: Place) -> None:
        assert place("db", "plan").out.startswith("-- The schema is at head")
        connection = psycopg2.connect(place.url)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE planned")
        connection.close()
        empty = place.url.replace("/scorer?", "/planned?", 1)
        planned = place("db", "plan", SCORER_DATABASE_URL=empty).out
        assert "CREATE TABLE scorer.scores" in planned
        place("db", "check", code=1, SCORER_DATABASE_URL=empty)


class TestLoad:
    def test_accounts_for_every_row(self, loaded: dict[str, Any]) -> None:
        tables = {table["table"]: table for table in loaded["tables"]}
        assert tables["visits"]["loaded"] == VISITS
        for table in loaded["tables"]:
            assert table["read"] == table["loaded"] + table["already_there"] + table["rejected"]
        with Path(loaded["rejects"]).open(newline="") as file:
            rejected = list(csv.DictReader(file))
        assert {row["reason"] for row in rejected} == {"observation_value is not a number"}
        assert len(rejected) == tables["patient_observations"]["rejected"] == 2

    def test_again_adds_nothing(self, place: Place, loaded: dict[str, Any], tmp_path: Path) -> None:
        assert loaded["rejects"]
        shown = place("load", str(place.cohort), "--rejects", str(tmp_path / "here.csv"))
        assert f"Rejected rows, with line and reason: {tmp_path / 'here.csv'}" in shown.out
        assert place.query("SELECT count(*) FROM visits") == [(VISITS,)]


class TestRun:
    def test_tries_all_of_it_and_keeps_nothing(self, due: Place) -> None:
        before = due.content()
        ended = due.json("run", "sepsis", "--dry-run", "--limit", "40")
        assert (ended["run_id"], ended["status"], ended["eligible"]) == (None, "dry run", 40)
        assert ended["scored"] > 20
        assert due.content() == before

    def test_prints_its_counts_and_accounts_for_all(self, due: Place) -> None:
        first = due.json("run", "sepsis", "--limit", "10")
        assert {"run_id", "status", "as_of", "seconds", *COUNTS} <= set(first)
        assert (first["status"], first["eligible"]) == ("succeeded", 10)
        rest = due.json("run", "sepsis", "--workers", "2", SCORER_BATCH_SIZE="30")
        for ended in (first, rest):
            assert ended["eligible"] == sum(ended[name] for name in COUNTS[1:])
        run = due.query(f"SELECT status, {', '.join(COUNTS)} FROM reporting.runs WHERE run_id = {rest['run_id']}")
        assert run == [("succeeded", *(rest[name] for name in COUNTS))]
        assert due.query("SELECT count(*) FROM scorer.current_scores") == [(VISITS,)]
        workers = due.query(f"SELECT count(DISTINCT worker) FROM scorer.batches WHERE run_id = {rest['run_id']}")
        assert workers[0][0] >= 1

    def test_as_of_an_earlier_time(self, due: Place) -> None:
        ended = due.json("run", "sepsis", "--as-of", "2020-01-01T02:00:00+02:00")
        assert ended["as_of"] == "2020-01-01T00:00:00+00:00"
        # The one kind that no time excludes is a visit whose beginning is not known.
        assert ended["eligible"] == due.query("SELECT count(*) FROM visits WHERE admitted_at IS NULL")[0][0]

    def test_shows_a_bar_on_a_terminal_and_the_same_json(self, due: Place) -> None:
        ours, theirs = pty.openpty()
        seen: list[bytes] = []

        def look() -> None:
            try:
                while chunk := os.read(ours, 4096):
                    seen.append(chunk)
            except OSError:
                return

        with subprocess.Popen(
            [SCRIPT, "run", "sepsis", "--limit", "5", "--json"],
            env=due.environment | {"TERM": "xterm"},
            stdout=subprocess.PIPE,
            stderr=theirs,
            text=True,
        ) as process:
            os.close(theirs)
            looking = threading.Thread(target=look)
            looking.start()
            out, _ = process.communicate()
        looking.join()
        os.close(ours)
        assert process.returncode == 0
        assert json.loads(out)["eligible"] == 5
        assert "Scoring sepsis" in b"".join(seen).decode()
        assert "100 %" in b"".join(seen).decode()

    def test_shows_no_bar_where_there_is_no_terminal(self, due: Place) -> None:
        done = due("run", "sepsis", "--limit", "5")
        assert "Scoring" not in done.err + done.out
        assert "\x1b" not in done.err + done.out
        assert "eligible" in done.out

    def test_that_is_interrupted_is_rolled_back_and_finished_by_the_next(self, due: Place) -> None:
        with subprocess.Popen(
            [SCRIPT, "run", "sepsis"],
            env=due.environment | {"SCORER_BATCH_SIZE": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if "Run began" in line:
                    break
            process.send_signal(signal.SIGINT)
            out, err = process.communicate()
        assert process.returncode == 130, err
        assert err.splitlines()[-1] == "scorer: interrupted; what was not committed is rolled back."
        assert "Traceback" not in err
        assert out == ""
        left = due.query("SELECT run_id FROM scorer.runs WHERE status = 'running'")
        assert len(left) == 1
        assert due.query("SELECT count(*) FROM scorer.work")[0][0] > 0
        due("run", "sepsis")
        assert due.query("SELECT count(*) FROM scorer.work") == [(0,)]
        assert due.query("SELECT DISTINCT status FROM scorer.runs") == [("succeeded",)]
        run = due.query(f"SELECT {', '.join(COUNTS)} FROM reporting.runs WHERE run_id = {left[0][0]}")[0]
        assert run[0] == VISITS == sum(run[1:])
        twice = "SELECT entity_id FROM scorer.scores GROUP BY run_id, entity_id HAVING count(*) > 1"
        assert due.query(twice) == []


def approver(place: Place) -> str:
    """The URL of another person, who may promote."""
    place.query("CREATE ROLE approver LOGIN PASSWORD 'approver' IN ROLE scorer_worker, scorer_approver")
    return re.sub(r"//\w+@", "//approver:approver@", place.url)


class TestExport:
    def test_a_scored_ward_as_fhir_and_then_what_came_since(self, due: Place, tmp_path: Path) -> None:
        due("run", "sepsis")
        first = due.json("export", "fhir", "--job", "sepsis", "--out", str(tmp_path / "first.ndjson"))
        lines = (tmp_path / "first.ndjson").read_text(encoding="utf-8").splitlines()
        scores = due.query("SELECT score_id FROM reporting.current_scores WHERE score_id IS NOT NULL")
        assert {json.loads(line)["id"] for line in lines} == {f"sepsis-{score_id}" for (score_id,) in scores}
        assert (first["final"], first["recalled"], first["since"]) == (len(lines), 0, None)
        told = due(
            "export", "fhir", "--job", "sepsis", "--since", first["until"], "--out", str(tmp_path / "next.ndjson")
        )
        assert "next.ndjson: 0 scores of sepsis, and 0 recalled ones." in told.out
        assert (tmp_path / "next.ndjson").read_bytes() == b""

    def test_what_cannot_be_done_is_one_sentence(self, place: Place, tmp_path: Path) -> None:
        for arguments, words in (
            (("--job", "sepsis", "--out", str(tmp_path / "no" / "a.ndjson")), "cannot be written: there is no folder"),
            (("--job", "churn", "--out", str(tmp_path / "a.ndjson")), "Job churn has no [fhir] in its job.toml"),
            (
                ("--job", "sepsis", "--since", "2999-01-01T00:00:00Z", "--out", str(tmp_path / "a.ndjson")),
                "in the future",
            ),
        ):
            done = place("export", "fhir", *arguments, code=1)
            assert words in done.err
            assert done.err.count("\n") == 1
        assert list(tmp_path.iterdir()) == []


class TestFlags:
    def test_a_trial_in_the_shadow_and_its_end(self, due: Place) -> None:
        """Scores off: nothing of them is shown, no visit is lost, and all is there again once the flag is cleared."""
        due("run", "sepsis")  # of a record that has ended, as known at its end; then with what came late
        first = due.json("run", "sepsis")
        with_score = first["scored"] + first["unchanged"]
        shown = "SELECT count(*) FROM reporting.sepsis_predictions WHERE sepsis_probability IS NOT NULL"
        written = "SELECT count(*) FROM public.visits WHERE sepsis_score IS NOT NULL"
        before = due.query(shown), due.query(written)
        assert before[0] == [(with_score,)]
        due("flag", "set", "sepsis.scores", "off", "--why", "a trial")
        off = due.json("run", "sepsis")
        assert (off["scored"], off["unchanged"], off["indeterminate"]) == (0, 0, with_score + first["indeterminate"])
        assert (due.query(shown), due.query(written)) == ([(0,)], [(0,)])
        assert "sepsis.scores" in due("status").out
        assert "it is set off" in due("flag", "check", "sepsis.scores", "--entity", "1").out
        due("flag", "clear", "sepsis.scores", "--why", "it is over")
        again = due.json("run", "sepsis")
        assert (again["scored"], again["indeterminate"]) == (with_score, first["indeterminate"])
        assert (due.query(shown), due.query(written)) == before
        acts = due.query("SELECT action, subject FROM reporting.audit WHERE action LIKE 'flag%%' ORDER BY happened_at")
        assert acts == [("flag set", "sepsis.scores"), ("flag cleared", "sepsis.scores")]

    def test_what_cannot_be_done_is_one_sentence(self, place: Place) -> None:
        for arguments, words in (
            (("check", "a_name.nobody_set"), "nobody has set a flag"),
            (("set", "sepsis.score", "off", "--why", "x"), "job sepsis has no flag sepsis.score"),
            (("set", "sepsis.scores", "off", "--why", " "), "a reason is needed"),
            (("set", "sepsis.scores", "on", "--share", "100", "--why", "x"), "less than 100 per cent"),
        ):
            done = place("flag", *arguments, code=1)
            assert words in done.err.lower()
            assert done.err.count("\n") == 1


class TestWhatStands:
    def test_status(self, due: Place) -> None:
        ended = due.json("run", "sepsis")
        (job,) = due.json("status")["jobs"]
        assert job["job"] == "sepsis"
        assert {name: job[name] for name in COUNTS} == {name: ended[name] for name in COUNTS}
        assert (job["run_id"], job["status"], job["backlog"]) == (ended["run_id"], "succeeded", 0)
        assert job["model_version"] in due("status").out

    def test_check(self, due: Place) -> None:
        before = due.content()
        told = due.json("check")
        assert told["holds"] is True
        names = [line["name"] for line in told["lines"]]
        of_job = ["", " data", " write-back", " times", " triggers", " units", " words"]
        assert names == [
            "database",
            "schema",
            "temporary tables",
            "sessions",
            *(f"job sepsis{each}" for each in of_job),
        ]
        shown = due("check").out.splitlines()
        assert len(shown) == len(names)
        assert all(line.startswith("ok  ") for line in shown)
        assert due.content() == before

    def test_a_model_is_trained_listed_and_promoted(self, due: Place, tmp_path: Path) -> None:
        trained = due.json("train", "sepsis", "--version", "try.1")
        assert {"auroc", "average_precision", "brier", "calibration_slope", "utility"} <= set(trained["metrics"])
        assert Path(trained["folder"]) == due.home / "models" / "sepsis" / "try.1"
        models = {model["model_version"]: model["status"] for model in due.json("model", "list")["models"]}
        assert models["try.1"] == "candidate"
        again = due("train", "sepsis", "--version", "try.1", code=1)
        assert "a model version is never written over" in again.err
        card = tmp_path / "card.toml"
        due("model", "card", "sepsis", "try.1", "--write", str(card))
        card.write_text(re.sub(r'^(\w+) = "".*$', r'\1 = "said"', card.read_text(), flags=re.MULTILINE))
        due("model", "card", "sepsis", "try.1", "--set", str(card))
        promote = ("model", "promote", "sepsis", "try.1", "--why", "a test")
        assert "whoever registered a model may not promote it" in due(*promote, code=1).err
        assert "in production" in due(*promote, SCORER_DATABASE_URL=approver(due)).out
        models = {model["model_version"]: model["status"] for model in due.json("model", "list")["models"]}
        assert [name for name, status in models.items() if status == "production"] == ["try.1"]
        assert "try.1" in due("model", "list").out
        due("run", "sepsis", "--limit", "60")
        newest = "SELECT model_version FROM scorer.scores WHERE status = 'SCORED' ORDER BY score_id DESC LIMIT 1"
        assert due.query(newest) == [("try.1",)]


class TestProgram:
    def test_a_bug_shows_its_traceback_and_exits_70(self, place: Place, tmp_path: Path) -> None:
        (tmp_path / "sitecustomize.py").write_text(
            "import scorer.jobs.job\n\ndef broken(*_, **__):\n    return 1 / 0\n\nscorer.jobs.job.load_job = broken\n"
        )
        done = subprocess.run(
            [SCRIPT, "run", "sepsis", "--json"],
            env=place.environment | {"PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 70
        assert "ZeroDivisionError: division by zero" in done.stderr
        assert "Traceback (most recent call last)" in done.stderr
        assert "this is a bug in scorer" in done.stderr.splitlines()[-1]
        assert done.stdout == ""

    @pytest.mark.parametrize("arguments", [["model", "list"], ["status", "--json"], ["--help"], ["db", "url"]])
    def test_is_quiet_when_nobody_reads_on(self, place: Place, arguments: list[str]) -> None:
        theirs, ours = os.pipe()
        os.close(theirs)
        with subprocess.Popen(
            [SCRIPT, *arguments], env=place.environment, stdout=ours, stderr=subprocess.PIPE, text=True
        ) as process:
            os.close(ours)
            _, err = process.communicate()
        assert (process.returncode, err) == (1, "")

    def test_alone_shows_its_help(self, place: Place) -> None:
        assert place(code=1).err == place("--help").out

    @pytest.mark.parametrize(
        ("arguments", "heavy"),
        [
            (["--help"], "pandas sklearn great_expectations sqlalchemy pyarrow alembic numpy psycopg2"),
            (["run", "--help"], "pandas sklearn great_expectations sqlalchemy pyarrow alembic numpy psycopg2"),
            (["status"], "pandas sklearn great_expectations pyarrow scipy joblib"),
            (["run", "nobodys"], "pandas sklearn great_expectations sqlalchemy pyarrow alembic"),
            (["db", "url"], "pandas sklearn great_expectations pyarrow alembic"),
        ],
    )
    def test_does_not_wait_for_libraries_that_it_does_not_use(
        self, place: Place, arguments: list[str], heavy: str
    ) -> None:
        code = (
            "import sys\nfrom scorer.cli.main import main\ntry:\n    main(sys.argv[1:])\n"
            "finally:\n    print('imported', *sys.modules, file=sys.stderr)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], env=place.environment, capture_output=True, text=True, check=False
        )
        imported = done.stderr.splitlines()[-1].split()
        assert imported[0] == "imported"
        assert set(imported) & set(heavy.split()) == set()
