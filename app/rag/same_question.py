"""Whether two questions ask the same, beyond being near in meaning. Pure: no I/O.

Vectors put "How do I open an account?" beside "How do I close an account?": what sets questions apart is often one word.
So two questions are the same only if nothing of weight differs: their language; the kind of answer that they want; their
numbers, codes and names; what they deny and compare; and, once greetings, politeness, articles and the like are gone and
known synonyms made one, their words, in their order. English has lists for that; in other languages only the few words of
politeness named here go.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from app.rag.answer_type import expected_type
from ingest.language import detect_language
from serving.negation import denies
from serving.passages import content_tokens

_POLITE_EN = re.compile(
    r"\b(?:hi|hello|hey|good (?:morning|afternoon|evening|day)|dear (?:sir|madam|team)|please|pls|kindly|thanks?(?: you)?|"
    r"(?:can|could|would|will) (?:you|someone|anyone) (?:please |kindly )?(?:tell me|explain(?: to me)?|let me know|show me|"
    r"help me (?:to )?understand|advise(?: me)?(?: on)?|clarify)(?: (?:if|whether))?|"
    r"(?:please |kindly )?(?:tell me|let me know|explain)(?: (?:if|whether))?|"
    r"(?:i|i'd|i would|i am|i'm) (?:just )?(?:want(?:ed)?|like|would like|need|wish|am trying|trying) to (?:know|ask|find out|understand)"
    r"(?: (?:if|whether))?|i (?:was|am|'m) wondering(?: (?:if|whether))?|do you (?:happen to )?know(?: (?:if|whether))?|"
    r"i have a question(?: about)?|quick question|(?:just )?wondering(?: (?:if|whether))?)(?![\w'])[,:!.]?",
    re.IGNORECASE,
)
_POLITE_ZH = re.compile(r"您好|你好|请问(?:一下)?|麻烦(?:问一下)?|谢谢|想(?:问|知道)(?:一下)?|[吗呢呀啊吧么的了]")
_WORD = re.compile(r"[£$€¥%°]|\d+(?:[.,:/]\d+)*(?:\w+)?|[^\W\d_]+(?:['\-][^\W\d_]+)*(?:-?\d[\w\-]*)?")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_HAN = re.compile(r"([\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff])")
_NAME = re.compile(r"(?<![.!?:]\s)(?<!^)\b(?:[A-Z][a-z]+|[A-Z]{2,})\b")
_NOT_NAMES = frozenset({"I", "OK", "FAQ"})

_LETTERS = str.maketrans("0123456789-", "abcdefghijk")
# Of each pair of opposites at most one word may stand here: what is left out here tells them apart.
_HARMLESS = frozenset(
    [
        "a",
        "an",
        "the",
        "my",
        "your",
        "our",
        "i",
        "i'd",
        "i'm",
        "i've",
        "me",
        "do",
        "does",
        "is",
        "are",
        "am",
        "be",
        "been",
        "being",
        "it's",
        "that's",
        "of",
        "at",
        "to",
        "in",
        "on",
        "with",
        "there",
        "just",
        "also",
        "really",
        "actually",
        "exactly",
        "so",
        "any",
        "some",
        "as",
        "well",
        "has",
        "have",
        "currently",
        "right",
        "etc",
    ]
)
# In a question for a way, a place or a time these only carry the verb: "how do I", "how can I".
_CARRIERS = frozenset({"can", "could", "should", "would"})
_MODALS = {
    "could": "can", "may": "can", "allowed": "can", "able": "can", "possible": "can", "shall": "will", "'ll": "will",
    "must": "must", "were": "was", "did": "was", "had": "was", "might": "can", "gonna": "will",
}  # fmt: skip
_NEGATIONS = frozenset({"not", "no", "never", "cannot", "none", "without", "nor", "neither"})
# One word for each group; only such as mean the same in a customer's question wherever they stand.
_SYNONYMS = {
    word: group.split()[0]
    for group in (
        "buy purchase", "begin start", "fix repair mend", "price cost costs", "guarantee warranty guaranteed",
        "shop store", "large big", "quick fast", "phone telephone", "picture photo photograph", "help assist",
        "receive obtain", "delivery shipping shipment", "deliver ship", "fee charge", "error fault", "sofa couch",
        "fridge refrigerator", "email e-mail mail", "mobile cellphone", "cheque check", "postcode zip", "refund reimbursement",
        "permit allow", "remove delete", "change modify alter", "choose select pick", "broken damaged", "forgot forgotten",
        "car automobile", "tv television", "manual handbook", "instruction direction", "attempt try", "wrong incorrect",
        "stolen robbed", "child kid", "customer client", "holiday vacation", "lift elevator", "rubbish garbage trash",
    )
    for word in group.split()
}  # fmt: skip
_FIGURES = {
    word: str(number)
    for number, word in enumerate(
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"]
    )
} | {"thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "ninety": "90", "hundred": "100", "thousand": "1000",
     "first": "1st", "second": "2nd", "third": "3rd", "half": "1/2", "once": "1x", "twice": "2x", "dozen": "12"}  # fmt: skip
_KINDS = tuple(
    (name, re.compile(pattern, re.IGNORECASE))
    for name, pattern in (
        ("how much", r"\bhow (?:much|many|long|often|soon|far|old|big|large|tall|wide|high|heavy|fast|quickly|late|early)\b"),
        ("when", r"\bwhen\b|\bwh(?:at|ich) (?:time|day|date|month|year)\b"),
        ("where", r"\bwhere\b|\bwh(?:at|ich) (?:place|address|country|city)\b"),
        ("why", r"\bwhy\b|\bhow come\b|\bwhat(?: is|'s) the reason\b"),
        ("who", r"\bwho(?:m|se)?\b"),
        ("how", r"\bhow\b|\bwhat (?:do|must|should|can) i (?:need to )?do to\b|\bwhat(?: is|'s| are) the (?:way|steps?|procedure|process) (?:to|of|for)\b"),
        ("what", r"\bwh(?:at|ich)\b|\bwhat's\b"),
        ("whether", r"^\W*(?:do|does|did|can|could|will|would|is|are|was|were|may|must|should|shall|have|has|am|if|whether)\b"),
    )
)  # fmt: skip
_ASKING = frozenset(["how", "what", "what's", "which", "when", "where", "why", "who", "whom", "whose", "if", "whether"])
# Of what little these few words hold, the order means nothing: "delivery cost", "cost of delivery".
_FREE_ORDER = 2
_BETWEEN = frozenset(
    [
        "from",
        "than",
        "before",
        "after",
        "by",
        "for",
        "into",
        "between",
        "over",
        "under",
        "against",
        "instead",
        "and",
        "or",
        "not",
        "you",
        "they",
        "he",
        "she",
        "we",
    ]
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a question comes down to.

    kind:    what it asks for: how, when, ..., with the kind of answer (answer_type) where there is one.
    figures: the words that hold a figure, in order; names: words with a capital that does not begin a sentence.
    words:   what is left of its words, in order.
    """

    language: str
    kind: tuple[str, str]
    figures: tuple[str, ...]
    names: frozenset[str]
    denies: bool
    words: tuple[str, ...]
    cased: bool


