"""Every event: its id never changes, its texts help the person on call, and the journal's catalog says the same.

Where a text was changed on purpose: `SCORER_WRITE_CATALOG=1 pytest tests/unit/log/test_events.py`, and read the difference.
"""

from __future__ import annotations

import ast
import logging
import os
import re
import shutil
import string
import subprocess
import textwrap
from pathlib import Path

import click
import pytest

from scorer.cli.main import cli
from scorer.log import events
from scorer.log.events import Event
from scorer.log.logger import journal_fields
from scorer.types.values import Counts

ROOT = Path(__file__).parents[3]
CATALOG = ROOT / "systemd" / "scorer.catalog"
WRITE = os.environ.get("SCORER_WRITE_CATALOG") == "1"  # read here: a fixture takes SCORER_ variables away

EVENTS = {name: value for name, value in vars(events).items() if isinstance(value, Event)}
LEVELS = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)

# The catalog


def paragraph(text: str) -> str:
    """`text` with its prose filled to the width of a terminal, and each command on its own line, as it stands."""
    blocks = re.findall(r"(?m)^    .*$|(?:^(?! {4}).*(?:\n(?! {4}))?)+", text)
    return "\n".join(
        block if block.startswith("    ") else textwrap.fill(block, 78, break_on_hyphens=False) for block in blocks
    )


def catalog() -> str:
    """What the catalog has to hold."""
    parts = [
        "# What `journalctl -x` shows below a message of scorer. Made from scorer/log/events.py: change it there.\n"
    ]
    for event in EVENTS.values():
        parts.append(f"-- {event.message_id}\nSubject: {event.sentence}\nDefined-By: scorer\n")
        parts.append(f"{paragraph(event.meaning)}\n")
        parts.append(f"{paragraph(event.action or 'There is nothing to do.')}\n")
    return "\n".join(parts)


def test_the_catalog_says_what_the_events_say() -> None:
    if WRITE:
        CATALOG.write_text(catalog(), encoding="utf-8")
    assert CATALOG.read_text(encoding="utf-8") == catalog()


def test_journalctl_can_read_the_catalog(tmp_path: Path) -> None:
    """systemd's own compiler takes it, and gives each text back by its id."""
    if shutil.which("journalctl") is None:
        pytest.skip("needs journalctl; the test above holds the file to the events all the same")
    folder = tmp_path / "usr" / "lib" / "systemd" / "catalog"
    folder.mkdir(parents=True)
    shutil.copy(CATALOG, folder)
    (tmp_path / "var" / "lib" / "systemd" / "catalog").mkdir(parents=True)
    compiled = subprocess.run(
        ["journalctl", "--update-catalog", f"--root={tmp_path}"], capture_output=True, text=True, check=True
    )
    assert not compiled.stderr
    listed = subprocess.run(
        ["journalctl", "--list-catalog", f"--root={tmp_path}"], capture_output=True, text=True, check=False
    )
    assert sorted(listed.stdout.splitlines()) == sorted(
        f"{event.message_id} scorer: {event.sentence}" for event in EVENTS.values()
    )


# The events


def test_ids_are_whole_and_each_is_used_once() -> None:
    ids = [event.message_id for event in EVENTS.values()]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch("[0-9a-f]{32}", each) for each in ids)


def test_an_id_stays_what_it_was() -> None:
    """A site's alert waits for it."""
    assert events.RUN_FAILED.message_id == "5c2064fdbba94feb8c2d3049371885bf"
    assert events.DATABASE_LOST.message_id == "0db5df5d1842492db7c566825308893f"


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_says_what_happened_and_what_it_means(name: str) -> None:
    event = EVENTS[name]
    assert event.name == name
    assert event.level in LEVELS
    assert event.sentence[0].isupper()
    assert not event.sentence.endswith(".")
    assert "\n" not in event.sentence
    assert event.meaning[0].isupper() or event.meaning[0] in "@/"
    assert event.meaning.endswith(".")
    assert not re.search(r"[\u2013\u2014]| - ", event.meaning + (event.action or ""))


