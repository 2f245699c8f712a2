"""A job: its definition, statements and suites, read from files, and its version.

A job is a folder of the same shape in either of two places, the site's `jobs_dir` and then the shipped one:

    sql/<job>/job.toml and its statements    expectations/<job>/*.json    models/<job>/<version>/

Its version is a hash of everything that decides what it publishes. The shipped job.toml says what each key means.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from scorer.config import Settings, shipped_root
from scorer.errors import UserError
from scorer.jobs.concepts import PLACE, filled, read_concepts
from scorer.jobs.evaluation import Measures, read_measures
from scorer.jobs.features import Code, FeatureSpec, read_codes, read_features
from scorer.jobs.fhir import Fhir
from scorer.jobs.monitoring import Limits
from scorer.jobs.publication import Bands, Declining, Reasoning, Split
from scorer.jobs.schedule import Schedule
from scorer.jobs.sql_text import find_fault
from scorer.jobs.toml_table import TomlTable
from scorer.jobs.training import OWN_LANDMARKS, Configuration, Recipe, SearchSpec, require_groups
from scorer.types.enums import Action
from scorer.types.options import parse_span

# Increased when the same definition comes to mean other features or rule results: every job's version changes with it.
MEANING = 1

REQUIRED_STATEMENTS = ("due", "observations")
OPTIONAL_STATEMENTS = (
    "attributes",
    "write_back",
    "take_back",
    "views",
    "grants",
    "orphans",
    "landmarks",
    "requested",
    "new_observations",
    "changed_observations",
    "indexes",
    "outcome_faults",
    "outcomes_known",
    "source_faults",
)
SCRIPTS = ("views", "grants", "indexes", "new_observations", "changed_observations")  # of any number of statements
SUITES = ("observations", "features", "scores")
# Keys of a suite as Great Expectations 0.18 wrote it.
_BEFORE_GX_1 = {
    "expectation_suite_name": 'write "name" instead, and "type" for each "expectation_type"',
    "data_asset_type": "leave it out",
    "ge_cloud_id": "leave it out",
    "evaluation_parameters": "write the values into the rules",
}
# From one landmark of a search to the next, of a job that has them nearer to each other.
_SEARCHED = "4 h"
# Folders of sql/ that hold the program's own statements, and what new jobs are made from.
RESERVED = ("engine", "omop", "source", "template")
# What a job may be called.
NAME = "[a-z][a-z0-9_]*"


class Task(StrEnum):
    """What a model of the job publishes."""

    BINARY = "binary"  # a probability and its band
    MULTICLASS = "multiclass"  # a label, its probability, and every class's
    REGRESSION = "regression"  # a value, banded where the job defines bands


# What [training] stands for where it names no configuration.
_USUAL = {
    Task.BINARY: Configuration.LIGHTGBM_UTILITY,
    Task.MULTICLASS: Configuration.LIGHTGBM_SMALL,
    Task.REGRESSION: Configuration.LIGHTGBM_SMALL,
}


def _usual(task: Task, *, measures: Measures) -> Configuration:
    """The configuration of a job's [training] that names none; the one by utility needs a [utility]."""
    usual = _USUAL[task]
    by_utility = usual is Configuration.LIGHTGBM_UTILITY
    return Configuration.LIGHTGBM_SMALL if by_utility and measures.utility is None else usual


class DueAgain(StrEnum):
    """When an entity that has a score gets another."""

    CHANGE = "change"  # when its inputs changed, or its score expired
    EVERY_RUN = "every run"  # at every run
    EXPIRY = "expiry"  # when its score expired


@dataclass(frozen=True, slots=True)
class Job:
    """A job, as its files define it."""

    name: str
    version: str
    entity: str
    task: Task
    output: str
    batch_size: int
    min_observations: int
    valid_for: timedelta
    due_again: DueAgain
    schedule: Schedule
    codes: tuple[Code, ...]
    features: FeatureSpec
    bands: Bands | None
    published: tuple[str, ...]
    actions: Mapping[str, Action]
    parameters: Mapping[str, str]
    statements: Mapping[str, str]
    suites: Mapping[str, dict[str, Any]]
    text: str
    model_folder: Path
    first_model: str | None
    reasons: Reasoning = Reasoning()
    declining: Declining = Declining()
    split: Split = Split()
    training: Recipe = Recipe()
    search: SearchSpec = SearchSpec()
    measures: Measures = Measures()
    limits: Limits = Limits()
    classes: tuple[str, ...] = ()
    planned: tuple[str, ...] = ()  # columns of times that are known ahead, such as the end of a contract
    pooled: tuple[str, ...] = ()  # attributes that are made of many entities' rows, such as a course's share of leavers
    fhir: Fhir | None = None

    @property
    def definition(self) -> dict[str, Any]:
        """What the database keeps of a job version; of [fhir], what its view reads."""
        kept = {"job.toml": self.text, "statements": dict(self.statements), "suites": dict(self.suites)}
        return kept if self.fhir is None else {**kept, "fhir": self.fhir.as_json(self)}


