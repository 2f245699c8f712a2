"""Notifies systemd, as sd_notify(3) does: a datagram of lines to $NOTIFY_SOCKET, where there is one."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Mapping
from datetime import timedelta

# What the daemon waits for. Blocked before any thread is started: in a thread that does not block one, it would end the process.
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
        """How long systemd waits for a sign of life; None where it waits for none."""
        return self._watchdog

    def ready(self, status: str) -> None:
        """Notify that the service has started, or is done with a reload."""
        self._status = status
        self._owes_ready = not self._send("READY=1", f"STATUS={status}")

    def status(self, status: str) -> None:
        """Show what is going on in `systemctl status`; sent only where it is new."""
        if status != self._status and self._send(f"STATUS={status}"):
            self._status = status

    def alive(self) -> None:
        """Feed the watchdog."""
        if self._owes_ready:
            self.ready(self._status)
        self._send("WATCHDOG=1")

    def still_starting(self, span: timedelta) -> None:
        """Ask for `span` more until READY: what is waited for cannot be corrected here."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(span.total_seconds() * _MICROSECONDS)}")

    def reloading(self) -> None:
        """Notify that a reload begins; `ready` ends it."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """Notify that the service ends."""
        self._send("STOPPING=1", "STATUS=Stopping")

    def _send(self, *lines: str) -> bool:
        """Send it, without waiting for a service manager that does not read. Returns whether it was sent."""
        if not self._address:
            return True
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            try:
                sender.connect(self._address)
                text = "\n".join(line.replace("\n", " ") for line in lines)
                sender.sendall(text.encode(), socket.MSG_DONTWAIT)
            except OSError:
                # systemd is busy, or being restarted itself; what an unfed watchdog means is its decision.
                return False
        return True


def _watchdog(environment: Mapping[str, str]) -> timedelta | None:
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    period = environment.get("WATCHDOG_USEC", "")
    return timedelta(microseconds=int(period)) if period.isdigit() and int(period) else None
