"""What pairs ask of serving and retrieval, wired: the composition root's side of the Protocols in ingest/pairs."""

from __future__ import annotations

from collections.abc import Sequence

from app.rag.retrieve import HybridSearch
from ingest.chunk import split_sentences
from ingest.pairs.live import live_hash
from ingest.pairs.records import FoundChunk, SourceChunk
from ingest.records import KnowledgeBase
from serving.citations import Similarity, check_sentence
from serving.passages import Passage, content_tokens
from serving.verifier import Verifier


class RetrievedChunks:
    """The retrieval that customers are answered from, as pairs ask it; a PassageFinder."""

    def __init__(self, search: HybridSearch, kb: KnowledgeBase) -> None:
        self._search, self._kb = search, kb

    def find(self, question: str, limit: int = 5) -> Sequence[FoundChunk]:
        """Passages of the knowledge base, best first."""
        found = self._search.search(self._kb, question).fused[:limit]
        return [FoundChunk(f.hit.id, live_hash(f.hit.payload), str(f.hit.payload["text"]), f.score) for f in found]


class CitationSupport:
    """The check of sentences that customers' answers go through, for pairs; a Supports.

    similarity: cosine of a sentence with texts, for languages that the embedder knows; None for none.
    """

    def __init__(self, similarity: Similarity | None = None) -> None:
        self._similarity = similarity

    def problem(self, answer: str, question: str, source: SourceChunk) -> str:
        """Why the passage does not support a sentence of the answer; "" where it supports each."""
        passage = Passage(
            1,
            source.id,
            source.document,
            source.title,
            source.version,
            source.text,
            source.heading_path,
            language=source.language,
        )
        for line in answer.split("\n"):
            for sentence in split_sentences(line):
                # "Yes." says nothing that could be looked up; the sentences after it do.
                if len(content_tokens(sentence)) < 2 and sentence != answer:
                    continue
                checked = check_sentence(sentence, [passage], question, self._similarity, bare=True)
                if checked.withheld:
                    return f"{checked.withheld}: {sentence[:60]!r}"
        return ""


class VerifierVote:
    """The verifier's opinion on question and evidence; an Entails."""

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier

    def vote(self, question: str, text: str, language: str) -> float | None:
        """How likely the text answers, 0 to 1; None in a language that the verifier was not trained on."""
        if not self._verifier.knows(language):
            return None
        return self._verifier.score(question, [text])[0]
