"""Folders of new jobs: made from the shipped template, or as a copy of another job's under a new name.

A job's name stands in its files as a literal in views, in the names of what its scripts make, and in its suites. Those are what a copy
changes; a copy leaves out what two jobs cannot share: the first model, and what is written back into the source tables.
"""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scorer.config import shipped_root
from scorer.errors import UserError
from scorer.jobs.folder.tables import FILE as TABLES
from scorer.jobs.job import NAME, RESERVED, SUITES, Task, folder_of, job_names

TEMPLATE = "template"
_LONGEST_NAME = 40  # with "_data" it names a schema, of 63 characters at most
_NOT_SHARED = ("write_back", "take_back")
_MAKES = re.compile(
    r"\bCREATE (?:OR REPLACE )?(?:UNIQUE )?(?:MATERIALIZED )?(?:VIEW|FUNCTION|TRIGGER|INDEX)(?: IF NOT EXISTS)? (?:\w+\.)?(\w+)"
)


@dataclass(frozen=True, slots=True)
class NewFolder:
    """The folder of a new job, its files, and what was left out of them, a sentence each."""

    folder: Path
    files: tuple[Path, ...]
    left_out: tuple[str, ...] = ()


def make(name: str, *, jobs_dir: Path | None, task: Task) -> NewFolder:
    """Make a folder for a job called `name`, of this task, from the shipped template.

    Raises UserError where there is no `jobs_dir`, the name cannot be one, or is taken.
    """
    place = require_free(name, jobs_dir)
    texts = {}
    for kind, pattern in (("sql", "*.*"), ("expectations", "*.json")):
        template = shipped_root() / kind / TEMPLATE
        for path in sorted([*template.glob(pattern), *(template / task.value).glob(pattern)]):
            renamed = path.read_text(encoding="utf-8").replace(f"{TEMPLATE}_data", f"{name}_data")
            texts[f"{kind}/{name}/{path.name}"] = re.sub(rf"\b{TEMPLATE}\b", name, renamed)
    return written(name, place, texts)


def copy(name: str, *, jobs_dir: Path | None, like: str) -> NewFolder:
    """Make a folder for a job called `name` as a copy of the job called `like`, a site's or a shipped one.

    Raises UserError as `make` does, and where there is no job `like`.
    """
    folder = folder_of(like, jobs_dir=jobs_dir)
    place = require_free(name, jobs_dir)
    definition = file_text(folder / "job.toml")
    try:
        statements = tomllib.loads(definition).get("statements", {})
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{folder / 'job.toml'} is not valid TOML: {error}.") from error
    changed, left_out = _definition(definition, name, like=like)
    texts = {f"sql/{name}/job.toml": changed}
    for called, file in statements.items():
        if called not in _NOT_SHARED:
            makes = called in ("views", "new_observations", "changed_observations")
            texts[f"sql/{name}/{file}"] = renamed_statement(file_text(folder / file), name, like=like, makes=makes)
    if (folder / TABLES).exists():
        texts[f"sql/{name}/{TABLES}"] = mentioned(file_text(folder / TABLES), name, like=like)
    for suite in SUITES:
        path = folder.parents[1] / "expectations" / like / f"{suite}.json"
        texts[f"expectations/{name}/{suite}.json"] = file_text(path).replace(f'"{like}.', f'"{name}.')
    return written(name, place, texts, left_out=left_out)


def _definition(text: str, name: str, *, like: str) -> tuple[str, tuple[str, ...]]:
    """job.toml for the copy, and what was left out of it."""
    left_out = []
    lines = []
    for line in text.splitlines():
        key = line.partition("=")[0].strip()
        if key == "first_model":
            left_out.append(f"first_model: the models of {like} are its own; train one")
            continue
        if key in _NOT_SHARED:
            left_out.append(f"{key}: both jobs would write the same columns; write one for columns of its own")
            continue
        lines.append(mentioned(line, name, like=like))
    return "\n".join(lines) + "\n", tuple(left_out)


def mentioned(text: str, name: str, *, like: str) -> str:
    """The text with the job's folders, and its name after a command, changed."""
    text = re.sub(rf"(?<=/){like}(?=/)", name, text)
    return re.sub(rf"(scorer [a-z- ]+?|--job ){like}\b", rf"\g<1>{name}", text)


def renamed_statement(text: str, name: str, *, like: str, makes: bool) -> str:
    """A statement for the copy: with the new name as a literal, and in the names of what it makes."""
    text = mentioned(text, name, like=like).replace(f"'{like}'", f"'{name}'")
    if makes:
        for made in dict.fromkeys(_MAKES.findall(text)):
            own = made.replace(like, name) if like in made else f"{made}_of_{name}"
            text = re.sub(rf"\b{made}\b", own, text)
    return text


def require_free(name: str, jobs_dir: Path | None, *, kinds: tuple[str, ...] = ("sql", "expectations")) -> Path:
    """The site's folder of jobs.

    Raises UserError where there is none, or no job can be made under this name, in folders of these `kinds`.
    """
    if jobs_dir is None:
        raise UserError(
            "There is no folder for jobs yet: set jobs_dir in scorer.toml, or SCORER_JOBS_DIR, to the one in which yours are to be."
        )
    if not re.fullmatch(NAME, name) or name in RESERVED or name.startswith("pg_") or len(name) > _LONGEST_NAME:
        raise UserError(
            f'A job cannot be called "{name}"; its name is a small letter, then small letters, digits and underscores, '
            f"{_LONGEST_NAME} at most, not pg_..., and none of {', '.join(RESERVED)}."
        )
    if name in job_names(jobs_dir) or any((jobs_dir / kind / name).exists() for kind in kinds):
        raise UserError(f'There is a job "{name}" already, or a folder of it in {jobs_dir}; choose another name.')
    return jobs_dir


def file_text(path: Path) -> str:
    """The text of a file. Raises UserError where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}.") from error


def written(name: str, place: Path, texts: Mapping[str, str | bytes], *, left_out: tuple[str, ...] = ()) -> NewFolder:
    """Write all files, or none. Raises UserError where they cannot be written."""
    try:
        for relative, text in texts.items():
            path = place / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
    except OSError as error:
        for kind in {relative.partition("/")[0] for relative in texts}:
            shutil.rmtree(place / kind / name, ignore_errors=True)
        raise UserError(f"The job cannot be written into {place}: {error.strerror}.") from error
    return NewFolder(place / "sql" / name, tuple(place / relative for relative in texts), left_out)
