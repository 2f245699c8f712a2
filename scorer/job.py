"""A job: its definition, statements and suites, read from files; knows its version.

A job is a folder of the same shape in either of two places, the site's `jobs_dir` and then the shipped one:

    sql/<job>/job.toml and its statements    expectations/<job>/*.json    models/<job>/<version>/

Its version is a hash of all that decides what it publishes. The shipped job.toml says what each key means.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from scorer.durations import parse_span
from scorer.errors import UserError
from scorer.schedule import Schedule
from scorer.words import Action

# Raised when the same definition comes to mean other features or verdicts, so that every job's version changes with it.
MEANING = 1

REQUIRED_STATEMENTS = ("due", "observations")
OPTIONAL_STATEMENTS = (
    "attributes",
    "write_back",
    "views",
    "grants",
    "orphans",
    "landmarks",
    "requested",
    "new_observations",
)
SUITES = ("observations", "features", "scores")
STATISTICS = (
    "last",
    "first",
    "min",
    "max",
    "mean",
    "std",
    "slope",
    "count",
    "hours_since",
    "outside",
    "distance",
)
WHOLE_STAY = "stay"


_Choice = TypeVar("_Choice", bound=StrEnum)


class Task(StrEnum):
    """What a model of the job publishes."""

    BINARY = "binary"  # a probability and its band
    MULTICLASS = "multiclass"  # a label, its probability, and every class's
    REGRESSION = "regression"  # a value, banded where the job defines bands


class DueAgain(StrEnum):
    """When an entity that has a score is due again, knowledge having moved on."""

    CHANGE = "change"  # its inputs changed, or its score expired
    EVERY_RUN = "every run"  # always
    EXPIRY = "expiry"  # its score expired


@dataclass(frozen=True, slots=True)
class Code:
    """An observation type that the job knows; limits beyond which no value can be real."""

    name: str
    unit: str
    plausible_min: float
    plausible_max: float


@dataclass(frozen=True, slots=True)
class FeatureGroup:
    """Every code x every statistic x every window; a window is a trailing span, or None for the whole stay."""

    codes: tuple[str, ...]
    statistics: tuple[str, ...]
    windows: tuple[timedelta | None, ...]


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """The features of a job, in the order of the matrix."""

    groups: tuple[FeatureGroup, ...]
    numbers: tuple[str, ...]
    hours_since: tuple[str, ...]
    categories: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Bands:
    """Risk bands: the name whose limit is the highest one that the score is above, else the lowest name."""

    limits: tuple[tuple[str, float], ...]
    lowest: str


@dataclass(frozen=True, slots=True)
class Job:
    """A job as its files stand."""

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

    @property
    def definition(self) -> dict[str, Any]:
        """What a job version is, for the database to keep: job.toml, statements and suites as they stood."""
        return {"job.toml": self.text, "statements": dict(self.statements), "suites": dict(self.suites)}


def shipped_root() -> Path:
    """The folder that holds the shipped sql/, expectations/ and models/, whether in a checkout or in a wheel's install."""
    return Path(str(resources.files("scorer.sql"))).parent


def roots(jobs_dir: Path | None) -> tuple[Path, ...]:
    """Where jobs are looked for, in order."""
    return (shipped_root(),) if jobs_dir is None else (jobs_dir, shipped_root())


def job_names(jobs_dir: Path | None) -> tuple[str, ...]:
    """The jobs there are, in alphabetical order."""
    return tuple(sorted({path.parent.name for root in roots(jobs_dir) for path in root.glob("sql/*/job.toml")}))


def load_job(name: str, *, jobs_dir: Path | None = None) -> Job:
    """The job called `name`. Raises UserError, in one sentence, where a file is missing or cannot be understood."""
    for root in roots(jobs_dir):
        path = root / "sql" / name / "job.toml"
        if re.fullmatch(r"[a-z][a-z0-9_]*", name) and path.exists():
            return _read(name, root, path)
    known = job_names(jobs_dir)
    nearest = difflib.get_close_matches(name, known, n=1)
    raise UserError(
        f'There is no job "{name}"; '
        + (f'did you mean "{nearest[0]}"?' if nearest else f"there are: {', '.join(known)}.")
    )


