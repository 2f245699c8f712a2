"""The operating system's user that the embedded PostgreSQL runs as."""

from __future__ import annotations

import os
import pwd
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from scorer.errors import UserError


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the operating system, by name and numbers."""

    name: str
    uid: int
    gid: int

    @classmethod
    def of(cls, uid: int) -> Self:
        """The account with number `uid`. Raises UserError where it has no name, which PostgreSQL needs."""
        try:
            entry = pwd.getpwuid(uid)
        except KeyError:
            raise UserError(f"User id {uid} has no name, which PostgreSQL needs; add it to /etc/passwd.") from None
        return cls(name=entry.pw_name, uid=uid, gid=entry.pw_gid if os.geteuid() == 0 else os.getegid())

    @classmethod
    def unprivileged(cls) -> Self:
        """The user of this process; for root, `postgres` or `nobody`. Raises UserError where root has neither."""
        if os.geteuid() != 0:
            return cls.of(os.geteuid())
        for name in ("postgres", "nobody"):
            with suppress(KeyError):
                return cls.of(pwd.getpwnam(name).pw_uid)
        raise UserError(
            "PostgreSQL cannot run as root, and neither postgres nor nobody is a user; run as another user."
        )

    def run(self, *command: str | Path, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run `command` as this account, with `text` on stdin, in / (which every user may enter).

        Returns the ended process with its output, whatever its exit code.
        """
        root = os.geteuid() == 0
        return subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env=environment(),
            user=self.uid if root else None,
            group=self.gid if root else None,
            extra_groups=[] if root else None,
        )

    def reaches(self, path: Path) -> bool:
        """Whether the account may enter that folder, or run that program."""
        return self.run("test", "-x", path).returncode == 0


def environment() -> dict[str, str]:
    """The environment of PostgreSQL's programs: without PGPORT and its like, which would move the server."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {"PATH": os.defpath, **kept, "LC_ALL": "C"}
