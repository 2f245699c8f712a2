"""Facilities are told apart.

Revision ID: 0018
"""

from alembic import op
from scorer.migrations import statements

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make it."""
    op.execute(statements(__file__, "up"))


def downgrade() -> None:
    """Take it away."""
    op.execute(statements(__file__, "down"))
