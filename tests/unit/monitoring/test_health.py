"""Live, ready and metrics over HTTP, without a database: addresses, clients that misbehave, and the unix socket."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scorer.config import Settings
from scorer.database.connection import Target
from scorer.database.readonly_session import ReadOnlySession
from scorer.errors import UserError
from scorer.jobs.schedule import Schedule
from scorer.monitoring import health as module
from scorer.monitoring.health import Address, Health
from scorer.monitoring.prometheus import JobState

ROOT = Path(__file__).parents[3]
PATIENCE = 30.0
NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)


# Addresses


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("127.0.0.1:9187", "127.0.0.1:9187"),
        ("127.8.0.1:1", "127.8.0.1:1"),
        ("localhost:9187", "127.0.0.1:9187"),
        ("[::1]:9187", "[::1]:9187"),
        ("unix:/run/scorer/health.sock", "unix:/run/scorer/health.sock"),
    ],
)
def test_an_address_of_this_machine(text: str, shown: str) -> None:
    assert str(Address.of(text)) == shown


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0.0.0.0:9187", "can be reached from beyond this machine"),
        ("[::]:9187", "can be reached from beyond this machine"),
        ("10.1.2.3:9187", "can be reached from beyond this machine"),
        ("db.hospital.example:9187", "can be reached from beyond this machine"),
        ("[::ffff:10.1.2.3]:9187", "can be reached from beyond this machine"),
        ("9187", "is not an address"),
        ("127.0.0.1", "is not an address"),
        ("127.0.0.1:99999", "is not an address"),
        (":9187", "is not an address"),
        ("127.0.0.1:9187/metrics", "is not an address"),
        ("unix:health.sock", "is not the whole path of a socket"),
        ("unix:/" + "x" * 107, "is not the whole path of a socket"),
    ],
)
def test_any_other_address_is_refused_in_one_sentence(text: str, words: str) -> None:
    with pytest.raises(UserError, match=words) as refused:
        Address.of(text)
    assert str(refused.value).startswith("health_address: ")
    assert str(refused.value).endswith('write it as "127.0.0.1:9187" or "unix:/run/scorer/health.sock".')


# What is served


@dataclass
class Daemonlike:
    """What a daemon reports of itself, as a test wants it."""

    lives: bool = True
    why_not: str | None = None
    jobs: dict[str, Schedule] = field(default_factory=dict)
    states: dict[str, JobState] = field(default_factory=dict)

    def live(self) -> bool:
        return self.lives

    def ready(self) -> str | None:
        return self.why_not

    def job_states(self) -> Mapping[str, JobState]:
        return self.states

    def schedules(self) -> Mapping[str, Schedule]:
        return self.jobs


def nowhere() -> ReadOnlySession:
    """A session with a database that is not there."""
    target = Target.of("postgresql://u@127.0.0.1:9/d", Settings(), role=None)
    return ReadOnlySession(target, patience=timedelta(seconds=5))


DAEMON = Daemonlike()


@pytest.fixture
def state() -> Daemonlike:
    """The daemon whose health is served: live and ready."""
    DAEMON.lives, DAEMON.why_not, DAEMON.jobs = True, None, {}
    return DAEMON


@pytest.fixture(scope="module")
def served() -> Iterator[Address]:
    """One server for all: a server takes half a second to close."""
    health = Health(nowhere(), views=nowhere(), state=DAEMON)
    yield health.serve(Address.of("127.0.0.1:0"))
    health.close()


def ask(address: Address, path: str, *, method: str = "GET") -> tuple[int, str]:
    with closing(http.client.HTTPConnection(address.host, address.port, timeout=PATIENCE)) as connection:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def threads() -> int:
    return sum(thread.name == "health" for thread in threading.enumerate())


def test_live_and_ready_differ(served: Address, state: Daemonlike) -> None:
    assert ask(served, "/live") == (200, "live\n")
    assert ask(served, "/ready") == (200, "ready\n")
    state.why_not = "Job a has no model in production."
    assert ask(served, "/live") == (200, "live\n")
    assert ask(served, "/ready") == (503, "not ready: Job a has no model in production.\n")
    state.lives = False
    assert ask(served, "/live")[0] == 503


def test_without_a_database_the_process_is_still_reported(served: Address, state: Daemonlike) -> None:
    state.why_not = "the database does not answer"
    status, text = ask(served, "/metrics")
    lines = text.splitlines()
    assert status == 200
    assert {"scorer_up 0.0", "scorer_live 1.0", "scorer_ready 0.0"} <= set(lines)
    assert any(line.startswith("process_resident_memory_bytes ") for line in lines)
    assert not any(line.startswith(("scorer_scores_valid", "scorer_runs_total{")) for line in lines)


def test_the_status_page_stands_without_a_database_and_says_so(served: Address, state: Daemonlike) -> None:
    state.why_not = "job <b>: the database does not answer"
    with closing(http.client.HTTPConnection(served.host, served.port, timeout=PATIENCE)) as connection:
        connection.request("GET", "/")
        answer = connection.getresponse()
        text = answer.read().decode()
    assert (answer.status, answer.getheader("Content-Type")) == (200, "text/html; charset=utf-8")
    assert "<title>Scorer: not ready</title>" in text
    assert "job &lt;b&gt;: the database does not answer." in text
    assert "The database does not answer: " in text  # what its own look at the database found
    assert '<meta http-equiv="refresh" content="30">' in text


def test_there_is_nothing_else(served: Address, state: Daemonlike) -> None:
    assert ask(served, "/elsewhere") == (404, "There are /, /live, /ready, /metrics.\n")
    assert ask(served, "/live?probe=1") == (200, "live\n")
    assert ask(served, "/live", method="HEAD") == (200, "")
    assert ask(served, "/live", method="POST")[0] == 501


def test_a_broken_request_does_no_harm(
    served: Address, state: Daemonlike, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    for sent in (
        b"\r\n",
        b"nonsense\r\n\r\n",
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x00\xff\xfe",
        b"GET /live HTTP/9.9\r\n\r\n",
        b"G" * 70_000,
    ):
        with closing(socket.create_connection((served.host, served.port), timeout=PATIENCE)) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            try:
                while connection.recv(4096):
                    pass
            except ConnectionResetError:
                pass
    assert ask(served, "/live") == (200, "live\n")
    assert capfd.readouterr().err == ""
    assert caplog.records == []


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence alone ends no connection for as long as a test lasts."""
    monkeypatch.setattr(module._Handler, "timeout", 10 * PATIENCE)


