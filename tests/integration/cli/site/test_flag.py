"""`scorer flag`, as an operator types it."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from scorer.types.flags import bucket


@pytest.fixture
def flag(hospital: Any, program: Any) -> Any:
    """Runs `scorer flag ...`; how it ended."""
    environment = {
        "PATH": os.environ["PATH"],
        "SCORER_CONFIG": os.devnull,
        "SCORER_HOME": str(hospital.settings.home),
        "SCORER_DATABASE_URL": hospital.url,
    }

    def typed(*arguments: str, command: str = "flag") -> Any:
        return program(command, *arguments, environment=environment)

    return typed


def test_a_flag_is_set_checked_listed_and_cleared(flag: Any) -> None:
    assert flag("list").out == "No flag is set: every job scores, writes back and gives its reasons.\n"
    ended = flag("set", "sepsis.scores", "on", "--share", "10", "--facility", "north", "--why", "the first ward")
    assert (ended.code, ended.out) == (0, "Flag sepsis.scores is on for 10 % of the entities of north.\n")
    assert (
        "was already on for 10 %"
        in flag("set", "sepsis.scores", "on", "--share", "10%", "--facility", "north", "--why", "again").out
    )
    place = bucket("sepsis.scores", "1")
    said = flag("check", "sepsis.scores", "--entity", "1", "--facility", "north").out
    assert said == (
        "off: it is set on for 10 % of the entities of north; the entity's facility is north; "
        f"entity 1 is in from {(place + 1) / 10_000:g} %\n"
    )
    assert (
        json.loads(flag("check", "sepsis.scores", "--entity", "1", "--facility", "south", "--json").out)["on"] is False
    )
    listed = flag("list").out
    assert "on for 10 % of the entities of north" in listed
    assert "the first ward" in listed
    off = flag("set", "sepsis.scores", "off", "--why", "it alarms too often")
    assert "scored in the shadow" in off.out
    assert flag("clear", "sepsis.scores", "--why", "mended").out == "Flag sepsis.scores is cleared.\n"
    assert flag("check", "sepsis.scores").out == "on: it is not set, and a job's flag that is not set is on\n"
    (history,) = [json.loads(flag("list", "--history", "--json").out)["flags"]]
    assert [(each["action"], each["reason"]) for each in history] == [
        ("set", "the first ward"),
        ("set", "it alarms too often"),
        ("clear", "mended"),
    ]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("check", "nobody.knows"), "nobody has set a flag 'nobody.knows'"),
        (("check", "nojob.scores"), "flag nojob.scores is of a job 'nojob' that this database does not know"),
        (("set", "sepsis.score", "off", "--why", "x"), "job sepsis has no flag sepsis.score"),
        (("set", "sepsis.scores", "off"), "Missing option '--why'"),
        (("set", "sepsis.scores", "off", "--why", " "), "a reason is needed"),
        (("set", "sepsis.scores", "maybe", "--why", "x"), "'maybe' is not one of 'on', 'off'"),
        (
            ("set", "own", "on", "--share", "some", "--why", "x"),
            '"some" is not a share; write it in per cent, as 12.5.',
        ),
        (("set", "own", "on", "--share", "101", "--why", "x"), "a share is more than 0 and less than 100 per cent"),
        (("set", "own", "on", "--share", "nan", "--why", "x"), '"nan" is not a share'),
        (("set", "move.scores", "on", "--facility", "north", "--why", "x"), "Job move publishes no facility"),
        (("clear", "own", "--why", "x"), "nobody has set a flag 'own'"),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(flag: Any, arguments: tuple[str, ...], sentence: str) -> None:
    ended = flag(*arguments)
    assert ended.code == 1
    assert sentence.lower() in ended.err.lower()
    assert ended.err.count("\n") == 1


def test_status_and_check_tell_what_is_off(hospital: Any, flag: Any) -> None:
    hospital.admit(1)
    hospital.run()
    assert "flags" not in flag(command="status").out
    flag("set", "sepsis.scores", "off", "--why", "it alarms too often")
    flag("set", "sepsis.reasons", "on", "--why", "as ever")
    assert "flags       sepsis.scores is off; `scorer flag list` says since when and why" in flag(command="status").out
    (told,) = [line for line in flag(command="check").out.splitlines() if "sepsis flags" in line]
    assert "sepsis.scores is off" in told
