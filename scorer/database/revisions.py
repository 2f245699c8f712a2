"""Which revisions of the schema this program knows, by the names of their files: what a look at the database needs of Alembic."""

from __future__ import annotations

from scorer.config import shipped_root
from scorer.errors import UserError


def known_revisions() -> tuple[str, ...]:
    """The revisions in migrations/, oldest first: the numbers that the names of their files begin with."""
    folder = shipped_root() / "migrations" / "versions"
    return tuple(sorted(path.name.partition("_")[0] for path in folder.glob("[0-9]*_*.py")))


def refuse_newer(revision: str | None) -> None:
    """Raise UserError where the schema is at a revision that this program does not know."""
    known = known_revisions()
    if revision is not None and revision not in known:
        raise UserError(
            f"The schema is at revision {revision}, which this version of scorer does not know (its newest is "
            f"{known[-1]}); install the newer scorer that migrated it."
        )


def require_newest(revision: str | None) -> None:
    """Raise UserError unless the schema, at `revision` (None: not made), is at the newest one."""
    refuse_newer(revision)
    newest = known_revisions()[-1]
    if revision != newest:
        standing = f"at revision {revision}" if revision else "not made yet"
        raise UserError(f"The schema is {standing} and should be at {newest}; run `scorer db upgrade`.")
