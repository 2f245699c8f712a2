"""Worker processes of one run: each calls the same function, shows its steps, ends with its parent.

A run has its own. It shares with another run neither a pool, in which one would wait for the other, nor an end.
"""

from __future__ import annotations

import ctypes
import logging
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any, Self

from scorer.errors import Stopping, UserError
from scorer.log import events
from scorer.log.logger import configure, say

_log = logging.getLogger(__name__)
_PROGRAM = "import sys; from scorer.runs.processes import take_part; take_part(int(sys.argv[1]))"


class WorkerLost(Exception):
    """A worker process ended without saying how."""


class WorkerProcesses:
    """So many processes, within a `with` block; those that are still at work at its end are killed."""

    def __init__(self, count: int, task: Callable[..., None], *arguments: object) -> None:
        """Each calls `task`, found by its name, with `arguments`, and functions `show(step)`, `stopping()`."""
        self._count = count
        self._order = (task, arguments, os.getpid())
        self._processes: dict[Connection[Any, Any], subprocess.Popen[bytes]] = {}
        self.dismissed = False

    def __enter__(self) -> Self:
        try:
            for _ in range(self._count):
                self._add()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    @property
    def working(self) -> bool:
        """Whether any of them is."""
        return bool(self._processes)

    def hear(self, seconds: float) -> list[str]:
        """Wait for steps, for so many seconds at most. Returns those that were reported.

        Raises what a process raised, and WorkerLost where one ended without saying how; it does not count as working any more.
        """
        steps = []
        for connection in wait(list(self._processes), seconds):
            assert isinstance(connection, Connection)
            word = self._receive(connection)
            if isinstance(word, str):
                steps.append(word)
                continue
            self._leave(connection)
            if word is not None:
                raise word
        return steps

    def dismiss(self) -> None:
        """Ask each to end after what it has in hand."""
        if not self.dismissed:
            self.dismissed = True
            for process in self._processes.values():
                process.terminate()

    def _add(self) -> None:
        ours, theirs = Pipe()
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", _PROGRAM, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=2,  # ours may be read by a program
                pass_fds=[theirs.fileno()],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        self._processes[ours] = process
        with suppress(OSError):  # it has died already, which `hear` finds out
            ours.send(self._order)

    def _receive(self, connection: Connection[Any, Any]) -> str | Exception | None:
        """Return a step, or how the process ended: None where it is done."""
        try:
            word: str | Exception | None = connection.recv()
        except (EOFError, OSError):
            return WorkerLost(f"exit code {self._processes[connection].wait()}")
        return word

    def _leave(self, connection: Connection[Any, Any]) -> None:
        connection.close()
        self._processes.pop(connection).wait()

    def _end(self) -> None:
        for process in self._processes.values():
            process.kill()
        for connection in list(self._processes):
            self._leave(connection)


def take_part(descriptor: int) -> None:
    """Call the function that this process is sent, and report how that ended: what a worker process does."""
    asked: list[int] = []
    # A thread of the daemon may have started us, where all of these are blocked; at a terminal, Ctrl-C is for the parent.
    signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    _end_with_parent()
    configure()  # until the task configures the log itself: no library is to log in its own format
    with Connection(descriptor) as connection, suppress(EOFError, OSError):
        task, arguments, parent = connection.recv()

        def stopping() -> bool:
            return bool(asked) or os.getppid() != parent

        def show(step: str) -> None:
            with suppress(OSError):  # the parent is gone: `stopping` says so, once the batch in hand is done
                connection.send(step)

        connection.send(ending_of(lambda: task(*arguments, show, stopping)))


def ending_of(work: Callable[[], None]) -> Exception | None:
    """Do `work`. Returns what it raised; None where it raised nothing, or Stopping."""
    try:
        work()
    except Stopping:
        return None
    except UserError as error:
        return error
    except Exception as error:  # noqa: BLE001 - the process's edge
        say(_log, events.BUG, raised=error)  # its traceback is known here alone
        return _portable(error)
    return None


def _end_with_parent() -> None:
    """Have the kernel kill this process when its parent dies, where the kernel can: the server rolls back."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def _portable(error: Exception) -> Exception:
    """`error`, or, where it cannot be sent to another process, a RuntimeError with its type's name."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001 - anything at all, of a class that is not ours
        return RuntimeError(type(error).__name__)
    return error
