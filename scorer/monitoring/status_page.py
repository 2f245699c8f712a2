"""The status page: where daemon and jobs stand, what waits, the last runs, alerts.

The browser loads it anew by itself, without a script.

Its figures are read with a reader's rights, in a session that is opened for them and closed again, once for all who look.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scorer import __version__
from scorer.database.readonly_session import ReadOnlySession
from scorer.database.reporting.activity import NewestRun, list_newest_runs
from scorer.database.reporting.models import Alert, list_open_alerts
from scorer.database.store.status import Daemon, JobHealth, ScoreCounts, count_scores, list_daemons, list_health
from scorer.errors import StatementFailed, UserError
from scorer.evaluation.pages.dress import (
    Column,
    Head,
    Html,
    Source,
    element,
    joined,
    notes,
    numbers,
    page,
    section,
    table,
    text,
)
from scorer.evaluation.pages.wording import NOTHING, moment, span
from scorer.log import events
from scorer.log.logger import say
from scorer.monitoring.prometheus import State

_log = logging.getLogger(__name__)
_EVERY = 10.0  # seconds between reads of the database, however often the page is asked for
_PAUSE = 20.0  # a read that took long is followed by a pause of so many times as long
_WAIT = 2.0  # seconds that one who looks waits for another's read
_REFRESH = 30  # seconds after which the browser asks again


@dataclass(frozen=True, slots=True)
class Read:
    """What was read from the database, or why it could not be, and when by the clock of this process."""

    at: float
    seconds: float
    failed: str | None = None
    jobs: Sequence[JobHealth] = ()
    scores: Sequence[ScoreCounts] = ()
    daemons: Sequence[Daemon] = ()
    runs: Sequence[NewestRun] = ()
    alerts: Sequence[Alert] = ()


class StatusPage:
    """The page of a process; `text` may be asked for from any thread.

    `views` is a session of its own, a reader's.
    """

    def __init__(self, views: ReadOnlySession, *, state: State, clock: Callable[[], float] = time.monotonic) -> None:
        self._views = views
        self._state = state
        self._clock = clock
        self._lock = threading.Lock()
        self._read: Read | None = None

    def text(self) -> str:
        """The page, with what was read of the database some seconds ago at the most.

        Where it does not answer, the page says why.
        """
        if self._lock.acquire(timeout=_WAIT):
            try:
                known = self._read
                if known is None or self._clock() >= known.at + max(_EVERY, _PAUSE * known.seconds):
                    self._read = self._read_anew()
            finally:
                self._lock.release()
        return as_page(self._state, self._read or Read(0.0, 0.0, failed="It is being read; look again in a moment."))

    def _read_anew(self) -> Read:
        began, views = self._clock(), self._views
        failed = None
        try:
            jobs, scores, daemons = list_health(views), count_scores(views), list_daemons(views)
            runs, alerts = list_newest_runs(views), list_open_alerts(views)
        except UserError as error:
            failed = str(error)
        except StatementFailed as error:
            failed = "A statement failed; the journal says which."
            say(_log, events.HEALTH_FAILED, error=str(error))
        finally:
            views.close()
        ended = self._clock()
        if failed is not None:
            return Read(ended, ended - began, failed=failed)
        return Read(ended, ended - began, None, jobs, scores, daemons, runs, alerts)


def as_page(state: State, read: Read) -> str:
    """The page's text: what the daemon says of itself, and what was read."""
    why_not = state.ready() if state.live() else "the loop stands still"
    at = read.jobs[0].read_at if read.jobs else None
    known = "" if at is None else f" As the database knew it at {at:%-d %B %Y %H:%M:%S} UTC."
    head = Head(
        title="Scorer: ready" if why_not is None else "Scorer: not ready",
        headline=f"This page is loaded anew every {_REFRESH} seconds.{known}",
        refresh_seconds=_REFRESH,
    )
    return page(
        head,
        _readiness(state, why_not),
        notes([read.failed] if read.failed else []),
        _jobs(state, read),
        _alerts(read),
        _runs(read),
        _daemons(read),
        foot=f"scorer {__version__}. The same in lines: /ready; in numbers: /metrics; on a terminal: scorer status --watch.",
    )


