"""A report, made: the views read, the page put together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta

from scorer import __version__
from scorer.database.connection import Database
from scorer.database.readonly_session import ReadOnlySession
from scorer.database.reporting.standing import open_snapshot, read_own_clock, read_span, require_views
from scorer.evaluation.pages.drawing import require_drawings
from scorer.evaluation.pages.dress import (
    Head,
    Html,
    Source,
    element,
    joined,
    notes,
    numbers,
    page,
    section,
    side_by_side,
    table,
)
from scorer.evaluation.pages.wording import count, counted, moment, share
from scorer.monitoring.report import models, operation, scores
from scorer.monitoring.report.period import Period, day_of, span_of, week_of, week_until
from scorer.monitoring.report.reading import OfJob, read

_PATIENCE = timedelta(minutes=5)  # with a statement of the report; the database's own limit may be shorter


@dataclass(frozen=True, slots=True)
class Report:
    """A report as the text of a page, and the last day that it is about."""

    page: str
    day: str


def report(
    database: Database,
    *,
    jobs: Sequence[str] | None = None,
    day: str | None = None,
    week: str | None = None,
    run_id: int | None = None,
    last_day: date | None = None,
    entities: bool = False,
) -> Report:
    """The page about a day, a week or a run.

    Where none is named, it is about the seven days until `last_day`, or today.

    Raises UserError where there is no such time, run or job, the login may not read the views, or matplotlib is missing.
    """
    require_drawings()
    with closing(ReadOnlySession(database.as_reader(), patience=_PATIENCE)) as views:
        open_snapshot(views)
        require_views(views)
        if run_id is not None:
            span = read_span(views, run_id)
            period, jobs = span_of(run_id, span, now=read_own_clock(views)), [span.job]
        elif day is not None:
            period = day_of(day)
        elif week is not None:
            period = week_of(week)
        else:
            period = week_until(last_day or read_own_clock(views).date())
        found = read(views, period, jobs=jobs or None, entities=entities)
    last_day = (period.until - timedelta(milliseconds=1)).date()
    return Report(as_page(found, period, entities=entities), last_day.isoformat())


def as_page(found: Sequence[OfJob], period: Period, *, entities: bool) -> str:
    """What was read, as the text of a page."""
    places = [("overview", "Overview"), *((f"job-{at}", of.job) for at, of in enumerate(found))]
    known = max(of.known_until for of in found)
    head = Head(
        title=f"Scorer: {period.name}",
        headline=f"{counted(len(found), 'job')}; as the database knew it at {moment(known)} UTC.",
        places=places,
    )
    return page(
        head,
        notes(
            [
                joined(element("a", of.job, href=f"#job-{at}"), f": {sentence}")
                for at, of in enumerate(found)
                for sentence in attention(of)
            ]
        ),
        _overview(found),
        [_job(of, name=f"job-{at}", entities=entities) for at, of in enumerate(found)],
        foot=f"Made by scorer {__version__} from the reporting views, as scorer_reader. "
        + ("It names entities: treat it as their data." if entities else "It names no entity and no patient's value."),
    )


def attention(of: OfJob) -> Iterator[str]:
    """What of a job somebody should look at, in one sentence each."""
    standing = of.standing
    if standing.breaker_opened_at is not None:
        yield (
            f"left alone since {moment(standing.breaker_opened_at)} after {counted(standing.failures, 'failed run')} in a row: "
            f"{standing.breaker_reason}"
        )
    if of.came_to("failed_runs"):
        yield f"{counted(of.came_to('failed_runs'), 'run')} failed."
    if of.ticks_that("missed"):
        yield f"{counted(of.ticks_that('missed'), 'tick')} missed."
    if of.came_to("unbalanced"):
        yield f"out of balance: {counted(of.came_to('unbalanced'), 'run')}."
    if standing.take_backs_waiting:
        yield f"{counted(standing.take_backs_waiting, 'row')} of the hospital's table may show a recalled score."
    for alert in of.alerts:
        if alert.ended_at is None:
            yield f"{alert.kind} of model {alert.model_version} since {moment(alert.since)}: {alert.detail}."


def _overview(found: Sequence[OfJob]) -> Html:
    rows = []
    for at, of in enumerate(found):
        validity = of.validity
        in_all = 0.0 if validity is None else validity.valid_seconds + validity.gap_seconds
        rows.append(
            [
                element("a", of.job, href=f"#job-{at}"),
                count(of.came_to("runs")),
                count(of.came_to("failed_runs")),
                count(of.ticks_that("late")),
                count(of.ticks_that("missed")),
                count(of.came_to("scored")),
                count(of.came_to("unchanged")),
                count(of.held),
                share(0.0 if validity is None else validity.valid_seconds, in_all),
                count(of.standing.write_backs_waiting),
                count(sum(each.ended_at is None for each in of.alerts)),
            ]
        )
    heads = ("runs", "failed", "late", "missed", "scored", "unchanged", "held", "valid", "write-backs", "alerts")
    return section(
        "Overview",
        table("All jobs", ["job", *numbers(*heads)], rows),
        id_="overview",
        source=Source(
            "Runs, and those that failed; ticks that were late or missed; entities scored or unchanged over all runs; entities held "
            "now; the share of time in which entities had a valid score, of that and the gaps between their scores; rows of the "
            "hospital's own table that wait; alerts that are open. Each is told under its job."
        ),
    )


def _job(of: OfJob, *, name: str, entities: bool) -> Html:
    """All sections of a job; those that have nothing to tell are named at its end."""
    made = {
        "runs": operation.what_ran(of, name=name),
        "the balance": operation.balance(of, name=name),
        "bands": scores.bands(of, name=name, entities=entities),
        "validity": scores.validity(of, name=name),
        "quarantine": scores.quarantine(of, name=name, entities=entities),
        "write-backs": scores.write_backs(of, name=name),
        "requests": operation.requests(of, name=name),
        "drift": models.drift(of, name=name),
        "live figures": models.live(of, name=name),
        "versions": models.versions(of, name=name),
        "load": operation.load(of, name=name),
        "alerts": models.alerts(of, name=name),
    }
    nothing = [title for title, each in made.items() if each is None]
    standing = of.standing
    backlog = (
        f" Waiting: {counted(standing.backlog, 'due entity', 'due entities')}, the oldest since {moment(standing.backlog_since)}."
        if standing.backlog
        else ""
    )
    return section(
        of.job,
        element("p", f"Model in production: {standing.model_version or 'none'}.{backlog}"),
        side_by_side(made.values()),
        element("p", f"Nothing in this time: {', '.join(nothing)}.", class_="soft") if nothing else None,
        id_=name,
    )
