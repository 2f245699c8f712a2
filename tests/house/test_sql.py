"""The files of sql/ lie where its README says, each under a name of its own and with a head that can be read."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from scorer.jobs.job import OPTIONAL_STATEMENTS, REQUIRED_STATEMENTS, RESERVED

SQL = Path(__file__).parents[2] / "sql"
README = (SQL / "README.md").read_text(encoding="utf-8")
WORDS = {
    "access",
    "runs",
    "batches",
    "ledger",
    "write_back",
    "requests",
    "ticks",
    "chores",
    "models",
    "experiments",
    "flags",
    "checkups",
    "status",
    "reports",
    "replays",
    "changes",
    "partitions",
    "retention",
    "server",
}
ENGINE = sorted((SQL / "engine").rglob("*.sql"))
OWN = [*ENGINE, *sorted((SQL / "source").glob("*.sql"))]
NAMES = [path.stem for path in ENGINE if path.parent.name != "retention"]


def named(path: Path) -> str:
    return str(path.relative_to(SQL))


def rows(header: str) -> list[list[str]]:
    """The first two cells of each row of the README's table with this header."""
    table = README.split(f"| {header} |")[1].split("\n\n")[0]
    return [[cell.strip() for cell in line.split("|")[1:3]] for line in table.splitlines()[2:]]


def quoted(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def test_each_statement_of_the_engine_lies_in_the_folder_of_a_word() -> None:
    assert len(ENGINE) > 150
    assert {path.parent.relative_to(SQL / "engine").as_posix() for path in ENGINE} == WORDS
    assert not list(SQL.glob("*.sql"))


def test_each_statement_of_the_engine_has_a_name_of_its_own() -> None:
    assert {name: times for name, times in Counter(NAMES).items() if times > 1} == {}
    assert all(re.fullmatch("[a-z]+(_[a-z]+)*", path.stem) for path in OWN)


@pytest.mark.parametrize("path", OWN, ids=named)
def test_each_statement_has_a_head_that_can_be_read(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    head = lines[: next(number for number, line in enumerate(lines) if not line.startswith("--"))]
    assert head, "no head"
    assert re.fullmatch(r"-- [A-Z].+[.]", head[0]), "its first line is no sentence"
    assert len(head[0]) <= 100
    assert all(re.match("-- +[^ ]", line) and len(line) <= 140 for line in head)


def test_the_readme_names_each_folder() -> None:
    assert {quoted(word)[0] for word, _ in rows("word | about")} == WORDS
    folders = {quoted(folder)[0].split("/")[0] for folder, _ in rows("folder | holds")}
    assert folders == {*RESERVED, "<job>"}


def test_the_readme_names_verbs_that_statements_begin_with() -> None:
    for verb in (verb for verbs, _ in rows("verb | does") for verb in quoted(verbs)):
        assert any(f"{path.stem}_".startswith(f"{verb}_") for path in ENGINE), verb


def test_the_readme_names_each_statement_of_a_job() -> None:
    told = {quoted(name)[0]: "(required)" in name for name, _ in rows("statement | runs | takes | returns")}
    assert told == {name: name in REQUIRED_STATEMENTS for name in (*REQUIRED_STATEMENTS, *OPTIONAL_STATEMENTS)}