def steps_of(job: Job, step: str) -> dict[str, str]:
    """The parameters, if the job has them, that have an entity's landmarks follow each other by `step`.

    There are none for OWN_LANDMARKS.
    """
    if step == OWN_LANDMARKS:
        return {}
    return {name: step for name in ("first_landmark", "landmark_step") if name in job.parameters}


def usual_step(job: Job) -> str:
    """How far apart a search takes landmarks: 4 h, or OWN_LANDMARKS where the job has them farther."""
    if "landmark_step" not in job.parameters:
        return OWN_LANDMARKS
    try:
        own = parse_span(job.parameters["landmark_step"], where="landmark_step")
    except UserError:
        return OWN_LANDMARKS  # of months or years, which only the database reads
    return _SEARCHED if own < parse_span(_SEARCHED, where="landmark_step") else OWN_LANDMARKS


def roots(jobs_dir: Path | None) -> tuple[Path, ...]:
    """The folders in which jobs are looked for, in order."""
    return (shipped_root(),) if jobs_dir is None else (jobs_dir, shipped_root())


def job_names(jobs_dir: Path | None) -> tuple[str, ...]:
    """The names of all jobs, in alphabetical order."""
    found = {path.parent.name for root in roots(jobs_dir) for path in root.glob("sql/*/job.toml")}
    return tuple(sorted(found.difference(RESERVED)))


def load_job(name: str, *, jobs_dir: Path | None = None) -> Job:
    """Read the job called `name`. Raises UserError where there is none, or a file is missing or wrong."""
    folder = folder_of(name, jobs_dir=jobs_dir)
    return _read(name, folder.parents[1], folder / "job.toml")


def folder_of(name: str, *, jobs_dir: Path | None = None) -> Path:
    """The folder of the job's definition and statements, the site's before the shipped one.

    Raises UserError where there is no such job.
    """
    if name in RESERVED:
        raise UserError(
            f'A job cannot be called "{name}": sql/{name}/ holds the program\'s own statements; give it another name.'
        )
    for root in roots(jobs_dir):
        folder = root / "sql" / name
        if re.fullmatch(NAME, name) and (folder / "job.toml").exists():
            return folder
    known = job_names(jobs_dir)
    nearest = " or ".join(f'"{each}"' for each in difflib.get_close_matches(name, known, n=3))
    raise UserError(
        f'There is no job "{name}"; ' + (f"did you mean {nearest}?" if nearest else f"there are: {', '.join(known)}.")
    )


def load_scheduled(name: str, *, settings: Settings) -> Job:
    """Read the job as `load_job` does, with the schedule that `settings` give it; its version stays.

    Raises UserError, too, where that is no schedule.
    """
    job = load_job(name, jobs_dir=settings.jobs_dir)
    for entry in settings.schedules or ():
        if entry.job == name:
            timezone = entry.timezone or job.schedule.timezone
            job = replace(job, schedule=Schedule.of(entry.cron, timezone, where=f"schedules: {name}"))
    return job


def job_of(name: str, version: str, definition: Mapping[str, Any], *, model_folder: Path) -> Job:
    """Read the job as it was at a version, from the `definition` that the database kept.

    Raises UserError where this program cannot read the definition, or computes another version from it.
    """
    where = f"Version {version} of job {name}"
    statements, suites = definition.get("statements"), definition.get("suites")
    if not isinstance(statements, dict) or not isinstance(suites, dict) or not set(SUITES) <= set(suites):
        raise UserError(f"{where} was kept without its statements or suites.")
    text = str(definition.get("job.toml", ""))
    table = _table(text, where=where)
    table.table("statements").take_all()
    job = _built(name, text, table, statements=statements, suites=suites, model_folder=model_folder, where=where)
    if job.version != version:
        raise UserError(f"{where} means something else to this program than to the one that scored by it.")
    return job


def _read(name: str, root: Path, path: Path) -> Job:
    text = _read_text(path)
    table, codes = _table(text, where=str(path)), tomllib.loads(text).get("codes", ())
    return _built(
        name,
        text,
        table,
        statements=_statements(table.table("statements"), folder=path.parent, codes=codes),
        suites={suite: _suite(root / "expectations" / name / f"{suite}.json") for suite in SUITES},
        model_folder=root / "models" / name,
        where=str(path),
    )


def _table(text: str, *, where: str) -> TomlTable:
    try:
        return TomlTable(tomllib.loads(text), where=where)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{where} is not valid TOML: {error}.") from error


