"""The same question as customers put it: as a query of keywords, colloquially, with a slip, as a follow-up. Pure: no I/O.

By rule only what changes no meaning: words are left out, greeted with, or mistyped; nothing is said in other words.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from ingest.cleaning.findings import wordset
from ingest.pairs.records import Draft, PairWriter, SourceChunk, Style, Turn
from ingest.pairs.rules_table import cells, draft_of
from ingest.pairs.topics import Corpus, is_chinese
from ingest.pairs.units import tables_of
from ingest.pairs.words import known_word
from ingest.sparse import codes

_ASKING_EN = wordset(
    "what which who whom when where why how is are was were do does did can could may must should shall will would the a an i my me you your we "
    "our of to for in on at by it there have has regarding about be get that than and or if with from as any this most least whom"
)
_LONG = re.compile(
    r"\b(?:how (?:long|much|many|often)|(?:for|within|after|until|from|by) (?:how long|what time|when))\b",
    re.IGNORECASE,
)
_ASKING_ZH = re.compile(
    r"关于|请问|是多少|是什么意思|是什么|有哪些|在哪里|怎么办|可能是什么原因|如何|怎样|怎么|什么时候|什么|吗|呢|[？，。：“”]"
)
_MOST_KEYWORDS = 9
_GREETED_EN = ("Hi, quick question: {}", "Hello, I'd like to know: {}", "Hi there! {}", "Hey, {}", "{} Thanks!")
_GREETED_ZH = ("你好，请问{}", "请问一下，{}", "您好，想咨询一下，{}", "麻烦问下，{}", "{}谢谢！")
# Characters that are typed for each other because they sound alike.
_SOUND_ALIKE = {
    "哪": "那",
    "账": "帐",
    "须": "需",
    "做": "作",
    "像": "象",
    "再": "在",
    "的": "得",
    "几": "机",
    "时": "是",
}
_OF_THING = re.compile(r"^(?:.*?[:,] )?[Ww]hat (is|are) the (.+?) (?:of|for) (.+)\?$")


def keyword(draft: Draft) -> Draft | None:
    """The question as a query of keywords; None where too little or too much is left."""
    question = draft.question
    if is_chinese(question):
        parts = _ASKING_ZH.sub(" ", question).replace("的", " ").split()
    else:
        parts = [word.strip("?,.:;!()") for word in _LONG.sub(" ", question).split()]
        parts = [part for part in parts if part.lower() not in _ASKING_EN]
    parts = list(dict.fromkeys(part for part in parts if part))
    query = " ".join(parts)
    kept = set(codes(query)) == set(codes(question))
    if re.search(r"多少|几|哪|谁", query) or (draft.writer.endswith(":fact") and len(parts) > 6):
        return None
    if not 2 <= len(parts) <= _MOST_KEYWORDS or not kept or len(query) < 5 or draft.writer.endswith((":steps", ":faq")):
        return None
    return replace(draft, question=query, style=Style.KEYWORD)


def colloquial(draft: Draft) -> Draft | None:
    """The question with a greeting."""
    question = draft.question
    if is_chinese(question):
        worded = _pick(_GREETED_ZH, question).format(question)
    else:
        form = _pick(_GREETED_EN, question)
        first = question.split()[0]
        inside = (
            question[0].lower() + question[1:]
            if form.startswith("Hey") and ": " not in question and first.isalpha() and first[1:].islower()
            else question
        )
        worded = form.format(inside)
    return replace(draft, question=worded, style=Style.COLLOQUIAL)


def slip(draft: Draft) -> Draft | None:
    """The question with one slip of the keyboard, never in a name, a code or a figure, never into another word."""
    question = draft.question
    if is_chinese(question):
        spots = [i for i, char in enumerate(question) if char in _SOUND_ALIKE and 0 < i < len(question) - 1]
        if not spots:
            return None
        spot = spots[_number(question) % len(spots)]
        return replace(
            draft, question=question[:spot] + _SOUND_ALIKE[question[spot]] + question[spot + 1 :], style=Style.SLIP
        )
    words = list(re.finditer(r"(?<![\w\-@./])[a-z]{5,}(?![\w\-@])", question))
    ordered = sorted(words, key=lambda m: _number(question + m[0]))
    for match in ordered:
        word = match[0]
        at = 1 + _number(word + question) % (len(word) - 2)
        for typed in (word[:at] + word[at + 1] + word[at] + word[at + 2 :], word[:at] + word[at + 1 :]):
            if typed != word and not known_word(typed):
                return replace(
                    draft, question=question[: match.start()] + typed + question[match.end() :], style=Style.SLIP
                )
    return None


def follow_ups(chunk: SourceChunk, corpus: Corpus) -> Iterator[Draft]:
    """Second questions about the same row of a table: "And what is the colour?" """
    for block in tables_of(chunk.text):
        rows: dict[str, list[Draft]] = {}
        for cell in cells(block, chunk, corpus):
            draft = draft_of(cell, chunk, corpus)
            if draft is not None:
                rows.setdefault(cell.thing, []).append(draft)
        for drafts in rows.values():
            if len(drafts) >= 2 and (second := follow_up(drafts[0], drafts[1])) is not None:
                yield second


def follow_up(first: Draft, second: Draft) -> Draft | None:
    """The second of two questions about one thing, without the thing; None where it cannot be left out."""
    if is_chinese(second.question):
        match = re.search(r"(?:[：，])?([^：，]{2,40}?)\s*的\s*([^的？]{2,16}？)$", second.question)
        if match is None or match[1].strip() not in first.question:
            return None
        question = f"那{match[2]}"
    else:
        asked = _OF_THING.match(second.question)
        if asked is None or asked[3] not in first.question:
            return None
        question = f"And what {asked[1]} the {asked[2]}?"
    history = (Turn("user", first.question), Turn("assistant", first.answer))
    return replace(second, question=question, style=Style.FOLLOW_UP, history=history)


STYLES: tuple[tuple[float, Callable[[Draft], Draft | None]], ...] = ((0.12, keyword), (0.12, colloquial), (0.08, slip))


class StyledWriter:
    """Another writer's pairs, some of them in another style; a PairWriter.

    A question that is put in another style takes the place of the plain one: one question a fact. Which are, and how, is the same in
    every run. Of a table some rows are asked for twice, the second time as a follow-up.
    """

    def __init__(self, writer: PairWriter, corpus: Corpus) -> None:
        self._writer, self._corpus = writer, corpus

    @property
    def name(self) -> str:
        """The other writer's name."""
        return self._writer.name

    @property
    def version(self) -> str:
        """The other writer's version, and that of the styles."""
        return f"{getattr(self._writer, 'version', '')}.1"

    def write(self, chunk: SourceChunk) -> Iterator[Draft]:
        """The pairs of a passage, at most five."""
        drafts = list(self._writer.write(chunk))
        facts = {(d.evidence, d.short) for d in drafts}
        for second in follow_ups(chunk, self._corpus):
            if len(drafts) < 5 and (second.evidence, second.short) not in facts and _number(second.answer) % 2:
                drafts.append(second)
                break
        return (self._styled(draft) for draft in drafts)

    def _styled(self, draft: Draft) -> Draft:
        if draft.style is not Style.PLAIN:
            return draft
        drawn = _number(f"{draft.question}\0{draft.sources[0].text_hash}") % 1000 / 1000
        for share, change in STYLES:
            if drawn < share:
                return change(draft) or draft
            drawn -= share
        return draft


def _pick(forms: tuple[str, ...], key: str) -> str:
    return forms[_number(key) % len(forms)]


def _number(key: str) -> int:
    """A number that is the same in every run."""
    return int(hashlib.sha256(key.encode()).hexdigest()[:8], 16)
