"""The status page, /live, /ready and /metrics over HTTP, on this machine alone.

It is served at a loopback port, or a unix socket.

Live: the daemon's loop is running. Ready: it can score at least one job; otherwise 503 and the reason, in one sentence. A line for each
job says where it stands. No client can hold up the daemon:
connections are few and short, each is answered in a thread of its own, and the database is read once for all of them.

Try it: `health_address = "127.0.0.1:9187"` in scorer.toml, then `curl http://127.0.0.1:9187/ready`
"""

from __future__ import annotations

import errno
import ipaddress
import logging
import os
import re
import socket
import stat
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import TCPServer
from typing import Any

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from scorer.database.readonly_session import ReadOnlySession
from scorer.errors import UserError
from scorer.log import events
from scorer.log.logger import say
from scorer.monitoring.prometheus import Metrics, State
from scorer.monitoring.status_page import StatusPage

_log = logging.getLogger(__name__)

_AT_ONCE = 16  # open connections; one more ends the oldest
_SILENCE = 5.0  # seconds that a client may send nothing
_LONGEST = 15.0  # seconds that a connection may last
_SOCKET_PATH_BYTES = 107  # the kernel's limit
_SOCKET_MODE = 0o660
_HIGHEST_PORT = 65535
_PLAIN = "text/plain; charset=utf-8"
_HTML = "text/html; charset=utf-8"
_WRITE_IT_SO = 'write it as "127.0.0.1:9187" or "unix:/run/scorer/health.sock".'


@dataclass(frozen=True, slots=True)
class Address:
    """Where health is served: loopback host and port (0: any that is free), or a unix socket's path."""

    host: str = ""
    port: int = 0
    path: Path | None = None

    @classmethod
    def of(cls, text: str) -> Address:
        """Read an address. Raises UserError where `text` is none, or can be reached from other machines.

        >>> Address.of("localhost:9187").host
        '127.0.0.1'
        """
        if text.startswith("unix:"):
            return cls(path=_socket_path(text.removeprefix("unix:")))
        match = re.fullmatch(r"(?:\[([^]]+)\]|([^:]+)):([0-9]{1,5})", text)
        if match is None or int(match[3]) > _HIGHEST_PORT:
            raise UserError(f'health_address: "{text}" is not an address; {_WRITE_IT_SO}')
        host = "127.0.0.1" if match[2] == "localhost" else match[1] or match[2]
        if not _is_loopback(host):
            raise UserError(
                f'health_address: "{host}" can be reached from beyond this machine, where nothing of scorer is served; {_WRITE_IT_SO}'
            )
        return cls(host=host, port=int(match[3]))

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _socket_path(text: str) -> Path:
    path = Path(text)
    if not path.is_absolute() or len(os.fsencode(path)) > _SOCKET_PATH_BYTES:
        raise UserError(
            f'health_address: "{text}" is not the whole path of a socket, of {_SOCKET_PATH_BYTES} bytes at most; {_WRITE_IT_SO}'
        )
    return path


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class _Answer:
    status: HTTPStatus
    body: bytes
    content_type: str = _PLAIN


