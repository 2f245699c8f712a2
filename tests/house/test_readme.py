"""The README says what is there: every command, and no other; every file of its map."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from scorer.cli.main import cli

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands(group: click.Group, prefix: str = "scorer") -> dict[str, click.Command]:
    found: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found |= commands(command, f"{prefix} {name}")
        else:
            found[f"{prefix} {name}"] = command
    return found


@pytest.mark.parametrize("command", sorted(commands(cli)))
def test_every_command_is_in_the_readme(command: str) -> None:
    assert re.search(rf"`{command}\b", README), f"{command} is not in the table of commands"


def test_every_command_of_the_readme_is_there() -> None:
    there = commands(cli)
    groups = {f"scorer {name}" for name, command in cli.commands.items() if isinstance(command, click.Group)}
    for line in re.findall(r"(?:^    |`|&& )(scorer [a-z][^`\n#|]*)", README, re.MULTILINE):
        words = line.split()
        name = " ".join(words[:3]) if " ".join(words[:2]) in groups else " ".join(words[:2])
        assert name in there, line
        known = {option for parameter in there[name].params for option in parameter.opts}
        for option in re.findall(r"--[a-z-]+", line.split("&&")[0]):
            assert option in known, f"{name} has no {option}"


def test_every_file_of_the_map_is_there() -> None:
    map_ = README.split("## Map")[1].split("## Words")[0]
    for name in re.findall(r"\b([a-z]+(?:/|\.py))", map_):
        assert (ROOT / "scorer" / name).exists() or list((ROOT / "scorer").rglob(name)) or name == "scorer/", name


def test_the_grants_are_where_it_says() -> None:
    """For whoever installed by pip, and has no checkout."""
    told = re.search(r"grants=\$\(python3 -c '([^']+)'\)(\S+)", README)
    assert told is not None
    folder = subprocess.run([sys.executable, "-c", told[1]], capture_output=True, text=True, check=True).stdout.strip()
    assert "GRANT" in Path(folder + told[2]).read_text()


def test_no_placeholder_is_left() -> None:
    assert "<!--" not in README
