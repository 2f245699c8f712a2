"""Requests have a deadline, a quota and cohorts.

Revision ID: 0022
"""

from alembic import op
from scorer.migrations import statements

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make it."""
    op.execute(statements(__file__, "up"))


def downgrade() -> None:
    """Take it away."""
    op.execute(statements(__file__, "down"))
