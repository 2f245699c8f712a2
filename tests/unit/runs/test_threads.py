"""Worker threads: each shows its steps, what one raises is raised to the caller, all end when asked; and BLAS."""

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
Show, Stop = Callable[[str], None], Callable[[], bool]


def drained(workers: WorkerThreads) -> list[str]:
    """All steps until every thread has ended."""
    steps: list[str] = []
    until = time.monotonic() + PATIENCE
    while workers.working:
        assert time.monotonic() < until, steps
        steps += workers.hear(0.1)
    return steps


def work(show: Show, stopping: Stop) -> None:
    show("begun")
    while not stopping():
        time.sleep(0.001)
    show("stopped")


def test_each_shows_its_steps_and_ends() -> None:
    def speak(word: str, show: Show, stopping: Stop) -> None:
        show(word)
        show(str(stopping()))

    with WorkerThreads(3, speak, "hello") as workers:
        assert sorted(drained(workers)) == ["False"] * 3 + ["hello"] * 3
    assert not workers.working


def test_a_dismissed_thread_ends_after_what_it_has_in_hand() -> None:
    with WorkerThreads(2, work) as workers:
        assert not workers.dismissed
        workers.dismiss()
        assert workers.dismissed
        assert sorted(drained(workers)) == ["begun", "begun", "stopped", "stopped"]


@pytest.mark.parametrize("raised", [None, ValueError("in the block")])
def test_no_thread_outlives_the_block(raised: Exception | None) -> None:
    before = threading.active_count()
    try:
        with WorkerThreads(2, work):
            assert threading.active_count() == before + 2
            if raised is not None:
                raise raised
    except ValueError:
        pass
    assert threading.active_count() == before


def test_an_interrupt_waits_for_no_thread() -> None:
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

    def fail(show: Show, stopping: Stop) -> None:
        if first.acquire(blocking=False):
            raise error
        work(show, stopping)

    with pytest.raises(type(error)) as found, WorkerThreads(2, fail) as workers:
        drained(workers)
    assert str(found.value) == str(error)
    steps = [record.levelname for record in caplog.records]
    assert steps == ([] if isinstance(error, UserError) else ["CRITICAL"])


def test_one_that_was_asked_to_stop_raises_nothing() -> None:
    def stop(show: Show, stopping: Stop) -> None:
        raise Stopping

    with WorkerThreads(1, stop) as workers:
        assert drained(workers) == []


def blas() -> set[int]:
    """The threads that BLAS would take."""
    return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}


def test_blas_stays_at_one_thread_while_any_thread_is_inside() -> None:
    with threadpool_limits(limits=2):
        assert blas() == {2}
        first, second = libraries_on_one_thread(), libraries_on_one_thread()
        first.__enter__()
        own = threadpool_limits(limits=1)  # as scoring does
        second.__enter__()
        first.__exit__(None, None, None)
        own.restore_original_limits()
        assert blas() == {1}, "one that ended set the other one's free"
        second.__exit__(None, None, None)
        assert blas() == {2}
        with WorkerThreads(1, work):
            assert blas() == {1}
        assert blas() == {2}
