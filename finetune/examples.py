"""Pairs -> training examples: the prompt that serving would write, the answer that it should have given. Pure: no model.

After RAFT (arXiv:2403.10131): among the passages of a prompt is the one that answers, at any place, between passages that
retrieval finds for the same questions; or it is not among them, and the target is the refusal, never a memorised answer.
Questions that the same passages answer, or do not, stand together: their prompts begin alike, and a run reads the
passages once (finetune/sharing.py).
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from finetune.recipe import Examples
from serving.passages import Passage
from serving.prompts import NOT_FOUND, Message, Style, render_answer

CountTokens = Callable[[str], int]
_END = re.compile(r"([.!?。！？]*)$")


@dataclass(frozen=True, slots=True)
class Sample:
    """A question with what is known of its answer.

    gold:     ids of the chunks that hold the answer; empty when none does.
    short:    the bare answer; "" where there is none.
    sentence: the answer in full sentences, without marks; "" where there is none.
    found:    ids of what retrieval finds for the question, best first, those of ``gold`` among them or not.
    group:    what is kept on one side of the held-out split.
    """

    question: str
    gold: tuple[str, ...]
    short: str
    sentence: str
    found: tuple[str, ...]
    group: str = ""

    def target(self, style: Style) -> str:
        """The bare answer or the sentences; "" where the pair has none in that style."""
        return self.short if style == "short" else self.sentence


@dataclass(frozen=True, slots=True)
class Example:
    """A prompt and what the model should write after it."""

    prompt: tuple[Message, ...]
    target: str
    style: Style
    answerable: bool


@dataclass(slots=True)
class Group:
    """Examples whose prompts have the same instruction and passages."""

    examples: list[Example] = field(default_factory=list)
    name: str = ""


def build(
    samples: Sequence[Sample],
    passages: dict[str, Passage],
    settings: Examples,
    count_tokens: CountTokens,
    seed: int,
    *,
    epoch: int = 0,
) -> Iterator[Group]:
    """Groups of examples, each answerable sample at least once an epoch, in an order that the seed decides.

    A group asks of all passages that it shows: what one sample's passage is, is another's distractor. Samples that are asked in a
    group before their own turn have none of their own in this epoch.

    passages: every chunk that a sample names, by id.
    """
    draw = random.Random(f"{seed}/{epoch}")  # noqa: S311 - no secret
    by_gold: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        if sample.gold:
            by_gold[sample.gold[0]].append(sample)
    # Questions that retrieval would bring a chunk for, and that it does not answer.
    near: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        for chunk in sample.found:
            if chunk not in sample.gold:
                near[chunk].append(sample)
    order = sorted(by_gold)
    draw.shuffle(order)
    turns = _Turns(by_gold, settings, draw)
    for gold in order:
        while (style := turns.style(gold)) is not None:
            group = _group(gold, style, turns, near, passages, settings, count_tokens, draw)
            if group.examples:
                yield group


class _Turns:
    """Which samples are still to be asked in this epoch."""

    def __init__(self, by_gold: dict[str, list[Sample]], settings: Examples, draw: random.Random) -> None:
        self._settings, self._draw = settings, draw
        # One that says nothing in either style teaches no answer.
        self._left = {gold: [s for s in of if s.short or s.sentence] for gold, of in by_gold.items()}

    def style(self, gold: str) -> Style | None:
        """The style that a passage's samples are asked in next; None where none is left."""
        left = self._left.get(gold, ())
        if not left:
            return None
        drawn: Style = "short" if self._draw.random() < self._settings.short else "sentence"
        other: Style = "sentence" if drawn == "short" else "short"
        return drawn if any(sample.target(drawn) for sample in left) else other

    def take(self, gold: str, style: Style, most: int) -> list[Sample]:
        """Samples of a passage that have an answer in a style; each is taken once."""
        fit = [sample for sample in self._left.get(gold, ()) if sample.target(style)]
        taken = self._draw.sample(fit, max(0, min(most, len(fit))))
        # By identity: two samples may say the same.
        gone = {id(sample) for sample in taken}
        self._left[gold] = [sample for sample in self._left.get(gold, ()) if id(sample) not in gone]
        return taken


