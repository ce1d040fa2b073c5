"""Questions, the passage that answers each, and passages that do not: what an embedder is tuned on. Pure: no model, no I/O.

Hard negatives are what our own retrieval finds for a question (Karpukhin et al., Dense Passage Retrieval, EMNLP 2020). What
retrieval finds may answer, too: the passage's near-copies and whatever holds the short answer never stand as a negative, in
no batch (Qu et al., RocketQA, NAACL 2021, on false negatives).
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from finetune.samples import holds
from ingest.chunk import split_sentences
from ingest.pairs.near import PASSAGE_THRESHOLD, Shingles, jaccard, shingles_of

# Characters of a sentence that can be asked as a question.
_LEAST, _MOST = 10, 200


@dataclass(frozen=True, slots=True)
class Text:
    """A passage: ``text`` as customers see it, ``indexed`` exactly as it is embedded for the index."""

    id: str
    text: str
    indexed: str
    language: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with what is known of its passages.

    gold:      ids of the passages that answer; the first is learnt.
    short:     the answer's own words; whatever holds them may answer.
    group:     what is kept on one side of the held-out split.
    negatives: ids of passages that do not answer, nearest first.
    positive:  what is learnt instead of the first gold passage, where that would give the question away.
    """

    question: str
    gold: tuple[str, ...]
    short: str
    language: str
    group: str
    negatives: tuple[str, ...] = ()
    positive: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A question of a batch with its passages, by id: the one that answers first, then those that do not."""

    asked: Asked
    passages: tuple[str, ...]

    def texts(self, passages: Mapping[str, Text]) -> list[str]:
        """Its passages as they are embedded."""
        first = self.asked.positive or passages[self.passages[0]].indexed
        return [first, *(passages[each].indexed for each in self.passages[1:])]


def may_answer(asked: Asked, text: Text, passages: Mapping[str, Text]) -> bool:
    """Whether a passage may hold the answer, so that it must not stand as a negative."""
    if text.id in asked.gold or (asked.short and holds(text.text, asked.short)):
        return True
    own = _shingles(text.text)
    return any(jaccard(own, _shingles(passages[each].text)) >= PASSAGE_THRESHOLD for each in asked.gold)


@lru_cache(maxsize=20_000)
def _shingles(text: str) -> Shingles:
    return shingles_of(text)


def with_negatives(asked: Asked, found: Iterable[str], passages: Mapping[str, Text], most: int) -> Asked:
    """The question with the nearest of what retrieval finds that does not answer it.

    A passage in another language is none: it may be a translation of the one that answers.
    """
    language = passages[asked.gold[0]].language
    chosen: list[str] = []
    for each in found:
        if len(chosen) == most:
            break
        text = passages[each]
        if text.language == language and each not in chosen and not may_answer(asked, text, passages):
            chosen.append(each)
    return replace(asked, negatives=tuple(chosen))


def held_out_groups(asked: Sequence[Asked], share: float, seed: int) -> frozenset[str]:
    """Groups that are not learnt from: the same ones for the same seed, a share of those of each language."""
    chosen: set[str] = set()
    for language in sorted({each.language for each in asked}):
        names = {each.group for each in asked if each.language == language}
        ranked = sorted(names, key=lambda name: hashlib.sha256(f"{seed}/{name}".encode()).hexdigest())
        chosen.update(ranked[: round(share * len(ranked))])
    return frozenset(chosen)


def sentences_as_questions(
    passages: Iterable[Text], languages: Collection[str], most: int, seed: int, without: Collection[str] = ()
) -> list[Asked]:
    """Sentences asked for the passage that they were taken from (inverse cloze, Lee et al., ACL 2019).

    most:    of a passage.
    without: ids of passages that are left alone, because questions about them are to be tested.
    """
    asked: list[Asked] = []
    for text in passages:
        if text.language not in languages or text.id in without:
            continue
        draw = random.Random(f"{seed}/{text.id}")  # noqa: S311 - no secret
        found = [s.strip() for line in text.text.split("\n") for s in split_sentences(line)]
        usable = [s for s in dict.fromkeys(found) if _LEAST <= len(s) <= _MOST]
        if len(found) < 2:
            continue
        for sentence in draw.sample(usable, min(most, len(usable))):
            rest = text.indexed.replace(sentence, " ", 1)
            asked.append(Asked(sentence, (text.id,), "", text.language, text.id, positive=rest))
    return asked


def batches(
    asked: Sequence[Asked], passages: Mapping[str, Text], size: int, negatives: int, seed: int, epoch: int = 0
) -> Iterator[list[Row]]:
    """Each question once, in an order that seed and epoch decide, in batches where no passage answers two questions.

    size:      questions of a batch; the last ones may be fewer. One question alone has nothing to be told apart from, and is
               left out.
    negatives: of each question; where retrieval found fewer, others of its language.
    """
    draw = random.Random(f"{seed}/{epoch}")  # noqa: S311 - no secret
    of_language: dict[str, list[str]] = {}
    for text in passages.values():
        of_language.setdefault(text.language, []).append(text.id)
    waiting = [Row(each, (each.gold[0], *_drawn(each, passages, of_language, negatives, draw))) for each in asked]
    draw.shuffle(waiting)
    while waiting:
        batch: list[Row] = []
        rest: list[Row] = []
        for place, row in enumerate(waiting):
            if len(batch) == size:
                rest += waiting[place:]
                break
            (rest if any(_clash(row, other, passages) for other in batch) else batch).append(row)
        if len(batch) > 1:
            yield batch
        waiting = rest


def _drawn(
    asked: Asked, passages: Mapping[str, Text], of_language: Mapping[str, list[str]], wanted: int, draw: random.Random
) -> list[str]:
    chosen = draw.sample(asked.negatives, min(wanted, len(asked.negatives)))
    pool = of_language[passages[asked.gold[0]].language]
    # Where nearly every passage may answer there are none to be had: the row stays short.
    for _ in range(20 * wanted):
        if len(chosen) == wanted:
            break
        other = draw.choice(pool)
        if other not in chosen and not may_answer(asked, passages[other], passages):
            chosen.append(other)
    return chosen


def _clash(one: Row, other: Row, passages: Mapping[str, Text]) -> bool:
    return any(
        may_answer(row.asked, passages[each], passages)
        for row, beside in ((one, other), (other, one))
        for each in beside.passages
    )


def digest(asked: Iterable[Asked], passages: Mapping[str, Text]) -> str:
    """Hash of what is learnt from, 16 hex digits; the same for the same questions in any order."""
    rows = sorted("\0".join((each.question, each.positive, *each.gold, "", *each.negatives)) for each in asked)
    texts = sorted(passages[each].indexed for each in {one for row in asked for one in (*row.gold, *row.negatives)})
    return hashlib.sha256("\n".join((*rows, *texts)).encode()).hexdigest()[:16]
