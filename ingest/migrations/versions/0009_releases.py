"""Which release answers: every promotion and what it goes back to."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "release_states",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("live", sa.String(100), nullable=False),
        sa.Column("canary", sa.String(100), nullable=False, server_default=""),
        sa.Column("share", sa.Float, nullable=False, server_default="0"),
        sa.Column("action", sa.String(20), nullable=False),
        sa.Column("before", sa.Integer, nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    """Take it away."""
    op.drop_table("release_states")
