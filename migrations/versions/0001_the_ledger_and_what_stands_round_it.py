"""The ledger and what stands round it.

Revision ID: 0001
"""

from alembic import op
from scorer.migrations import statements

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the first schema."""
    op.execute(statements(__file__, "up"))


def downgrade() -> None:
    """Take it away."""
    op.execute(statements(__file__, "down"))
