"""The commands of daily operation: the daemon, its status and needs, scores on demand."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scorer.cli.options import database_of, json_option, opened_session
from scorer.cli.output import print_json, print_plan, print_rows, screen_width, show_anew
from scorer.config import Settings, load_settings
from scorer.daemon.service_manager import SIGNALS
from scorer.errors import UserError

if TYPE_CHECKING:
    from scorer.database.notifications import Listener

_LOOK_SECONDS = 1.0  # between looks while waiting, since a notification may be lost
_LATE_SECONDS = 30.0  # beyond a deadline, for an answer that was on its way then
_OF_ONE = {"entity_id", "outcome", "score_id", "run_id"}
_OF_A_COHORT = {"entities", "answered", "scored", "failed", "absent"}


@click.command()
@click.pass_obj
def daemon(settings: Settings) -> None:
    """Run every job on its schedule, and answer requests.

    It is ready once all that `scorer check` looks at holds, and runs until it is told to stop. SIGTERM ends it after the batch in hand;
    SIGHUP reads settings, jobs and models anew. Under systemd, see scorer.service.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    database = database_of(settings)
    from scorer.daemon.daemon import Daemon

    raise SystemExit(Daemon(database=database, reload_settings=load_settings).run())


@click.command()
@json_option
@click.option("--watch", is_flag=True, help="Show it anew again and again, until Ctrl-C; on a terminal in one place.")
@click.option(
    "--every",
    type=click.FloatRange(min=0.5),
    default=5.0,
    show_default=True,
    help="Seconds between two looks of --watch.",
)
@click.pass_obj
def status(settings: Settings, *, as_json: bool, watch: bool, every: float) -> None:
    """Show where the jobs stand, and what waits.

    By job: last and next run, ticks missed, backlog and requests that wait, current scores, quarantine, model in production, breaker;
    then the daemons at work.
    """
    from scorer.database.readonly_session import ReadOnlySession
    from scorer.monitoring.status import Watched, as_text, read_status
    from scorer.monitoring.status import as_json as status_as_json

    if watch and as_json:
        raise UserError(
            "Say --watch or --json, not both; `scorer status --json` as often as you like gives an object each."
        )
    target = database_of(settings).as_worker()
    with closing(ReadOnlySession(target, patience=settings.connect_timeout)) as session:
        if watch:
            show_anew(Watched(lambda: read_status(session, settings=settings)).look, every=every)
            return
        found = read_status(session, settings=settings)
    if as_json:
        print_json(status_as_json(found))
    else:
        click.echo(as_text(found, width=screen_width()))


@click.command()
@click.argument("jobs", metavar="[JOB]...", nargs=-1)
@click.option("--day", metavar="DAY", help="About this day, such as 2026-11-28.")
@click.option("--week", metavar="WEEK", help="About this week, such as 2026-W48, from Monday on.")
@click.option("--run", "run_id", type=int, help="About this run alone, by its number.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="The file to write, - for stdout; scorer-report-DAY.html in this folder, where not given.",
)
@click.option("--entities", is_flag=True, help="Tell the ids of entities too; without it the page names none.")
@click.pass_obj
def report(
    settings: Settings,
    jobs: tuple[str, ...],
    *,
    day: str | None,
    week: str | None,
    run_id: int | None,
    out: Path | None,
    entities: bool,
) -> None:
    """Write a page on what the jobs did, for people.

    One HTML file without script, for screens and for paper: what ran, was late or missed and why, bands and moves between them, quarantine,
    requests, drift, live figures, versions, load, alerts. About the seven days until today, where no time is named. It is read as
    scorer_reader.
    """
    from scorer.monitoring.report.conduct import report as make_report
    from scorer.monitoring.report.files import write_file

    if sum(each is not None for each in (day, week, run_id)) > 1:
        raise UserError("Say --day, --week or --run, one of them.")
    if run_id is not None and jobs:
        raise UserError("--run names its job itself; leave JOB out.")
    made = make_report(database_of(settings), jobs=jobs or None, day=day, week=week, run_id=run_id, entities=entities)
    if out is not None and str(out) == "-":
        click.echo(made.page, nl=False)
        return
    path = out or Path(f"scorer-report-{made.day}.html")
    write_file(path, made.page)
    click.echo(f"The report is in {path}.")


