"""The revisions of the schema that this program knows, by the names of their files, without Alembic."""

from __future__ import annotations

from scorer.config import shipped_root
from scorer.errors import UserError


def known_revisions() -> tuple[str, ...]:
    """The revisions in migrations/, oldest first: the numbers at the beginning of their files' names."""
    folder = shipped_root() / "migrations" / "versions"
    return tuple(sorted(path.name.partition("_")[0] for path in folder.glob("[0-9]*_*.py")))


def refuse_newer(revision: str | None) -> None:
    """Check that this program knows the revision (None: no schema). Raises UserError where it does not."""
    known = known_revisions()
    if revision is not None and revision not in known:
        raise UserError(
            f"The schema is at revision {revision}, which this version of scorer does not know (its newest is "
            f"{known[-1]}); install the newer scorer that migrated it."
        )


def require_newest(revision: str | None) -> None:
    """Check that `revision` (None: no schema) is the newest one. Raises UserError where it is not."""
    refuse_newer(revision)
    newest = known_revisions()[-1]
    if revision != newest:
        standing = f"at revision {revision}" if revision else "not made yet"
        raise UserError(f"The schema is {standing} and should be at {newest}; run `scorer db upgrade`.")