@lru_cache(maxsize=4096)
def asked_of(question: str) -> Asked:
    """What a question comes down to."""
    text = " ".join(unicodedata.normalize("NFKC", question).replace("’", "'").split())
    text = _THOUSANDS.sub("", text)
    language = detect_language(text)
    if language == "en":
        text = _POLITE_EN.sub(" ", text).strip(" ,")
        kind, words = _kind(text), _english(text)
    else:
        text = _POLITE_ZH.sub("", text) if language == "zh" else text
        kind, words = "", tuple(word.casefold() for word in _WORD.findall(_HAN.sub(r" \1 ", text)))
    wanted = expected_type(question)
    return Asked(
        language=language,
        kind=(kind, wanted.name if wanted is not None else ""),
        figures=tuple(word for word in words if any(char.isdigit() for char in word)),
        names=frozenset(_NAME.findall(text)) - _NOT_NAMES,
        denies=denies(text),
        words=words,
        cased=text != text.lower(),
    )


def guarded(one: Asked, other: Asked) -> bool:
    """Whether the things that make another question of it are equal: what a likeness of vectors does not see."""
    return (
        one.language == other.language
        and one.kind == other.kind
        and one.figures == other.figures
        and one.denies == other.denies
        # Somebody who writes no capitals names the same things.
        and (one.names == other.names or not (one.cased and other.cased))
    )


def same_question(one: Asked, other: Asked) -> bool:
    """Whether both ask the same, as far as words can tell."""
    if not guarded(one, other) or not one.words:
        return False
    if one.words == other.words:
        return True
    few = len(one.words) <= _FREE_ORDER and not _BETWEEN & set(one.words)
    return few and sorted(one.words) == sorted(other.words)


def _kind(text: str) -> str:
    return next((name for name, pattern in _KINDS if pattern.search(text)), "said")


def _english(text: str) -> tuple[str, ...]:
    found: list[str] = []
    carried = _kind(text) not in ("whether", "said")
    for written in _WORD.findall(_full(text)):
        word = written.casefold()
        if word.endswith("n't"):
            found += [*_weighed(word[:-3], carried), "not"]
        elif word in _NEGATIONS:
            found.append("not" if word != "without" else "without")
        else:
            found += _weighed(word, carried)
    return tuple(found)


def _full(text: str) -> str:
    for short, full in (("cannot", "can not"), ("can't", "can not"), ("won't", "will not"), ("shan't", "will not")):
        text = re.sub(rf"\b{short}\b", full, text, flags=re.IGNORECASE)
    return text


def _weighed(word: str, carried: bool) -> list[str]:
    if word in _HARMLESS or word in _ASKING or (carried and word in _CARRIERS):
        return []
    word = _FIGURES.get(word, _MODALS.get(word, _SYNONYMS.get(word, word)))
    if any(char.isdigit() for char in word):
        # "1.5" is not "15", but "WM-900" is "WM900".
        return [word.replace("-", "")]
    stems = content_tokens(word)
    # A word that the tokenizer drops may still tell two questions apart. A stem is a number: letters make it no figure.
    return [_lettered(next(iter(stems))) if len(stems) == 1 else word]


def _lettered(number: int) -> str:
    return str(number).translate(_LETTERS)
