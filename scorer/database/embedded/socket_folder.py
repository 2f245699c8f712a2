"""The folder of the embedded server's socket: private, at a path short enough for a socket."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path

from scorer.database.embedded.account import Account
from scorer.errors import UserError

SOCKET = ".s.PGSQL.5432"
SOCKET_PATH_BYTES = 107  # the kernel's limit


def make_socket_folder(place: Path, *, home: Path, account: Account) -> Path:
    """Make a folder for the socket that `account` and root alone may enter. Returns it.

    It is `place`, or, where that path is too long for a socket, a folder in a temporary one, named for `home`, to which
    `place` becomes a link. Raises UserError where neither will do, or the folder is not the account's alone.
    """
    if place.is_symlink():
        place.unlink()
    if _fits(place):
        return _private(place, account=account)
    name = f"scorer-{hashlib.sha256(os.fsencode(home)).hexdigest()[:16]}"
    for parent in (Path(tempfile.gettempdir()).resolve(), Path("/tmp")):  # noqa: S108 - _private checks
        if _fits(parent / name) and account.reaches(parent):
            place.symlink_to(_private(parent / name, account=account))
            return parent / name
    raise UserError(f"{place} is too long for a socket's path; set SCORER_HOME to a folder less deep.")


def _fits(folder: Path) -> bool:
    """Whether a socket in it can be named: short enough for the kernel, no comma or quote for libpq."""
    path = os.fsencode(folder / SOCKET)
    return len(path) <= SOCKET_PATH_BYTES and not set(b',"') & set(path)


def _private(folder: Path, *, account: Account) -> Path:
    """Make `folder` for the account alone. Raises UserError where another user made it."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.lstat().st_uid == os.geteuid():
        os.chown(folder, account.uid, account.gid, follow_symlinks=False)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != account.uid or found.st_mode & 0o077:
        raise UserError(f"{folder} is not a folder of user {account.name} alone, as the socket needs; remove it.")
    return folder