@pytest.mark.parametrize("name", [name for name, event in EVENTS.items() if event.level >= logging.WARNING])
def test_a_warning_says_what_to_type(name: str) -> None:
    action = EVENTS[name].action
    assert action is not None
    assert [line for line in action.splitlines() if line.startswith("    ")]


def typed(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.startswith("    ")]


def commands(command: click.Command, path: str = "scorer") -> set[str]:
    deeper = command.commands.items() if isinstance(command, click.Group) else ()
    return {path}.union(*(commands(each, f"{path} {name}") for name, each in deeper))


def test_what_is_to_be_typed_can_be_typed() -> None:
    known, seen = commands(cli), 0
    for event in EVENTS.values():
        for line in typed(event.action or ""):
            program = line.split()[0]
            assert program in {"scorer", "psql", "journalctl", "systemctl", "timedatectl"}, event.name
            for words in re.findall(r"(?:^|\()(scorer(?: [a-z]+)+)", line):
                assert words in known, f"{event.name}: {words}"
                seen += 1
            assert subprocess.run(["sh", "-nc", line], check=False).returncode == 0, line
    assert seen > 5


def test_what_is_to_be_looked_at_is_there() -> None:
    migrations = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "migrations").rglob("*.up.sql"))
    named = {
        view
        for event in EVENTS.values()
        for view in re.findall(r"reporting\.\w+", event.meaning + (event.action or ""))
    }
    assert named
    assert not {view for view in named if not re.search(rf"VIEW {view}\b", migrations)}


# Where they are logged


def calls_by_event() -> dict[str, list[tuple[str, ast.Call]]]:
    """The calls of `say`, each with its module, by the name of the event."""
    found: dict[str, list[tuple[str, ast.Call]]] = {}
    for path in sorted((ROOT / "scorer").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"say", "log.say"}:
                name = ast.unparse(node.args[1]).removeprefix("events.")
                found.setdefault(name, []).append((path.name, node))
    return found


def test_every_event_is_logged_somewhere() -> None:
    assert set(calls_by_event()) == set(EVENTS)


def keys(call: ast.Call) -> set[str]:
    """The fields that a call gives by name."""
    return {word.arg for word in call.keywords if word.arg is not None} - {"raised"}


def test_fields_are_named_so_that_the_journal_takes_them() -> None:
    record = logging.LogRecord("scorer", logging.INFO, __file__, 1, "x", (), None)
    record.event = events.RUN_BEGAN
    ours = {name.lower() for name in journal_fields(record)} | {"time", "level", "code", "traceback"}
    for name, calls in calls_by_event().items():
        for module, call in calls:
            for key in keys(call):
                assert re.fullmatch("[a-z][a-z0-9_]{0,62}", key), f"{module}: {name}"
                assert key not in ours, f"{module}: {name} gives {key}, which the log fills in itself"


# Fields that come from `about` around the call (see scoring/pipeline.py), or from a ** in it.
FROM_ELSEWHERE = {
    **{name: {"run_id", "job", "limit", "found"} for name in EVENTS if name.startswith("NEIGHBOUR_")},
    "ENTITY_FAILED": {"job", "run_id", "model_version"},
    "DATA_REFUSED": {"job", "run_id", "model_version"},
    "STANDBY_LEFT": {"job", "run_id", "model_version"},
    "BATCH_COMMITTED": {"job", "run_id", "model_version", *Counts.__dataclass_fields__},
    "RUN_SUCCEEDED": set(Counts.__dataclass_fields__),
}


def test_a_text_names_only_fields_that_are_given() -> None:
    for name, calls in calls_by_event().items():
        event = EVENTS[name]
        named = set(re.findall("@([A-Z_]+)@", event.meaning + (event.action or ""))) - {"MESSAGE_ID", "EVENT"}
        for module, call in calls:
            given = {key.upper() for key in keys(call) | FROM_ELSEWHERE.get(name, set())}
            assert named <= given, f"{module} logs {name} without {named - given}"


def test_a_field_is_marked_on_both_sides() -> None:
    for event in EVENTS.values():
        text = event.meaning + (event.action or "")
        assert text.count("@") == 2 * len(re.findall("@[A-Z_]+@", text)), event.name
        assert set(text) <= {*string.printable}, event.name
