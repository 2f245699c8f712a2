"""Our own statements, by the names of their files."""

from __future__ import annotations

from functools import cache

from scorer.job import shipped_root


@cache
def statement(name: str) -> str:
    """The text of sql/<name>.sql."""
    return (shipped_root() / "sql" / f"{name}.sql").read_text(encoding="utf-8")
