"""What journal, catalog, alerts and README tell on-call to type, typed on the service's host by root and by a member of its group."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scorer.log import events
from scorer.log.events import Event

ROOT = Path(__file__).parents[2]
UNIT = "scorer.service"
# What one event has and another has not; a value for each that stands in a command.
VALUES = {
    "JOB": "sepsis",
    "MODEL_VERSION": "2026.11.29",
    "MESSAGE_ID": events.BUG.message_id,
    "FIRST": "-1d",
    "RUN_ID": "1",
}
# Those are about the whole machine, and root's: they need no settings of ours.
OF_THE_MACHINE = ("timedatectl", "journalctl -k", "systemctl reload", "systemctl show", "systemctl restart")
# What decides about models and scores is for a person's own login, a member of scorer_approver.
OF_APPROVERS = ("scorer model rollback sepsis", "scorer recall sepsis", "scorer model challenge")
REFUSED = "A privilege is missing"


def of_events() -> Iterator[str]:
    """The commands of the catalog: indented lines of what an event tells to do."""
    for event in vars(events).values():
        if isinstance(event, Event) and event.action:
            yield from (line.strip() for line in event.action.splitlines() if line.startswith("    "))


def of_alerts() -> Iterator[str]:
    """The commands of the alerts' actions, parted by semicolons."""
    text = (ROOT / "systemd" / "scorer.rules.yml").read_text(encoding="utf-8")
    for action in re.findall(r"action: (?:>-\n\s+)?(.+)", text):
        for part in re.split(
            r"; (?=scorer|psql|journalctl|systemctl)|; mend it, then ", action.replace("then systemctl", "systemctl")
        ):
            command = re.split(r", which| on that host", part)[0].strip()
            yield re.sub(r"\{\{ \$labels\.job_name \}\}", "sepsis", command)


def of_papers() -> Iterator[str]:
    """The commands of the table for on-call."""
    text = (ROOT / "systemd" / "README.md").read_text(encoding="utf-8")
    table = text[text.index("## What on-call types") :].partition("\n## ")[0]
    for line in table.splitlines():
        for command in re.findall(
            r"`((?:scorer|journalctl|systemctl|psql|select)[^`]*)`", line.rpartition(" | ")[2] or line
        ):
            yield f'psql "$(scorer db url)" -c "{command}"' if command.startswith("select") else command


def commands() -> list[str]:
    """All that are told, each once."""
    told = [*of_events(), *of_alerts(), *of_papers()]
    filled = [re.sub(r"@([A-Z_]+)@", lambda match: VALUES.get(match[1], match[0]), command) for command in told]
    return list(dict.fromkeys(filled))


@pytest.fixture(scope="module")
def host(machine: Any) -> Iterator[Any]:
    """The machine with the service at work, scores, and a person on call."""
    machine.systemctl("restart", UNIT)
    if machine.call("id", "oncall", check=False).returncode:
        machine.call("useradd", "--create-home", "--groups", "scorer,systemd-journal", "oncall")
        machine.call("useradd", "--create-home", "visitor")
    machine.call("scorer", "run", "sepsis")
    yield machine
    machine.systemctl("stop", UNIT)


def type_it(host: Any, user: str, command: str) -> Any:
    """What a command ended with, typed by a user into a shell of his own."""
    return host.call(
        "runuser", "--login", user, "--command", f"export PATH=/usr/local/bin:$PATH; {command}", check=False
    )


def test_they_are_found() -> None:
    told = commands()
    assert "scorer check" in told
    assert "scorer status" in told
    assert 'scorer model rollback sepsis --why "..."' in told
    assert sum(command.startswith('psql "$(scorer db url)" -c') for command in told) > 5
    assert all(re.match(r"scorer |psql |journalctl |systemctl |timedatectl ", command) for command in told), told


@pytest.mark.parametrize("user", ["root", "oncall"])
@pytest.mark.parametrize("command", commands())
def test_it_works_as_it_is_typed(host: Any, command: str, user: str) -> None:
    if command.startswith(OF_THE_MACHINE) and user != "root":
        pytest.skip("root's")
    command = command.replace("@SCORE_ID@", host.sql("SELECT max(score_id) FROM scorer.scores WHERE status = 'SCORED'"))
    command = command.replace("--model V", "--model 2026.11.29")
    done = type_it(host, user, command)
    said = done.stdout + done.stderr
    assert "SCORER_DATABASE_URL" not in said
    assert "embedded" not in said
    assert "socket" not in said, "psql was given no URL"
    if command.startswith(OF_APPROVERS) and "--help" not in command:
        assert done.returncode == 1
        assert REFUSED in said or "there is nothing to go back to" in said
    elif command.startswith(("scorer", "psql")):
        assert done.returncode == 0, said
    else:
        assert done.returncode in {0, 1}, said  # journalctl and timedatectl: 1 where there is nothing to show


def test_a_visitor_is_told_who_may(host: Any) -> None:
    for command in ("scorer status", "scorer check", "scorer db url", "scorer db start"):
        done = type_it(host, "visitor", command)
        assert done.returncode == 1
        assert (
            "/etc/scorer/database_url, which root and the group scorer alone may read; run it with sudo" in done.stderr
        )
    assert type_it(host, "visitor", "scorer status --help").returncode == 0
    assert type_it(host, "visitor", "SCORER_DATABASE_URL=postgresql://x@127.0.0.1/y scorer status").returncode == 1


def test_the_owners_url_is_for_root_alone(host: Any) -> None:
    assert "was at head" in type_it(host, "root", "scorer db upgrade").stdout
    assert type_it(host, "root", "scorer maintain --dry-run").returncode == 0
    refused = type_it(host, "oncall", "scorer db upgrade")
    assert refused.returncode == 1


def test_a_sentence_names_the_file_that_has_the_url(host: Any) -> None:
    url = host.out("cat", "/etc/scorer/database_url")
    host.call("cp", "--archive", "/etc/scorer/database_url", "/var/tmp/database_url")
    try:
        host.write("/etc/scorer/database_url", url.replace("daemon-secret", "wrong-secret") + "\n", mode=0o640)
        for user in ("root", "oncall"):
            done = type_it(host, user, "scorer status")
            assert done.returncode == 1
            assert "check /etc/scorer/database_url" in done.stderr
            assert "wrong-secret" not in done.stderr
    finally:
        host.call("cp", "--archive", "/var/tmp/database_url", "/etc/scorer/database_url")
