"""Changes are captured.

Revision ID: 0020
"""

from alembic import op
from scorer.migrations import statements

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make it."""
    op.execute(statements(__file__, "up"))


def downgrade() -> None:
    """Take it away."""
    op.execute(statements(__file__, "down"))
