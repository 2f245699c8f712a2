"""Settings: each option declared once, with its meaning; file < credentials < environment < arguments.

Try it: `SCORER_CONFIG=scorer.toml scorer check` names every bad option and where it came from.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from scorer.errors import UserError

SYSTEM_CONFIG = Path("/etc/scorer/scorer.toml")
_MAY_BE_SECRET = ("database_url", "read_url")  # read from credentials too, since they may hold a password

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


def option(default: Any, meaning: str, *, choices: tuple[str, ...] = (), least: int = 1) -> Any:
    """A field of Settings, with its default and its `meaning`, which --help and scorer.toml show.

    Its value is one of `choices`, where there are any; a whole number is at least `least`.
    """
    return field(default=default, metadata={"meaning": meaning, "choices": choices, "least": least})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every option, as one frozen value."""

    database_url: str | None = option(None, "where the database is; unset, the embedded PostgreSQL under home")
    home: Path | None = option(None, "where the embedded PostgreSQL, trained models and reject files are kept")
    jobs_dir: Path | None = option(None, "a site's own sql/, expectations/ and models/; looked in before those shipped")
    worker_role: str = option("scorer_worker", "the role that runs take on, so that they can do no more than it may")
    batch_size: int | None = option(None, "entities that commit together; unset, as the job says")
    statement_timeout: timedelta = option(timedelta(minutes=10), "the longest that one statement may take")
    lock_timeout: timedelta = option(
        timedelta(seconds=5), "the longest wait for a lock, before the batch is tried again"
    )
    idle_timeout: timedelta = option(timedelta(minutes=10), "the longest that a transaction may stand idle")
    connect_timeout: timedelta = option(timedelta(seconds=10), "the longest wait for a connection")
    allow_plaintext: bool = option(False, "whether a connection beyond this machine may go unencrypted")
    read_url: str | None = option(
        None, "a standby that observations and attributes are read from; unset, they are read where all else is"
    )
    read_lag_limit: timedelta = option(
        timedelta(seconds=10), "the longest wait for that standby to have replayed what it is read for"
    )
    neighbour_active_sessions: int | None = option(
        None, "sessions of others at work, above which runs give way; unset, no limit"
    )
    neighbour_replication_lag: int | None = option(
        None, "megabytes that a standby has yet to replay, above which runs give way; unset, no limit"
    )
    neighbour_lock_waits: int | None = option(
        None, "sessions of ours that wait for a lock, above which runs give way; unset, no limit"
    )
    neighbour_longest_transaction: timedelta | None = option(
        None, "the age of the oldest transaction of others, above which runs give way; unset, no limit"
    )
    neighbour_patience: timedelta = option(
        timedelta(minutes=10), "how long a run waits in all for others to need less, before it stops"
    )
    workers: int = option(1, "processes, or what else backend says, that carry a scheduled run")
    backend: str = option(
        "processes",
        "processes or threads of this machine, or dask (workers of the cluster whose scheduler is named)",
        choices=("processes", "threads", "dask"),
    )
    scheduler: str | None = option(
        None, "the address of a Dask cluster's scheduler, as tls://host:8786; unset, there is none"
    )
    late_after: timedelta = option(timedelta(minutes=1), "from when on a scheduled run counts as late")
    breaker_failures: int = option(3, "failed runs in a row after which a job is no longer tried at every tick")
    breaker_pause: timedelta = option(timedelta(minutes=10), "how long it is left alone then, before it is tried again")
    nightly: str = option("17 3 * * *", "when, as cron has it and in UTC, the chores of a night are done")
    replay_sample: int = option(20, "past scores of each job that are made again every night; 0: none", least=0)
    partitions_ahead: int = option(3, "months for which the ledger's partitions are made ahead")
    keep_ledger: timedelta | None = option(
        None, "how long scores stay in the ledger, by whole months of runs; unset, for ever"
    )
    expired_ledger: str = option(
        "detach",
        "detach (a month that leaves the ledger is left as a table of its own, to be archived) or drop",
        choices=("detach", "drop"),
    )
    keep_operations: timedelta = option(
        timedelta(days=400),
        "how long batches, ticks, what rules found, checkups, replays, chores, feature vectors and ended alerts are kept",
    )
    keep_requests: timedelta = option(timedelta(days=400), "how long requests are kept once they have ended")
    keep_rejections: timedelta = option(timedelta(days=400), "how long rejections are kept once they are mended")
    poll: timedelta = option(timedelta(seconds=10), "how often the daemon looks for what no signal told it")
    run_limit: timedelta = option(
        timedelta(minutes=30), "the longest that a step of a run may take before the daemon counts as hung"
    )
    stop_grace: timedelta = option(
        timedelta(seconds=20), "how long a batch in hand may take to end when the daemon stops"
    )
    retry_tries: int = option(3, "how often a batch is tried again when the database fails under it")
    retry_first_wait: timedelta = option(timedelta(seconds=1), "the wait before the first of them")
    retry_last_wait: timedelta = option(timedelta(seconds=10), "the wait before the last of them")
    health_address: str | None = option(None, "where /live, /ready and /metrics are answered; unset, nowhere")
    log_format: str = option(
        "auto",
        "auto (the journal's own fields under systemd, lines elsewhere), json or text",
        choices=("auto", "json", "text"),
    )
    validation: str = option(
        "compiled",
        "compiled (the suites' rules in NumPy, each proved against Great Expectations first) or great_expectations",
        choices=("compiled", "great_expectations"),
    )

    model_store: str = option(
        "files",
        "files (a model is kept in its folder) or database (its bytes in the database too, for hosts that lack the folder)",
        choices=("files", "database"),
    )

    @property
    def home_dir(self) -> Path:
        """`home`; unset, /var/lib/scorer for root and $XDG_DATA_HOME/scorer for other users."""
        if self.home is not None:
            return self.home
        if os.geteuid() == 0:
            return Path("/var/lib/scorer")
        return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "scorer"

    @property
    def proofs_dir(self) -> Path:
        """Where proofs of compiled rules are recorded: in $CACHE_DIRECTORY, which systemd sets, or in home."""
        cache = os.environ.get("CACHE_DIRECTORY", "").split(":")[0]
        return (Path(cache) if cache else self.home_dir) / "proofs"

    @property
    def retry_waits(self) -> tuple[float, ...]:
        """Seconds before each retry, growing by a constant factor from the first wait to the last.

        >>> [round(wait, 2) for wait in Settings().retry_waits]
        [1.0, 3.16, 10.0]
        """
        first, last = self.retry_first_wait.total_seconds(), self.retry_last_wait.total_seconds()
        steps = max(self.retry_tries - 1, 1)
        return tuple(first * (last / first) ** (step / steps) for step in range(self.retry_tries))


