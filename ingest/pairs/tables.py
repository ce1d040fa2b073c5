"""The tables of pairs. Pairs change no answer: ingest/corpus.py does not watch them."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import BigInteger, DateTime, Float, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from ingest.database import Base


class PairRow(Base):
    """A pair that was kept (ingest/pairs/records.py has the words)."""

    __tablename__ = "pairs"
    __table_args__ = (
        Index("ix_pairs_in_order", "knowledge_base_id", "created_at", "id"),
        Index("ix_pairs_question", "knowledge_base_id", "question_key"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    knowledge_base_id: Mapped[str] = mapped_column(ForeignKey("knowledge_bases.id", ondelete="CASCADE"))
    question: Mapped[str] = mapped_column(Text)
    # Hash of the turns before and the question, without case, white space and punctuation: equal ones are duplicates.
    question_key: Mapped[str] = mapped_column(String(32))
    answer: Mapped[str] = mapped_column(Text, default="")
    kind: Mapped[str] = mapped_column(String(20))
    style: Mapped[str] = mapped_column(String(20))
    language: Mapped[str] = mapped_column(String(10), default="und")
    writer: Mapped[str] = mapped_column(String(200))
    evidence: Mapped[str] = mapped_column(Text, default="")
    short: Mapped[str] = mapped_column(Text, default="")
    # JSON list of [role, text].
    history: Mapped[str] = mapped_column(Text, default="[]")
    # JSON object: what each filter said, by its name.
    filters: Mapped[str] = mapped_column(Text, default="{}")
    review: Mapped[str] = mapped_column(String(20), default="pending")
    reviewer: Mapped[str] = mapped_column(String(200), default="")
    reviewed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    stale: Mapped[bool] = mapped_column(default=False)
    # "" while no split was made since it was written or edited.
    side: Mapped[str] = mapped_column(String(10), default="")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=lambda: datetime.now(UTC))


class PairSourceRow(Base):
    """A passage that a pair was made of, in the pair's order."""

    __tablename__ = "pair_sources"

    pair_id: Mapped[str] = mapped_column(ForeignKey("pairs.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    chunk_id: Mapped[str] = mapped_column(String(36))
    text_hash: Mapped[str] = mapped_column(String(32), index=True)
    version: Mapped[str] = mapped_column(String(32))
    document: Mapped[str] = mapped_column(String(1000), index=True)
    # JSON list of strings.
    heading_path: Mapped[str] = mapped_column(Text, default="[]")


class PairChunkRow(Base):
    """A text that a writer was asked about: it is not asked again, whatever came of it."""

    __tablename__ = "pair_chunks"

    knowledge_base_id: Mapped[str] = mapped_column(
        ForeignKey("knowledge_bases.id", ondelete="CASCADE"), primary_key=True
    )
    # Hash of the document's title and the passage's text_hash: what a writer reads.
    made_of: Mapped[str] = mapped_column(String(32), primary_key=True)
    # Name and version of the writer.
    writer: Mapped[str] = mapped_column(String(200), primary_key=True)


class PairRunRow(Base):
    """A run of the writers over a knowledge base, or an import, and what became of what they wrote."""

    __tablename__ = "pair_runs"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    knowledge_base_id: Mapped[str] = mapped_column(ForeignKey("knowledge_bases.id", ondelete="CASCADE"), index=True)
    state: Mapped[str] = mapped_column(String(20), default="running")
    # Passages that were asked about, and those that were done before.
    asked: Mapped[int] = mapped_column(default=0)
    skipped: Mapped[int] = mapped_column(default=0)
    # JSON object by writer: {"written", "kept", "dropped": {filter: count}}.
    counts: Mapped[str] = mapped_column(Text, default="{}")
    problem: Mapped[str] = mapped_column(Text, default="")
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=lambda: datetime.now(UTC))
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class PairBaseRow(Base):
    """What is known of all pairs of a knowledge base."""

    __tablename__ = "pair_bases"

    knowledge_base_id: Mapped[str] = mapped_column(
        ForeignKey("knowledge_bases.id", ondelete="CASCADE"), primary_key=True
    )
    # That of the knowledge base when the pairs were last held against its texts; -1 for never.
    corpus_version: Mapped[int] = mapped_column(BigInteger, default=-1)
    # Of the last split; no split was made while ``split_at`` is not set.
    split_seed: Mapped[int] = mapped_column(default=0)
    split_share: Mapped[float] = mapped_column(Float, default=0.2)
    split_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
