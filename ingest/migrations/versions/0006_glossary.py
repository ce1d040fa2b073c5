"""Glossaries: terms that mean the same in a company's words."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "glossary_entries",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column(
            "knowledge_base_id",
            sa.String(32),
            sa.ForeignKey("knowledge_bases.id", ondelete="CASCADE"),
            nullable=False,
            index=True,
        ),
        sa.Column("terms", sa.Text, nullable=False),
        sa.Column("one_way", sa.Boolean, nullable=False),
        sa.Column("written_by", sa.String(200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    """Remove it again."""
    op.drop_table("glossary_entries")
