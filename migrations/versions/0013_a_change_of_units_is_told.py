"""A change of units is told.

Revision ID: 0013
"""

from alembic import op
from scorer.migrations import statements

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make it."""
    op.execute(statements(__file__, "up"))


def downgrade() -> None:
    """Take it away."""
    op.execute(statements(__file__, "down"))
