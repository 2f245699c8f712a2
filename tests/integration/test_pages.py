"""Each page in a real browser: what it asks for and says, how wide it is, its contrast and structure; wide, narrow, dark, on paper."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from scorer.config import shipped_root
from scorer.database.connection import Database
from scorer.database.readonly_session import ReadOnlySession
from scorer.database.reporting.models import list_live_figures
from scorer.database.reporting.standing import Asked
from scorer.database.store.models import Registered
from scorer.evaluation.figures import Evaluation
from scorer.evaluation.page import page
from scorer.governance.card_page import card_page
from scorer.jobs.job import load_job
from scorer.jobs.schedule import Schedule
from scorer.monitoring.prometheus import JobState
from scorer.monitoring.report.conduct import report
from scorer.monitoring.status_page import StatusPage
from scorer.registry.manifest import MANIFEST
from tests import evaluations
from tests.integration.browser import PROGRAM, Browser, Look
from tests.integration.weeks import CLIENT, JOB

LOOKS = (Look(1280), Look(1280, dark=True), Look(390), Look(390, dark=True), Look(688, paper=True))
SCRIPT = (Path(__file__).parent / "looks.js").read_text(encoding="utf-8")
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="needs a Chromium, to look at pages as a reader's browser does")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as opened:
        yield opened


class Daemonlike:
    """What a daemon says of itself."""

    def live(self) -> bool:
        return True

    def ready(self) -> str | None:
        return "job sepsis: <b>its model</b> is not where models are"

    def schedules(self) -> Mapping[str, Schedule]:
        return {"sepsis": load_job("sepsis").schedule}

    def job_states(self) -> Mapping[str, JobState]:
        return {"sepsis": JobState(scores=False, why="its <b>model</b>"), JOB: JobState(runs=False, why=CLIENT)}


def views_of(week: Any) -> ReadOnlySession:
    return ReadOnlySession(Database(week.url, week.settings).as_reader(), patience=timedelta(seconds=10))


def a_report(week: Any, **asked: Any) -> str:
    return report(Database(week.url, week.settings), **asked).page


def a_status_page(week: Any) -> str:
    return StatusPage(views_of(week), state=Daemonlike()).text()


def a_card(week: Any) -> str:
    job = load_job("sepsis")
    shipped = shipped_root() / "models" / job.name / str(job.first_model) / MANIFEST
    manifest = json.loads(shipped.read_text(encoding="utf-8"))
    model = Registered(
        job=JOB,
        model_version=CLIENT,
        status="production",
        sha256="0" * 64,
        manifest=manifest,
        registered_at=datetime(2026, 11, 1, tzinfo=UTC),
        registered_by=CLIENT,
        promoted_at=None,
        stored=False,
    )
    now = datetime.now(UTC)
    with closing(views_of(week)) as views:
        live = list_live_figures(views, Asked(since=now, until=now, step="day", jobs=["sepsis"]))
    return card_page(model, card={"intended_use": f"Of {CLIENT}.", "limits": JOB}, live=live)


def an_evaluation(make: Callable[[], Evaluation], _week: Any) -> str:
    return page(replace(make(), job=JOB, command=f"scorer evaluate {CLIENT}"))


PAGES: dict[str, Callable[[Any], str]] = {
    "report": a_report,
    "report with entities": partial(a_report, entities=True),
    "report of a run": partial(a_report, run_id=2),
    "status page": a_status_page,
    "model card": a_card,
    "evaluation of events": partial(an_evaluation, evaluations.of_events),
    "evaluation of classes": partial(an_evaluation, evaluations.of_classes),
    "evaluation of values": partial(an_evaluation, evaluations.of_values),
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_as_it_should_be(name: str, week: Any, browser: Browser, tmp_path: Path) -> None:
    text = PAGES[name](week)
    assert "&lt;script&gt;alert(1)" in text or name == "report of a run"
    file = tmp_path / "page.html"
    file.write_text(text, encoding="utf-8")
    for look in LOOKS:
        seen = browser.open(file.as_uri(), look)
        assert seen.console == [], look
        assert seen.asked_for == [file.as_uri()], look
        assert browser.ask(SCRIPT) == [], look
    browser.paper(tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").stat().st_size > 10_000


SPOILED: dict[str, tuple[str, str, str]] = {
    "a colour too pale": ("--soft: #56626f", "--soft: #9a9a9a", "has a contrast of 2."),
    "a dark colour too dark": ("--ink: #e4e9ee", "--ink: #4a5561", "has a contrast of"),
    "a table too wide": (".wide { overflow-x: auto;", ".wide { min-width: 60rem;", "wider than the page by"),
    "a column without a head": (' scope="col"', "", "has no heads"),
    "a row without a head": (' scope="row"', "", "a row without a head"),
    "a drawing without a text": ('<svg role="img"', "<svg", "a picture without a text"),
    "no title": ("<title>", "<title></title><title>", "no title"),
    "no main": ("<main>", "<div>", "not one main"),
    "a script": ("<main>", "<main><script>1</script>", "more than a page is to hold"),
    "a heading out of order": ("<h3", "<h4", "skips a level"),
}


@pytest.mark.parametrize("fault", SPOILED)
def test_a_fault_is_found(fault: str, week: Any, browser: Browser, tmp_path: Path) -> None:
    """The looks above can see what they look for."""
    old, new, sentence = SPOILED[fault]
    text = a_report(week, jobs=["sepsis"])
    assert old in text
    file = tmp_path / "page.html"
    file.write_text(text.replace(old, new), encoding="utf-8")
    found = []
    for look in (Look(390), Look(390, dark=True)):
        browser.open(file.as_uri(), look)
        found += browser.ask(SCRIPT)
    assert any(sentence in each for each in found), found


def test_a_call_to_elsewhere_is_seen_and_refused(week: Any, browser: Browser, tmp_path: Path) -> None:
    text = a_report(week, jobs=["sepsis"]).replace("<main>", '<main><img alt="x" src="https://example.org/x.png">')
    file = tmp_path / "page.html"
    file.write_text(text, encoding="utf-8")
    seen = browser.open(file.as_uri(), Look(1280))
    assert any("Content Security Policy" in each for each in seen.console)
