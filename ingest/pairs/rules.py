"""Pairs by rule: the rules of a passage in order of trust, at most five pairs, one question a fact. Pure: no I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator

from ingest.pairs.records import Draft, SourceChunk
from ingest.pairs.rules_faq import faq
from ingest.pairs.rules_lines import contacts, facts, labels
from ingest.pairs.rules_table import table
from ingest.pairs.rules_text import definition, procedure
from ingest.pairs.topics import Corpus
from ingest.pairs.units import squeezed

MOST_A_CHUNK = 5
Rule = Callable[[SourceChunk, Corpus], Iterable[Draft]]
RULES: tuple[Rule, ...] = (faq, definition, procedure, contacts, table, labels, facts)
LANGUAGES = ("en", "zh")


class RuleWriter:
    """Pairs by rule; a PairWriter.

    corpus: what the rest of the knowledge base holds; without it every heading is taken for the only one of its words.
    """

    name = "rules"
    # Raised when a rule changes what it makes: texts are asked about again (ingest/pairs/runs.py).
    version = "1"

    def __init__(self, corpus: Corpus | None = None) -> None:
        self._corpus = corpus or Corpus()

    def write(self, chunk: SourceChunk) -> Iterator[Draft]:
        """At most five pairs of a passage, none of which has the fact of another."""
        if chunk.language not in (*LANGUAGES, "und"):
            return
        facts_asked: set[str] = set()
        questions: set[str] = set()
        for rule in RULES:
            for draft in rule(chunk, self._corpus):
                fact = squeezed(f"{draft.evidence}\0{draft.short}")
                if fact in facts_asked or draft.question in questions:
                    continue
                if len(questions) == MOST_A_CHUNK:
                    return
                facts_asked.add(fact)
                questions.add(draft.question)
                yield draft


def spread(key: str) -> float:
    """A number from 0 to 1 that is the same in every run."""
    return int(hashlib.sha256(key.encode()).hexdigest()[:8], 16) / 0xFFFFFFFF
