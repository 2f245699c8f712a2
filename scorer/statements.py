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
