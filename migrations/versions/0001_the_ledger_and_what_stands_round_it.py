"""The ledger and what stands round it.

Revision ID: 0001
"""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_HERE = Path(__file__)


def upgrade() -> None:
    """Make the first schema."""
    op.execute(_statements("up"))


def downgrade() -> None:
    """Take it away."""
    op.execute(_statements("down"))


def _statements(direction: str) -> str:
    # A colon would be read as a parameter's mark.
    return _HERE.with_suffix(f".{direction}.sql").read_text(encoding="utf-8").replace(":", r"\:")
