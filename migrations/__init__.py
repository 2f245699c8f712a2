"""The schema, in numbered revisions; each a pair of SQL files, up and down."""

from pathlib import Path


def statements(revision: str, direction: str) -> str:
    """The statements of the revision whose file is `revision`, "up" or "down", as Alembic takes them."""
    # A colon would be read as a parameter's mark.
    return Path(revision).with_suffix(f".{direction}.sql").read_text(encoding="utf-8").replace(":", r"\:")