def _built(
    name: str,
    text: str,
    table: TomlTable,
    *,
    statements: Mapping[str, str],
    suites: Mapping[str, dict[str, Any]],
    model_folder: Path,
    where: str,
) -> Job:
    """The job of a definition's `table`, from which [statements] were taken already."""
    schedule = table.table("schedule")
    on_schedule = Schedule.of(
        schedule.text("cron"), schedule.text("timezone", default="UTC"), where=f"{where}: [schedule]"
    )
    actions = table.table("actions", required=False)
    bands_table = table.optional_table("bands")
    bands = None if bands_table is None else Bands.read(bands_table)
    band_names = () if bands is None else bands.names
    measures = read_measures(table, bands=band_names)
    task = table.choice("task", Task)
    features = read_features(table.table("features"), timezone=on_schedule.timezone)
    job = Job(
        name=name,
        version=_version(text, statements, suites),
        entity=table.text("entity"),
        task=task,
        classes=table.texts("classes", default=()),
        output=table.text("output", default="score"),
        batch_size=table.positive("batch_size", default=1000),
        min_observations=table.positive("min_observations", default=1),
        valid_for=table.span("valid_for"),
        due_again=table.choice("due_again", DueAgain),
        schedule=on_schedule,
        codes=read_codes(table.table("codes")),
        features=features,
        bands=bands,
        published=_published(table, features),
        planned=table.texts("planned", default=()),
        pooled=table.texts("pooled", default=()),
        actions={rule: actions.choice(rule, Action) for rule in actions.names()},
        parameters={key: str(value) for key, value in table.table("parameters", required=False).take_all().items()},
        statements=statements,
        suites=suites,
        text=text,
        model_folder=model_folder,
        first_model=table.text("first_model", default="") or None,
        reasons=Reasoning.read(table.table("reasons", required=False), bands=band_names),
        declining=Declining.read(table.table("declining", required=False), bands=bands),
        split=Split.read(table.table("challenger", required=False)),
        training=Recipe.read(table.table("training", required=False), usual=_usual(task, measures=measures)),
        search=SearchSpec.read(table.table("search", required=False)),
        limits=Limits.read(table.table("monitoring", required=False)),
        measures=measures,
        fhir=Fhir.read(table.optional_table("fhir")),
    )
    for each in (schedule, actions, table):
        each.finish()
    _require_known_names(job, where=where)
    return job


def _published(table: TomlTable, features: FeatureSpec) -> tuple[str, ...]:
    """The attributes beside each score; the facility is one, since the score is made by it."""
    named = table.texts("published", default=())
    facility = features.facility
    return named if facility is None or facility in named else (*named, facility)


def _require_known_names(job: Job, *, where: str) -> None:
    """Raises UserError where a section names codes or groups of features that the job does not have."""
    unknown = {code for group in job.features.groups for code in group.codes} - {code.name for code in job.codes}
    if unknown:
        raise UserError(f"{where}: [features] names codes that [codes] does not have: {', '.join(sorted(unknown))}.")
    pooled = set(job.pooled) - set(job.features.numbers)
    if pooled:
        raise UserError(
            f"{where}: pooled names what is none of the numbers of [features]: {', '.join(sorted(pooled))}."
        )
    if job.fhir is not None:
        job.fhir.require_known(job, where=where)
    for groups in (job.training.groups, *job.search.combinations.values()):
        require_groups(groups, job.features.group_names, where=where)


def _read_text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error}.") from error
    try:
        text = content.decode("utf-8-sig")  # editors of Windows begin a file with a mark
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path} is not UTF-8: see line {line}; save it as UTF-8.") from error
    if "\0" in text:
        raise UserError(
            f"{path} holds a zero byte, in line {text[: text.index(chr(0))].count(chr(10)) + 1}; take it out."
        )
    return text


def _read_statement(path: Path, *, script: bool) -> str:
    text = _read_text(path)
    if fault := find_fault(text, script=script):
        raise UserError(f"{path} {fault}.")
    return text


def _statements(table: TomlTable, *, folder: Path, codes: Collection[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    file = table.text("concepts", default="")
    concepts = read_concepts(_read_text(folder / file), codes=codes, where=str(folder / file)) if file else PLACE
    for name in (*REQUIRED_STATEMENTS, *OPTIONAL_STATEMENTS):
        file = table.text(name, default="" if name in OPTIONAL_STATEMENTS else None)
        if not file and name in REQUIRED_STATEMENTS:
            raise UserError(f'{table.where}: "{name}" must name a file.')
        if file:
            found[name] = filled(_read_statement(folder / file, script=name in SCRIPTS), concepts)
    table.finish()
    return found


def _suite(path: Path) -> dict[str, Any]:
    try:
        suite = json.loads(_read_text(path))
    except json.JSONDecodeError as error:
        raise UserError(f"{path} is not valid JSON: {error}.") from error
    for key, instead in _BEFORE_GX_1.items():
        if isinstance(suite, dict) and key in suite:
            raise UserError(f'{path} has the key "{key}", of Great Expectations before 1.0; {instead}.')
    if not isinstance(suite, dict) or not isinstance(suite.get("expectations"), list):
        raise UserError(f'{path} is not a suite: it needs "name" and a list of "expectations".')
    return suite


def _version(definition: str, statements: Mapping[str, str], suites: Mapping[str, dict[str, Any]]) -> str:
    content = json.dumps([MEANING, definition, dict(statements), dict(suites)], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]
