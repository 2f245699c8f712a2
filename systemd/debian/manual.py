#!/usr/bin/env python3
"""Writes a manual page for each command, from what `--help` says: `manual.py FOLDER`, by a Python that has scorer.

`scorer model promote` is told by scorer-model-promote(1). Try it: `.venv/bin/python systemd/debian/manual.py /tmp/man && man -l
/tmp/man/scorer-run.1`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from scorer import __version__
from scorer.cli.main import cli

# What holds of every command, in the words of the papers.
EXIT_STATUS = (
    ("0", "Done."),
    ("1", "Something that the operator can correct, told in one sentence on standard error."),
    ("70", "A bug, with its traceback."),
    ("130", "Interrupted; what was not committed is rolled back."),
)
FILES = (
    ("/etc/scorer/scorer.toml", "The settings; each is explained there."),
    ("/etc/scorer/database_url", "The database's URL, for root and the group scorer."),
    ("/etc/scorer/owner_database_url", "That of a login that may change the schema, for root alone."),
)
ENVIRONMENT = (
    ("SCORER_DATABASE_URL", "The database to use in the place of the service's."),
    ("SCORER_CONFIG", "Another file of settings."),
    ("SCORER_HOME", "Where models are kept that were trained here."),
)


def roff(text: str) -> str:
    """The text, with what roff would take for its own made plain.

    >>> roff(".dry-run of C:\\\\x")
    '\\\\&.dry\\\\-run of C:\\\\ex'
    """
    plain = text.replace("\\", r"\e").replace("-", r"\-")
    return re.sub(r"^(?=[.'])", r"\\&", plain, flags=re.MULTILINE)


def named(path: tuple[str, ...]) -> str:
    """What a page is called: the words of the command, with hyphens."""
    return "-".join(path)


def paragraphs(text: str) -> Iterator[str]:
    """The paragraphs of a docstring, each in one line; those that begin with \\b keep their lines."""
    for part in re.split(r"\n\s*\n", text.replace("\f", "")):
        if part.strip().startswith("\b"):
            yield ".nf\n" + roff("\n".join(line.rstrip() for line in part.strip("\b\n ").splitlines())) + "\n.fi"
        elif part.strip():
            yield roff(" ".join(part.split()))


def entries(title: str, rows: Iterator[tuple[str, str]] | tuple[tuple[str, str], ...]) -> Iterator[str]:
    """A section of terms, each with what it means; nothing where there is none."""
    found = list(rows)
    if found:
        yield f".SH {title}"
    for term, meaning in found:
        yield f".TP\n\\fB{roff(term)}\\fR\n{roff(' '.join(meaning.split()))}"


def options(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    """The options with their help, as click shows them; an argument is told by the description."""
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and isinstance(parameter, click.Option):
            yield record


def page(command: click.Command, path: tuple[str, ...], above: click.Context | None) -> tuple[str, click.Context]:
    """The page of a command, and the context for those below it."""
    context = click.Context(command, info_name=path[-1], parent=above, **command.context_settings)
    name, told = named(path), (command.help or "").partition("\f")[0]
    summary = " ".join(told.split("\n\n")[0].split()).rstrip(".")
    usage = " ".join(command.collect_usage_pieces(context))
    below = sorted(command.commands.items()) if isinstance(command, click.Group) else []
    pages = [named((*path, each)) for each, _ in below] or [named(path[:-1])]
    lines = [
        f'.TH {name.upper()} 1 "" "scorer {__version__}" "scorer"',
        f".SH NAME\n{roff(name)} \\- {roff(summary)}",
        f".SH SYNOPSIS\n\\fB{roff(' '.join(path))}\\fR {roff(usage)}",
        ".SH DESCRIPTION\n" + "\n.PP\n".join(paragraphs(told)),
        *entries("OPTIONS", options(command, context)),
        *entries("COMMANDS", ((each, part.get_short_help_str(200)) for each, part in below)),
        *entries("EXIT STATUS", EXIT_STATUS),
        *entries("ENVIRONMENT", ENVIRONMENT),
        *entries("FILES", FILES),
        ".SH SEE ALSO\n" + ",\n".join(f"\\fB{roff(each)}\\fR(1)" for each in pages),
    ]
    return "\n".join(lines) + "\n", context


def write(command: click.Command, path: tuple[str, ...], above: click.Context | None, folder: Path) -> None:
    """Write the pages of a command and of those below it."""
    text, context = page(command, path, above)
    (folder / f"{named(path)}.1").write_text(text, encoding="utf-8")
    if isinstance(command, click.Group):
        for name, each in command.commands.items():
            write(each, (*path, name), context, folder)


if __name__ == "__main__":
    place = Path(sys.argv[1])
    place.mkdir(parents=True, exist_ok=True)
    write(cli, ("scorer",), None, place)