def _readiness(state: State, why_not: str | None) -> Html:
    told = (
        element("p", element("span", "Ready", class_="good"), ": this daemon can score.")
        if why_not is None
        else element("p", element("span", "Not ready", class_="bad"), f": {why_not}.")
    )
    troubled = [
        joined(element("b", name), f": {each}")
        for name, each in sorted(state.job_states().items())
        if not each.runs or each.why is not None
    ]
    listed = element("ul", [element("li", each) for each in troubled], class_="plain") if troubled else None
    return section("Readiness", told, listed, id_="readiness")


def _jobs(state: State, read: Read) -> Html | None:
    if not read.jobs:
        return None
    schedules, states = state.schedules(), state.job_states()
    scores = {each.job: each for each in read.scores}
    rows = []
    for each in read.jobs:
        of = scores.get(each.job, ScoreCounts(each.job, 0, 0, 0, 0))
        tick = schedules[each.job].next_tick(after=each.read_at) if each.job in schedules else None
        here = states.get(each.job)
        rows.append(
            [
                each.job,
                "not here" if here is None or not here.runs else "ready" if here.scores else "not ready",
                moment(tick),
                _waits(each.backlog, each.backlog_seconds),
                _waits(each.requests_waiting, each.requests_seconds),
                _waits(each.write_backs_waiting, each.write_backs_seconds),
                *(f"{number:,}" for number in (of.held, of.valid, of.stale)),
                each.model_version or "none",
            ]
        )
    columns: list[Column | str] = [
        "job",
        "stands",
        "next tick",
        *("backlog", "requests", "write-backs"),
        *numbers("held", "valid", "stale"),
        "model",
    ]
    return section(
        "Jobs",
        table("Where each job stands, and what waits, with the age of the oldest", columns, rows),
        id_="jobs",
        source=Source(
            "Stands: in this daemon. Held: entities that a rule keeps from being scored. Valid and stale: current scores before and past "
            "their validity. Times are in UTC.",
            ["reporting.health"],
        ),
    )


def _runs(read: Read) -> Html | None:
    if not read.runs:
        return None
    troubled = any(each.error for each in read.runs)
    rows = [
        [
            each.job,
            each.run_id,
            each.trigger,
            element("span", each.status, class_="bad" if each.status == "failed" else None),
            moment(each.started_at),
            span((each.finished_at - each.started_at).total_seconds()) if each.finished_at else "goes on",
            f"{each.eligible:,}",
            f"{each.scored:,}",
            *([each.error or ""] if troubled else []),
        ]
        for each in read.runs
    ]
    columns: list[Column | str] = ["job", *numbers("run"), "set off by", "status", "begun"]
    columns += [*numbers("took", "eligible", "scored"), *([text("error")] if troubled else [])]
    return section(
        "Last runs",
        table("The newest runs of each job", columns, rows),
        id_="runs",
        source=Source("Those of requests are left out.", ["reporting.runs"]),
    )


def _alerts(read: Read) -> Html | None:
    if read.failed is not None:
        return None
    rows = [[each.job, each.kind, each.model_version, each.detail, moment(each.since)] for each in read.alerts]
    told = (
        table("Alerts that are open", ["job", "of", "version", text("what"), "since"], rows)
        if rows
        else element("p", "None is open.")
    )
    return section("Alerts", told, id_="alerts", source=Source("Found by the newest checkups.", ["reporting.alerts"]))


def _daemons(read: Read) -> Html | None:
    if not read.daemons:
        return None
    rows = [
        [
            each.daemon,
            each.version,
            "at work" if each.alive else "silent",
            moment(each.beat_at),
            ", ".join(each.jobs or ()),
            each.detail,
        ]
        for each in read.daemons
    ]
    return section(
        "Daemons",
        table(
            "Daemons seen within the last day",
            ["daemon", "version", "stands", "seen", text("runs"), text("says")],
            rows,
        ),
        id_="daemons",
        source=Source("Silent: not seen for a minute.", ["reporting.daemons"]),
    )


def _waits(number: int, seconds: float) -> str:
    return f"{number:,}, {span(seconds)}" if number else NOTHING
