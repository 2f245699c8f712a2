"""A contestant in a process of its own: warm, and with a memory that no other has used."""

from __future__ import annotations

import importlib
import importlib.util
import multiprocessing
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, Protocol

from tests.benchmarks import memory
from tests.benchmarks.task import Task


class Contestant(Protocol):
    """What a contestant's module has, under this name."""

    def ready(self, url: str) -> None:
        """What may be done before the clock starts."""

    def run(self) -> None:
        """What is timed: scores, bands and times stand in the visits when it ends, committed."""

    def done(self) -> dict[str, Any]:
        """What there is to tell beside the time."""

    def close(self) -> None:
        """End whatever it has of its own."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A contestant: the module that is it, by which it is asked for, and the packages that it needs beside the program's."""

    module: str
    title: str
    needs: tuple[str, ...] = ()
    exact: bool = False  # its features come of the program's own arithmetic, so its scores are the same to the last bit
    most: int | None = None  # visits beyond which it does not run unless asked for

    @property
    def missing(self) -> list[str]:
        """The packages that are not there."""
        return [package for package in self.needs if importlib.util.find_spec(package) is None]


@dataclass(frozen=True, slots=True)
class Timed:
    """One run: seconds, the peak of resident memory in MB, that of its children included, and what else it told.

    `processor` are the seconds of processor that the contestant's process took, without its children.
    """

    seconds: float
    peak_mb: float
    processor: float = 0.0
    told: dict[str, Any] = field(default_factory=dict)


class Stall:
    """The door to a contestant's process."""

    def __init__(self, connection: Connection, title: str) -> None:
        self._connection, self._title = connection, title

    def run(self, url: str) -> Timed:
        """Let it run once on the database at `url`."""
        self._connection.send(url)
        answer = self._connection.recv()
        if isinstance(answer, str):
            raise SystemExit(f"{self._title} failed:\n{answer}")
        assert isinstance(answer, Timed)
        return answer


@contextmanager
def open_stall(entry: Entry, task: Task) -> Iterator[Stall]:
    """A process for a contestant, for as long as the block lasts."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(entry.module, task, theirs))
    process.start()
    theirs.close()
    try:
        yield Stall(ours, entry.title)
    finally:
        ours.close()
        process.join(30)
        process.kill()


def _serve(module: str, task: Task, connection: Connection) -> None:
    contestant: Contestant = importlib.import_module(f"tests.benchmarks.{module}").Contestant(task)
    while True:
        try:
            url = connection.recv()
        except EOFError:
            contestant.close()
            return
        try:
            connection.send(_timed(contestant, url))
        except Exception:  # noqa: BLE001 - told to whoever asked
            connection.send(traceback.format_exc())


def _timed(contestant: Contestant, url: str) -> Timed:
    contestant.ready(url)
    with memory.measured() as peak:
        began, busy = time.monotonic(), time.process_time()
        contestant.run()
        seconds, processor = time.monotonic() - began, time.process_time() - busy
    return Timed(seconds=seconds, peak_mb=peak.mb, processor=processor, told=contestant.done())
