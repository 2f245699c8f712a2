"""The journal's native protocol: a datagram of fields, or a sealed memory file where it is too long.

Without a library: the bindings that exist need a compiler or libsystemd, and what they do is one call of sendmsg.
Try it: `systemd-run --pty --wait scorer check`, then `journalctl -t scorer -o verbose`. The format: systemd.io/JOURNAL_NATIVE_PROTOCOL.
"""

from __future__ import annotations

import array
import errno
import fcntl
import os
import socket
import struct
from collections.abc import Mapping
from pathlib import Path

SOCKET = Path("/run/systemd/journal/socket")
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
_TOO_LONG = {errno.EMSGSIZE, errno.ENOBUFS}


def is_journal(descriptor: int, *, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether `descriptor` is the stream to the journal that systemd opened, and was not redirected since."""
    device, _, inode = environment.get("JOURNAL_STREAM", "").partition(":")
    try:
        found = os.fstat(descriptor)
    except OSError:
        return False
    return (device, inode) == (str(found.st_dev), str(found.st_ino))


def encode(fields: Mapping[str, str]) -> bytes:
    r"""Encode `fields` as the journal reads them.

    A value of several lines is sent with its length, so that none of its lines can pass for a field.

    >>> encode({"MESSAGE": "Run began", "JOB": "a\nb"})
    b'MESSAGE=Run began\nJOB\n\x03\x00\x00\x00\x00\x00\x00\x00a\nb\n'
    """
    return b"".join(_encoded(name, value.encode("utf-8", "backslashreplace")) for name, value in fields.items())


def _encoded(name: str, value: bytes) -> bytes:
    if b"\n" not in value:
        return name.encode("ascii") + b"=" + value + b"\n"
    return name.encode("ascii") + b"\n" + struct.pack("<Q", len(value)) + value + b"\n"


def send(fields: Mapping[str, str], *, path: Path) -> None:
    """Send one message to the journal. Raises OSError where nothing listens at `path`."""
    message = encode(fields)
    # A socket for each message: messages are few, and a socket that is kept would not survive a fork in the middle of one.
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
        try:
            out.sendto(message, str(path))
        except OSError as error:
            if error.errno not in _TOO_LONG:
                raise
            _send_as_file(message, out=out, path=path)


def _send_as_file(message: bytes, *, out: socket.socket, path: Path) -> None:
    descriptor = os.memfd_create("scorer-journal", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with os.fdopen(descriptor, "wb") as file:
        file.write(message)
        file.flush()
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)  # journald refuses a file that could still change
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))
        out.sendmsg([], [rights], 0, str(path))
