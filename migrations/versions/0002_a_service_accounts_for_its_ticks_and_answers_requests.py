"""A service accounts for its ticks and answers requests.

Revision ID: 0002
"""

from alembic import op
from scorer.migrations import statements

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make what the daemon keeps."""
    op.execute(statements(__file__, "up"))


def downgrade() -> None:
    """Take it away; runs and scores stay."""
    op.execute(statements(__file__, "down"))