@pytest.mark.usefixtures("patient")
def test_a_hundred_silent_clients_keep_no_other_out(served: Address, state: Daemonlike) -> None:
    with ExitStack() as open_ones:
        for number in range(100):
            connection = open_ones.enter_context(socket.create_connection((served.host, served.port), timeout=PATIENCE))
            if number % 2:
                connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: half a requ")
        assert ask(served, "/live") == (200, "live\n")
        wait_until(lambda: threads() <= module._AT_ONCE + 1)
    wait_until(lambda: threads() == 1)


@pytest.mark.usefixtures("patient")
def test_a_connection_that_lasts_too_long_is_ended(served: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LONGEST", 0.1)
    with closing(socket.create_connection((served.host, served.port), timeout=PATIENCE)) as connection:
        connection.sendall(b"GET /live HTTP/1.1\r\nX: ")
        assert connection.recv(1) == b""
    wait_until(lambda: threads() == 1)


def test_closing_waits_for_no_client(state: Daemonlike) -> None:
    others = threads()
    health = Health(nowhere(), views=nowhere(), state=state)
    address = health.serve(Address.of("127.0.0.1:0"))
    with closing(socket.create_connection((address.host, address.port), timeout=PATIENCE)) as connection:
        connection.sendall(b"GET ")
        wait_until(lambda: threads() == others + 2)
        health.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address.host, address.port), timeout=PATIENCE)
    wait_until(lambda: threads() == others)


def test_a_port_that_is_taken_is_named(served: Address, state: Daemonlike) -> None:
    with pytest.raises(
        UserError, match=rf"{served} cannot be served: Address already in use; free it, or name another"
    ):
        Health(nowhere(), views=nowhere(), state=state).serve(served)


# The unix socket


@pytest.fixture
def path() -> Iterator[Path]:
    """A path short enough for a socket."""
    folder = Path(os.environ.get("TMPDIR", "/tmp")) / f"scorer-health-{os.getpid()}"
    folder.mkdir()
    yield folder / "health.sock"
    shutil.rmtree(folder)


def ask_socket(path: Path) -> bytes:
    with closing(socket.socket(socket.AF_UNIX)) as connection:
        connection.settimeout(PATIENCE)
        connection.connect(str(path))
        connection.sendall(b"GET /ready HTTP/1.0\r\n\r\n")
        return b"".join(iter(lambda: connection.recv(4096), b""))


def test_a_unix_socket_is_for_the_group_and_goes_with_its_process(path: Path, state: Daemonlike) -> None:
    health = Health(nowhere(), views=nowhere(), state=state)
    health.serve(Address.of(f"unix:{path}"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert ask_socket(path).endswith(b"\r\n\r\nready\n")
    with pytest.raises(UserError, match="is served by another process; stop that one"):
        Health(nowhere(), views=nowhere(), state=state).serve(Address.of(f"unix:{path}"))
    assert ask_socket(path).endswith(b"\r\n\r\nready\n")
    health.close()
    assert not path.exists()


def test_the_socket_of_a_killed_process_is_taken_over(path: Path, state: Daemonlike) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as left:
        left.bind(str(path))
    health = Health(nowhere(), views=nowhere(), state=state)
    health.serve(Address.of(f"unix:{path}"))
    assert ask_socket(path).endswith(b"ready\n")
    health.close()


def test_a_file_in_its_place_is_left_alone(path: Path, state: Daemonlike) -> None:
    path.write_text("somebody's")
    with pytest.raises(UserError, match="is there and is not a socket; remove it"):
        Health(nowhere(), views=nowhere(), state=state).serve(Address.of(f"unix:{path}"))
    assert path.read_text() == "somebody's"


def test_a_folder_that_is_missing_is_named(path: Path, state: Daemonlike) -> None:
    with pytest.raises(UserError, match="cannot be served: No such file or directory"):
        Health(nowhere(), views=nowhere(), state=state).serve(Address.of(f"unix:{path.parent}/missing/s"))
