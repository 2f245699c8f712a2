"""Figures say what they are of.

Revision ID: 0017
"""

from alembic import op
from scorer.migrations import statements

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make it."""
    op.execute(statements(__file__, "up"))


def downgrade() -> None:
    """Take it away."""
    op.execute(statements(__file__, "down"))
