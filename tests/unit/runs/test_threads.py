"""WorkerThreads for one piece of work: each tells its steps, what one raises is raised to whoever waits, all end when asked; and BLAS."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np  # noqa: F401 - its BLAS is what is limited
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from scorer.errors import DatabaseUnavailable, RunStopped, Stopping, UserError
from scorer.runs.threads import WorkerThreads, libraries_on_one_thread

PATIENCE = 20.0
Tell, Stop = Callable[[str], None], Callable[[], bool]


def drained(crew: WorkerThreads) -> list[str]:
    """All that is told until every thread has ended."""
    told: list[str] = []
    until = time.monotonic() + PATIENCE
    while crew.working:
        assert time.monotonic() < until, told
        told += crew.hear(0.1)
    return told


def work(tell: Tell, stopping: Stop) -> None:
    tell("begun")
    while not stopping():
        time.sleep(0.001)
    tell("stopped")


def test_each_tells_its_steps_and_ends() -> None:
    def speak(word: str, tell: Tell, stopping: Stop) -> None:
        tell(word)
        tell(str(stopping()))

    with WorkerThreads(3, speak, "hello") as crew:
        assert sorted(drained(crew)) == ["False"] * 3 + ["hello"] * 3
    assert not crew.working


def test_whoever_is_dismissed_ends_what_it_has_in_hand() -> None:
    with WorkerThreads(2, work) as crew:
        assert not crew.dismissed
        crew.dismiss()
        assert crew.dismissed
        assert sorted(drained(crew)) == ["begun", "begun", "stopped", "stopped"]


@pytest.mark.parametrize("raised", [None, ValueError("in the block")])
def test_nobody_outlives_the_block(raised: Exception | None) -> None:
    before = threading.active_count()
    try:
        with WorkerThreads(2, work):
            assert threading.active_count() == before + 2
            if raised is not None:
                raise raised
    except ValueError:
        pass
    assert threading.active_count() == before


def test_an_interrupt_waits_for_nobody() -> None:
    hold = threading.Event()
    with pytest.raises(KeyboardInterrupt), WorkerThreads(1, lambda *_: hold.wait(PATIENCE)):
        raise KeyboardInterrupt
    assert not hold.is_set()
    hold.set()


@pytest.mark.parametrize(
    "error", [RunStopped("A rule was broken."), DatabaseUnavailable("Gone."), ValueError("Jane Doe")]
)
def test_what_a_thread_raises_is_raised_here_and_the_others_end(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    first = threading.Lock()

    def fail(tell: Tell, stopping: Stop) -> None:
        if first.acquire(blocking=False):
            raise error
        work(tell, stopping)

    with pytest.raises(type(error)) as found, WorkerThreads(2, fail) as crew:
        drained(crew)
    assert str(found.value) == str(error)
    told = [record.levelname for record in caplog.records]
    assert told == ([] if isinstance(error, UserError) else ["CRITICAL"])


def test_one_that_was_asked_to_stop_raises_nothing() -> None:
    def stop(tell: Tell, stopping: Stop) -> None:
        raise Stopping

    with WorkerThreads(1, stop) as crew:
        assert drained(crew) == []


def blas() -> set[int]:
    """The threads that BLAS would take."""
    return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}


def test_blas_stays_at_one_thread_while_anybody_is_inside() -> None:
    with threadpool_limits(limits=2):
        assert blas() == {2}
        first, second = libraries_on_one_thread(), libraries_on_one_thread()
        first.__enter__()
        own = threadpool_limits(limits=1)  # as whoever scores does
        second.__enter__()
        first.__exit__(None, None, None)
        own.restore_original_limits()
        assert blas() == {1}, "one that ended set the other one's free"
        second.__exit__(None, None, None)
        assert blas() == {2}
        with WorkerThreads(1, work):
            assert blas() == {1}
        assert blas() == {2}
