"""Ingestion that is curated: what admins say of documents, progress of work, edits, sources, near-duplicates."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and tables."""
    no, yes = sa.false(), sa.true()
    columns: tuple[sa.Column[Any], ...] = (
        sa.Column("enabled", sa.Boolean, nullable=False, server_default=yes),
        sa.Column("valid_from", sa.DateTime(timezone=True)),
        sa.Column("valid_until", sa.DateTime(timezone=True)),
        sa.Column("tags", sa.Text, nullable=False, server_default="[]"),
        sa.Column("source", sa.String(2000), nullable=False, server_default=""),
        sa.Column("parent_id", sa.String(32)),
    )
    for column in columns:
        op.add_column("documents", column)
    op.create_index("ix_documents_parent_id", "documents", ["parent_id"])
    columns = (
        sa.Column("draft", sa.Boolean, nullable=False, server_default=no),
        sa.Column("done", sa.Integer, nullable=False, server_default="0"),
        sa.Column("total", sa.Integer, nullable=False, server_default="0"),
        sa.Column("heartbeat_at", sa.DateTime(timezone=True)),
        sa.Column("cancelled", sa.Boolean, nullable=False, server_default=no),
    )
    for column in columns:
        op.add_column("versions", column)
    op.create_table(
        "chunk_edits",
        sa.Column("id", sa.String(32), primary_key=True),
        _document(),
        sa.Column("text_hash", sa.String(32), nullable=False, index=True),
        sa.Column("heading_path", sa.Text, nullable=False),
        sa.Column("original", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("state", sa.String(20), nullable=False, index=True),
        sa.Column("edited_by", sa.String(200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "sources",
        sa.Column("id", sa.String(32), primary_key=True),
        _knowledge_base(),
        sa.Column("address", sa.String(2000), nullable=False),
        sa.Column("prefix", sa.String(200), nullable=False),
        sa.Column("every_s", sa.Integer, nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True)),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("problem", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("knowledge_base_id", "address"),
    )
    op.create_table(
        "source_files",
        sa.Column("source_id", sa.String(32), sa.ForeignKey("sources.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("path", sa.String(1000), primary_key=True),
        sa.Column("mark", sa.String(200), nullable=False),
        sa.Column("content_hash", sa.String(64), nullable=False),
        sa.Column("document", sa.String(1000), nullable=False),
    )
    op.create_table(
        "passage_bands",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        _knowledge_base(),
        sa.Column("band", sa.String(32), nullable=False, index=True),
        _document(),
        sa.Column("version_id", sa.String(32), nullable=False, index=True),
        sa.Column("ordinal", sa.Integer, nullable=False),
    )


def _document() -> sa.Column[str]:
    return sa.Column(
        "document_id", sa.String(32), sa.ForeignKey("documents.id", ondelete="CASCADE"), nullable=False, index=True
    )


def _knowledge_base() -> sa.Column[str]:
    return sa.Column(
        "knowledge_base_id",
        sa.String(32),
        sa.ForeignKey("knowledge_bases.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    )


def downgrade() -> None:
    """Remove them again."""
    for table in ("passage_bands", "source_files", "sources", "chunk_edits"):
        op.drop_table(table)
    for name in ("cancelled", "heartbeat_at", "total", "done", "draft"):
        op.drop_column("versions", name)
    op.drop_index("ix_documents_parent_id", "documents")
    for name in ("parent_id", "source", "tags", "valid_until", "valid_from", "enabled"):
        op.drop_column("documents", name)
