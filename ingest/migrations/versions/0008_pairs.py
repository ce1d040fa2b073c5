"""Pairs: questions with their answers, made of passages; which texts were asked about, runs, splits."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def _base(*, primary_key: bool = False, index: bool = False) -> sa.Column[str]:
    key = sa.ForeignKey("knowledge_bases.id", ondelete="CASCADE")
    return sa.Column("knowledge_base_id", sa.String(32), key, nullable=False, primary_key=primary_key, index=index)


def upgrade() -> None:
    """Add the tables."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "pairs",
        sa.Column("id", sa.String(32), primary_key=True),
        _base(),
        sa.Column("question", sa.Text, nullable=False),
        sa.Column("question_key", sa.String(32), nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("style", sa.String(20), nullable=False),
        sa.Column("language", sa.String(10), nullable=False),
        sa.Column("writer", sa.String(200), nullable=False),
        sa.Column("evidence", sa.Text, nullable=False),
        sa.Column("short", sa.Text, nullable=False),
        sa.Column("history", sa.Text, nullable=False),
        sa.Column("filters", sa.Text, nullable=False),
        sa.Column("review", sa.String(20), nullable=False),
        sa.Column("reviewer", sa.String(200), nullable=False),
        sa.Column("reviewed_at", moment),
        sa.Column("stale", sa.Boolean, nullable=False),
        sa.Column("side", sa.String(10), nullable=False),
        sa.Column("created_at", moment, nullable=False),
    )
    op.create_index("ix_pairs_in_order", "pairs", ["knowledge_base_id", "created_at", "id"])
    op.create_index("ix_pairs_question", "pairs", ["knowledge_base_id", "question_key"])
    op.create_table(
        "pair_sources",
        sa.Column("pair_id", sa.String(32), sa.ForeignKey("pairs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("chunk_id", sa.String(36), nullable=False),
        sa.Column("text_hash", sa.String(32), nullable=False, index=True),
        sa.Column("version", sa.String(32), nullable=False),
        sa.Column("document", sa.String(1000), nullable=False, index=True),
        sa.Column("heading_path", sa.Text, nullable=False),
    )
    op.create_table(
        "pair_chunks",
        _base(primary_key=True),
        sa.Column("made_of", sa.String(32), primary_key=True),
        sa.Column("writer", sa.String(200), primary_key=True),
    )
    op.create_table(
        "pair_runs",
        sa.Column("id", sa.String(32), primary_key=True),
        _base(index=True),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("asked", sa.Integer, nullable=False),
        sa.Column("skipped", sa.Integer, nullable=False),
        sa.Column("counts", sa.Text, nullable=False),
        sa.Column("problem", sa.Text, nullable=False),
        sa.Column("started_at", moment, nullable=False),
        sa.Column("ended_at", moment),
    )
    op.create_table(
        "pair_bases",
        _base(primary_key=True),
        sa.Column("corpus_version", sa.BigInteger, nullable=False),
        sa.Column("split_seed", sa.Integer, nullable=False),
        sa.Column("split_share", sa.Float, nullable=False),
        sa.Column("split_at", moment),
    )


def downgrade() -> None:
    """Remove them again."""
    for table in ("pair_bases", "pair_runs", "pair_chunks", "pair_sources", "pairs"):
        op.drop_table(table)
