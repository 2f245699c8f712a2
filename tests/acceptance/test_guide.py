"""The guide "Your own job in an hour", walked as it stands in sql/README.md: every command is typed, and prints what is told."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from scorer.database.embedded.installs import installs

README = Path(__file__).parents[2] / "sql" / "README.md"
SCRIPT = Path(sys.executable).with_name("scorer")
PLACE = "/srv"  # where the guide's reader is
LONGEST = 300.0  # seconds of one command


@dataclass(frozen=True)
class Step:
    """A command of the guide, and the lines that it prints as the guide tells them."""

    command: str
    printed: tuple[str, ...]


def steps() -> list[Step]:
    """The commands of the guide in order: what stands indented, behind a dollar sign."""
    guide = README.read_text(encoding="utf-8").split("## Your own job in an hour")[1].split("\n## ")[0]
    found: list[tuple[str, list[str]]] = []
    for line in guide.splitlines():
        if line.startswith("    $ "):
            found.append((line[6:], []))
        elif line.startswith("    ") and found:
            found[-1][1].append(line.strip())
    return [Step(command, tuple(line for line in printed if line and line != "...")) for command, printed in found]


def plain(line: str) -> str:
    """A line with 0 for every number and hash, blanks made one, and a part left out at its `...`."""
    line = re.sub(r"\b[0-9a-f]{16}\b", "0", line)
    line = re.sub(r"[+-]?\d[\d,.:]*", "0", line)
    line = re.sub(r"\b0-0-0 0Z?", "0", line.replace("0Z", "0"))
    return " ".join(line.split()).partition("...")[0].rstrip(" ,")


@pytest.fixture(scope="module")
def reader(home: Path) -> Iterator[dict[str, str]]:
    """The environment of a reader in an empty folder, with nothing running."""
    folder = home / "guide"
    programs = folder / "bin"
    programs.mkdir(parents=True)
    (programs / "scorer").symlink_to(SCRIPT)
    (programs / "psql").symlink_to(shutil.which("psql") or installs()[0].programs / "psql")
    environment = {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "SCORER_HOME": str(folder / "home"),
        "HERE": str(folder),
        "PGTZ": "UTC",
    }
    yield environment
    subprocess.run([SCRIPT, "db", "stop"], env=environment, check=False, capture_output=True)


def test_the_guide_has_its_steps() -> None:
    typed = " ".join(step.command for step in steps())
    for command in ("new", "check", "try", "diff", "features", "list"):
        assert f"scorer job {command}" in typed
    assert "model promote" in typed
    assert sum(len(step.printed) for step in steps()) > 40


@pytest.mark.long
def test_every_command_of_the_guide_prints_what_it_tells(reader: dict[str, str]) -> None:
    exported = ""
    for step in steps():
        if step.command.startswith("export "):
            exported += step.command.split("#")[0] + "\n"
            continue
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", exported + step.command],
            env=reader,
            cwd=reader["HERE"],
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )
        assert done.returncode == 0, f"{step.command}\n{done.stderr}"
        printed = {plain(line.replace(reader["HERE"], PLACE)) for line in done.stdout.splitlines()}
        for line in map(plain, step.printed):
            assert any(each.startswith(line) for each in printed), (
                f"{step.command} does not print {line!r}:\n{done.stdout}"
            )
