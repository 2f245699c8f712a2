"""Further processes: what they tell, what they raise, how they are ended, and that none outlives whoever started it."""

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

# Members are processes of their own: what they do is found by its name, in a module.
TASKS = """
import ctypes, os, signal, time
from pathlib import Path
from scorer.errors import DatabaseUnavailable, RunStopped, Stopping, UserError

def speak(word, tell, stopping):
    tell(word)
    tell(f"blocked: {sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ()))}")

def work(tell, stopping):
    tell(str(os.getpid()))
    while not stopping():
        time.sleep(0.01)
    tell("stopped")
    raise Stopping

def hang(tell, stopping):
    tell(str(os.getpid()))
    time.sleep(600)

def work_unseen(path, tell, stopping):
    ctypes.CDLL(None).prctl(1, 0)  # as where the kernel does not end us
    tell(str(os.getpid()))
    while not stopping():
        time.sleep(0.01)
    tell("to nobody")
    Path(path).write_text("ended by itself")

def stop_the_run(tell, stopping):
    raise RunStopped("A rule was broken.", results=("one", "two"))

def lose_the_database(tell, stopping):
    raise DatabaseUnavailable("Gone.", sqlstate="57P01")

PATIENT = "Jane " + "Doe"

class Odd(Exception):
    def __init__(self, one, two):
        super().__init__(PATIENT)

def fail(tell, stopping):
    raise ValueError(PATIENT)

def fail_oddly(tell, stopping):
    raise Odd(1, 2)

def die(tell, stopping):
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    """Gives one of the functions above."""
    (tmp_path / "tasks_of_a_crew.py").write_text(TASKS)
    monkeypatch.syspath_prepend(str(tmp_path))
    import tasks_of_a_crew  # type: ignore[import-not-found]

    yield lambda name: getattr(tasks_of_a_crew, name)
    del sys.modules["tasks_of_a_crew"]


def heard(crew: WorkerProcesses, *, words: int) -> list[str]:
    """So many steps, or fail."""
    told: list[str] = []
    until = time.monotonic() + PATIENCE
    while len(told) < words:
        assert crew.working, told
        assert time.monotonic() < until, told
        told += crew.hear(0.1)
    return told


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


def drained(crew: WorkerProcesses) -> list[str]:
    """All that is told until every member has ended."""
    told: list[str] = []
    until = time.monotonic() + PATIENCE
    while crew.working:
        assert time.monotonic() < until, told
        told += crew.hear(0.1)
    return told


def test_each_member_tells_its_steps_and_ends(task: Callable[[str], Any]) -> None:
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
    try:
        with WorkerProcesses(2, task("speak"), "hello") as crew:
            told = drained(crew)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    assert sorted(told) == ["blocked: []", "blocked: []", "hello", "hello"], "a mask was inherited"


def test_whoever_is_dismissed_ends_what_it_has_in_hand(task: Callable[[str], Any]) -> None:
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        with WorkerProcesses(2, task("work")) as crew:
            pids = [int(pid) for pid in heard(crew, words=2)]
            assert all(lives(pid) for pid in pids)
            crew.dismiss()
            crew.dismiss()
            assert drained(crew) == ["stopped", "stopped"]
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    assert not any(lives(pid) for pid in pids)


def test_nobody_outlives_the_block(task: Callable[[str], Any]) -> None:
    with WorkerProcesses(2, task("hang")) as crew:
        pids = [int(pid) for pid in heard(crew, words=2)]
        assert all(lives(pid) for pid in pids)
    assert not any(lives(pid) for pid in pids)
    assert not crew.working


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
def test_what_a_member_raises_is_raised_here(
    name: str, kind: type[Exception], text: str, task: Callable[[str], Any], capfd: pytest.CaptureFixture[str]
) -> None:
    with WorkerProcesses(1, task(name)) as crew:
        with pytest.raises(kind) as raised:
            drained(crew)
        assert not crew.working
    assert str(raised.value) == text
    assert getattr(raised.value, "results", ("one", "two")) == ("one", "two")
    assert getattr(raised.value, "sqlstate", "57P01") == "57P01"
    out, err = capfd.readouterr()
    assert "Jane Doe" not in out + err
    assert ("This is a bug" in err) == (not issubclass(kind, UserError | WorkerLost))


@pytest.mark.parametrize("name", ["hang", "work_unseen"])
def test_nobody_outlives_a_parent_that_is_killed(name: str, task: Callable[[str], Any], tmp_path: Path) -> None:
    left = tmp_path / "left"
    arguments = () if name == "hang" else (str(left),)
    program = (
        "import tasks_of_a_crew as tasks; from scorer.runs.processes import WorkerProcesses\n"
        f"with WorkerProcesses(1, tasks.{name}, *{arguments!r}) as crew:\n"
        "    while True:\n"
        "        for word in crew.hear(1): print(word, flush=True)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environment
    ) as parent:
        assert parent.stdout is not None
        member = int(parent.stdout.readline())
        assert lives(member)
        parent.kill()
    wait_until(lambda: not lives(member))
    assert left.exists() == (name == "work_unseen")
