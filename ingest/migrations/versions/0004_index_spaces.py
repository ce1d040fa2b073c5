"""Where a knowledge base's index is, and the one that is being built beside it."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and the table."""
    op.add_column("knowledge_bases", sa.Column("index_engine", sa.String(20), nullable=False, server_default=""))
    op.add_column("knowledge_bases", sa.Column("index_space", sa.String(32), nullable=False, server_default=""))
    op.add_column("purges", sa.Column("place", sa.Text, nullable=False, server_default=""))
    op.create_table(
        "index_builds",
        sa.Column("knowledge_base_id", sa.String(32), primary_key=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    """Remove them again."""
    op.drop_table("index_builds")
    op.drop_column("purges", "place")
    op.drop_column("knowledge_bases", "index_space")
    op.drop_column("knowledge_bases", "index_engine")
