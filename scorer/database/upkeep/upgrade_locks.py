"""What an upgrade of the schema would lock, and for about how long, by how many rows there are."""

from __future__ import annotations

import tomllib
from contextlib import closing
from dataclasses import dataclass

from scorer.config import shipped_root
from scorer.database.connection import Target
from scorer.database.revisions import known_revisions
from scorer.database.session import Session
from scorer.database.store.partitions import list_table_sizes


@dataclass(frozen=True, slots=True)
class UpgradeLock:
    """A table that a revision locks for long; `rows` is about how many, `seconds` an estimate by them."""

    revision: str
    table: str
    lock: str
    keeps: str
    does: str
    rows: int
    seconds: float

    @property
    def sentence(self) -> str:
        """One line to show before an upgrade.

        >>> UpgradeLock("0009", "scores", "SHARE", "writers", "builds an index", rows=3_000_000, seconds=27.0).sentence
        'Revision 0009 keeps writers of scorer.scores waiting (SHARE) while it builds an index: about 3000000 rows, some 27 s.'
        """
        length = f"some {self.seconds:.0f} s" if self.seconds >= 1 else "less than a second"
        return (
            f"Revision {self.revision} keeps {self.keeps} of scorer.{self.table} waiting ({self.lock}) while it {self.does}: "
            f"about {self.rows} rows, {length}."
        )


def pending_locks(target: Target, *, revision: str | None) -> list[UpgradeLock]:
    """What an upgrade from `revision` (None: no schema) would lock of tables that hold rows, in its order."""
    if revision is None:
        return []
    written = tomllib.loads((shipped_root() / "migrations" / "locks.toml").read_text(encoding="utf-8"))
    pending = [each for each in known_revisions() if each > revision]
    listed = [(each, lock) for each in pending for lock in written.get(each, [])]
    if not listed:
        return []
    with closing(Session(target)) as session, session.transaction():
        rows = list_table_sizes(session, [lock["table"] for _, lock in listed])
    return [
        UpgradeLock(
            revision=each,
            table=lock["table"],
            lock=lock["lock"],
            keeps=lock["keeps"],
            does=lock["does"],
            rows=rows[lock["table"]],
            seconds=rows[lock["table"]] / 1e6 * lock["seconds_per_million"],
        )
        for each, lock in listed
        if rows.get(lock["table"])
    ]
