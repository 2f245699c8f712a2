"""The report of a night: after the chores, once, by the settings; and a night without it is told."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scorer.daemon import nightly_report
from scorer.daemon.nightly_loop import Chore, NightlyLoop
from scorer.database.connection import Database
from scorer.log import events

NIGHT = datetime.now(UTC).replace(hour=3, minute=17, second=0, microsecond=0) - timedelta(days=2)
DAY = timedelta(days=1)


@pytest.fixture
def loop(week: Any, tmp_path: Path) -> Any:
    """Makes a daemon's loop with a chore, a report_dir, and a clock that the test drives."""
    opened = []

    def make(now: list[datetime], *, do: Callable[[], None] = lambda: None, **options: Any) -> NightlyLoop:
        settings = replace(week.settings, **{"report_dir": tmp_path / "reports"} | options)
        made = NightlyLoop(
            (week.job,),
            database=Database(week.url, settings),
            chores=(Chore("tidy", lambda *_: do()),),
            clock=lambda: now[0],
        )
        opened.append(made)
        return made

    yield make
    for each in opened:
        each.close()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_night_has_its_report_once_the_chores_are_done(
    loop: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    now = [NIGHT - timedelta(hours=1)]
    seen: list[list[str]] = []
    daemon = loop(now, do=lambda: seen.append(names(tmp_path / "reports")))
    daemon.step()
    assert names(tmp_path / "reports") == []  # no night has come since it began
    now[0] = NIGHT
    daemon.step()
    file = tmp_path / "reports" / f"scorer-report-{NIGHT - DAY:%Y-%m-%d}.html"
    assert seen == [[]]
    assert names(tmp_path / "reports") == [file.name]
    text = file.read_text()
    assert f"to {NIGHT - DAY:%-d %B %Y}" in text
    assert "sepsis" in text
    (said,) = [record for record in caplog.records if record.msg == events.REPORT_WRITTEN.sentence]
    assert said.levelno == logging.INFO
    written = file.stat().st_mtime_ns
    daemon.step()
    assert file.stat().st_mtime_ns == written
    now[0] = NIGHT + DAY
    daemon.step()
    assert len(names(tmp_path / "reports")) == 2


def test_old_ones_are_removed(loop: Any, tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    for days in (1, 3, 4, 40):
        (tmp_path / "reports" / f"scorer-report-{NIGHT - days * DAY - DAY:%Y-%m-%d}.html").write_text("x")
    daemon = loop([NIGHT + timedelta(hours=9)], report_keep=timedelta(days=4))
    daemon.step()  # begun late; reports were written here before, so this night's is made up for
    assert len(names(tmp_path / "reports")) == 3


def test_another_daemons_chore_is_awaited(loop: Any, tmp_path: Path, week: Any) -> None:
    now = [NIGHT - timedelta(hours=1)]
    daemon = loop(now)
    daemon.step()
    now[0] = NIGHT
    week.execute(
        "INSERT INTO scorer.chores (job, chore, night, begun_at, attempts, daemon) VALUES ('sepsis', 'tidy', %s, now(), 1, 'another')",
        NIGHT,
    )
    with closing(week.connect()) as held, held.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtextextended('scorer.chore sepsis tidy', 0))")
        daemon.step()
        assert names(tmp_path / "reports") == []
    week.execute("UPDATE scorer.chores SET ended_at = now()")
    daemon.step()
    assert len(names(tmp_path / "reports")) == 1


def test_a_report_that_fails_is_told_and_scoring_goes_on(
    loop: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    now = [NIGHT - timedelta(hours=1)]
    daemon = loop(now, report_dir=tmp_path / "no" / "reports")
    daemon.step()
    now[0] = NIGHT
    daemon.step()
    (said,) = [record for record in caplog.records if record.msg == events.REPORT_FAILED.sentence]
    assert said.levelno == logging.WARNING
    (tmp_path / "no").mkdir()
    daemon.step()
    assert names(tmp_path / "no") == []  # not before the next night
    now[0] = NIGHT + DAY
    daemon.step()
    assert len(names(tmp_path / "no" / "reports")) == 1


def test_without_report_dir_there_is_none(loop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nightly_report, "report", None)
    now = [NIGHT - timedelta(hours=1)]
    daemon = loop(now, report_dir=None)
    daemon.step()
    now[0] = NIGHT
    daemon.step()
    assert names(tmp_path / "reports") == []
