"""The process of the embedded server: started as its account, to stay or to die with its parent."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from scorer.database.embedded.account import Account, environment

PATIENCE = 60.0  # seconds for a start or a stop

# Becomes the server: sheds root; then either is bound to die with its parent (a change of user would undo that, so it comes
# second), or leaves it. A program of its own, because forking inside this process is not safe beside threads.
_BECOME = """
import ctypes, os, signal, sys
parent, uid, gid = map(int, sys.argv[1:4])
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
if parent:
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)
    if os.getppid() != parent:
        sys.exit("parent is gone")
elif os.fork():
    os._exit(0)
os.execv(sys.argv[4], sys.argv[4:])
"""


def launch(
    server: Sequence[str | Path], *, account: Account, parent: int, log_file: Path, more: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start the command line `server` as `account`. Returns the process.

    It dies with the process `parent`; where that is 0, the process returned starts the server and ends. Its output goes to a
    new `log_file`, the old one is kept as `.1`. `more` is added to the environment.
    """
    with suppress(FileNotFoundError):
        log_file.replace(log_file.with_name(f"{log_file.name}.1"))
    with os.fdopen(os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)) as errors:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _BECOME, *map(str, (parent, account.uid, account.gid, *server))],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd="/",
            env={**environment(), **more},
            start_new_session=True,
        )


def is_over(process: subprocess.Popen[bytes]) -> bool:
    """Whether no process of it lives: the other end of its stdout, which is never written to, is closed."""
    assert process.stdout is not None
    return bool(select.select([process.stdout], [], [], 0)[0])


def detach(process: subprocess.Popen[bytes]) -> None:
    """Wait for the process that started a server which stays, and close our end of its stdout."""
    with process:
        pass


def end(process: subprocess.Popen[bytes]) -> None:
    """End our child, if it still runs: its sessions are cut off; after `PATIENCE` it is ended at once."""
    with process:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGQUIT)


def last_words(text: str) -> str:
    """The line of a server's or a program's output that says what went wrong.

    >>> last_words("LOG:  starting\\nFATAL:  could not create lock file.\\nLOG:  shut down")
    'could not create lock file'
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    grave = [line for line in lines if re.search("FATAL|PANIC|error:", line)]
    return re.sub(r"^.*?(FATAL|PANIC|error):\s+", "", (grave or lines or ["it left no message"])[-1]).rstrip(".")