def _read(name: str, root: Path, path: Path) -> Job:
    text = _read_text(path)
    try:
        table = _Table(tomllib.loads(text), where=str(path))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path} is not valid TOML: {error}.") from error
    statements = _statements(table.table("statements"), folder=path.parent)
    suites = {suite: _suite(root / "expectations" / name / f"{suite}.json") for suite in SUITES}
    schedule = table.table("schedule")
    actions = table.table("actions", required=False)
    job = Job(
        name=name,
        version=_version(text, statements, suites),
        entity=table.text("entity"),
        task=table.choice("task", Task),
        output=table.text("output", default="score"),
        batch_size=table.positive("batch_size", default=1000),
        min_observations=table.positive("min_observations", default=1),
        valid_for=table.span("valid_for"),
        due_again=table.choice("due_again", DueAgain),
        schedule=Schedule.of(
            schedule.text("cron"), schedule.text("timezone", default="UTC"), where=f"{path}: [schedule]"
        ),
        codes=_codes(table.table("codes")),
        features=_features(table.table("features")),
        bands=_bands(table.optional_table("bands")),
        published=table.texts("published", default=()),
        actions={rule: actions.choice(rule, Action) for rule in actions.names()},
        parameters={key: str(value) for key, value in table.table("parameters", required=False).take_all().items()},
        statements=statements,
        suites=suites,
        text=text,
        model_folder=root / "models" / name,
        first_model=table.text("first_model", default="") or None,
    )
    schedule.finish()
    actions.finish()
    table.finish()
    unknown = {code for group in job.features.groups for code in group.codes} - {code.name for code in job.codes}
    if unknown:
        raise UserError(f"{path}: [features] names codes that [codes] does not have: {', '.join(sorted(unknown))}.")
    return job


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}.") from error


