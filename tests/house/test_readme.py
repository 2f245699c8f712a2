"""The papers: README.md, CONTRIBUTING.md and the README.md of each folder say what is there, and all of it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from scorer.cli.main import cli
from scorer.jobs.job import load_job

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "scorer"
MOST_BYTES = 12_288  # of README.md: what a reader takes in at one sitting
FOLDERS = sorted({path.parent.name for path in ROOT.glob("*/__init__.py")} | {"tests"})
PAPERS = sorted(
    {ROOT / "README.md", ROOT / "CONTRIBUTING.md"}
    | {path for folder in FOLDERS for path in (ROOT / folder).rglob("README.md")}
)
ROOMS = sorted(str(path.parent.relative_to(PACKAGE)) for path in PACKAGE.rglob("*/__init__.py"))


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def blocks() -> tuple[str, ...]:
    """What is read as one of all papers: a paragraph, an entry of a list, or a row of a table."""
    boundary = r"\n\s*\n|\n(?=[|]|- |\d+\. )"
    return tuple(" ".join(each.split()) for paper in PAPERS for each in re.split(boundary, text_of(paper)))


def commands(group: click.Group, prefix: str = "scorer") -> dict[str, click.Command]:
    """Every command and group below `group`, by what calls it."""
    found: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        found[f"{prefix} {name}"] = command
        if isinstance(command, click.Group):
            found |= commands(command, f"{prefix} {name}")
    return found


COMMANDS = {"scorer": cli, **commands(cli)}
OPTIONS = [
    (name, option)
    for name, command in COMMANDS.items()
    for parameter in command.params
    if isinstance(parameter, click.Option)
    for option in parameter.opts
    if option != "--json"  # said of all commands at once
]


# Commands and options


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_is_in_a_paper(command: str) -> None:
    assert any(f"`{command}`" in block or f"`{command} " in block for block in blocks()), f"{command} is in no paper"


@pytest.mark.parametrize("command", sorted(name for name in COMMANDS if name.count(" ") == 1))
def test_every_command_has_its_line_in_the_readme(command: str) -> None:
    assert re.search(rf"^[|] `{command}[ `]", text_of(ROOT / "README.md"), re.MULTILINE)


@pytest.mark.parametrize(("command", "option"), OPTIONS)
def test_every_option_is_in_a_paper_beside_its_command(command: str, option: str) -> None:
    beside = [block for block in blocks() if re.search(rf"`{command}[ `]", block)]
    assert any(re.search(rf"(?<![\w-]){option}(?![\w-])", block) for block in beside), f"{command} {option}"


def test_what_all_commands_have_is_told_once() -> None:
    assert "`--json` prints one JSON object" in " ".join(text_of(ROOT / "README.md").split())


def typed() -> Iterator[tuple[str, str]]:
    """Every call of the program that a paper shows, with the paper's name."""
    for paper in PAPERS:
        for line in re.findall(r"(?:^    (?:\$ )?|`|&& |\$\()(scorer [a-z][^`\n#|)]*)", text_of(paper), re.MULTILINE):
            yield named(paper), line.split("&&")[0].strip()


@pytest.mark.parametrize(("paper", "line"), sorted(set(typed())))
def test_every_command_of_a_paper_is_there(paper: str, line: str) -> None:
    words = line.split()
    name = max((" ".join(words[:count]) for count in (2, 3) if " ".join(words[:count]) in COMMANDS), default=None)
    assert name is not None, f"{paper}: there is no {line}"
    known = {option for parameter in COMMANDS[name].params for option in parameter.opts}
    assert set(re.findall(r"--[a-z-]+", line)) <= known, f"{paper}: {name} has no such option: {line}"


# Targets of make


