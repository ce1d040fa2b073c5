"""The caches as the settings want them, in front of a chain."""

from __future__ import annotations

from collections.abc import Sequence

from app.rag.cache import AnswerCache
from app.rag.counts import CacheCounts
from app.rag.curated import CuratedShelf
from app.rag.front import AnswerFront, AnswerStream
from app.rag.semantic import SemanticMatcher
from app.settings import AppSettings
from ingest.catalog import Catalog
from ingest.curated import CuratedAnswers
from ingest.embed import Embedder
from serving.engines import ChatEngine


def front_of(
    chain: AnswerStream,
    catalog: Catalog,
    embedder: Embedder,
    engines: Sequence[ChatEngine],
    settings: AppSettings,
    counts: CacheCounts,
    *,
    caching: bool = True,
) -> AnswerFront:
    """A chain with curated answers in front of it, and caches between the two.

    caching: whether it is asked often enough to remember anything.
    """
    caching = caching and settings.cache_answers > 0
    similarity = settings.curated_similarity if settings.curated_semantic else None
    return AnswerFront(
        chain,
        catalog,
        lambda ask: tuple((engine.name, engine.released(ask.conversation, ask.release)) for engine in engines),
        shelf=CuratedShelf(CuratedAnswers(catalog.engine), embedder, similarity),
        cache=AnswerCache(settings.cache_answers, settings.cache_ttl_s) if caching else None,
        semantic=SemanticMatcher(embedder, settings.cache_similarity, settings.cache_answers)
        if caching and settings.cache_semantic
        else None,
        counts=counts,
    )
