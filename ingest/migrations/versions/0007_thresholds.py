"""Thresholds of the verdict, fitted for a knowledge base."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("knowledge_bases", sa.Column("thresholds", sa.String(300), nullable=False, server_default=""))


def downgrade() -> None:
    """Take it away."""
    op.drop_column("knowledge_bases", "thresholds")
