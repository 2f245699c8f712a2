"""What systemd is told: sd_notify(3), a datagram of lines to $NOTIFY_SOCKET. Where nobody listens, nothing is said."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Mapping
from datetime import timedelta

# What the daemon waits for. Blocked before any thread is started: a thread that does not block one would be ended by it, and all of us.
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_MICROSECONDS = 1_000_000


class ServiceManager:
    """The service manager that started this process, if one did."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        # An abstract socket is written with @ for its zero byte.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._watchdog = _watchdog(environment)
        self._status = ""
        self._owes_ready = False

    @property
    def watchdog(self) -> timedelta | None:
        """How long systemd waits for a sign of life; None where it does not."""
        return self._watchdog

    def ready(self, status: str) -> None:
        """Started, or done with a reload."""
        self._status = status
        self._owes_ready = not self._tell("READY=1", f"STATUS={status}")

    def status(self, status: str) -> None:
        """What is going on, for `systemctl status`; said only where it is new."""
        if status != self._status and self._tell(f"STATUS={status}"):
            self._status = status

    def alive(self) -> None:
        """Feed the watchdog."""
        if self._owes_ready:
            self.ready(self._status)
        self._tell("WATCHDOG=1")

    def still_starting(self, span: timedelta) -> None:
        """Ask for `span` more until READY: what is waited for is not ours to mend."""
        self._tell(f"EXTEND_TIMEOUT_USEC={int(span.total_seconds() * _MICROSECONDS)}")

    def reloading(self) -> None:
        """A reload begins; `ready` ends it."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """The end begins."""
        self._tell("STOPPING=1", "STATUS=Stopping")

    def _tell(self, *lines: str) -> bool:
        """Whether it was said, to whoever listens; never waits for a service manager that does not read."""
        if not self._address:
            return True
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            try:
                sender.connect(self._address)
                text = "\n".join(line.replace("\n", " ") for line in lines)
                sender.sendall(text.encode(), socket.MSG_DONTWAIT)
            except OSError:
                # systemd is busy, or being restarted itself; a watchdog that goes unfed is its to judge.
                return False
        return True


def _watchdog(environment: Mapping[str, str]) -> timedelta | None:
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    period = environment.get("WATCHDOG_USEC", "")
    return timedelta(microseconds=int(period)) if period.isdigit() and int(period) else None
