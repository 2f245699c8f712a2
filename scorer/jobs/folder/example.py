"""The example of a new job, made up: clients of a shop, what they did, and what came after.

A client visits (LOGIN, minutes), buys (PURCHASE, EUR) and complains (COMPLAINT, a number). Some clients lose interest from a day on, and do
little from then. The outcome of a landmark is counted from the 30 days after it, so that it can be foretold to some extent from what was
before. Some events are recorded late; some have no value, or an impossible one; and one line cannot be loaded at all.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from scorer.errors import UserError
from scorer.jobs.job import Task

EXAMPLE_AS_OF = "as_of.txt"  # beside the files of an example whose times are fixed
CLIENTS = 100
_SEED = 7
_HORIZON = timedelta(days=30)
_LANDMARKS = (121, 91, 61, 31)  # days ago
_BUYS = 0.4  # of visits
_COMPLAINS = (0.06, 0.3)  # of visits, before interest begins to go, and after
_SILENT, _MUCH = "none", 60.0
_DIRT = {97: "", 131: "999999"}  # every so many events, a value that is missing or impossible


@dataclass(frozen=True, slots=True)
class _Event:
    happened_at: datetime
    kind: str
    amount: float


def write_example(folder: Path, *, task: Task, now: datetime) -> tuple[Path, ...]:
    """Write clients.csv, events.csv and outcomes.csv into `folder`. Returns the files.

    They tell what happened up to the day before `now`, the same but for the dates whenever it is called. Raises UserError where the
    folder cannot be written.
    """
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    chance = random.Random(_SEED)  # noqa: S311 - an example, not a secret
    clients, events, outcomes = [], [], []
    for number in range(1, CLIENTS + 1):
        client = f"C{number:03}"
        joined = today - timedelta(days=chance.randint(40, 400), hours=chance.randint(0, 23))
        clients.append([client, joined.isoformat(), chance.choice(["north", "south"]), chance.randint(18, 79)])
        done = list(_events(chance, joined=joined, today=today))
        events += [(client, event) for event in done]
        for days in _LANDMARKS:
            if (as_of := today - timedelta(days=days)) > joined:
                outcomes.append([client, as_of.isoformat(), _outcome(done, as_of, task=task)])
    rows = [_row(place, *each, chance=chance) for place, each in enumerate(events, start=1)]
    rows.append([len(rows) + 1, "C001", "yesterday", "LOGIN", 5, ""])
    return tuple(
        _written(folder / f"{name}.csv", header, lines)
        for name, header, lines in (
            ("clients", ["client_id", "joined_at", "region", "age_years"], clients),
            ("events", ["event_id", "client_id", "happened_at", "kind", "amount", "recorded_at"], rows),
            ("outcomes", ["client_id", "as_of", "outcome"], outcomes),
        )
    )


def _events(chance: random.Random, *, joined: datetime, today: datetime) -> Iterator[_Event]:
    """What a client did, oldest first."""
    zeal = chance.lognormvariate(0.0, 0.5) / 4.0  # visits a day
    loses_interest = today - timedelta(days=chance.randint(0, 350))
    moment = joined
    while True:
        moment += timedelta(days=chance.expovariate(zeal if moment < loses_interest else zeal / 20))
        if moment >= today:
            return
        moment = moment.replace(microsecond=0)
        yield _Event(moment, "LOGIN", round(chance.uniform(1, 40), 1))
        if chance.random() < _BUYS:
            yield _Event(moment + timedelta(minutes=5), "PURCHASE", round(chance.lognormvariate(3.0, 0.7), 2))
        if chance.random() < _COMPLAINS[moment > loses_interest - timedelta(days=40)]:
            yield _Event(moment + timedelta(minutes=9), "COMPLAINT", 1.0)


def _outcome(done: Sequence[_Event], as_of: datetime, *, task: Task) -> int | str | float:
    """What came in the 30 days after `as_of`."""
    after = [event for event in done if as_of < event.happened_at <= as_of + _HORIZON]
    spent = round(sum(event.amount for event in after if event.kind == "PURCHASE"), 2)
    outcomes: dict[Task, int | str | float] = {
        Task.BINARY: int(not after),
        Task.MULTICLASS: _SILENT if not spent else "much" if spent > _MUCH else "some",
        Task.REGRESSION: spent,
    }
    return outcomes[task]


def _row(number: int, client: str, event: _Event, *, chance: random.Random) -> list[object]:
    amount = next((dirt for every, dirt in _DIRT.items() if number % every == 0), event.amount)
    recorded = event.happened_at + timedelta(minutes=chance.randint(0, 300))
    return [number, client, event.happened_at.isoformat(), event.kind, amount, recorded.isoformat()]


def _written(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([header, *rows])
    except OSError as error:
        raise UserError(f"The example cannot be written to {path}: {error.strerror}.") from error
    return path


def as_of_example(folder: Path) -> datetime | None:
    """The time as of which the example in `folder` is to be looked at; None where it says none, for now.

    Raises UserError where its file says no time.
    """
    path = folder / EXAMPLE_AS_OF
    if not path.exists():
        return None
    text = path.read_text(encoding="utf-8").strip()
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise UserError(f"{path} says {text!r}, which is no time; write one as 2026-11-28T12:00:00+00:00.") from error
    return found.replace(tzinfo=found.tzinfo or UTC)
