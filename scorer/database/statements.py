"""The shipped statements by the names of their files, and how parameters are bound in statements."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from scorer.config import shipped_root
from scorer.errors import UserError
from scorer.jobs.sql_text import parameters_of, with_parameters, without_comments

_WITH_FOLDER = ("retention", "source")  # their files are named for tables: a statement's name has the folder before it


@cache
def statement(name: str) -> str:
    """The text of the statement called `name`: claim_work, retention/ticks, source/create_visits."""
    return _files()[name].read_text(encoding="utf-8")


def without_rows(query: str) -> str:
    """Asks a job's own statement for its columns, and no row."""
    return without_comments(statement("give_no_row")).replace("{statement}", query)


@cache
def _files() -> dict[str, Path]:
    """The file of each statement in sql/engine/<word>/ and sql/source/, by the statement's name."""
    sql = shipped_root() / "sql"
    files = [*sql.glob("engine/*/*.sql"), *sql.glob("source/*.sql")]
    return {
        f"{path.parent.name}/{path.stem}" if path.parent.name in _WITH_FOLDER else path.stem: path for path in files
    }


_TYPES = {
    "entity_ids": "text[]",
    "as_ofs": "timestamptz[]",
    "known_ats": "timestamptz[]",
    "observation_ids": "text[]",
}


@lru_cache(maxsize=64)
def bound(query: str, *, by_keys: bool = False) -> str:
    """The statement with each `:name` read from the session's setting scorer.name.

    But `:by_keys` is written as it is, so that the planner leaves out what is not asked for; without it there are no `:observation_ids`.

    >>> bound("SELECT unnest(:entity_ids) -- ids: one :each")
    "SELECT unnest(CAST(current_setting('scorer.entity_ids') AS text[]))"
    >>> bound("SELECT :by_keys, :observation_ids")
    "SELECT false, CAST('{}' AS text[])"
    """
    written = {"by_keys": "true"} if by_keys else {"by_keys": "false", "observation_ids": "CAST('{}' AS text[])"}
    return with_parameters(without_comments(query), lambda name: written.get(name) or _setting(name))


def _setting(name: str) -> str:
    setting = f"current_setting('scorer.{name}')"
    return f"CAST({setting} AS {_TYPES[name]})" if name in _TYPES else setting


@lru_cache(maxsize=256)
def for_psycopg2(query: str) -> tuple[str, tuple[str, ...]]:
    """The statement as psycopg2 takes it, and the parameters that it names.

    Without parameters it is the text itself, and must be sent without any: a percent sign is then no mark.

    >>> for_psycopg2("SELECT 5 % :n::int, ':n'")
    ("SELECT 5 %% %(n)s::int, ':n'", ('n',))
    """
    named = parameters_of(query)
    if not named:
        return with_parameters(query, str), ()
    return with_parameters(query, lambda name: f"%({name})s", rest=lambda text: text.replace("%", "%%")), named


def only_named(query: str, parameters: Mapping[str, Any], *, where: str) -> dict[str, Any]:
    """Those of `parameters` that a job's query names. Raises UserError where it names another."""
    named = parameters_of(query)
    for name in named:
        if name not in parameters:
            raise UserError(f"{where} names :{name}, which [parameters] of its job.toml lacks; add it.")
    return {name: parameters[name] for name in named}
