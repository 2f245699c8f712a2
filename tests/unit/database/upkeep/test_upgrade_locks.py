"""What upgrades lock is written down, for every revision that builds something on a table that is there already."""

from __future__ import annotations

import re
import tomllib

import pytest

from scorer.config import shipped_root
from scorer.database.revisions import known_revisions

MIGRATIONS = shipped_root() / "migrations"
WRITTEN = tomllib.loads((MIGRATIONS / "locks.toml").read_text(encoding="utf-8"))
# What an ALTER TABLE does at length; a new column with a constant default is not of it.
AT_LENGTH = r"ALTER TABLE scorer\.(\w+)(?:(?!;).)*?\bADD (?:PRIMARY KEY|FOREIGN KEY|CONSTRAINT \w+ (?:CHECK|UNIQUE|PRIMARY|FOREIGN))"
# Tables of some hundred rows, ever.
SMALL = {"model_versions", "job_versions"}


def test_only_revisions_that_there_are_lock() -> None:
    assert set(WRITTEN) <= set(known_revisions())
    for locks in WRITTEN.values():
        for lock in locks:
            assert set(lock) == {"table", "lock", "keeps", "does", "seconds_per_million"}
            assert (lock["lock"], lock["keeps"]) in {("SHARE", "writers"), ("ACCESS EXCLUSIVE", "readers and writers")}


@pytest.mark.parametrize("revision", known_revisions())
def test_whatever_a_revision_builds_on_what_is_there_is_written_down(revision: str) -> None:
    (path,) = (MIGRATIONS / "versions").glob(f"{revision}_*.up.sql")
    text = re.sub(r"--[^\n]*", "", path.read_text(encoding="utf-8"))
    # A table that was there and is replaced by one of its name is not new.
    made = set(re.findall(r"CREATE TABLE scorer\.(\w+)", text)) - set(re.findall(r"RENAME TO (\w+)_before", text))
    built = set(re.findall(r"CREATE (?:UNIQUE )?INDEX \w+ ON scorer\.(\w+)", text))
    altered = set(re.findall(AT_LENGTH, text, flags=re.DOTALL))
    assert (built | altered) - made - SMALL <= {lock["table"] for lock in WRITTEN.get(revision, [])}
