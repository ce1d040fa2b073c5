"""Stand-ins that implement our real protocols: deterministic, in memory, no network."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from time import time
from typing import Any

import numpy as np
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import Field

from ingest.embed import ANY_LANGUAGE, Vectors
from ingest.errors import IndexUnavailable
from ingest.index.base import Hit, LegHits, Point, writing_of
from ingest.schema import EVERYTHING, Filters, Principal
from ingest.sparse import SparseVector

_TOKEN = re.compile(r"[^\W㐀-鿿]+|[㐀-鿿]")


class HashEmbedder:
    """Bags of words as unit vectors: texts that share words are near. A token is a word, or a Chinese character."""

    def __init__(
        self, languages: Sequence[str] = (ANY_LANGUAGE,), size: int = 256, name: str = "hash", max_tokens: int = 512
    ) -> None:
        self.name = name
        self.size = size
        self.max_tokens = max_tokens
        self._languages = frozenset(languages)

    def knows(self, language: str) -> bool:
        return ANY_LANGUAGE in self._languages or language in self._languages

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(_TOKEN.findall(text)) for text in texts]

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        return np.stack([self.embed_query(text) for text in texts]) if texts else np.zeros((0, self.size), np.float32)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return np.stack([self.embed_query(text) for text in texts])

    def embed_query(self, text: str) -> Vectors:
        vector = np.zeros(self.size, dtype=np.float32)
        for token in _TOKEN.findall(text.lower()) or [""]:
            vector[int.from_bytes(hashlib.blake2s(token.encode()).digest()[:4]) % self.size] += 1
        return vector / np.linalg.norm(vector)


class MemoryIndex:
    """A vector index in a dictionary. It can be told to fail: ``fails_after`` upserts, until it is set to None."""

    engine = "memory"

    def __init__(self) -> None:
        self._spaces: dict[str, dict[str, Point]] = {}
        self.fails_after: int | None = None

    def upsert(self, knowledge_base: str, points: Sequence[Point]) -> None:
        if self.fails_after is not None:
            if self.fails_after == 0:
                raise IndexUnavailable("the index has gone away")
            self.fails_after -= 1
        space = self._spaces.setdefault(knowledge_base, {})
        space.update({point.id: replace(point, payload=dict(point.payload)) for point in points})

    def count(self, knowledge_base: str, version: str | None = None, generation: int | None = None) -> int:
        if version is None or generation is None:
            return len(self._spaces.get(knowledge_base, {}))
        return len(self._of(knowledge_base, version, generation))

    def set_live(self, knowledge_base: str, version: str, generation: int) -> None:
        for point in self._of(knowledge_base, version, generation):
            point.payload["live"] = 1

    def set_payload(self, knowledge_base: str, document: str, values: Mapping[str, Any]) -> None:
        for point in self._spaces.get(knowledge_base, {}).values():
            if point.payload["document"] == document:
                point.payload.update(values)

    def delete(self, knowledge_base: str, version: str, generation: int) -> None:
        for point in self._of(knowledge_base, version, generation):
            del self._spaces[knowledge_base][point.id]

    def drop(self, knowledge_base: str) -> None:
        self._spaces.pop(knowledge_base, None)

    def search(
        self,
        knowledge_base: str,
        *,
        dense: Vectors | None,
        sparse: SparseVector | None,
        principal: Principal,
        limit: int,
        filters: Filters = EVERYTHING,
        at: float | None = None,
    ) -> LegHits:
        now = time() if at is None else at
        points = self._spaces.get(knowledge_base, {}).values()
        seen = [p for p in points if _visible(p, principal) and _asked_for(p, filters, now)]
        near, matching = [], []
        if dense is not None:
            near = [(float(point.dense @ dense), point) for point in seen if point.dense is not None]
        if sparse is not None:
            weights = dict(zip(sparse.indices, sparse.values, strict=True))
            scored = [(_dot(point.sparse, weights), point) for point in seen]
            matching = [(score, point) for score, point in scored if score > 0]
        return LegHits(_best(near, limit), _best(matching, limit))

    def fetch(
        self,
        knowledge_base: str,
        ids: Sequence[str],
        *,
        principal: Principal,
        filters: Filters = EVERYTHING,
        at: float | None = None,
    ) -> list[Hit]:
        now = time() if at is None else at
        points = self._spaces.get(knowledge_base, {}).values()
        seen = [p for p in points if p.id in set(ids) and _visible(p, principal) and _asked_for(p, filters, now)]
        return [Hit(p.id, 0.0, dict(p.payload)) for p in seen]

    def points(self, knowledge_base: str, version: str, generation: int) -> Iterator[Hit]:
        yield from (Hit(point.id, 0.0, point.payload) for point in self._of(knowledge_base, version, generation))

    def payloads(
        self,
        knowledge_base: str,
        fields: Collection[str] | None = None,
        *,
        document: str | None = None,
        flag: str | None = None,
        live: bool = False,
    ) -> Iterator[Hit]:
        for point in list(self._spaces.get(knowledge_base, {}).values()):
            payload = point.payload
            of_document = document in (None, payload["document"])
            if of_document and (flag is None or flag in payload.get("flags", [])) and (payload["live"] or not live):
                kept = payload if fields is None else {key: payload[key] for key in fields if key in payload}
                yield Hit(point.id, 0.0, dict(kept))

    def writings(self, knowledge_base: str, *, live: bool = False) -> Counter[tuple[str, int]]:
        points = self._spaces.get(knowledge_base, {}).values()
        return Counter(writing_of(point.payload) for point in points if point.payload["live"] or not live)

    def vectors(self, knowledge_base: str, version: str, generation: int) -> dict[str, Vectors]:
        points = self._of(knowledge_base, version, generation)
        return {p.payload["embed_hash"]: p.dense for p in points if p.dense is not None and "embed_hash" in p.payload}

    def optimize(self, knowledge_base: str) -> None:
        pass

    def close(self) -> None:
        pass

    def _of(self, knowledge_base: str, version: str, generation: int) -> list[Point]:
        space = self._spaces.get(knowledge_base, {})
        return [point for point in space.values() if writing_of(point.payload) == (version, generation)]


def _visible(point: Point, principal: Principal) -> bool:
    payload = point.payload
    return bool(payload["live"] and payload["tenant"] == principal.tenant and principal.groups & set(payload["acl"]))


def _asked_for(point: Point, filters: Filters, at: float) -> bool:
    payload = point.payload
    in_time = payload.get("valid_from", 0) <= at < payload.get("valid_until", at + 1)
    tagged = not filters.tags or bool(set(filters.tags) & set(payload.get("tags", [])))
    return bool(
        payload.get("enabled", 1) and in_time and tagged and payload.get("source", "").startswith(filters.source)
    )


def _dot(vector: SparseVector, weights: dict[int, float]) -> float:
    return sum(weights.get(index, 0.0) * value for index, value in zip(vector.indices, vector.values, strict=True))


def _best(scored: list[tuple[float, Point]], limit: int) -> list[Hit]:
    scored = sorted(scored, key=lambda entry: -entry[0])[:limit]
    return [Hit(point.id, score, dict(point.payload)) for score, point in scored]


class ScriptedChatModel(BaseChatModel):
    """A chat model that streams the given pieces, then raises ``error``, hangs, or ends; it keeps what it was asked."""

    pieces: list[str] = Field(default_factory=list)
    error: Exception | None = None
    hangs: bool = False
    asked: list[list[BaseMessage]] = Field(default_factory=list)
    headers: list[dict[str, str]] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    async def _astream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        self.asked.append(messages)
        self.headers.append(kwargs.get("extra_headers", {}))
        for piece in self.pieces:
            yield ChatGenerationChunk(message=AIMessageChunk(content=piece))
        if self.error is not None:
            raise self.error
        if self.hangs:
            await asyncio.Event().wait()

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        self.asked.append(messages)
        if self.error is not None:
            raise self.error
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content="".join(self.pieces)))])
