"""What the tests of the log share: a journald that reads the protocol as its description says."""

from __future__ import annotations

import fcntl
import os
import re
import socket
import struct
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scorer.log import journal


def parsed(message: bytes) -> dict[str, str]:
    """The fields of a datagram, read as the protocol's description says."""
    found, rest = {}, message
    while rest:
        line, _, rest = rest.partition(b"\n")
        name, assigned, value = line.partition(b"=")
        if not assigned:
            (length,) = struct.unpack_from("<Q", rest)
            value, end, rest = rest[8 : 8 + length], rest[8 + length : 9 + length], rest[9 + length :]
            assert end == b"\n"
        assert re.fullmatch(b"[A-Z][A-Z0-9_]{0,63}", name)
        assert name.decode() not in found
        found[name.decode()] = value.decode()
    return found


class Journald:
    """A real datagram socket, listened to as journald does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(10)
        self.socket.bind(str(path))

    def receive(self) -> tuple[bytes, int | None]:
        """One datagram, and the descriptor that came with it."""
        message, descriptors, flags, _ = socket.recv_fds(self.socket, 1 << 20, 4)
        assert not flags & socket.MSG_TRUNC
        assert len(descriptors) <= 1
        return message, descriptors[0] if descriptors else None

    def message(self) -> dict[str, str]:
        """The fields of one message that fits a datagram."""
        message, descriptor = self.receive()
        assert descriptor is None
        return parsed(message)

    def message_in_file(self) -> tuple[dict[str, str], int]:
        """The fields of one message that came as a file, and the file's seals."""
        message, descriptor = self.receive()
        assert message == b""
        assert descriptor is not None
        seals = fcntl.fcntl(descriptor, fcntl.F_GET_SEALS)
        with os.fdopen(descriptor, "rb") as file:
            file.seek(0)
            return parsed(file.read()), seals


@pytest.fixture(scope="session")
def read_message() -> Callable[[bytes], dict[str, str]]:
    """Gives the fields of a message as bytes."""
    return parsed


@pytest.fixture
def journald(monkeypatch: pytest.MonkeyPatch) -> Iterator[Journald]:
    """A journald that listens where the log sends to."""
    with tempfile.TemporaryDirectory(prefix="scorer-") as folder:  # pytest's own may be too long for a socket
        listening = Journald(Path(folder) / "socket")
        monkeypatch.setattr(journal, "SOCKET", listening.path)
        yield listening
        listening.socket.close()
