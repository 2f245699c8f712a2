"""A way through to PostgreSQL's socket that can be cut: TCP on one side, the Unix socket on the other. A program, told what to do on stdin.

    pass    let everything through (how it begins)
    hold    let nothing through, and say nothing: who waits for an answer goes on waiting
    cut     reset all that is connected, and whoever connects

It prints its port, and then each order once it is carried out.
"""

from __future__ import annotations

import socket
import struct
import sys
import threading
from contextlib import suppress

BYTES = 1 << 16
RESET = struct.pack("ii", 1, 0)  # SO_LINGER, not at all


class Way:
    """All that goes through."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._passes = threading.Event()
        self._resets = False
        self._ends: set[socket.socket] = set()
        self._lock = threading.Lock()

    def order(self, word: str) -> None:
        """Do as told from now on."""
        with self._lock:
            self._resets = word == "cut"
            if self._resets:
                for end in self._ends:
                    _reset(end)
                self._ends.clear()
        (self._passes.clear if word == "hold" else self._passes.set)()

    def serve(self, listener: socket.socket) -> None:
        """Take in whoever connects."""
        while True:
            client, _ = listener.accept()
            threading.Thread(target=self._join, args=[client], daemon=True).start()

    def _join(self, client: socket.socket) -> None:
        self._passes.wait()
        server = socket.socket(socket.AF_UNIX)
        with suppress(OSError):
            server.connect(self._target)
        with self._lock:
            if self._resets:
                _reset(client)
                _reset(server)
                return
            self._ends |= {client, server}
        threading.Thread(target=self._pump, args=[server, client], daemon=True).start()
        self._pump(client, server)

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(BYTES):
                self._passes.wait()
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._ends -= {source}
        source.close()


def _reset(end: socket.socket) -> None:
    with suppress(OSError):
        if end.family == socket.AF_INET:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        end.close()


def main(address: str, target: str) -> None:
    """Serve at `address`, on any port, until stdin ends."""
    with socket.create_server((address, 0)) as listener:
        way = Way(target)
        way.order("pass")
        threading.Thread(target=way.serve, args=[listener], daemon=True).start()
        print(listener.getsockname()[1], flush=True)
        for line in sys.stdin:
            way.order(line.strip())
            print(line.strip(), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
