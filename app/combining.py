"""Documents that are embedded at the same time share batches of like length, so that little of a batch is padding.

A batch begins with a text of the document that has waited longest, and is filled with whatever is nearest to it in
length, of any document: nobody starves, and a short note does not pay for the table beside it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from ingest.embed import Embedder, Vectors

# Texts embedded by one request: progress is seen, and a stop is heard, in between.
EMBED_AT_ONCE = 32
# Characters of one request, padding counted: bounds the memory of models that read long texts.
CHARACTERS_AT_ONCE = 64_000


class Embeds(Protocol):
    """What embeds one batch; calls take turns."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Passages to unit vectors, shape (len(texts), size)."""
        ...


@dataclass(slots=True)
class _Document:
    """The texts of one call; ``waiting`` are places of those that no batch has taken, longest first."""

    texts: list[str]
    vectors: Vectors
    done: Future[Vectors] = field(default_factory=Future)
    waiting: list[int] = field(default_factory=list)
    missing: int = 0


class WorkerEmbedder:
    """An embedder whose documents are embedded by the worker; questions and token counts stay here."""

    def __init__(self, local: Embedder, worker: Embeds) -> None:
        self._local = local
        self._worker = worker
        self.name, self.size, self.max_tokens = local.name, local.size, local.max_tokens
        self._changed = threading.Condition()
        self._documents: list[_Document] = []
        threading.Thread(target=self._work, name="embed-documents", daemon=True).start()

    def knows(self, language: str) -> bool:
        """Whether vectors of this language mean anything."""
        return self._local.knows(language)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special tokens not counted."""
        return self._local.count_tokens(texts)

    def embed_query(self, text: str) -> Vectors:
        """A question to a unit vector, shape (size,)."""
        return self._local.embed_query(text)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Questions to unit vectors, shape (len(texts), size)."""
        return self._local.embed_queries(texts)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Passages to unit vectors, shape (len(texts), size); for any number of threads.

        Raises:
            WorkerGone: the child failed twice.
            Stopping: the worker was stopped.
            WorkerNotStarted: there is no child to ask.
        """
        document = _Document(list(texts), np.zeros((len(texts), self.size), dtype=np.float32))
        if not texts:
            return document.vectors
        document.waiting = sorted(range(len(texts)), key=lambda place: -len(document.texts[place]))
        document.missing = len(texts)
        with self._changed:
            self._documents.append(document)
            self._changed.notify()
        return document.done.result()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._documents))
                batch = self._next_batch()
            try:
                vectors = self._worker.embed([document.texts[place] for document, place in batch])
            # Belongs to those who wait, Stopping as well.
            except BaseException as exc:  # noqa: BLE001
                self._fail({id(document): document for document, _ in batch}, exc)
                continue
            for (document, place), vector in zip(batch, vectors, strict=True):
                document.vectors[place] = vector
                document.missing -= 1
                if document.missing == 0:
                    document.done.set_result(document.vectors)

    def _next_batch(self) -> list[tuple[_Document, int]]:
        """Take texts of like length from what waits; the oldest document is among it."""
        oldest = self._documents[0]
        length = len(oldest.texts[oldest.waiting[0]])
        waiting = [(document, place) for document in self._documents for place in document.waiting]
        # Stable, and the oldest document stands first: its longest text opens the batch.
        waiting.sort(key=lambda entry: abs(len(entry[0].texts[entry[1]]) - length))
        batch: list[tuple[_Document, int]] = []
        longest = 1
        for document, place in waiting:
            longest = max(longest, len(document.texts[place]))
            if batch and (len(batch) == EMBED_AT_ONCE or longest * (len(batch) + 1) > CHARACTERS_AT_ONCE):
                break
            batch.append((document, place))
            document.waiting.remove(place)
        self._documents = [document for document in self._documents if document.waiting]
        return batch

    def _fail(self, documents: dict[int, _Document], exc: BaseException) -> None:
        with self._changed:
            self._documents = [document for document in self._documents if id(document) not in documents]
        for document in documents.values():
            document.done.set_exception(exc)
