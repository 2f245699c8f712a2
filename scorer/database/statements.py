"""Our own statements, by the names of their files."""

from __future__ import annotations

import re
from functools import cache

from scorer.config import shipped_root


@cache
def statement(name: str) -> str:
    """The text of sql/<name>.sql."""
    return (shipped_root() / "sql" / f"{name}.sql").read_text(encoding="utf-8")


def without_comments(query: str) -> str:
    """The statement alone, fit to stand within another: what a comment says is not taken for a parameter.

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