def targets() -> dict[str, bool]:
    """The targets of the Makefile that are no files, and whether `make help` lists each."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    listed = {name for names in re.findall(r"^([a-z -]+):.*## \w.*$", makefile, re.MULTILINE) for name in names.split()}
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None
    return {name: name in listed for name in phony[1].split()}


def test_help_lists_every_target() -> None:
    assert [name for name, listed in targets().items() if not listed] == []


def test_every_target_of_a_paper_is_there() -> None:
    seen = {
        word
        for paper in PAPERS
        for line in re.findall(r"(?:^    (?:sudo )?|`(?:sudo )?)make ([^`\n#]*)", text_of(paper), re.MULTILINE)
        for word in line.split()
        if "=" not in word
    }
    assert {"demo", "test", "unit", "house"} <= seen
    assert seen <= set(targets())


# Links, files and rooms


def anchors(paper: Path) -> set[str]:
    """Where a link into a paper can lead: its headings, as they are made into anchors."""
    headings = re.findall(r"^#+ (.+)$", text_of(paper), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links() -> list[tuple[str, str]]:
    return sorted(
        {
            (named(paper), target)
            for paper in PAPERS
            for target in re.findall(r"\]\(([^)\s]+)\)", text_of(paper))
            if not target.startswith(("http:", "https:"))
        }
    )


@pytest.mark.parametrize(("paper", "target"), links())
def test_every_link_leads_somewhere(paper: str, target: str) -> None:
    path, _, anchor = target.partition("#")
    place = ((ROOT / paper).parent / path).resolve() if path else ROOT / paper
    assert place.exists()
    assert not anchor or anchor in anchors(place)


def files() -> list[tuple[str, str]]:
    """Every file that a paper names with its folder, those with a <placeholder> left out."""
    pattern = r"`([\w.-]+/[\w./-]*[\w-]\.(?:py|sql|toml|json|html|md|sh|yml|css|txt))`"
    return sorted({(named(paper), name) for paper in PAPERS for name in re.findall(pattern, text_of(paper))})


@pytest.mark.parametrize(("paper", "name"), files())
def test_every_file_of_a_paper_is_there(paper: str, name: str) -> None:
    """From the top of the checkout, or from the paper's own folder."""
    assert (ROOT / name).exists() or ((ROOT / paper).parent / name).exists()


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_folder_has_its_paper(folder: str) -> None:
    assert (ROOT / folder / "README.md").exists()


def row_of(room: str) -> str:
    """The room's line in the table of rooms."""
    row = re.search(rf"^[|] `{room}/` [|].*$", text_of(PACKAGE / "README.md"), re.MULTILINE)
    assert row is not None, f"{room} has no line in scorer/README.md"
    return row[0]


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_has_its_line_and_every_module_of_it_its_name_there(room: str) -> None:
    told = set(re.findall(r"`([a-z_]+)`", row_of(room)))
    there = {path.stem for path in (PACKAGE / room).glob("*.py")} - {"__init__"}
    assert told == there


# README.md


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_bytes()) <= MOST_BYTES


def test_the_grants_are_where_it_says() -> None:
    """For a reader who installed by pip, and has no checkout."""
    told = re.search(r"grants=\$\(python3 -c '([^']+)'\)(\S+)", text_of(ROOT / "README.md"))
    assert told is not None
    folder = subprocess.run([sys.executable, "-c", told[1]], capture_output=True, text=True, check=True).stdout.strip()
    assert "GRANT" in Path(folder + told[2]).read_text()


def test_no_placeholder_is_left() -> None:
    assert [named(paper) for paper in PAPERS if "<!--" in text_of(paper)] == []


OF_NO_REAL_OUTCOMES = re.findall(
    r"^\| `(\w+)`[^\n]*\*\*(simulated|proxy)\*\*", text_of(ROOT / "models" / "README.md"), re.MULTILINE
)


@pytest.mark.parametrize(("job", "word"), OF_NO_REAL_OUTCOMES)
def test_a_figure_of_no_real_outcomes_is_called_that_by_its_model_too(job: str, word: str) -> None:
    loaded = load_job(job)
    manifest = json.loads(text_of(loaded.model_folder / str(loaded.first_model) / "manifest.json"))
    assert manifest["training"]["data"].startswith(word)


METRICS = {"AUROC": "auroc", "MAE": "mae", "accuracy": "accuracy", "median error": "median_percentage_error"}
TOLD = re.findall(
    rf"^\| `(\w+)`[^\n]*\| ({'|'.join(METRICS)}) ([0-9]+\.([0-9]+))[^|\n]*\|$",
    text_of(ROOT / "README.md"),
    re.MULTILINE,
)


@pytest.mark.parametrize(("job", "figure", "value", "decimals"), TOLD)
def test_a_jobs_figure_is_that_of_its_first_model(job: str, figure: str, value: str, decimals: str) -> None:
    loaded = load_job(job)
    manifest = json.loads(text_of(loaded.model_folder / str(loaded.first_model) / "manifest.json"))
    assert f"{manifest['metrics'][METRICS[figure]]['value']:.{len(decimals)}f}" == value


def test_every_job_has_a_figure() -> None:
    assert {job for job, *_ in TOLD} == {path.parent.name for path in (ROOT / "sql").glob("*/job.toml")}