@click.command()
@click.argument("job", metavar="JOB")
@json_option
@click.pass_obj
def plan(settings: Settings, job: str, *, as_json: bool) -> None:
    """Print the statements of a run of JOB with plans and locks.

    For whoever has to approve the job: each statement, what EXPLAIN says of it, how many rows the planner expects, and which tables it
    locks how. Nothing is run, written or held.
    """
    from scorer.jobs.job import load_scheduled
    from scorer.runs.plan import plan_run

    loaded = load_scheduled(job, settings=settings)
    found = plan_run(loaded, database=database_of(settings))
    if as_json:
        print_json({"job": loaded.name, "job_version": loaded.version, "statements": [asdict(each) for each in found]})
    else:
        print_plan(loaded, found, settings=settings)


@click.command()
@json_option
@click.pass_obj
def check(settings: Settings, *, as_json: bool) -> None:
    """Check all that must hold before scoring.

    A line each; exit 1 where something does not hold. Nothing is written.
    """
    from scorer.checks.check import check as check_all

    results = []
    for result in check_all(database=database_of(settings)):
        results.append(result)
        if not as_json:
            click.echo(f"{'ok' if result.holds else 'NO':3} {result.name}: {result.found}")
    failed = [result for result in results if not result.holds]
    if as_json:
        print_json({"holds": not failed, "lines": [asdict(result) for result in results]})
    if failed:
        raise UserError(
            f"{len(failed)} of {len(results)} checks failed; the first: {failed[0].name}: {failed[0].found}"
        )


# Scores on demand


@click.command()
@click.argument("job", metavar="JOB")
@click.argument("entities", metavar="[ENTITY]...", nargs=-1)
@click.option("--cohort", is_flag=True, help="Ask for all of them in one request, up to 10,000.")
@click.option(
    "--where",
    metavar="PREDICATE",
    help="Instead of ENTITY...: those whose row of reporting.current_scores the SQL predicate holds of, in one request.",
)
@click.option("--wait", is_flag=True, help="Wait for the answers, and print how each ended.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, max=86_400),
    help="Seconds after which what is not answered is expired; 30, of a cohort 30 for each 1,000 entities begun.",
)
@json_option
@click.pass_obj
def request(
    settings: Settings,
    job: str,
    *,
    entities: tuple[str, ...],
    cohort: bool,
    where: str | None,
    wait: bool,
    timeout: float | None,
    as_json: bool,
) -> None:
    """Ask for scores of entities now.

    The daemon answers within moments, before it goes on with its schedule. What it has not answered by its deadline is expired, and never
    answered. Exit 1 where one is refused or expires, or where this login has made its requests of the last minute. A predicate is evaluated
    by the login that asks, with its rights alone, in a transaction that can only read.
    """
    from scorer.database.notifications import Listener

    if (where is not None) == bool(entities):
        raise UserError("Say which entities: by their ids, or by --where, one of the two.")
    asked_for = entities if where is None else _cohort_where(settings, job, where)
    within = timedelta(seconds=timeout) if timeout is not None else None
    listener = Listener.for_answers(database_of(settings).as_login())
    try:
        if wait:
            listener.open()  # before asking, so that no answer is missed
        asked = _ask(settings, job, asked_for, together=cohort or where is not None, within=within)
        rows = _wait(settings, asked, listener=listener) if wait else _read(settings, asked)
    finally:
        listener.close()
    _print(rows, as_json=as_json)
    if wait:
        _require_answers(rows)


