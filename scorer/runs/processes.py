"""Further processes for one piece of work: each calls the same function, tells the steps it takes, and ends with whoever started it.

They are a run's own. Nothing is shared with another run's: neither a place to wait for, nor an end.
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
    """A member's process ended without a word."""


class WorkerProcesses:
    """As many processes as are asked for, within a `with` block; at its end, whoever is still at work is killed."""

    def __init__(self, count: int, task: Callable[..., None], *arguments: object) -> None:
        """Each member calls `task`, found by its name, with `arguments` and two functions: `tell(step)` and `stopping()`."""
        self._count = count
        self._order = (task, arguments, os.getpid())
        self._members: dict[Connection[Any, Any], subprocess.Popen[bytes]] = {}
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
        """Whether any member is."""
        return bool(self._members)

    def hear(self, seconds: float) -> list[str]:
        """The steps that members told, once there are any or `seconds` have passed.

        Raises what a member raised, and WorkerLost where one ended without a word; it is no member any more, then.
        """
        told = []
        for connection in wait(list(self._members), seconds):
            assert isinstance(connection, Connection)
            word = self._word(connection)
            if isinstance(word, str):
                told.append(word)
                continue
            self._leave(connection)
            if word is not None:
                raise word
        return told

    def dismiss(self) -> None:
        """Ask each member to end after what it has in hand."""
        if not self.dismissed:
            self.dismissed = True
            for process in self._members.values():
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
        self._members[ours] = process
        with suppress(OSError):  # it has died already, which is heard like any death
            ours.send(self._order)

    def _word(self, connection: Connection[Any, Any]) -> str | Exception | None:
        """A step, or how the member ended: None where it is done."""
        try:
            word: str | Exception | None = connection.recv()
        except (EOFError, OSError):
            return WorkerLost(f"exit code {self._members[connection].wait()}")
        return word

    def _leave(self, connection: Connection[Any, Any]) -> None:
        connection.close()
        self._members.pop(connection).wait()

    def _end(self) -> None:
        for process in self._members.values():
            process.kill()
        for connection in list(self._members):
            self._leave(connection)


def take_part(descriptor: int) -> None:
    """What a member's process does: call the function that it is sent, and say how that ended."""
    asked: list[int] = []
    # A thread of the daemon may have started us, where all of these are blocked; at a terminal, Ctrl-C is for whoever started us.
    signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    _end_with_parent()
    configure()  # until the task knows better: nothing is to be told in a library's own manner
    with Connection(descriptor) as connection, suppress(EOFError, OSError):
        task, arguments, parent = connection.recv()

        def stopping() -> bool:
            return bool(asked) or os.getppid() != parent

        def tell(step: str) -> None:
            with suppress(OSError):  # nobody listens: `stopping` says so, once the batch in hand is done
                connection.send(step)

        connection.send(ending_of(lambda: task(*arguments, tell, stopping)))


def ending_of(work: Callable[[], None]) -> Exception | None:
    """How `work` ends: what it raises, unless that is for being asked to stop."""
    try:
        work()
    except Stopping:
        return None
    except UserError as error:
        return error
    except Exception as error:  # noqa: BLE001 - the process's edge
        say(_log, events.BUG, raised=error)  # where it happened is known here alone
        return _portable(error)
    return None


def _end_with_parent() -> None:
    """Have the kernel kill this process when whoever started it is gone, where the kernel does so: the server rolls back."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def _portable(error: Exception) -> Exception:
    """`error`, or where it cannot be sent to another process, one that bears its type's name."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001 - anything at all, of a class that is not ours
        return RuntimeError(type(error).__name__)
    return error
