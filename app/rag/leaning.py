"""Whether a question leans on the turns before it, and on what of them. Pure: no I/O.

English and Chinese, simplified and traditional. A question may lack its subject ("How much does it cost?", "门票多少钱？") or nearly
everything ("And in winter?", "那 WM-700 呢？"). Words that look as if they pointed back often do not: "Is there", "Is it possible
to", "the norms that hold", "When did Tesla build his laboratory?" each stand alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from ingest.language import detect_language
from ingest.sparse import product_codes
from serving.passages import content_tokens


class Lacks(Enum):
    """What a question leaves out."""

    NOTHING = "nothing"
    SUBJECT = "subject"
    PREDICATE = "predicate"


@dataclass(frozen=True, slots=True)
class Leaning:
    """What a question leaves out, and where it says so: a name that stands before that place is what it is about.

    text: the question without the politeness before it; ``at`` counts in it, and is its length when no word points back.
    """

    lacks: Lacks
    text: str
    at: int


# English
_OPENING = re.compile(
    r"^(?:(?:ok(?:ay)?|oh|ah|well|hm+|yes|yeah|no|thanks|thank you|great|good|fine|sure|sorry|i see|got it)\b[\s,.!;:-]*)+",
    re.IGNORECASE,
)
_ELLIPSIS = re.compile(
    r"^(?:and|or|but|then|also)?[\s,]*(?:(?:what|how) about|what if|same (?:for|with|in)|(?:i|we) mean[t]?|(?:i|we)(?: am|'m| are|'re) talking about|"
    r"(?:only|even|not|also|or|and|but|why|why not|how|since when|until when|how (?:much|many|long|far|often|so|come)|which one|what else|"
    r"anything else|where|when|who|more|any other|others?|really|are you sure|meaning|such as|for example)\b(?:\s+\S+){0,1}\s*[?.!]*$)",
    re.IGNORECASE,
)
_AND = re.compile(r"^(?:and|or|but|then|so|also)\b", re.IGNORECASE)
_VERB = re.compile(
    r"\b(?:do|does|did|can|could|will|would|is|are|was|were|am|may|might|must|should|shall|have|has|had|isn't|aren't|don't|doesn't|can't)\b",
    re.IGNORECASE,
)
_PRONOUN = re.compile(r"\b(?:it|its|they|them|their|theirs|he|him|his|she|her|hers|these|those|such)\b", re.IGNORECASE)
# "Can I wash blankets with it?": a pronoun that ends a question with a preposition before it stands for the thing spoken of.
_LAST = re.compile(r"\b(?:with|in|on|for|to|from|of|about|by|at|under|inside|without) (?:it|them)\b\W*$", re.IGNORECASE)
# "that" and "this" that stand for something: not "the norms that hold", not "I think that it does".
_DEMONSTRATIVE = re.compile(
    r"(?:^|\b(?:is|are|was|were|does|do|did|can|could|will|would|should|about|of|for|on|in|at|with|like|than|to|from|by|after|before|"
    r"without|if|and|or|but|get|use|make|mean|all|apply|under|inside|near|around|during|regarding)\s+)(?:this|that)\b|\b(?:this|that)(?=\s*(?:[?.!,]|$))",
    re.IGNORECASE,
)
_OTHER = re.compile(
    r"\bthe (?:other|others|same|former|latter|above|previous|next|last|first|second|third|following|rest)(?: one| ones)?\b(?=\s*(?:[?.!,]|$|one|below|above|after))"
    r"|\b(?:another|other|this|that|which|the|cheaper|bigger|smaller|better|newer|older|larger|new|old) ones?\b|\beither(?: of|\b(?! \w+ or\b))|\bboth(?: of them)?\b(?! \w+ and\b)|\b(?:anything|something|someone|anyone|what|where|who) else\b",
    re.IGNORECASE,
)
_THERE = re.compile(
    r"\b(?<!is )(?<!are )(?<!was )(?<!were )(?<!will )(?<!be )(?<!been )there\b(?! (?:is|are|was|were|will|has|have|be|exist)\b)",
    re.IGNORECASE,
)
_EXPLETIVE = re.compile(
    r"\b(?:is|was|would|will|can|could|isn't|wasn't)\s+it\s+(?:be\s+)?(?:also\s+|always\s+|not\s+|still\s+|really\s+)?\w+(?:\s+\w+)?\s+(?:to|that|if|for|when)\b"
    r"|\bit(?:'s| is| was| would be)\s+(?:also\s+|not\s+)?\w+\s+(?:to|that|if|for|when)\b"
    r"|\bdo(?:es)?\s+it\s+(?:take|cost|require|matter|make sense|mean)\s+(?:for|to|if|when)\b|\bdid\s+it\s+take\s+(?:for|to)\b|\bit\s+takes?\s+(?:for|to)\b|\b(?:is|was) it \w+ (?:who|that)\b|\bthat (?:is|was) (?:fine|ok|okay|good|great)\b",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?<!^)(?<![.!?] )\b[A-Z][\w'-]+")
_DEFINITE = re.compile(r"\b(?:the|this|that|these|those)\s+((?:[a-z]+\s+)?[a-z]{3,})", re.IGNORECASE)
_FEW_WORDS = 3

# Chinese, both scripts
_BACK_ZH = re.compile(
    r"(?<!其)[它他她牠]|这(?!样)|這(?!樣)|(?<![刹一])那(?!么多|麼多)|其(?!他|它|中|实|實)|该(?=[^怎如去用不])|該(?=[^怎如去用不])|此(?!外)|上述|刚才|剛才|同样|同樣|另外|另一|"
    r"(?:前|后|後)者|上一[个個款]|下一[个個款]|前面那"
)
_ELLIPSIS_ZH = re.compile(
    r"^(?:那么?|那麼|还有|還有|如果是?|要是|而且|或者|以及|换成|換成|改成)?(?:(?!什么|什麼|哪|多少|多久|几|幾|怎|谁|誰|[吗嗎])[^？?。！!]){0,12}呢\s*[？?]?$|^(?:为什么|為什麼|怎么说|怎麼說|真的|多少|多久|几个|幾個|什么时候|什麼時候|哪里|哪裡|在哪)[吗嗎呢]?[？?]?$"
)
_CLAUSE_ZH = re.compile(r"[，。,;；！!？?]")
_NAMED_ZH = re.compile(r"[A-Za-z0-9《「“]")
_OPENING_ZH = re.compile(
    r"^(?:(?:好的?|嗯+|哦+|噢+|啊+|哇|是的?|是吗|是嗎|对了?|對了?|谢谢[你您]?|謝謝[你您]?|不错|不錯|真的吗|真的嗎|知道了|明白了?|了解了?|行|可以)(?:[啊呀吧哦呢了]*)[，,。！!？?、\s]+)+"
)


def leaning(question: str, recent: str = "") -> Leaning:
    """What a question leaves out.

    recent: the turns just before it; "the hotel" points back when they spoke of a hotel.
    """
    text = bare(question)
    return _leaning_zh(text) if detect_language(question) == "zh" else _leaning_en(text, recent)


def bare(question: str) -> str:
    """The question without what is said before it out of politeness: "OK, thanks. And in winter?"."""
    left = _OPENING_ZH.sub("", _OPENING.sub("", question.strip())).strip()
    return left or question.strip()


def _leaning_en(text: str, recent: str) -> Leaning:
    words = content_tokens(text)
    whole = len(text)
    if _ELLIPSIS.match(text) or (_AND.match(text) and not _VERB.search(text)):
        return Leaning(Lacks.PREDICATE, text, whole)
    # Blanked, so that places stay what they are.
    plain = _EXPLETIVE.sub(lambda match: " " * len(match.group()), text)
    if other := _OTHER.search(plain):
        return Leaning(Lacks.PREDICATE if len(words) < _FEW_WORDS else Lacks.SUBJECT, text, other.start())
    for match in _PRONOUN.finditer(plain):
        before = plain[: match.start()]
        # A sentence that has said so much before its pronoun holds what it stands for.
        if len(content_tokens(before)) < _FEW_WORDS and not _NAME.search(before):
            return Leaning(Lacks.SUBJECT, text, match.start())
    if last := _LAST.search(plain):
        return Leaning(Lacks.SUBJECT, text, last.start())
    if pointing := _DEMONSTRATIVE.search(plain) or _THERE.search(plain):
        return Leaning(Lacks.SUBJECT, text, pointing.start())
    if recent and not _NAME.search(text) and _points_at(plain, recent):
        return Leaning(Lacks.SUBJECT, text, whole)
    if len(words) < 2 and not product_codes(text) and not _NAME.search(text):
        return Leaning(Lacks.PREDICATE, text, whole)
    return Leaning(Lacks.NOTHING, text, whole)


def _points_at(text: str, recent: str) -> bool:
    said = content_tokens(recent)
    return any((tokens := content_tokens(match.group(1))) and tokens <= said for match in _DEFINITE.finditer(text))


def _leaning_zh(text: str) -> Leaning:
    if _ELLIPSIS_ZH.search(text):
        return Leaning(Lacks.PREDICATE, text, len(text))
    for pointing in _BACK_ZH.finditer(text):
        # What stands in a clause of its own before it was said, not asked: the pronoun may well reach beyond it.
        clause = _CLAUSE_ZH.split(text[: pointing.start()])[-1]
        if len(content_tokens(clause)) < _FEW_WORDS:
            return Leaning(Lacks.SUBJECT, text, pointing.start())
    few = len(content_tokens(text)) < _FEW_WORDS and not _NAMED_ZH.search(text)
    return Leaning(Lacks.SUBJECT if few else Lacks.NOTHING, text, len(text))