def load_settings(*, environment: Mapping[str, str] | None = None, **arguments: Any) -> Settings:
    """Read the settings: file, then credentials, environment and `arguments` that are not None on top.

    Raises UserError where an option is unknown or a value cannot be read.
    """
    environment = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    values.update(_from_file(environment))
    values.update(_from_credentials(environment))
    values.update(_from_environment(environment))
    values.update({name: value for name, value in arguments.items() if value is not None})
    return Settings(**values)


def _from_file(environment: Mapping[str, str]) -> dict[str, Any]:
    named = environment.get("SCORER_CONFIG")
    path = Path(named) if named else SYSTEM_CONFIG
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if not named:
            return {}
        raise UserError(f"SCORER_CONFIG names {path}, which is not there; name the scorer.toml to use.") from error
    except OSError as error:
        raise UserError(f"The settings in {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid TOML: {error}.") from error
    return {name: _parsed(name, value, where=f"{path}: {name}") for name, value in content.items()}


def _from_credentials(environment: Mapping[str, str]) -> dict[str, Any]:
    directory = environment.get("CREDENTIALS_DIRECTORY")
    found = {name: _credential(Path(directory) / name) for name in _MAY_BE_SECRET} if directory else {}
    return {name: value for name, value in found.items() if value is not None}


def _credential(path: Path) -> Any:
    """Read the option that the file is named for; None where there is no such file."""
    try:
        content = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"The credential {path} cannot be read; see LoadCredential= in the unit.") from error
    return _parsed(path.name, content, where=f"The credential {path}")


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    return {
        variable[len("SCORER_") :].lower(): _parsed(variable[len("SCORER_") :].lower(), value, where=variable)
        for variable, value in environment.items()
        if variable.startswith("SCORER_") and variable != "SCORER_CONFIG" and value != ""
    }


def _parsed(name: str, value: Any, *, where: str) -> Any:
    known = {each.name: str(each.type) for each in fields(Settings)}
    if name not in known:
        nearest = difflib.get_close_matches(name, known, n=1)
        hint = f'did you mean "{nearest[0]}"?' if nearest else f"the options are {', '.join(sorted(known))}."
        raise UserError(f"{where} is not an option of scorer; {hint}")
    kind = known[name]
    metadata = next(each.metadata for each in fields(Settings) if each.name == name)
    choices = metadata["choices"]
    if choices and value not in choices:
        raise UserError(f'{where}: "{value}" is not one of {", ".join(choices)}.')
    if "timedelta" in kind:
        return parse_span(value, where=where)
    if kind == "bool":
        return _truth(value, where=where)
    if "int" in kind:
        return _whole_number(value, where=where, least=metadata["least"])
    if not isinstance(value, str) or not value:
        raise UserError(f"{where} must be text in quotes, and not empty.")  # the value may be a password
    return _path(value, where=where) if "Path" in kind else value


def _path(value: str, *, where: str) -> Path:
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError as error:
        raise UserError(f'{where}: there is no home folder for "{value}"; write the whole path.') from error


def _truth(value: Any, *, where: str) -> bool:
    if not isinstance(value, bool) and value not in ("true", "false"):
        raise UserError(f'{where}: "{value}" is neither true nor false; write one of them.')
    return value in (True, "true")


def _whole_number(value: Any, *, where: str, least: int) -> int:
    text = str(value)
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) < least:
        kind = "a whole number above 0" if least else "a whole number, or 0"
        raise UserError(f'{where}: "{value}" is not {kind}; write one, such as 3.')
    return int(text)


def shipped_root() -> Path:
    """The folder with the shipped sql/, expectations/ and models/, in a checkout or an installed wheel."""
    found = find_spec("scorer.sql")
    assert found is not None
    assert found.submodule_search_locations is not None
    return Path(found.submodule_search_locations[0]).parent


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
