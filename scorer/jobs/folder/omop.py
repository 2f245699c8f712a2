"""A copy of a job's folder that reads an OMOP CDM 5.4 instead of the job's own tables.

`sql/omop/<job>/` holds what is other: statements, concept map, rules, and the sections of job.toml that name them. All else is the job's
own, its model too: its inputs are the same, and a CDM holds no outcomes to train another on.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

from scorer.config import shipped_root
from scorer.errors import UserError
from scorer.jobs.folder.new import NewFolder, file_text, mentioned, renamed_statement, require_free, written
from scorer.jobs.job import SUITES, folder_of

SOURCE = "source.toml"
_SECTION = re.compile(r"^\[(\w+)\].*\n(?:.+\n)*", re.MULTILINE)  # to the next empty line
_KEPT = ("views",)  # statements that read our own tables


def jobs_of_source() -> tuple[str, ...]:
    """The jobs that can read a CDM, by name."""
    return tuple(sorted(path.parent.name for path in (shipped_root() / "sql" / "omop").glob(f"*/{SOURCE}")))


def copy_for_omop(name: str, *, jobs_dir: Path | None, like: str) -> NewFolder:
    """Make a folder for a job called `name` that is the job called `like` over a CDM.

    Raises UserError where the name cannot be one or is taken, there is no `jobs_dir`, or nobody has said how `like` reads a CDM.
    """
    folder = folder_of(like, jobs_dir=jobs_dir)
    if like not in jobs_of_source():
        raise UserError(
            f"Nobody has said how job {like} reads a CDM; those that can are: {', '.join(jobs_of_source())}."
        )
    place = require_free(name, jobs_dir, kinds=("sql", "expectations", "models"))
    other = shipped_root() / "sql" / "omop" / like
    definition, source = file_text(folder / "job.toml"), file_text(other / SOURCE)
    sections = {found[1]: found[0] for found in _SECTION.finditer(source)}
    changed = mentioned(_SECTION.sub(lambda found: sections.get(found[1], found[0]), definition), name, like=like)
    job, asked = tomllib.loads(definition), tomllib.loads(source)
    texts: dict[str, str | bytes] = {}
    if version := job.get("first_model"):
        texts |= _model(folder.parents[1] / "models" / like / version, name, like=like)
    texts[f"sql/{name}/job.toml"] = changed
    for called, file in asked["statements"].items():
        text = file_text((folder if called in _KEPT else other) / file)
        texts[f"sql/{name}/{file}"] = renamed_statement(text, name, like=like, makes=called in _KEPT)
    for suite in SUITES:
        text = file_text(folder.parents[1] / "expectations" / like / f"{suite}.json").replace(f'"{like}.', f'"{name}.')
        if suite == "observations":
            text = _with_rules(text, json.loads(file_text(other / "rules.json")))
        texts[f"expectations/{name}/{suite}.json"] = text
    left_out = tuple(f"{each}: {why.format(name=name)}" for each, why in asked["left_out"].items())
    return written(name, place, texts, left_out=left_out)


def _model(folder: Path, name: str, *, like: str) -> dict[str, str | bytes]:
    """The files of the job's first model, which name the copy as their job."""
    files: dict[str, str | bytes] = {}
    for path in sorted(each for each in folder.glob("*") if each.is_file()):
        to = f"models/{name}/{folder.name}/{path.name}"
        if path.name == "manifest.json":
            files[to] = file_text(path).replace(f'"job": "{like}"', f'"job": "{name}"', 1)
        elif path.name == "card.toml":
            files[to] = mentioned(file_text(path).replace(f'job = "{like}"', f'job = "{name}"', 1), name, like=like)
        else:
            files[to] = path.read_bytes()
    return files


def _with_rules(suite: str, rules: list[Any]) -> str:
    content = json.loads(suite)
    content["expectations"] = [*content["expectations"], *rules]
    return json.dumps(content, indent=2) + "\n"
