"""What `--help` says of every command, word for word; and that no command is without one.

Where a help text was changed on purpose: `SCORER_WRITE_HELP=1 pytest tests/house/test_help.py`, and read the difference.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from scorer.cli.main import cli

FOLDER = Path(__file__).parent / "help"
WRITE = os.environ.get("SCORER_WRITE_HELP") == "1"  # read here: a fixture takes SCORER_ variables away


def commands(command: click.Command, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every command and group, by the words that call it."""
    deeper = command.commands.items() if isinstance(command, click.Group) else ()
    return [path, *(found for name, each in deeper for found in commands(each, (*path, name)))]


COMMANDS = commands(cli)


def golden(path: tuple[str, ...]) -> Path:
    return FOLDER / f"{'-'.join(('scorer', *path))}.txt"


def helped(path: tuple[str, ...]) -> str:
    script = Path(sys.executable).with_name("scorer")
    environment = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
    done = subprocess.run(
        [script, *path, "--help"],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env=environment,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_is_the_golden_one(path: tuple[str, ...]) -> None:
    text = helped(path)
    if WRITE:
        golden(path).write_text(text)
    assert text == golden(path).read_text()
    repeatable = r"[A-Z\]]\.\.\."  # such as ENTITY...
    assert "..." not in re.sub(repeatable, "", text), "a summary is cut short: shorten the docstring's first line"
    assert max(len(line) for line in text.splitlines()) <= 80


def test_there_is_no_other_golden_file() -> None:
    assert sorted(FOLDER.iterdir()) == sorted(golden(path) for path in COMMANDS)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_and_option_is_explained(path: tuple[str, ...]) -> None:
    command: click.Command = cli
    for name in path:
        assert isinstance(command, click.Group)
        command = command.commands[name]
    assert command.help
    options = [each for each in command.params if isinstance(each, click.Option)]
    assert [each.name for each in options if not each.help] == []
