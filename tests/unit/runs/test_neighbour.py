"""How far a run gives way: decisions from values alone, and the pace of a worker that follows them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scorer.config import Settings
from scorer.database.store.server import ServerLoad
from scorer.errors import DatabaseBusy, UserError
from scorer.runs.neighbour import Excess, Go, Governor, Neighbour, Pace, Stop, Wait
from scorer.types.enums import Trigger
from scorer.types.values import Counts, Run

MEGABYTE = 1 << 20
QUIET = ServerLoad(active_sessions=0, replication_lag=0, lock_waits=0, longest_transaction=timedelta(0))
LIMITS = Neighbour(
    active_sessions=20,
    replication_lag=64,
    lock_waits=2,
    longest_transaction=timedelta(minutes=30),
    patience=timedelta(seconds=100),
)
AT_THE_LIMITS = ServerLoad(
    active_sessions=20, replication_lag=64 * MEGABYTE, lock_waits=2, longest_transaction=timedelta(minutes=30)
)
ABOVE: dict[str, tuple[Any, str]] = {
    "active_sessions": (21, "21, limit 20"),
    "replication_lag": (65 * MEGABYTE, "65 MB, limit 64 MB"),
    "lock_waits": (3, "3, limit 2"),
    "longest_transaction": (timedelta(minutes=31), "1860 s, limit 1800 s"),
}
NOW = datetime(2025, 6, 1, tzinfo=UTC)
RUN = Run(
    run_id=7,
    job="ward",
    trigger=Trigger.MANUAL,
    status="running",
    as_of=NOW,
    started_at=NOW,
    finished_at=None,
    counts=Counts(),
)


def busy(name: str) -> ServerLoad:
    return replace(QUIET, **{name: ABOVE[name][0]})


def test_at_the_limits_batches_are_full() -> None:
    assert LIMITS.consider(AT_THE_LIMITS, size=5000) == Go(5000, Pace())


@pytest.mark.parametrize("name", ABOVE)
def test_each_limit_that_is_passed_is_named_with_what_was_found(name: str) -> None:
    why = Excess(f"neighbour_{name}", ABOVE[name][1])
    assert LIMITS.consider(busy(name), size=5000) == Go(2500, Pace(halvings=1), why)
    assert Neighbour().consider(busy(name), size=5000) == Go(5000, Pace()), "a limit that is not set is none"


@pytest.mark.parametrize("name", ABOVE)
def test_a_limit_on_what_may_not_be_seen_is_refused(name: str) -> None:
    unseen = replace(QUIET, **{name: None})
    with pytest.raises(
        UserError, match=f"The limit neighbour_{name} is set .* GRANT pg_read_all_stats TO scorer_owner"
    ):
        LIMITS.consider(unseen, size=5000)
    assert replace(LIMITS, **{name: None}).consider(unseen, size=5000) == Go(5000, Pace())


def decisions(neighbour: Neighbour, load: ServerLoad, *, size: int) -> Iterator[Go | Wait | Stop]:
    """What is decided again and again while the load stays as it is."""
    pace = Pace()
    while True:
        step = neighbour.consider(load, size=size, pace=pace)
        yield step
        if isinstance(step, Stop):
            return
        pace = step.pace


def test_it_gives_way_step_by_step_and_ends_when_patience_is_over() -> None:
    steps = list(decisions(LIMITS, busy("lock_waits"), size=5000))
    assert [step.size for step in steps if isinstance(step, Go)] == [2500, 1250, 625]
    waits = [step.seconds for step in steps if isinstance(step, Wait)]
    assert waits == [1, 2, 4, 8, 16, 30, 30, 9]
    assert sum(waits) == 100
    assert steps[-1] == Stop(Excess("neighbour_lock_waits", "3, limit 2"))
    assert [type(step) for step in steps] == [Go] * 3 + [Wait] * 8 + [Stop]


def test_batches_grow_as_they_shrank_and_patience_is_whole_again() -> None:
    tired = Pace(halvings=3, waits=5, waited=99.0)
    sizes = []
    for _ in range(5):
        step = LIMITS.consider(QUIET, size=5000, pace=tired)
        assert isinstance(step, Go)
        assert (step.pace.waits, step.pace.waited, step.why) == (0, 0.0, None)
        sizes.append(step.size)
        tired = step.pace
    assert sizes == [1250, 2500, 5000, 5000, 5000]


@pytest.mark.parametrize("size", [1, 2, 7])
def test_a_batch_is_never_empty(size: int) -> None:
    assert all(step.size >= 1 for step in decisions(LIMITS, busy("lock_waits"), size=size) if isinstance(step, Go))


def test_the_limits_are_those_of_the_settings() -> None:
    settings = Settings(
        neighbour_active_sessions=1,
        neighbour_replication_lag=2,
        neighbour_lock_waits=3,
        neighbour_longest_transaction=timedelta(seconds=4),
        neighbour_patience=timedelta(seconds=5),
    )
    assert Neighbour.of(settings) == Neighbour(
        active_sessions=1,
        replication_lag=2,
        lock_waits=3,
        longest_transaction=timedelta(seconds=4),
        patience=timedelta(seconds=5),
    )
    assert Neighbour.of(settings).limited
    assert not Neighbour.of(Settings()).limited


# A worker's pace


def governor(*loads: ServerLoad, neighbour: Neighbour = LIMITS) -> tuple[Governor, list[float]]:
    """One that sees these loads in turn, the last for ever, and where it notes its pauses."""
    seen = iter(loads)
    pauses: list[float] = []
    return Governor(neighbour, look=lambda: next(seen, loads[-1]), pause=pauses.append), pauses


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Callable[[], list[tuple[str, dict[str, Any]]]]:
    caplog.set_level(logging.DEBUG, logger="scorer.runs.neighbour")
    return lambda: [(record.event.name, record.fields) for record in caplog.records]  # type: ignore[attr-defined]


def test_a_worker_keeps_its_pace_from_batch_to_batch(logged: Callable[[], Any]) -> None:
    polite, pauses = governor(QUIET, *[busy("active_sessions")] * 5, QUIET)
    assert [polite.batch_size(RUN, full=800) for _ in range(7)] == [800, 400, 200, 100, 200, 400, 800]
    assert pauses == [1, 2]
    fields = {"run_id": 7, "job": "ward", "limit": "neighbour_active_sessions", "found": "21, limit 20"}
    assert logged() == [("NEIGHBOUR_SHRINKS", fields)] * 3 + [("NEIGHBOUR_WAITS", fields)]


def test_a_worker_stops_when_patience_is_over_and_says_why(logged: Callable[[], Any]) -> None:
    polite, pauses = governor(busy("replication_lag"))
    for _ in range(3):
        polite.batch_size(RUN, full=800)
    with pytest.raises(
        DatabaseBusy, match=r"busy for neighbour_patience \(neighbour_replication_lag: 65 MB, limit 64 MB\)"
    ):
        polite.batch_size(RUN, full=800)
    assert sum(pauses) == 100
    assert [name for name, _ in logged()] == ["NEIGHBOUR_SHRINKS"] * 3 + ["NEIGHBOUR_WAITS", "NEIGHBOUR_STOPS"]


def test_without_a_limit_there_is_no_look() -> None:
    assert not governor(QUIET, neighbour=Neighbour())[0].needed
    assert governor(QUIET)[0].needed