def _group(
    gold: str,
    style: Style,
    turns: _Turns,
    near: dict[str, list[Sample]],
    passages: dict[str, Passage],
    settings: Examples,
    count_tokens: CountTokens,
    draw: random.Random,
) -> Group:
    asked = turns.take(gold, style, settings.most_shared)
    context = _context(gold, asked, passages, settings, count_tokens, draw, style)
    shown = {passage.chunk_id: passage for passage in context}
    group = Group(name=asked[0].group)
    for chunk in shown:
        asked += turns.take(chunk, style, settings.most_shared - len(asked))
    absent = _absent(shown, near, draw, settings, len(asked))
    for sample, target in [*((s, _answer(s, style, shown)) for s in asked), *((s, NOT_FOUND) for s in absent)]:
        prompt = render_answer(
            sample.question, context, style=style, budget=10 * settings.budget, count_tokens=count_tokens
        )
        group.examples.append(Example(tuple(prompt), target, style, target != NOT_FOUND))
    draw.shuffle(group.examples)
    return group


def _context(
    gold: str,
    mine: Sequence[Sample],
    passages: dict[str, Passage],
    settings: Examples,
    count_tokens: CountTokens,
    draw: random.Random,
    style: Style,
) -> list[Passage]:
    """The gold passage among others that retrieval finds for its questions, numbered, within the budget."""
    others: dict[str, float] = defaultdict(float)
    for sample in mine:
        for place, chunk in enumerate(sample.found):
            if chunk not in sample.gold:
                others[chunk] += 1 / (1 + place)
    # Mostly the nearest, not always: an engine's order is not the same each time.
    ranked = sorted(others, key=lambda chunk: -others[chunk] * draw.uniform(0.5, 1.0))
    wanted = draw.randint(*settings.passages) - 1
    longest = max((sample.question for sample in mine), key=len)
    chosen = [passages[gold]]
    for chunk in ranked:
        if len(chosen) > wanted:
            break
        more = [*chosen, passages[chunk]]
        prompt = render_answer(longest, more, style=style, budget=10 * settings.budget, count_tokens=count_tokens)
        if sum(count_tokens(message.content) for message in prompt) <= settings.budget:
            chosen = more
    draw.shuffle(chosen)
    return [replace(passage, n=n) for n, passage in enumerate(chosen, start=1)]


def _answer(sample: Sample, style: Style, shown: dict[str, Passage]) -> str:
    target = sample.target(style)
    if style == "short":
        return target
    marks = sorted(shown[chunk].n for chunk in sample.gold if chunk in shown)
    said = "".join(f" [{n}]" for n in marks[:1])
    return _END.sub(lambda end: said + end.group(1), target.strip(), count=1)


def _absent(
    shown: dict[str, Passage],
    near: dict[str, list[Sample]],
    draw: random.Random,
    settings: Examples,
    answered: int,
) -> list[Sample]:
    """Questions that these passages do not answer though retrieval brings them for it; most passages in common first."""
    counts: dict[int, tuple[int, Sample]] = {}
    texts = "\n".join(passage.text for passage in shown.values()).casefold()
    for chunk in shown:
        for sample in near.get(chunk, ()):
            held = sample.short and sample.short.casefold() in texts
            if not set(sample.gold) & shown.keys() and not held:
                counts[id(sample)] = (counts.get(id(sample), (0, sample))[0] + 1, sample)
    exact = answered * settings.absent / (1 - settings.absent)
    wanted = int(exact) + (draw.random() < exact - int(exact))
    ranked = sorted(counts.values(), key=lambda each: (-each[0], draw.random()))
    return [sample for _, sample in ranked[: max(wanted, 0)]]
