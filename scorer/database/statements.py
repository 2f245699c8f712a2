"""The shipped statements by the names of their files, and the parameters that a statement names."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from scorer.config import shipped_root

_WITH_FOLDER = ("retention", "source")  # their files are named for tables: a statement's name has the folder before it


@cache
def statement(name: str) -> str:
    """The text of the statement called `name`: claim_work, retention/ticks, source/create_visits."""
    return _files()[name].read_text(encoding="utf-8")


@cache
def _files() -> dict[str, Path]:
    """The file of each statement in sql/engine/<word>/ and sql/source/, by the statement's name."""
    sql = shipped_root() / "sql"
    files = [*sql.glob("engine/*/*.sql"), *sql.glob("source/*.sql")]
    return {
        f"{path.parent.name}/{path.stem}" if path.parent.name in _WITH_FOLDER else path.stem: path for path in files
    }


def without_comments(query: str) -> str:
    """The statement without comments and semicolon, so that it can stand within another.

    >>> without_comments("SELECT 1 -- not :this; one row\\n;")
    'SELECT 1'
    """
    return re.sub(r"--[^\n]*", "", query).strip().rstrip(";").rstrip()


_TYPES = {"entity_ids": "text[]", "as_ofs": "timestamptz[]", "known_ats": "timestamptz[]"}
_PARAMETER = re.compile(r"(?<![:\w]):([a-z_][a-z0-9_]*)\b")


def bound(query: str) -> str:
    """The statement with each `:name` read from the session's setting scorer.name.

    >>> bound("SELECT unnest(:entity_ids) -- ids: one :each")
    "SELECT unnest(CAST(current_setting('scorer.entity_ids') AS text[]))"
    """
    return _PARAMETER.sub(_setting, without_comments(query))


def names_parameter(query: str, name: str) -> bool:
    """Whether the statement names the parameter.

    >>> names_parameter("SELECT :as_ofs -- not :known_ats", "known_ats")
    False
    """
    return name in _PARAMETER.findall(without_comments(query))


def _setting(match: re.Match[str]) -> str:
    name = match[1]
    setting = f"current_setting('scorer.{name}')"
    return f"CAST({setting} AS {_TYPES[name]})" if name in _TYPES else setting
