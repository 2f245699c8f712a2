"""`scorer facility`: grant, revoke and list as an approver types them, and what each refuses in a sentence."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from scorer.cli import main as cli

Said = tuple[int, str, str]


@pytest.fixture
def facility(
    hospitals: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Said]]:
    """Runs the command as an approver, or as another login: exit code, stdout, stderr."""
    handlers = list(logging.getLogger().handlers)
    monkeypatch.setenv("SCORER_HOME", str(hospitals.hospital.settings.home))
    approver = hospitals.login("typed_approver", "scorer_approver")
    hospitals.login("typed_reader", "scorer_reader")

    def command(*arguments: str, url: str = approver) -> Said:
        monkeypatch.setenv("SCORER_DATABASE_URL", url)
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main(["facility", *arguments])
        said = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, said.out, said.err

    yield command
    logging.getLogger().handlers[:] = handlers


def test_a_facility_is_granted_listed_and_revoked(hospitals: Any, facility: Callable[..., Said]) -> None:
    reader = hospitals.login("typed_reader")
    count = "SELECT count(*) FROM reporting.current_scores"
    assert hospitals.rows(reader, count) == [(0,)]
    assert facility("grant", "typed_reader", "north") == (0, "Login typed_reader sees north of all jobs.\n", "")
    assert facility("grant", "typed_reader", "north")[1] == "Login typed_reader sees north of all jobs, as before.\n"
    assert hospitals.rows(reader, count) == [(15,)]
    assert facility("grant", "typed_reader", "south", "--job", "sepsis")[0] == 0
    assert hospitals.rows(reader, count) == [(28,)]
    assert facility("grant", "typed_reader", "--all")[1] == "Login typed_reader sees all facilities of all jobs.\n"
    assert hospitals.rows(reader, count) == [(30,)]
    code, out, _ = facility("list", "--json")
    assert code == 0
    assert [(row["job"], row["facility"], row["granted_by"]) for row in json.loads(out)["grants"]] == [
        ("all", "all", "typed_approver"),
        ("all", "north", "typed_approver"),
        ("sepsis", "south", "typed_approver"),
    ]
    assert "typed_reader" in facility("list")[1]
    assert facility("revoke", "typed_reader", "--all")[1] == "Revoked from typed_reader: 1 grant.\n"
    assert hospitals.rows(reader, count) == [(28,)]
    assert facility("revoke", "typed_reader", "north")[0] == 0
    assert hospitals.rows(reader, count) == [(13,)]
    assert facility("revoke", "typed_reader")[0] == 0
    assert hospitals.rows(reader, count) == [(0,)]
    assert facility("list")[1] == "No facility is granted to anybody.\n"


def test_a_facility_still_to_come_is_granted_where_it_is_said_to_be_new(
    hospitals: Any, facility: Callable[..., Said]
) -> None:
    assert facility("grant", "typed_reader", "west")[0] == 1
    assert facility("grant", "typed_reader", "west", "--new")[0] == 0
    hospitals.hospital.admit(40, facility="west")
    hospitals.hospital.run(hospitals.job)
    reader = hospitals.login("typed_reader")
    assert hospitals.rows(reader, "SELECT entity_id FROM reporting.current_scores") == [("40",)]


BAD: dict[str, tuple[tuple[str, ...], str]] = {
    "a facility that nobody has": (
        ("grant", "typed_reader", "west"),
        "Nothing judged so far is of facility 'west'; there are: north, south; --new grants one that is still to come.",
    ),
    "a login that is not there": (
        ("grant", "typed_nobody", "north"),
        "There is no login 'typed_nobody' on this server",
    ),
    "a job without facilities": (
        ("grant", "typed_reader", "north", "--job", "churn"),
        "Job 'churn' tells no facilities apart",
    ),
    "no facility": (("grant", "typed_reader"), "Name the facilities to grant, or say --all; one of them."),
    "all and one": (("grant", "typed_reader", "north", "--all"), "Name the facilities to grant, or say --all"),
    "a blank facility": (("grant", "typed_reader", " ", "--new"), "A facility without a name cannot be granted"),
    "what was never granted": (
        ("revoke", "typed_reader", "north"),
        "Login 'typed_reader' was not granted facility 'north'",
    ),
    "nothing granted": (("revoke", "typed_reader"), "Login 'typed_reader' was not granted anything"),
    "all, never granted": (("revoke", "typed_reader", "--all"), "Login 'typed_reader' was not granted all facilities"),
    "all and one to revoke": (("revoke", "typed_reader", "north", "--all"), "Name the facilities to revoke"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_is_refused_in_a_sentence(facility: Callable[..., Said], kind: str) -> None:
    arguments, sentence = BAD[kind]
    code, out, err = facility(*arguments)
    assert (code, out) == (1, "")
    assert err.startswith(f"scorer: {sentence}"), err
    assert err.count("\n") == 1


def test_a_reader_grants_himself_nothing(hospitals: Any, facility: Callable[..., Said]) -> None:
    code, _, err = facility("grant", "typed_reader", "north", url=hospitals.login("typed_reader"))
    assert code == 1
    assert "privilege" in err
    assert err.count("\n") == 1
