"""Training side and test side, so that nothing that is tested was trained on. Pure: no I/O.

What has to stay together is a cluster: pairs of one section of a document, of the same or nearly the same text, and pairs
whose question or answer is nearly the same. A cluster goes to one side as a whole, by a hash of its first section and the
seed, so that the same pairs are split alike anywhere. Once pairs are on sides they stay: whatever hangs together with a pair
that was trained on is for training, too, and the rest is as it was.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from ingest.pairs.near import Shingles, Tokens, links, passage_links, shingles_of, tokens_of
from ingest.pairs.records import Pair, PairKind, Side, SourceRef

SHARE = 0.2
# Answers and passages of fewer words say too little to be called nearly the same: "Yes, two years."
_LEAST_WORDS = 6
# A cluster with more than this times the test side's share of all pairs is for training, or nothing else would be tested.
_LARGEST = 2.0


@dataclass(frozen=True, slots=True)
class Split:
    """Where each pair goes.

    clusters, sections: how many there are on each side.
    moved:    pairs that stood on the other side before.
    joined:   clusters that hold more than one section, because something in them is nearly the same.
    """

    sides: dict[str, Side]
    clusters: Mapping[str, int] = field(default_factory=dict)
    sections: Mapping[str, int] = field(default_factory=dict)
    moved: int = 0
    joined: int = 0

    @property
    def pairs(self) -> dict[str, int]:
        """How many pairs there are on each side."""
        counts = Counter(self.sides.values())
        return {side.value: counts[side] for side in Side}


@dataclass(frozen=True, slots=True)
class Leak:
    """Something that stands on both sides.

    what:  "section", "question", "answer" or "text".
    pairs: ids of two pairs that show it, the first one of training.
    """

    what: str
    pairs: tuple[str, str]


def section_of(ref: SourceRef) -> str:
    """The section that a source stands in, as ``SourceChunk.section`` has it."""
    return "\n".join((ref.document, *ref.heading_path))


def bound(pair: Pair) -> tuple[SourceRef, ...]:
    """The sources that a pair must not be parted from.

    Of one that cannot be answered it is the first: the others are what a retrieval would find, anywhere.
    """
    return pair.sources if pair.kind is PairKind.ANSWERABLE else pair.sources[:1]


class Splitter:
    """Takes pairs one by one, then the texts of their passages; keeps no more of them than is compared."""

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._before: list[Side | None] = []
        self._questions: list[Tokens] = []
        self._answers: list[Tokens] = []
        # Pairs by what they must not be parted from.
        self._sections: dict[str, list[int]] = defaultdict(list)
        self._texts: dict[str, list[int]] = defaultdict(list)
        self._words: dict[str, Shingles] = {}

    def add(self, pair: Pair) -> None:
        """A pair that is to stand on a side, or stands there."""
        number = len(self._ids)
        self._ids.append(pair.id)
        self._before.append(pair.side)
        # A follow-up is known by what was said before, too.
        self._questions.append(tokens_of("\n".join((*(turn.text for turn in pair.history), pair.question))))
        self._answers.append(tokens_of(pair.answer))
        for section in dict.fromkeys(section_of(ref) for ref in bound(pair)):
            self._sections[section].append(number)
        for text in dict.fromkeys(ref.text_hash for ref in bound(pair)):
            self._texts[text].append(number)

    def wants(self, text_hash: str) -> bool:
        """Whether a passage's text is still to be told of."""
        return text_hash in self._texts and text_hash not in self._words

    def add_text(self, text_hash: str, text: str) -> None:
        """The text of a passage that a pair is made of."""
        if self.wants(text_hash):
            self._words[text_hash] = shingles_of(text)

    def split(self, seed: int = 0, share: float = SHARE, *, anew: bool = False) -> Split:
        """Put every pair on a side.

        share: of all pairs, about; clusters are not parted for it.
        anew:  whatever side a pair stands on now.
        """
        together = _Together(len(self._ids))
        for _, first, second in self._ties(together.joined):
            together.join(first, second)
        members: dict[int, list[int]] = defaultdict(list)
        for number in range(len(self._ids)):
            members[together.root(number)].append(number)
        sections: dict[int, list[str]] = defaultdict(list)
        for section, numbers in self._sections.items():
            sections[together.root(numbers[0])].append(section)
        of_cluster = self._assigned(members, sections, seed, share, anew)
        sides = {self._ids[number]: side for root, side in of_cluster.items() for number in members[root]}
        before = {name: side for name, side in zip(self._ids, self._before, strict=True) if side is not None}
        by_side = Counter(side.value for side in of_cluster.values())
        sections_by_side = Counter(of_cluster[root].value for root, found in sections.items() for _ in found)
        return Split(
            sides=sides,
            clusters={side.value: by_side[side.value] for side in Side},
            sections={side.value: sections_by_side[side.value] for side in Side},
            moved=sum(sides[name] is not side for name, side in before.items()),
            joined=sum(len(found) > 1 for found in sections.values()),
        )

    def leaks(self) -> Iterator[Leak]:
        """Whatever stands on both sides now; nothing where the split holds. Pairs on no side must not be among them."""
        for what, first, second in self._ties(lambda first, second: self._before[first] is self._before[second]):
            sides = (self._before[first], self._before[second])
            if sides[0] is not sides[1]:
                trained, tested = (first, second) if sides[0] is Side.TRAIN else (second, first)
                yield Leak(what, (self._ids[trained], self._ids[tested]))

    def _ties(self, joined: Callable[[int, int], bool]) -> Iterator[tuple[str, int, int]]:
        """Pairs that must not be parted, by their numbers, with what ties them.

        joined: whether two need not be compared.
        """
        for what, groups in (("section", self._sections), ("text", self._texts)):
            for numbers in groups.values():
                yield from self._chain(what, numbers)
        for first, second in links(self._questions, joined=joined):
            yield "question", first, second
        said = [number for number, words in enumerate(self._answers) if len(words) >= _LEAST_WORDS]
        answers = [self._answers[number] for number in said]
        for first, second in links(answers, joined=lambda a, b: joined(said[a], said[b])):
            yield "answer", said[first], said[second]
        # Numbers in passages count as words do: another edition is nearly the same, another product's sheet is not.
        held = [text for text, words in self._words.items() if len(words) >= _LEAST_WORDS]
        words = [self._words[text] for text in held]
        of = [self._texts[text][0] for text in held]
        for first, second in passage_links(words, lambda a, b: joined(of[a], of[b])):
            yield from self._chain("text", [*self._texts[held[first]], *self._texts[held[second]]])

    def _chain(self, what: str, numbers: Sequence[int]) -> Iterator[tuple[str, int, int]]:
        for first, second in pairwise(numbers):
            yield what, first, second

    def _assigned(
        self,
        members: Mapping[int, Sequence[int]],
        sections: Mapping[int, Sequence[str]],
        seed: int,
        share: float,
        anew: bool,
    ) -> dict[int, Side]:
        largest = max(1.0, _LARGEST * share * len(self._ids))
        found: dict[int, Side] = {}
        new: dict[int, float] = {}
        for root, numbers in members.items():
            before = {self._before[number] for number in numbers} - {None}
            if before and not anew:
                found[root] = Side.TEST if before == {Side.TEST} else Side.TRAIN
                continue
            # Questions without a source stand for themselves.
            name = min(sections.get(root) or ["\0" + min(" ".join(sorted(self._questions[n])) for n in numbers)])
            new[root] = _place(seed, name)
            found[root] = Side.TEST if new[root] < share and len(numbers) <= largest else Side.TRAIN
        if new and Side.TEST not in found.values() and len(found) > 1:
            # So few clusters that chance left none: the one that came nearest is tested.
            fitting = [root for root in new if len(members[root]) <= largest] or list(new)
            found[min(fitting, key=lambda root: (new[root], root))] = Side.TEST
        return found


class _Together:
    """Numbers that hang together: a union-find with halved paths."""

    def __init__(self, size: int) -> None:
        self._parent = list(range(size))

    def root(self, number: int) -> int:
        while self._parent[number] != number:
            self._parent[number] = self._parent[self._parent[number]]
            number = self._parent[number]
        return number

    def joined(self, first: int, second: int) -> bool:
        return self.root(first) == self.root(second)

    def join(self, first: int, second: int) -> None:
        one, other = self.root(first), self.root(second)
        # The smaller number leads, so that the order of joining plays no part.
        self._parent[max(one, other)] = min(one, other)


def _place(seed: int, name: str) -> float:
    """A number from 0 to 1 that a seed gives to a name."""
    return int.from_bytes(hashlib.sha256(f"{seed}\0{name}".encode()).digest()[:8]) / 2**64