def _cohort_where(settings: Settings, job: str, predicate: str) -> Sequence[str]:
    """The entities that the predicate holds of. Raises UserError where there is none."""
    from scorer.database.store.requests import find_cohort

    with opened_session(settings, as_worker=False) as session:
        found = find_cohort(session, job, predicate)
    if not found:
        raise UserError(f"Nothing was asked for: no entity of job {job} has a current row of which --where holds.")
    return found


def _ask(
    settings: Settings, job: str, entities: Sequence[str], *, together: bool, within: timedelta | None
) -> Sequence[int]:
    """Ask, and give the requests' keys. Raises UserError, and asks nothing, where no daemon runs the job."""
    from scorer.database.store.requests import is_answered, request_cohort, request_score

    with opened_session(settings, as_worker=False) as session:
        if together:
            asked = [request_cohort(session, job, entities, timeout=within)]
        else:
            asked = request_score(session, job, entities, timeout=within)
        if not is_answered(session, job):
            raise UserError(
                f"Nothing was asked for: no daemon at work runs job {job}; `scorer job list` says whether it is enabled, and "
                "the option jobs of each host whether it is run there."
            )
    return asked


def _wait(settings: Settings, asked: Sequence[int], *, listener: Listener) -> list[Mapping[str, Any]]:
    """Wait until all have ended: by their deadlines, or a moment after, where an answer is on its way."""
    from scorer.database.store.requests import expire_requests

    late_since: float | None = None
    while True:
        rows = _read(settings, asked)
        left = [row["seconds_left"] for row in rows if row["status"] == "waiting"]
        if not left:
            return rows
        if max(left) <= 0:
            now = time.monotonic()
            late_since = late_since or now
            if now - late_since > _LATE_SECONDS:
                return rows
            with opened_session(settings, as_worker=False) as session:
                if expire_requests(session):
                    continue
        listener.hear(min(max(0.05, *left), _LOOK_SECONDS))


def _read(settings: Settings, asked: Sequence[int]) -> list[Mapping[str, Any]]:
    """The requests as rows, by their ids."""
    from scorer.database.store.requests import read_requests

    with opened_session(settings, as_worker=False) as session:
        return read_requests(session, asked)


def _print(rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """Print them; in the table, without columns that are of the other kind of request."""
    told = [{name: value for name, value in row.items() if name != "seconds_left"} for row in rows]
    if as_json:
        print_json({"requests": told})
        return
    without = _OF_ONE if any(row["entities"] for row in rows) else _OF_A_COHORT
    print_rows(
        [{name: value for name, value in row.items() if name not in without} for row in told],
        none="Nothing was asked for.",
    )


def _require_answers(rows: Sequence[Mapping[str, Any]]) -> None:
    """Raise UserError where not all were answered."""
    unanswered = [row for row in rows if row["status"] != "done"]
    if unanswered:
        first = unanswered[0]
        why = first["reason"] or "no daemon has answered yet; see `scorer status`"
        of = first["entity_id"] if first["entities"] is None else f"{first['entities']} entities"
        raise UserError(
            f"{len(unanswered)} of {len(rows)} requests were not answered; the first: request {first['request_id']} of "
            f"{of} is {first['status']}: {why}."
        )


@click.command()
@click.argument("requests", metavar="REQUEST...", nargs=-1, required=True, type=int)
@click.pass_obj
def cancel(settings: Settings, *, requests: tuple[int, ...]) -> None:
    """Cancel requests that still wait, by their numbers.

    Exit 1 where one does not wait any more, or is somebody else's.
    """
    from scorer.database.store.requests import cancel_request

    with opened_session(settings, as_worker=False) as session:
        cancelled = {request: cancel_request(session, request) for request in requests}
    for each, done in cancelled.items():
        click.echo(f"Request {each}: {'cancelled' if done else 'not cancelled'}.")
    left = [str(each) for each, done in cancelled.items() if not done]
    if left:
        raise UserError(f"Not cancelled, being answered already or somebody else's: {', '.join(left)}.")
