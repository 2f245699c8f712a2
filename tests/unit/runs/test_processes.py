"""Worker processes: the steps they show, what they raise, how they are ended, and that none outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scorer.errors import DatabaseUnavailable, RunStopped, UserError
from scorer.runs.processes import WorkerLost, WorkerProcesses

PATIENCE = 30.0

# What processes of their own do is found by its name, in a module.
TASKS = """
import ctypes, os, signal, time
from pathlib import Path
from scorer.errors import DatabaseUnavailable, RunStopped, Stopping, UserError

def speak(word, show, stopping):
    show(word)
    show(f"blocked: {sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ()))}")

def work(show, stopping):
    show(str(os.getpid()))
    while not stopping():
        time.sleep(0.01)
    show("stopped")
    raise Stopping

def hang(show, stopping):
    show(str(os.getpid()))
    time.sleep(600)

def work_unseen(path, show, stopping):
    ctypes.CDLL(None).prctl(1, 0)  # as where the kernel does not end us
    show(str(os.getpid()))
    while not stopping():
        time.sleep(0.01)
    show("unheard")
    Path(path).write_text("ended by itself")

def stop_the_run(show, stopping):
    raise RunStopped("A rule was broken.", results=("one", "two"))

def lose_the_database(show, stopping):
    raise DatabaseUnavailable("Gone.", sqlstate="57P01")

PATIENT = "Jane " + "Doe"

class Odd(Exception):
    def __init__(self, one, two):
        super().__init__(PATIENT)

def fail(show, stopping):
    raise ValueError(PATIENT)

def fail_oddly(show, stopping):
    raise Odd(1, 2)

def die(show, stopping):
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    """Gives one of the functions above."""
    (tmp_path / "tasks_of_workers.py").write_text(TASKS)
    monkeypatch.syspath_prepend(str(tmp_path))
    import tasks_of_workers  # type: ignore[import-not-found]

    yield lambda name: getattr(tasks_of_workers, name)
    del sys.modules["tasks_of_workers"]


def heard(workers: WorkerProcesses, *, words: int) -> list[str]:
    """So many steps, or fail."""
    steps: list[str] = []
    until = time.monotonic() + PATIENCE
    while len(steps) < words:
        assert workers.working, steps
        assert time.monotonic() < until, steps
        steps += workers.hear(0.1)
    return steps


def lives(pid: int) -> bool:
    """Whether there is such a process, and not its remains alone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_until(holds: Callable[[], bool]) -> None:
    """Until it holds, or fail."""
    until = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


def drained(workers: WorkerProcesses) -> list[str]:
    """All steps until every process has ended."""
    steps: list[str] = []
    until = time.monotonic() + PATIENCE
    while workers.working:
        assert time.monotonic() < until, steps
        steps += workers.hear(0.1)
    return steps


def test_each_shows_its_steps_and_ends(task: Callable[[str], Any]) -> None:
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
    try:
        with WorkerProcesses(2, task("speak"), "hello") as workers:
            steps = drained(workers)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    assert sorted(steps) == ["blocked: []", "blocked: []", "hello", "hello"], "a mask was inherited"


def test_a_dismissed_process_ends_after_what_it_has_in_hand(task: Callable[[str], Any]) -> None:
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        with WorkerProcesses(2, task("work")) as workers:
            pids = [int(pid) for pid in heard(workers, words=2)]
            assert all(lives(pid) for pid in pids)
            workers.dismiss()
            workers.dismiss()
            assert drained(workers) == ["stopped", "stopped"]
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    assert not any(lives(pid) for pid in pids)


def test_no_process_outlives_the_block(task: Callable[[str], Any]) -> None:
    with WorkerProcesses(2, task("hang")) as workers:
        pids = [int(pid) for pid in heard(workers, words=2)]
        assert all(lives(pid) for pid in pids)
    assert not any(lives(pid) for pid in pids)
    assert not workers.working


@pytest.mark.parametrize(
    ("name", "kind", "text"),
    [
        ("stop_the_run", RunStopped, "A rule was broken."),
        ("lose_the_database", DatabaseUnavailable, "Gone."),
        ("fail", ValueError, "Jane Doe"),
        ("fail_oddly", RuntimeError, "Odd"),
        ("die", WorkerLost, "exit code -9"),
    ],
)
def test_what_a_process_raises_is_raised_here(
    name: str, kind: type[Exception], text: str, task: Callable[[str], Any], capfd: pytest.CaptureFixture[str]
) -> None:
    with WorkerProcesses(1, task(name)) as workers:
        with pytest.raises(kind) as raised:
            drained(workers)
        assert not workers.working
    assert str(raised.value) == text
    assert getattr(raised.value, "results", ("one", "two")) == ("one", "two")
    assert getattr(raised.value, "sqlstate", "57P01") == "57P01"
    out, err = capfd.readouterr()
    assert "Jane Doe" not in out + err
    assert ("This is a bug" in err) == (not issubclass(kind, UserError | WorkerLost))


@pytest.mark.parametrize("name", ["hang", "work_unseen"])
def test_no_process_outlives_a_parent_that_is_killed(name: str, task: Callable[[str], Any], tmp_path: Path) -> None:
    left = tmp_path / "left"
    arguments = () if name == "hang" else (str(left),)
    program = (
        "import tasks_of_workers as tasks; from scorer.runs.processes import WorkerProcesses\n"
        f"with WorkerProcesses(1, tasks.{name}, *{arguments!r}) as workers:\n"
        "    while True:\n"
        "        for word in workers.hear(1): print(word, flush=True)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environment
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert lives(pid)
        parent.kill()
    wait_until(lambda: not lives(pid))
    assert left.exists() == (name == "work_unseen")
