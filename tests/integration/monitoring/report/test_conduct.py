"""A report made of some days of a hospital: what stands in it, who may read it, and that it is the same each time."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest
from click.testing import CliRunner

from scorer.cli import main as cli
from scorer.database.connection import Database
from scorer.errors import UserError
from scorer.monitoring.report.conduct import report
from tests.integration.weeks import CLIENT, DAYS, JOB, double


def page_of(hospital: Any, **asked: Any) -> str:
    return report(Database(hospital.url, hospital.settings), **asked).page


class Tables(HTMLParser):
    """The tables of a page: by heading and caption, their rows of texts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[tuple[str, str, str], list[list[str]]] = {}
        self._heads = {"h2": "", "h3": ""}
        self._into: str | None = None
        self._caption, self._cell = "", ""
        self._rows: list[list[str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002 - as it is called
        if tag in {"h2", "h3", "caption"}:
            self._into, self._cell = tag, ""
            if tag == "h2":
                self._heads["h3"] = ""
        if tag == "table":
            self._rows = []
        if tag == "tr":
            self._rows.append([])
        if tag in {"td", "th"}:
            self._into, self._cell = tag, ""

    def handle_data(self, data: str) -> None:
        self._cell += data

    def handle_endtag(self, tag: str) -> None:
        if tag in self._heads:
            self._heads[tag] = self._cell
        if tag == "caption":
            self._caption = self._cell
        if tag in {"td", "th"}:
            self._rows[-1].append(self._cell)
        if tag == "table":
            self.found[self._heads["h2"], self._heads["h3"], self._caption] = self._rows

    def of(self, job: str, title: str, caption: str) -> list[dict[str, str]]:
        """The rows of a table, by their columns' heads."""
        head, *rows = next(
            rows for (h2, h3, told), rows in self.found.items() if (h2, h3) == (job, title) and caption in told
        )
        return [dict(zip(head, row, strict=True)) for row in rows]


def number(text: str) -> int:
    return int(text.replace(",", ""))


def test_what_is_told_is_what_is_in_the_tables(week: Any) -> None:
    """Each figure against the tables that the views are made of, by statements of the test's own."""
    page = page_of(week, jobs=["sepsis"])
    tables = Tables(page)
    ran = {row["set off by"]: row for row in tables.of("sepsis", "What ran", "Runs")}
    assert number(ran["manual"]["succeeded"]) == DAYS
    assert number(ran["schedule"]["failed"]) == 1
    ticks = {row["ticks"]: row for row in tables.of("sepsis", "What ran", "Ticks")}
    assert (number(ticks["late"]["how many"]), ticks["late"]["why"]) == (3, "the run before went on")
    assert (number(ticks["missed"]["how many"]), ticks["missed"]["why"]) == (1, "no daemon was at work")
    scored = week.one("SELECT count(*) FROM scorer.scores WHERE job = 'sepsis' AND status = 'SCORED' AND NOT shadow")
    eligible = week.one("SELECT sum(eligible) FROM scorer.runs WHERE job = 'sepsis'")
    told = dict(re.findall(r"<dt>(\w+)</dt><dd>([0-9,]+)", page))
    assert (number(told["eligible"]), number(told["scored"])) == (eligible, scored)
    assert sum(number(told[name]) for name in ("scored", "unchanged", "quarantined", "insufficient")) == eligible
    bands = dict(re.findall(r"(HIGH|MEDIUM|LOW) ([0-9,]+)</li>", page))
    for band, shown in bands.items():
        assert number(shown) == week.one(
            "SELECT count(*) FROM scorer.scores WHERE job = 'sepsis' AND risk_band = %s", band
        )
    assert sum(map(number, bands.values())) == scored
    quarantined = {row["rule"]: row for row in tables.of("sepsis", "Quarantine", "Findings")}
    for rule, findings, entities in week.rows(
        "SELECT rule, count(*), count(DISTINCT entity_id) FROM scorer.rejections WHERE job = 'sepsis' AND resolved_at IS NULL GROUP BY 1"
    ):
        assert (number(quarantined[rule]["open findings"]), number(quarantined[rule]["of entities"])) == (
            findings,
            entities,
        )
    assert "one_client" in quarantined
    (all_of_them, *_) = tables.of("sepsis", "Requests", "Requests")
    assert (all_of_them["answered"], all_of_them["longest"]) == ("60", "180 ms")
    live = {row["figure"]: row for row in tables.of("sepsis", "Live figures", "newest checkup")}
    assert (live["AUROC"]["live"], live["AUROC"]["the model's own"]) == ("0.760", "0.820")


def test_who_moved_between_bands_is_counted_and_named_only_if_asked_for(week: Any) -> None:
    """The ninth visit of each day is worse on the next."""
    moved = week.rows(
        "SELECT entity_id FROM (SELECT entity_id, risk_band, lag(risk_band) OVER (PARTITION BY entity_id ORDER BY score_id) AS before "
        "FROM scorer.scores WHERE job = 'sepsis' AND status = 'SCORED') AS s WHERE before <> risk_band AND risk_band = 'HIGH' ORDER BY 1"
    )
    assert len(moved) == DAYS - 1
    rows = Tables(page_of(week, jobs=["sepsis"])).of("sepsis", "Bands", "Who moved")
    assert sum(number(row["moves"]) for row in rows if row["to"] == "HIGH") == DAYS - 1
    assert "who" not in rows[0]
    named = Tables(page_of(week, jobs=["sepsis"], entities=True)).of("sepsis", "Bands", "Who moved")
    told = {entity for row in named if row["to"] == "HIGH" for entity in row["who"].split(", ")}
    assert told == {entity for (entity,) in moved}


def test_a_page_names_no_entity_and_no_value_and_escapes_all(week: Any) -> None:
    page = page_of(week)
    for telltale in (CLIENT, "<script", "onerror", "example.org", "987.65", "<b>database", "<i>features"):
        assert telltale not in page, telltale
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "The &lt;b&gt;database&lt;/b&gt; did not answer." in page
    with_ids = page_of(week, entities=True)
    assert "onerror=&quot;" in with_ids
    assert CLIENT not in with_ids
    assert CLIENT in unescape(with_ids)
    assert "987.65" not in with_ids


def test_a_day_a_week_a_run(week: Any) -> None:
    today = datetime.now(UTC)
    day = page_of(week, day=f"{today - timedelta(days=1):%Y-%m-%d}", jobs=["sepsis"])
    assert f"{today - timedelta(days=1):%A, %-d %B %Y}" in day
    assert number(Tables(day).of("sepsis", "What ran", "Runs")[0]["succeeded"]) == 1
    year, iso_week, _ = today.isocalendar()
    assert f"Week {iso_week} of {year}" in page_of(week, week=f"{year}-W{iso_week:02}")
    run = week.one("SELECT min(run_id) FROM scorer.runs WHERE job = 'sepsis'")
    one = Tables(page_of(week, run_id=run))
    (only,) = one.of("sepsis", "What ran", "Runs")
    assert only["runs"] == "1"
    assert {h2 for h2, _, _ in one.found} == {"Overview", "sepsis"}
    for asked, sentence in (
        ({"day": "29.11.2026"}, "is not a day"),
        ({"week": "2026-99"}, "is not a week"),
        ({"week": "2026-W60"}, "is not a week"),
        ({"run_id": 10**9}, "There is no run 1000000000"),
        ({"jobs": ["nobody's"]}, 'knows no job "nobody\'s"'),
    ):
        with pytest.raises(UserError, match=sentence):
            page_of(week, **asked)


def test_a_day_without_anything_is_told_so(week: Any) -> None:
    page = page_of(week, day="2020-02-29", jobs=["sepsis"])
    assert "Nothing in this time: runs, the balance, bands" in page


def test_nothing_to_report_is_one_sentence(database_url: str, week: Any) -> None:
    with pytest.raises(UserError, match="run `scorer db upgrade`"):
        report(Database(database_url, week.settings))


def test_the_same_database_gives_the_same_bytes(week: Any, tmp_path: Any) -> None:
    """In processes of their own, with other hashes of texts, and some seconds apart."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SCORER_")}
    environment |= {"SCORER_CONFIG": os.devnull, "SCORER_DATABASE_URL": week.url, "SCORER_HOME": str(tmp_path)}
    pages = []
    for seed in ("1", "2"):
        file = tmp_path / f"{seed}.html"
        made = subprocess.run(
            [sys.executable, "-c", "from scorer.cli.main import main; main()", "report", "--out", str(file)],
            env=environment | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=False,
        )
        assert made.returncode == 0, made.stderr
        assert made.stdout == f"The report is in {file}.\n"
        pages.append(file.read_bytes())
    assert pages[0] == pages[1]


def test_it_is_read_with_a_readers_rights_alone(week: Any) -> None:
    """A login that may read the views and nothing else makes it; one that may not be a reader is told what to grant."""
    logins = {}
    for role in ("scorer_reader", "scorer_requester"):
        week.execute(
            f"DO $$ BEGIN CREATE ROLE of_{role} LOGIN PASSWORD 'only-for-tests' IN ROLE {role}; "
            "EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        )
        logins[role] = replace(week, url=week.url.replace("//scorer@", f"//of_{role}:only-for-tests@", 1))
    reading, asking = logins.values()
    assert "sepsis" in page_of(reading)
    with pytest.raises(UserError, match='must be able to set role "scorer_reader"'):
        page_of(asking)


def test_the_command_writes_where_it_is_told(week: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    environment = {"SCORER_CONFIG": os.devnull, "SCORER_DATABASE_URL": week.url}

    def call(*arguments: str) -> Any:
        return CliRunner().invoke(cli.cli, ["report", *arguments], env=environment)

    done = call()
    name = f"scorer-report-{datetime.now(UTC):%Y-%m-%d}.html"
    assert done.output == f"The report is in {name}.\n"
    assert JOB not in (tmp_path / name).read_text()
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o640
    assert call("sepsis", "--out", "-").output.startswith("<!DOCTYPE html>")
    assert "one of them" in str(call("--day", "2026-11-28", "--run", "1").exception)
    assert "leave JOB out" in str(call("sepsis", "--run", "1").exception)
    assert "cannot be written" in str(call("--out", str(tmp_path / "nowhere" / "x.html")).exception)
    assert sorted(path.name for path in tmp_path.glob("*.html")) == [name]


def test_nine_jobs_and_a_week_are_a_page_of_modest_size_and_soon_made(week: Any) -> None:
    for number in range(3, 10):
        double(week, f"job {number}")
    began = time.process_time()
    page = page_of(week)
    assert time.process_time() - began < 10
    assert page.count("<h2") == 1 + 9
    assert len(page.encode()) < 2_000_000
