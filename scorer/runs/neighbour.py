"""How a run gives way to the database's other users: smaller batches, then a wait, then its end.

`Neighbour.consider` is pure. Above a limit, batches are halved three times; then the run waits, and once its patience is over it stops.
Below all limits, batches grow again as they shrank. `Governor` applies this for a worker, between its batches.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

from scorer.config import Settings
from scorer.database.store.server import ServerLoad
from scorer.errors import DatabaseBusy, UserError
from scorer.log import events
from scorer.log.logger import say
from scorer.types.values import Run

_log = logging.getLogger(__name__)
_HALVINGS = 3
_LONGEST_WAIT = 30.0  # seconds from one look to the next
_MEGABYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Excess:
    """A limit that is exceeded: the option that sets it, and what was found."""

    limit: str
    found: str

    def __str__(self) -> str:
        return f"{self.limit}: {self.found}"


@dataclass(frozen=True, slots=True)
class Pace:
    """How far a worker has given way: how often its batches were halved, and how it waits.

    `waits` is the number of its waits since the last batch, counted to 10; `waited`, their sum in seconds.
    """

    halvings: int = 0
    waits: int = 0
    waited: float = 0.0


@dataclass(frozen=True, slots=True)
class Go:
    """Carry a batch of `size`; `why` it is smaller than the one before, if it is."""

    size: int
    pace: Pace
    why: Excess | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Look again in so many seconds."""

    seconds: float
    pace: Pace
    why: Excess


@dataclass(frozen=True, slots=True)
class Stop:
    """End the run: what it has not done is due again."""

    why: Excess


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """The limits on how busy the database may be while a run works; None where one is not set."""

    active_sessions: int | None = None
    replication_lag: int | None = None  # megabytes
    lock_waits: int | None = None
    longest_transaction: timedelta | None = None
    patience: timedelta = timedelta(minutes=10)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The limits that are set."""
        return cls(
            active_sessions=settings.neighbour_active_sessions,
            replication_lag=settings.neighbour_replication_lag,
            lock_waits=settings.neighbour_lock_waits,
            longest_transaction=settings.neighbour_longest_transaction,
            patience=settings.neighbour_patience,
        )

    @property
    def limited(self) -> bool:
        """Whether there is any limit, and so a reason to look."""
        return any(limit is not None for _, limit in self._limits())

    def consider(self, load: ServerLoad, *, size: int, pace: Pace = Pace()) -> Go | Wait | Stop:
        """What a worker may do next, whose full batches have `size` entities and whose pace is `pace`.

        Raises UserError where a limit is set on what may not be seen.

        >>> busy = ServerLoad(active_sessions=30, replication_lag=0, lock_waits=0, longest_transaction=None)
        >>> Neighbour(active_sessions=20).consider(busy, size=1000).size
        500
        >>> Neighbour(active_sessions=40).consider(busy, size=1000).size
        1000
        """
        why = next(self._exceeded(load), None)
        if why is None:
            return _go(size, halvings=max(pace.halvings - 1, 0))
        if pace.halvings < _HALVINGS:
            return _go(size, halvings=pace.halvings + 1, why=why)
        left = self.patience.total_seconds() - pace.waited
        if left <= 0:
            return Stop(why)
        seconds = min(2.0**pace.waits, _LONGEST_WAIT, left)
        return Wait(seconds, Pace(pace.halvings, waits=min(pace.waits + 1, 10), waited=pace.waited + seconds), why)

    def _limits(self) -> Iterator[tuple[str, int | timedelta | None]]:
        yield "active_sessions", self.active_sessions
        yield "replication_lag", None if self.replication_lag is None else self.replication_lag * _MEGABYTE
        yield "lock_waits", self.lock_waits
        yield "longest_transaction", self.longest_transaction

    def _exceeded(self, load: ServerLoad) -> Iterator[Excess]:
        for name, limit in self._limits():
            found = getattr(load, name)
            if limit is None:
                continue
            if found is None:
                raise UserError(
                    f"The limit neighbour_{name} is set on what scorer may not see; "
                    "GRANT pg_read_all_stats TO scorer_owner (the worker gets to see four numbers, no statement), or unset it."
                )
            if found > limit:
                yield Excess(f"neighbour_{name}", f"{_shown(found, name)}, limit {_shown(limit, name)}")


def _go(size: int, *, halvings: int, why: Excess | None = None) -> Go:
    return Go(max(size >> halvings, 1), Pace(halvings), why)


def _shown(value: int | timedelta, name: str) -> str:
    if isinstance(value, timedelta):
        return f"{value.total_seconds():.0f} s"
    return f"{value // _MEGABYTE} MB" if name == "replication_lag" else str(value)


class Governor:
    """Keeps one worker's pace between its batches; `look` reads the load, `pause` waits so many seconds."""

    def __init__(
        self, neighbour: Neighbour, *, look: Callable[[], ServerLoad], pause: Callable[[float], object] = time.sleep
    ) -> None:
        self._neighbour = neighbour
        self._look = look
        self._pause = pause
        self._pace = Pace()

    @property
    def needed(self) -> bool:
        """Whether any limit is set."""
        return self._neighbour.limited

    def batch_size(self, run: Run, *, full: int) -> int:
        """Wait until the next batch of `run` may begin. Returns how many entities it may hold, `full` at most.

        Raises DatabaseBusy once patience is over.
        """
        while isinstance(next_step := self._consider(full), Wait):
            if self._pace.waits == 0:
                say(_log, events.NEIGHBOUR_WAITS, **_fields(run, next_step.why))
            self._pace = next_step.pace
            self._pause(next_step.seconds)
        if isinstance(next_step, Stop):
            say(_log, events.NEIGHBOUR_STOPS, **_fields(run, next_step.why))
            raise DatabaseBusy(
                f"Stopped to spare the database, which was busy for neighbour_patience ({next_step.why}); "
                "what was not scored is due again."
            )
        if next_step.why is not None:
            say(_log, events.NEIGHBOUR_SHRINKS, **_fields(run, next_step.why))
        self._pace = next_step.pace
        return next_step.size

    def _consider(self, full: int) -> Go | Wait | Stop:
        return self._neighbour.consider(self._look(), size=full, pace=self._pace)


def _fields(run: Run, why: Excess) -> dict[str, Any]:
    return {"run_id": run.run_id, "job": run.job, "limit": why.limit, "found": why.found}
