"""The values of options, read from TOML or a variable: spans of time, numbers, names, schedules.

Each reader raises UserError, which begins with `where`, for a value that it cannot read.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from scorer.errors import UserError

_SPAN = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-z]+)\s*")
_SHORTEST = timedelta(milliseconds=1)
_SECONDS = {
    "ms": 0.001,
    "s": 1.0,
    "second": 1.0,
    "seconds": 1.0,
    "min": 60.0,
    "minute": 60.0,
    "minutes": 60.0,
    "h": 3600.0,
    "hour": 3600.0,
    "hours": 3600.0,
    "d": 86400.0,
    "day": 86400.0,
    "days": 86400.0,
    "w": 604800.0,
    "week": 604800.0,
    "weeks": 604800.0,
}


@dataclass(frozen=True, slots=True)
class CronEntry:
    """When a job is to run: a cron expression, and the zone of its clock; None: the job's own."""

    job: str
    cron: str
    timezone: str | None


def read_path(value: str, *, where: str) -> Path:
    """The whole path; ~ is the home folder. Raises UserError where there is no such home."""
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError as error:
        raise UserError(f'{where}: there is no home folder for "{value}"; write the whole path.') from error


def read_truth(value: Any, *, where: str) -> bool:
    """True or false, of TOML's kind or as a text. Raises UserError where it is neither."""
    if not isinstance(value, bool) and value not in ("true", "false"):
        raise UserError(f'{where}: "{value}" is neither true nor false; write one of them.')
    return value in (True, "true")


def read_names(value: Any, *, where: str) -> tuple[str, ...]:
    """The names in a list, or in a text with commas, each once. Raises UserError where it is neither."""
    if isinstance(value, str):
        bare = re.fullmatch(r"\s*\[(.*)\]\s*", value, flags=re.DOTALL)
        value = [each.strip().strip("\"'") for each in (bare[1] if bare else value).split(",")]
    if not isinstance(value, list) or not value or not all(isinstance(each, str) and each for each in value):
        raise UserError(f'{where} must be a list of names, and not empty; write it as ["first_job"].')
    return tuple(dict.fromkeys(value))


def read_schedules(value: Any, *, where: str) -> tuple[CronEntry, ...]:
    """The schedules in a table, or in the text of one, such as {first_job = "*/15 * * * *"}.

    Raises UserError where it is neither.
    """
    if isinstance(value, str):
        try:
            value = tomllib.loads(f"schedules = {value}")["schedules"]
        except tomllib.TOMLDecodeError:
            value = None
    if not isinstance(value, dict):
        raise UserError(f'{where} must be a table of schedules by job; write it as {{first_job = "*/15 * * * *"}}.')
    return tuple(_cron_entry(name, entry, where=f"{where}: {name}") for name, entry in value.items())


def _cron_entry(job: str, entry: Any, *, where: str) -> CronEntry:
    if isinstance(entry, str):
        entry = {"cron": entry}
    if (
        not isinstance(entry, dict)
        or not {"cron"} <= set(entry) <= {"cron", "timezone"}
        or not all(isinstance(each, str) for each in entry.values())
    ):
        raise UserError(
            f'{where} is no schedule of a job; write it as "*/15 * * * *", or as {{cron = "5 6 * * *", timezone = "Europe/Vienna"}}; '
            "an option of another kind belongs above [schedules]."
        )
    return CronEntry(job=job, cron=entry["cron"], timezone=entry.get("timezone"))


def read_whole_number(value: Any, *, where: str, least: int) -> int:
    """A whole number, `least` or more. Raises UserError where it is none."""
    text = str(value)
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) < least:
        kind = "a whole number above 0" if least else "a whole number, or 0"
        raise UserError(f'{where}: "{value}" is not {kind}; write one, such as 3.')
    return int(text)


def parse_span(text: str, *, where: str) -> timedelta:
    """Read a span of time such as "6 h".

    Raises UserError, which begins with `where`, where `text` is no span, or one shorter than a millisecond.

    >>> parse_span("6 h", where="valid_for")
    datetime.timedelta(seconds=21600)
    >>> parse_span("30 days", where="recheck").days, parse_span("4 weeks", where="recheck").days
    (30, 28)
    """
    match = _SPAN.fullmatch(str(text))
    if match is None or match[2] not in _SECONDS:
        raise UserError(
            f'{where}: "{text}" is not a span of time; write a number and ms, s, min, h, days or weeks, such as "6 h".'
        )
    try:
        span = timedelta(seconds=float(match[1]) * _SECONDS[match[2]])
    except OverflowError as error:
        raise UserError(f'{where}: "{text}" is longer than can be counted; write a shorter span.') from error
    if span < _SHORTEST:
        raise UserError(f'{where}: "{text}" is shorter than a millisecond; write a longer span, such as "1 s".')
    return span
