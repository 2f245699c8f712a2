"""The commands for scores on demand: ask, wait for the answer, cancel."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from scorer.cli.options import database_of, json_option, opened_session
from scorer.cli.output import print_json, print_rows
from scorer.config import Settings
from scorer.errors import UserError

if TYPE_CHECKING:
    from scorer.database.notifications import Listener

_LOOK_SECONDS = 1.0  # between looks while waiting, since a notification may be lost


@click.command()
@click.argument("job", metavar="JOB")
@click.argument("entities", metavar="ENTITY...", nargs=-1, required=True)
@click.option("--wait", is_flag=True, help="Wait for the answers, and print how each ended.")
@click.option(
    "--timeout", type=click.FloatRange(min=0), default=30.0, show_default=True, help="Seconds to wait at the most."
)
@json_option
@click.pass_obj
def request(
    settings: Settings, job: str, *, entities: tuple[str, ...], wait: bool, timeout: float, as_json: bool
) -> None:
    """Ask for scores of entities now.

    The daemon answers within moments, before it goes on with its schedule; without one the requests wait. Exit 1 where one is refused,
    or not answered in time; it still waits then, unless `scorer cancel` cancels it.
    """
    from scorer.database.notifications import Listener
    from scorer.database.store.requests import is_answered, request_score

    listener = Listener.for_answers(database_of(settings).as_login())
    try:
        if wait:
            listener.open()  # before asking, so that no answer is missed
        with opened_session(settings, as_worker=False) as session:
            asked = request_score(session, job, entities)
            if not is_answered(session, job):
                raise UserError(
                    f"Nothing was asked for: no daemon at work runs job {job}, as `scorer status` shows; name it in the option "
                    "jobs where it is to be run, and see `scorer check`."
                )
        rows = _wait(settings, asked, listener=listener, until=time.monotonic() + (timeout if wait else 0))
    finally:
        listener.close()
    _print(rows, as_json=as_json)
    if wait:
        _require_answers(rows)


def _wait(settings: Settings, asked: Sequence[int], *, listener: Listener, until: float) -> list[Mapping[str, Any]]:
    """Wait until all have ended, or until `until` by the monotonic clock. Returns the requests as rows."""
    while True:
        rows = _read(settings, asked)
        left = until - time.monotonic()
        if left <= 0 or not any(row["status"] == "waiting" for row in rows):
            return rows
        listener.hear(min(left, _LOOK_SECONDS))


def _read(settings: Settings, asked: Sequence[int]) -> list[Mapping[str, Any]]:
    """The requests as rows, by their ids."""
    from scorer.database.store.requests import read_requests

    with opened_session(settings, as_worker=False) as session:
        return read_requests(session, asked)


def _print(rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json({"requests": list(rows)})
    else:
        print_rows(rows, none="Nothing was asked for.")


def _require_answers(rows: Sequence[Mapping[str, Any]]) -> None:
    """Raise UserError where not all were answered."""
    unanswered = [row for row in rows if row["status"] != "done"]
    if unanswered:
        first = unanswered[0]
        why = first["reason"] or "no daemon has answered yet; see `scorer status`"
        raise UserError(
            f"{len(unanswered)} of {len(rows)} requests were not answered; the first: request {first['request_id']} of "
            f"{first['entity_id']} is {first['status']}: {why}."
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