class Health:
    """Serves the health of a process; `session` is for its metrics alone, `views` for its page."""

    def __init__(self, session: ReadOnlySession, *, views: ReadOnlySession, state: State) -> None:
        self._state = state
        self._metrics = Metrics(session, state=state)
        self._page = StatusPage(views, state=state)
        self._server: _Server | None = None

    def serve(self, address: Address) -> Address:
        """Begin to answer at `address`, in a thread of its own. Returns it, with the port that was chosen.

        Raises UserError where the address cannot be served.
        """
        server = _Server(
            address,
            {"/": self._page_text, "/live": self._live, "/ready": self._ready, "/metrics": self._metrics_text},
        )
        self._server = server
        threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
        say(_log, events.HEALTH_SERVED, address=str(server.address))
        return server.address

    def close(self) -> None:
        """Answer no more. Requests that are being answered are finished by their threads."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
        self._metrics.close()

    def _live(self) -> _Answer:
        if self._state.live():
            return _Answer(HTTPStatus.OK, b"live\n")
        return _Answer(HTTPStatus.SERVICE_UNAVAILABLE, b"not live: the loop stands still\n")

    def _ready(self) -> _Answer:
        why_not = self._state.ready()
        lines = ["ready" if why_not is None else f"not ready: {why_not}"]
        lines += [f"job {name}: {state}" for name, state in sorted(self._state.job_states().items())]
        status = HTTPStatus.OK if why_not is None else HTTPStatus.SERVICE_UNAVAILABLE
        return _Answer(status, "".join(f"{line}\n" for line in lines).encode())

    def _metrics_text(self) -> _Answer:
        return _Answer(HTTPStatus.OK, self._metrics.text(), CONTENT_TYPE_PLAIN_0_0_4)

    def _page_text(self) -> _Answer:
        return _Answer(HTTPStatus.OK, self._page.text().encode(), _HTML)


class _Server(TCPServer):
    """Few connections at once, each short, each in its thread."""

    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, address: Address, answers: Mapping[str, Callable[[], _Answer]]) -> None:
        self.address = address
        self.answers = answers
        self._began: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        if address.path is not None:
            self.address_family = socket.AF_UNIX
            self.allow_reuse_address = False
            _remove_dead_socket(address.path)
        elif ":" in address.host:
            self.address_family = socket.AF_INET6
        try:
            super().__init__((address.host, address.port) if address.path is None else str(address.path), _Handler)  # type: ignore[arg-type]
        except OSError as error:
            raise UserError(
                f"health_address: {address} cannot be served: {error.strerror}; free it, or name another."
            ) from error

    def server_bind(self) -> None:
        """Bind. A unix socket is closed to other users before a client can connect."""
        super().server_bind()
        if self.address.path is not None:
            self.address.path.chmod(_SOCKET_MODE)
        else:
            self.address = Address(host=self.address.host, port=self.socket.getsockname()[1])

    def server_close(self) -> None:
        """Close, and remove the unix socket."""
        super().server_close()
        if self.address.path is not None:
            self.address.path.unlink(missing_ok=True)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a new thread; where too many connections are open, end the oldest first."""
        with self._lock:
            crowded = len(self._began) >= _AT_ONCE
            oldest = min(self._began, key=self._began.__getitem__) if crowded else None
            if oldest is not None:
                del self._began[oldest]
            self._began[request] = time.monotonic()
        if oldest is not None:
            _cut(oldest)
        threading.Thread(target=self._answer, args=(request, client_address), name="health", daemon=True).start()

    def _answer(self, request: Any, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except Exception:  # noqa: BLE001 - the edge of a thread
            self.handle_error()
        finally:
            self.shutdown_request(request)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection, answered or not."""
        with self._lock:
            self._began.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """End connections that last too long; called twice a second."""
        with self._lock:
            overdue = [request for request, began in self._began.items() if time.monotonic() - began > _LONGEST]
        for request in overdue:
            _cut(request)

    def handle_error(self, *_: Any) -> None:
        """Log an error that the client did not cause."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            say(_log, events.HEALTH_FAILED, error=type(error).__name__)


def _cut(connection: socket.socket) -> None:
    """End a connection; the thread that answers it then ends too."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    """Answers one request; then the connection is closed."""

    timeout = _SILENCE
    server_version = "scorer"
    sys_version = ""
    server: _Server

    def do_GET(self) -> None:
        """Answer with the text."""
        answer = self._find()
        self._head(answer)
        self.wfile.write(answer.body)

    def do_HEAD(self) -> None:
        """Answer without the text."""
        self._head(self._find())

    def _find(self) -> _Answer:
        answer = self.server.answers.get(self.path.partition("?")[0])
        if answer is None:
            return _Answer(HTTPStatus.NOT_FOUND, f"There are {', '.join(self.server.answers)}.\n".encode())
        return answer()

    def _head(self, answer: _Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that is overridden
        """Log nothing: what clients send has no place in the log."""


def _remove_dead_socket(path: Path) -> None:
    """Remove a socket that a killed process left.

    Raises UserError where a process serves it, or where `path` is no socket.
    """
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise UserError(f"health_address: {path} is there and is not a socket; remove it, or name another path.")
    except OSError:
        return
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        try:
            client.connect(str(path))
        except OSError as error:
            if error.errno == errno.ECONNREFUSED:
                path.unlink(missing_ok=True)
            return
    raise UserError(f"health_address: {path} is served by another process; stop that one, or name another path.")
