"""`scorer status --watch` as a process: on a terminal that is resized, in a pipe that is closed, and when the database goes."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest

PATIENCE = 60.0
TYPED = [sys.executable, "-c", "from scorer.cli.main import main; main()", "status", "--watch", "--every", "0.5"]


@pytest.fixture
def environment(week: Any, tmp_path: Path) -> dict[str, str]:
    of_terminal = {"COLUMNS", "LINES"}  # which would go before the terminal's own size
    plain = {
        name: os.environ[name] for name in os.environ if not name.startswith("SCORER_") and name not in of_terminal
    }
    return plain | {
        "SCORER_CONFIG": os.devnull,
        "SCORER_DATABASE_URL": week.url,
        "SCORER_HOME": str(tmp_path / "home"),
        "TERM": "xterm",
    }


class Terminal:
    """A terminal with the command in it."""

    def __init__(self, environment: dict[str, str], *, size: tuple[int, int]) -> None:
        ours, theirs = pty.openpty()
        self._ours, self.said = ours, ""
        self.resize(*size)
        self.process = subprocess.Popen(
            TYPED, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)

    def resize(self, lines: int, columns: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def until(self, is_there: Callable[[str], object], *, since: int = 0) -> str:
        """Read until something is there in what was said since. Returns that."""
        until = time.monotonic() + PATIENCE
        while not is_there(self.said[since:]):
            assert time.monotonic() < until, self.said[since:][-2000:]
            ready, _, _ = select.select([self._ours], [], [], 0.2)
            if ready:
                self.said += os.read(self._ours, 1 << 16).decode(errors="replace")
        return self.said[since:]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)


@pytest.fixture
def terminal(environment: dict[str, str]) -> Iterator[Terminal]:
    opened = Terminal(environment, size=(12, 70))
    yield opened
    opened.close()


def lines_of(screen: str) -> list[str]:
    """The lines of the newest screen, without what moves the cursor."""
    newest = screen.rsplit("\x1b[H", 1)[-1]
    return [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", line).rstrip() for line in newest.splitlines()]


def test_it_stands_in_its_place_is_laid_out_anew_and_ends_with_ctrl_c(terminal: Terminal) -> None:
    terminal.until(lambda said: "more lines: make the window taller" in said)
    assert "\x1b[?1049h" in terminal.said  # a screen of its own, which gives the old one back
    assert max(map(len, lines_of(terminal.said))) <= 70
    before = len(terminal.said)
    terminal.resize(200, 50)
    wide = terminal.until(lambda said: "daemons" in said and said.count("\x1b[H") > 1, since=before)
    assert "more lines" not in "\n".join(lines_of(wide))
    assert max(map(len, lines_of(wide))) <= 50
    os.kill(terminal.process.pid, signal.SIGINT)
    terminal.until(lambda said: "\x1b[?1049l" in said)
    assert terminal.process.wait(PATIENCE) == 0
    assert "Traceback" not in terminal.said


def test_a_database_that_goes_is_told_in_its_place_and_comes_back(terminal: Terminal, week: Any) -> None:
    terminal.until(lambda said: "last run" in said)
    (name,) = week.rows("SELECT current_database()")[0]
    week.close()
    other = week.url.replace(f"/{name}?", "/postgres?", 1)
    connecting = "UPDATE pg_database SET datallowconn = %s WHERE datname = %s"
    connection = psycopg2.connect(other)
    connection.autocommit = True
    with connection.cursor() as cursor:
        before = len(terminal.said)
        cursor.execute(connecting, (False, name))
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        terminal.until(lambda said: "As it was at" in said, since=before)
        before = len(terminal.said)
        cursor.execute(connecting, (True, name))
        terminal.until(lambda said: "As it was at" not in "".join(lines_of(said)) and "\x1b[H" in said, since=before)
    connection.close()
    assert terminal.process.poll() is None


def test_in_a_pipe_each_stands_below_the_other(environment: dict[str, str]) -> None:
    with subprocess.Popen(TYPED, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        seen = ""
        while seen.count("job         sepsis") < 2:
            line = process.stdout.readline()
            assert line, process.stderr.read() if process.stderr else ""
            seen += line
        assert "\x1b" not in seen
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_a_pipe_that_is_closed_ends_it(environment: dict[str, str]) -> None:
    with subprocess.Popen(TYPED, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.wait(PATIENCE) == 0
        assert process.stderr.read() == ""


def test_what_is_wrong_at_the_first_look_is_one_sentence(environment: dict[str, str]) -> None:
    gone = environment | {"SCORER_DATABASE_URL": "postgresql://u@127.0.0.1:9/d"}
    for options in ([], ["--json"]):
        done = subprocess.run([*TYPED, *options], env=gone, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert ("not both" in done.stderr) == bool(options)
