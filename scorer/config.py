"""Settings: each option declared once, with its meaning; file < credentials < environment < arguments.

Without SCORER_CONFIG they are this host's own: /etc/scorer/scorer.toml, and beside it the credentials of the service, where they may be
read. So a command that is typed on the service's host finds what the service has.

Try it: `SCORER_CONFIG=scorer.toml scorer check` names every bad option and where it came from.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from scorer.errors import UserError
from scorer.types.options import (
    CronEntry,
    parse_span,
    read_names,
    read_path,
    read_schedules,
    read_truth,
    read_whole_number,
)

SYSTEM_CONFIG = Path("/etc/scorer/scorer.toml")
SYSTEM_HOME = Path("/var/lib/scorer")
FIRST_JOB = "sepsis"  # the demo's; of the shipped jobs, the one that is enabled from the first
# Read from credentials too, since they may hold a password.
_MAY_BE_SECRET = ("database_url", "owner_database_url", "read_url")


def option(default: Any, meaning: str, *, choices: tuple[str, ...] = (), least: int = 1) -> Any:
    """A field of Settings, with its default and its `meaning`, which --help and scorer.toml show.

    Its value is one of `choices`, where there are any; a whole number is at least `least`.
    """
    return field(default=default, metadata={"meaning": meaning, "choices": choices, "least": least})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every option, as one frozen value."""

    database_url: str | None = option(None, "where the database is; unset, the embedded PostgreSQL under home")
    owner_database_url: str | None = option(
        None, "the same database for who migrates and maintains the schema; unset, as database_url says"
    )
    home: Path | None = option(None, "where the embedded PostgreSQL, trained models and reject files are kept")
    jobs_dir: Path | None = option(None, "a site's own sql/, expectations/ and models/; looked in before those shipped")
    jobs: tuple[str, ...] | None = option(
        None,
        "of the enabled jobs, those that this host runs; unset, all whose source tables are there and which have a model in production",
    )
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
    kept_rows: int = option(
        256,
        "megabytes of each job's observations that the daemon keeps from run to run where a DBA has their changes captured; 0: none",
        least=0,
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
    keep_changes: timedelta = option(
        timedelta(days=3), "how long captured changes are kept; a daemon that kept rows for longer reads them in full"
    )
    report_dir: Path | None = option(
        None, "where a page on the seven days before is written every night; unset, nowhere"
    )
    report_keep: timedelta = option(timedelta(days=90), "how long these pages are kept there")
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
    health_address: str | None = option(
        None, "where the status page, /live, /ready and /metrics are answered; unset, nowhere"
    )
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
    schedules: tuple[CronEntry, ...] | None = option(
        None, "when jobs run, by their names, in the place of [schedule] of job.toml; unset, as each job says"
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
    values.update(_from_this_host(environment))
    values.update(_from_file(environment))
    values.update(_from_credentials(environment))
    values.update(_from_environment(environment))
    values.update({name: value for name, value in arguments.items() if value is not None})
    return Settings(**values)


def url_place(environment: Mapping[str, str] | None = None) -> str:
    """Where this host keeps the database's URL, for a sentence that says where to correct it."""
    environment = os.environ if environment is None else environment
    credentials = _credentials_folder(environment)
    if environment.get("SCORER_DATABASE_URL") or credentials is None:
        return "SCORER_DATABASE_URL" if environment.get("SCORER_DATABASE_URL") else _place_in_file(environment)
    for name in ("database_url", "owner_database_url"):
        if (credentials / name).exists():
            return str(SYSTEM_CONFIG.with_name(name))
    return _place_in_file(environment)


def _place_in_file(environment: Mapping[str, str]) -> str:
    """The settings file, where that has the URL; the variable to set, where nothing has."""
    try:
        has_it = "database_url" in _from_file(environment)
    except UserError:
        has_it = False
    return str(_config_path(environment)) if has_it else "SCORER_DATABASE_URL"


def require_readable_url(environment: Mapping[str, str] | None = None) -> None:
    """Raises UserError where this host keeps its URL in a file that this user may not read."""
    environment = os.environ if environment is None else environment
    path = SYSTEM_CONFIG.with_name("database_url")
    if _is_of_this_host(environment) and path.exists() and not os.access(path, os.R_OK):
        raise UserError(
            f"The database's URL is in {path}, which root and the group scorer alone may read; run it with sudo, or as a member of "
            "that group (or set SCORER_DATABASE_URL)."
        )


def _is_of_this_host(environment: Mapping[str, str]) -> bool:
    """Whether the settings are the service's own: no file and no folder of credentials is named."""
    return not environment.get("SCORER_CONFIG") and not environment.get("CREDENTIALS_DIRECTORY")


def _credentials_folder(environment: Mapping[str, str]) -> Path | None:
    """The folder with the credentials of this process; None where it has none."""
    if environment.get("CREDENTIALS_DIRECTORY"):
        return Path(environment["CREDENTIALS_DIRECTORY"])
    return SYSTEM_CONFIG.parent if _is_of_this_host(environment) else None


def _from_this_host(environment: Mapping[str, str]) -> dict[str, Any]:
    """The service's home, for who may read the service's URL: models that were trained here are there."""
    readable = os.access(SYSTEM_CONFIG.with_name("database_url"), os.R_OK)
    return {"home": SYSTEM_HOME} if readable and _is_of_this_host(environment) else {}


def _config_path(environment: Mapping[str, str]) -> Path:
    named = environment.get("SCORER_CONFIG")
    return Path(named) if named else SYSTEM_CONFIG


def _from_file(environment: Mapping[str, str]) -> dict[str, Any]:
    named, path = environment.get("SCORER_CONFIG"), _config_path(environment)
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
    """The credentials of the unit; for a command typed on its host, those that the user may read.

    These are left out where the environment names another database: its standby is another too.
    """
    folder, of_host = _credentials_folder(environment), _is_of_this_host(environment)
    if folder is None or (of_host and environment.get("SCORER_DATABASE_URL")):
        return {}
    found = {name: _credential(folder / name, unless_closed=of_host) for name in _MAY_BE_SECRET}
    return {name: value for name, value in found.items() if value is not None}


def _credential(path: Path, *, unless_closed: bool) -> Any:
    """Read the option that the file is named for; None where there is no such file.

    Also None, with `unless_closed`, where the file is closed to us.
    """
    try:
        content = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        if unless_closed and isinstance(error, PermissionError):
            return None
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
        return read_truth(value, where=where)
    if kind.startswith("tuple[str"):
        return read_names(value, where=where)
    if "CronEntry" in kind:
        return read_schedules(value, where=where)
    if "int" in kind:
        return read_whole_number(value, where=where, least=metadata["least"])
    if not isinstance(value, str) or not value:
        raise UserError(f"{where} must be text in quotes, and not empty.")  # the value may be a password
    return read_path(value, where=where) if "Path" in kind else value


def shipped_root() -> Path:
    """The folder with the shipped sql/, expectations/ and models/, in a checkout or an installed wheel."""
    found = find_spec("scorer.sql")
    assert found is not None
    assert found.submodule_search_locations is not None
    return Path(found.submodule_search_locations[0]).parent
