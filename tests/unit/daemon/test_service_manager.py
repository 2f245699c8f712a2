"""What systemd is notified of, over a real socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from scorer.daemon.service_manager import ServiceManager


@pytest.fixture(params=["a path", "abstract"])
def manager_socket(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Callable[[], list[str]]]]:
    """The address of a service manager, and what it was sent since the last call."""
    address = str(tmp_path / "notify") if request.param == "a path" else f"@scorer-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(address.replace("@", "\0", 1))
        receiver.setblocking(False)

        def sent() -> list[str]:
            found = []
            while True:
                try:
                    found.append(receiver.recv(4096).decode())
                except BlockingIOError:
                    return found

        yield address, sent


def test_each_sign_as_sd_notify_has_it(manager_socket: tuple[str, Callable[[], list[str]]]) -> None:
    address, sent = manager_socket
    manager = ServiceManager({"NOTIFY_SOCKET": address})
    manager.status("looking")
    manager.status("looking")
    assert sent() == ["STATUS=looking"]
    manager.ready("two jobs\nREADY=0")
    assert sent() == ["READY=1\nSTATUS=two jobs READY=0"]
    manager.alive()
    manager.still_starting(timedelta(minutes=1))
    manager.stopping()
    assert sent() == ["WATCHDOG=1", "EXTEND_TIMEOUT_USEC=60000000", "STOPPING=1\nSTATUS=Stopping"]
    manager.reloading()
    (reloading,) = sent()
    first, second = reloading.split("\n")
    assert first == "RELOADING=1"
    assert int(second.removeprefix("MONOTONIC_USEC=")) > 0


@pytest.mark.timeout(30)
def test_a_service_manager_that_does_not_read_holds_nothing_up(
    manager_socket: tuple[str, Callable[[], list[str]]],
) -> None:
    address, sent = manager_socket
    manager = ServiceManager({"NOTIFY_SOCKET": address})
    for _ in range(2000):  # far more than its queue holds
        manager.alive()
    manager.ready("two jobs")
    manager.status("late")
    sent()
    manager.alive()
    manager.status("late")
    assert sent() == ["READY=1\nSTATUS=two jobs", "WATCHDOG=1", "STATUS=late"], "what was not heard is said again"


def test_without_a_socket_nothing_is_sent(tmp_path: Path) -> None:
    for environment in ({}, {"NOTIFY_SOCKET": str(tmp_path / "gone")}):
        manager = ServiceManager(environment)
        manager.ready("ready")
        manager.alive()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, timedelta(seconds=30)),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, timedelta(seconds=30)),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_ours_if_it_names_us(environment: dict[str, str], expected: timedelta | None) -> None:
    assert ServiceManager(environment).watchdog == expected