def _statements(table: _Table, *, folder: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in (*REQUIRED_STATEMENTS, *OPTIONAL_STATEMENTS):
        file = table.text(name, default="" if name in OPTIONAL_STATEMENTS else None)
        if not file and name in REQUIRED_STATEMENTS:
            raise UserError(f'{table.where}: "{name}" must name a file.')
        if file:
            found[name] = _read_text(folder / file)
    table.finish()
    return found


def _suite(path: Path) -> dict[str, Any]:
    try:
        suite = json.loads(_read_text(path))
    except json.JSONDecodeError as error:
        raise UserError(f"{path} is not valid JSON: {error}.") from error
    if not isinstance(suite, dict) or not isinstance(suite.get("expectations"), list):
        raise UserError(f'{path} is not a suite: it needs "name" and a list of "expectations".')
    return suite


def _version(definition: str, statements: Mapping[str, str], suites: Mapping[str, dict[str, Any]]) -> str:
    content = json.dumps([MEANING, definition, dict(statements), dict(suites)], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _codes(table: _Table) -> tuple[Code, ...]:
    codes = []
    for name in table.names():
        code = table.table(name)
        low, high = code.pair("plausible")
        codes.append(Code(name=name, unit=code.text("unit"), plausible_min=low, plausible_max=high))
        code.finish()
    return tuple(codes)


def _features(table: _Table) -> FeatureSpec:
    categories = table.table("categories", required=False)
    spec = FeatureSpec(
        groups=tuple(_group(group) for group in table.tables("groups")),
        numbers=table.texts("numbers", default=()),
        hours_since=table.texts("hours_since", default=()),
        categories=tuple((name, categories.texts(name)) for name in categories.names()),
    )
    categories.finish()
    table.finish()
    return spec


def _group(table: _Table) -> FeatureGroup:
    statistics = table.texts("statistics")
    for statistic in statistics:
        if statistic not in STATISTICS:
            raise UserError(f'{table.where}: "{statistic}" is not a statistic; there are: {", ".join(STATISTICS)}.')
    windows = tuple(
        None if window == WHOLE_STAY else parse_span(window, where=f"{table.where}: windows")
        for window in table.texts("windows")
    )
    group = FeatureGroup(codes=table.texts("codes"), statistics=statistics, windows=windows)
    table.finish()
    return group


def _bands(table: _Table | None) -> Bands | None:
    if table is None:
        return None
    lowest = table.text("lowest")
    above = table.table("above")
    limits = sorted(((name, above.number(name)) for name in above.names()), key=lambda limit: -limit[1])
    above.finish()
    table.finish()
    return Bands(limits=tuple(limits), lowest=lowest)


class _Table:
    """A TOML table whose keys are taken one by one; `finish` refuses those that nobody asked for."""

    def __init__(self, content: dict[str, Any], *, where: str) -> None:
        self._left = dict(content)
        self._taken: list[str] = []
        self.where = where

    def names(self) -> tuple[str, ...]:
        return tuple(self._left)

    def take_all(self) -> dict[str, Any]:
        left, self._left = self._left, {}
        return left

    def finish(self) -> None:
        if self._left:
            unknown = next(iter(self._left))
            nearest = difflib.get_close_matches(unknown, self._taken, n=1)
            hint = f'did you mean "{nearest[0]}"?' if nearest else f"known are: {', '.join(self._taken)}."
            raise UserError(f'{self.where}: unknown key "{unknown}"; {hint}')

    def _take(self, key: str, default: Any = None) -> Any:
        self._taken.append(key)
        if key in self._left:
            return self._left.pop(key)
        if default is None:
            raise UserError(f'{self.where}: "{key}" is missing; the shipped job.toml says what each key means.')
        return default

    def _wrong(self, key: str, expected: str, seen: Any) -> UserError:
        return UserError(f'{self.where}: "{key}" must be {expected}, not {seen!r}.')

    def text(self, key: str, default: str | None = None) -> str:
        value = self._take(key, default)
        if not isinstance(value, str):
            raise self._wrong(key, "text", value)
        return value

    def texts(self, key: str, default: Iterable[str] | None = None) -> tuple[str, ...]:
        value = self._take(key, default)
        if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
            raise self._wrong(key, "a list of texts", value)
        return tuple(value)

    def number(self, key: str) -> float:
        value = self._take(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(key, "a number", value)
        return float(value)

    def positive(self, key: str, *, default: int) -> int:
        value = self._take(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise self._wrong(key, "a whole number above 0", value)
        return value

    def pair(self, key: str) -> tuple[float, float]:
        value = self._take(key)
        if not (
            isinstance(value, list)
            and len(value) == len(("lower", "upper"))
            and all(isinstance(each, int | float) for each in value)
            and value[0] < value[1]
        ):
            raise self._wrong(key, "a list of two numbers, the lower first", value)
        return float(value[0]), float(value[1])

    def span(self, key: str) -> timedelta:
        return parse_span(self.text(key), where=f"{self.where}: {key}")

    def choice(self, key: str, choices: type[_Choice]) -> _Choice:
        value = self.text(key)
        try:
            return choices(value)
        except ValueError as error:
            raise self._wrong(key, f"one of {', '.join(repr(str(each)) for each in choices)}", value) from error

    def table(self, key: str, *, required: bool = True) -> _Table:
        found = self.optional_table(key)
        if found is None:
            if required:
                raise UserError(f"{self.where}: [{key}] is missing.")
            return _Table({}, where=f"{self.where}: [{key}]")
        return found

    def optional_table(self, key: str) -> _Table | None:
        self._taken.append(key)
        value = self._left.pop(key, None)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self._wrong(key, "a table", value)
        return _Table(value, where=f"{self.where}: [{key}]")

    def tables(self, key: str) -> list[_Table]:
        value = self._take(key, [])
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise self._wrong(key, "a list of tables", value)
        return [_Table(each, where=f"{self.where}: [[{key}]] {number}") for number, each in enumerate(value, start=1)]
