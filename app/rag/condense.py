"""A follow-up question made standalone by rules: what it leaves out is taken from the turns before it. Pure: no I/O.

What is carried, in this order: the names that the turns spoke of last (titles and headings of the knowledge base, product codes,
capitalised names); where there are none, or where the question lacks more than its subject, the last question that stood
by itself.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from app.rag.leaning import Lacks, bare, leaning
from app.rag.question import Wording, wordings_of
from ingest.language import detect_language
from ingest.sparse import product_codes, product_names, without_product_codes
from serving.passages import content_tokens
from serving.prompts import Message

# Messages before the question that are looked at, and characters of each.
MESSAGES = 12
CHARACTERS = 1200
# A message that names more than this lists things; none of them is what it is about.
_FEW_NAMES = 3
_CARRIED = 2
_BACK = 4
# Follow-ups before a follow-up that are followed, and characters of a question before it.
_DEEP = 3
_BEFORE = 400
# Say of a follow-up as it was asked, by how many words of its own it has: the more it says itself, the less the turns
# before may drown it, and a whole question before it drowns more than a name. Then the say of the topic beside a
# question that stands by itself. docs/experiments.md tells what else was tried.
ASKED_WEIGHTS = (0.0, 0.2, 0.4, 0.5)
ASKED_WEIGHTS_NAMELESS = (0.0, 0.5, 0.6, 0.6)
# Where the name is a title or heading of the knowledge base: what is asked stands below many of them.
ASKED_WEIGHTS_TITLE = (0.0, 0.0, 0.1, 0.2)
CONTEXT_WEIGHT = 0.2
_QUOTED = re.compile(r"《([^》]{1,30})》|「([^」]{1,30})」|“([^”]{2,40})”|\"([^\"]{2,40})\"")
_CAPITALS = re.compile(r"\b[A-Z][\w'’-]*(?:\s+(?:(?:of|the|and|for|de|&)\s+)?[A-Z0-9][\w'’-]*)*")
# What a booking or a parcel is called by is not what the customer asks about.
_REFERENCE = re.compile(
    r"\b(?:reference|booking|confirmation|reservation|order|tracking|case|ticket|invoice|transaction)\b(?:\s+(?:number|no\.?|code|id))?"
    r"(?:\s+(?:is|was|for (?:this|it|your \w+) is))?\s*[:#]?\s*(\S+)"
    r"|(?:订单|預訂|预订|预约|預約|快递|快遞|确认|確認|参考|參考|工单|工單)(?:编号|編號|号码|號碼|号|號|单号|單號)?(?:是|为|為|：|:)?\s*([A-Za-z0-9-]+)",
    re.IGNORECASE,
)
_BEGINS = frozenset(".!?:;\n\"'“(-•")
_MARKS = re.compile(r"\s*\[\d{1,2}\]")


# Who worded a standalone question: the customer, these rules, or a model.
By = Literal["asked", "rules", "model"]


@dataclass(frozen=True, slots=True)
class Standalone:
    """A question that can be understood without the conversation.

    question: what is judged, answered and shown; the question as asked when it stood by itself.
    wordings: what is searched for, each with its weight.
    carried:  names taken from the turns before.
    """

    question: str
    wordings: tuple[Wording, ...]
    carried: tuple[str, ...] = ()
    by: By = "asked"


def as_asked(question: str) -> Standalone:
    """A question that is not changed."""
    return Standalone(question, wordings_of(question))


def bounded(history: Sequence[Message]) -> list[Message]:
    """The part of a history that is read: the last messages, each cut off, without the marks of citations."""
    return [Message(m.role, _MARKS.sub("", m.content[:CHARACTERS])) for m in history[-MESSAGES:] if m.content.strip()]


def condense(history: Sequence[Message], question: str, names: Iterable[str] = ()) -> Standalone:
    """The question, standalone.

    history: messages before it, oldest first.
    names:   titles and headings of the knowledge base that the history may have mentioned.
    """
    question = question.strip()
    turns = bounded(history)
    if not any(m.role == "user" for m in turns):
        return as_asked(question)
    known = _Names(names)
    worded, carried = _worded(turns, question, known, _DEEP)
    if worded == question:
        return _with_context(question, turns, known)
    weights = ASKED_WEIGHTS if carried else ASKED_WEIGHTS_NAMELESS
    if any(name in known for name in carried):
        weights = ASKED_WEIGHTS_TITLE
    asked = weights[min(len(content_tokens(question)), len(weights) - 1)]
    if not asked or bare(question) not in worded:
        # It says nothing by itself, or all that it says is in the other question now.
        return Standalone(worded, (Wording(worded),), carried, "rules")
    return Standalone(worded, (Wording(worded, 1 - asked), Wording(question, asked)), carried, "rules")


def _worded(turns: Sequence[Message], question: str, known: _Names, depth: int) -> tuple[str, tuple[str, ...]]:
    """The question with what it leaves out, and the names that were carried into it."""
    at = max((n for n, m in enumerate(turns) if m.role == "user"), default=None)
    if at is None or not depth:
        return question, ()
    lean = leaning(question, " ".join(m.content for m in turns[-_BACK:]))
    own = known.own(lean.text[: lean.at])
    if lean.lacks is Lacks.NOTHING or (lean.lacks is Lacks.SUBJECT and own):
        return question, ()
    carried = () if own else tuple(known.focus(turns))
    if lean.lacks is Lacks.SUBJECT and carried:
        return _about(carried, lean.text), carried
    # What was asked before may itself have been a follow-up.
    before, _ = _worded(turns[:at], turns[at].content.strip()[:_BEFORE], known, depth - 1)
    instead = _instead(before, lean.text, own, known)
    if instead != before and content_tokens(lean.text) <= content_tokens(instead):
        return instead, carried
    return f"{instead} {lean.text}", carried


def _with_context(question: str, turns: Sequence[Message], known: _Names) -> Standalone:
    """A question that stands by itself, searched for with its topic as well, which has a small say."""
    wordings = wordings_of(question)
    if not CONTEXT_WEIGHT:
        return Standalone(question, wordings)
    last = next(m.content for m in reversed(turns) if m.role == "user")[:_BEFORE]
    carried = [name for name in known.focus(turns) if _folded(name) not in _folded(last)]
    context = " ".join([*carried, last, question])
    share = len(wordings) * CONTEXT_WEIGHT / (1 - CONTEXT_WEIGHT)
    return Standalone(question, (*wordings, Wording(context, share, judged=False)))


def _about(names: Sequence[str], question: str) -> str:
    return f"{'、'.join(names)}：{question}" if detect_language(question) == "zh" else f"{', '.join(names)}: {question}"


def _led_by(text: str, name: str) -> str:
    words = text[: text.find(name)].split()
    return words[-1].lower() if words else ""


def _instead(before: str, question: str, own: Sequence[str], known: _Names) -> str:
    """The question before with what the new one names in the place of what it named."""
    if not own:
        return before
    named = product_names(" ".join(own))
    if named and product_codes(before):
        return without_product_codes(before, named[0])
    # "to Wales" and "to Scotland" change places; "Italian" and "Bangkok City" do not.
    for name in known.own(before):
        if _led_by(before, name) and _led_by(before, name) == _led_by(question, own[0]):
            return before.replace(name, own[0])
    return before


class _Names:
    """The names that texts are searched for."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = sorted({name.strip() for name in names if 2 <= len(name.strip()) <= 60}, key=len, reverse=True)

    def __contains__(self, name: str) -> bool:
        """Whether it is a title or heading."""
        return name in self._names

    def own(self, text: str) -> list[str]:
        """Names in a text, in order: of the knowledge base, codes, quoted; capitalised ones where there are none."""
        found: list[tuple[int, str]] = []
        folded = left = _folded(text)
        for name in self._names:
            at = left.find(_folded(name))
            if at >= 0 and _whole(folded, at, len(_folded(name))) and content_tokens(name):
                found.append((at, name))
                left = left.replace(_folded(name), "\0" * len(_folded(name)))
        for code in product_names(text):
            at = left.find(_folded(code))
            if at >= 0:
                found.append((at, code))
        found += [(m.start(), next(g for g in m.groups() if g)) for m in _QUOTED.finditer(text)]
        if not found:
            found = list(_capitalised(text))
        return list(dict.fromkeys(name for _, name in sorted(found)))

    def focus(self, turns: Sequence[Message]) -> list[str]:
        """What the turns spoke of last: what an answer names new, else what the customer named."""
        for n in range(len(turns) - 1, -1, -1):
            found = self._best(turns[n].content)
            if turns[n].role == "user":
                if 0 < len(found) <= _FEW_NAMES:
                    return found[-_CARRIED:]
                continue
            asked = self._best(turns[n - 1].content) if n else []
            if same := [name for name in asked if name in found]:
                # An answer about the one may well name others beside it.
                return same[-_CARRIED:]
            # Of several codes that an answer quotes, none is what the conversation is about.
            if 0 < len(found) <= (1 if product_codes(" ".join(found)) else _CARRIED):
                return found
        return []

    def _best(self, text: str) -> list[str]:
        """Names in a text; what has a code is named by it best."""
        text = _REFERENCE.sub(lambda match: match.group().replace(match.group(1) or match.group(2), " "), text)
        found = self.own(text)
        return [name for name in found if product_codes(name)] or found


def _capitalised(text: str) -> Iterator[tuple[int, str]]:
    """Runs of capitalised words with their places."""
    for match in _CAPITALS.finditer(text):
        words = match.group().split()
        start = match.start()
        begins = start == 0 or text[:start].rstrip()[-1:] in _BEGINS
        # The first word of a sentence is capitalised whatever it is: "For Wales", "How".
        while words and not content_tokens(words[0]) and (begins or words[0] == "I"):
            words = words[1:]
        if not any(word[0].isalpha() for word in words):
            continue
        if not begins or len(words) > 1 or (words[0].isupper() and len(words[0]) > 1):
            yield start, " ".join(words)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _whole(text: str, start: int, length: int) -> bool:
    """Whether a find is not a part of a longer Latin word."""
    before, after = text[start - 1 : start], text[start + length : start + length + 1]
    edge = text[start : start + length]
    return not (before.isascii() and before.isalnum() and edge[0].isascii()) and not (
        after.isascii() and after.isalnum() and edge[-1].isascii()
    )
