"""Who, when, how long, how much: English sentences that hold one figure, turned into the question for it. Pure: no I/O.

A sentence "<subject> <auxiliary> <rest> for 7 days <tail>." becomes "For how long <auxiliary> <subject> <rest> <tail>?". What
cannot be turned without knowing parts of speech is left alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ingest.cleaning.findings import wordset
from ingest.pairs.words import STATING, is_imperative

_NUM = r"(?:\d+(?:[.,]\d+)*|one|two|three|four|five|six|seven|eight|nine|ten|twelve|fifteen|twenty|thirty|sixty|ninety)"
_TIME = r"(?:(?:working |business |calendar |full )?(?:seconds?|minutes?|hours?|days?|weeks?|months?|quarters?|years?))"
_DURATION = rf"(?:(?:about|around|at least|at most|up to|no more than|less than|more than|another) )?{_NUM}(?:(?: ?(?:-|to|or|and) ?){_NUM})?[ -]{_TIME}"
_MONTHS = "(?:January|February|March|April|May|June|July|August|September|October|November|December)"
_DATE = rf"(?:\d{{1,2}}(?:st|nd|rd|th)? {_MONTHS}(?: \d{{4}})?|{_MONTHS} \d{{1,2}}(?:st|nd|rd|th)?(?:, \d{{4}})?|\d{{4}}-\d{{2}}-\d{{2}})"
_CLOCK = r"(?:\d{1,2}(?::\d{2})? ?(?:am|pm|a\.m\.|p\.m\.)|\d{1,2}:\d{2}|noon|midnight)"
_MONEY = r"(?:(?:about|up to|at least|from) )?(?:[£$€¥] ?\d+(?:[.,]\d+)*(?: ?(?:million|billion|k))?|\d+(?:[.,]\d+)* ?(?:euros?|dollars?|pounds?|EUR|USD|GBP|CNY|yuan))"
_AUX = r"(?:is|are|was|were|can|may|must|will|should|shall|cannot|has to|have to)"

# (what finds the figure with its preposition, the question word it leaves)
_PHRASES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), word)
    for pattern, word in (
        (rf"\s+(within {_DURATION})(?= |$|,)", "Within what time"),
        (rf"\s+(for {_DURATION})(?= |$|,)", "For how long"),
        (rf"\s+(after {_DURATION})(?= |$|,)", "After what time"),
        (rf"\s+(every (?:{_DURATION}|{_TIME}))(?= |$|,)", "How often"),
        (rf"\s+(until {_CLOCK}|until {_DATE})(?= |$|,)", "Until when"),
        (rf"\s+(from {_DATE})(?= |$|,)", "From when"),
        (rf"\s+((?:by|before) {_DATE}|(?:by|before) {_CLOCK})(?= |$|,)", "By when"),
        (rf"\s+(on {_DATE}|in {_MONTHS} \d{{4}}|in (?:19|20)\d{{2}})(?= |$|,)", "When"),
        (rf"\s+(at {_CLOCK})(?= |$|,)", "At what time"),
    )
)
_COPULA = re.compile(
    rf"^((?:The|Our|Your|Each|An?) (?:[\w\-/]+ ){{0,6}}?[\w\-/]+) (is|are|was|were) ((?:currently |now |always |limited to |set to )?"
    rf"(?:{_MONEY}|{_DURATION}|{_DATE}|{_CLOCK}|{_NUM}(?:\.\d+)? ?(?:%|percent|[A-Za-z°/²³]{{1,10}})?)(?: (?:per|a|each|after|before|from|for|in|on|and|or|to|by)\b.*)?)$"
)
_COSTS = re.compile(rf"^(.{{2,80}}?) (costs?|is charged at|are charged at) ({_MONEY})\b(.*)$")
_TAKES = re.compile(rf"^(.{{2,80}}?) (takes?|lasts?) ({_DURATION})\b(.*)$")
_COUNTED = re.compile(
    rf"^(.{{2,70}}?) (can|may|must|will)? ?(\w+) ((?:up to|at least|at most|no more than|a maximum of|a minimum of|about|exactly) )({_NUM}) (?!(?:and|or|to|of)\b)([a-z]+s)\b(.*)$"
)
_BY = re.compile(
    rf"^(.{{2,60}}?) ({_AUX}) ((?:only |also |always )?(?:be |have to be )?\w+(?:ed|en|ne|wn|ught|de)) by ((?:an? |the |our |your )?[\w\-' ]{{3,40}})$"
)
_ROLE = re.compile(
    r"^((?:Mr\.? |Ms\.? |Mrs\.? |Dr\.? )?[A-Z][a-z]+(?: [A-Z]\.?)?(?: [A-Z][a-z\-]+){1,2}) (is|was) ((?:the |our |an? )?(?:[\w\-]+ ){0,4}"
    r"(?:manager|director|head|officer|founder|co-founder|lead|leader|president|chair|chairman|chairwoman|CEO|CTO|CFO|COO|secretary|"
    r"spokesperson|coordinator|supervisor|principal|dean|editor|treasurer|partner|owner|contact)(?: (?:of|for|at|in) .{2,50})?)$"
)
_DENIED = re.compile(
    r"\b(?:not|never|no|none|nobody|nothing|neither|nor|unless|except|without|if|when|while|where|because|although|whether)\b|n't\b",
    re.IGNORECASE,
)
_LEANING = re.compile(
    r"^(?:(?:after|before|with|on|in|from|by|until|for) (?:that|this|then)|it|they|this|these|those|that|he|she|here|there|then|so|but|and|or|also|however|otherwise|both|all of|some of|"
    r"most of|either|one of|the (?:same|former|latter|above|following|first|second|other|others|table|figure|list|latter))\b",
    re.IGNORECASE,
)
_ANAPHOR = re.compile(
    r"\b(?:it|its|they|them|their|this|these|those|such|the same|there|above|below|here|he|she|his|her|him)\b",
    re.IGNORECASE,
)
# "Delivery takes 3 days and costs": the subject has a verb, or a figure, of its own.
_TWO = re.compile(r"\d| and$|\b(?:takes?|is|are|lasts?) ")
# "The default value is 3" is true of everything.
_VAGUE = wordset(
    "the our your each a an default value limit maximum minimum number time step range total size length amount setting price cost"
)
_SUBJECT_MOST = 9
_PERSONS = {"i": "you", "me": "you", "my": "your", "you": "I", "your": "my", "yours": "mine", "yourself": "myself",
            "we": "you", "us": "you", "our": "your", "ours": "yours", "ourselves": "yourselves"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """A question made of a sentence, and the figure that answers it, as it stands there."""

    question: str
    short: str


def ask_en(sentence: str) -> Asked | None:
    """The question for the figure of a sentence; None where none can be made safely."""
    bare = sentence.strip().rstrip(".!").strip()
    words = bare.split()
    if not 4 <= len(words) <= 32 or re.search(r"(?<!\d):|:(?!\d)|[;?\"“”|()\[\]{}<>]", bare) or _LEANING.match(bare):
        return None
    for ask in (_role, _cost, _take, _by, _copula, _counted, _phrase):
        asked = ask(bare)
        if asked is not None:
            question = " ".join(asked.question.split()).strip(" ,")
            if len(question.split()) < 4 or _ANAPHOR.search(question):
                return None
            return Asked(question[0].upper() + question[1:] + "?", asked.short)
    return None


def swapped_persons(text: str) -> str:
    """A company's "we" is the customer's "you", and the other way round."""

    def other(match: re.Match[str]) -> str:
        return _PERSONS[match[0].lower()]

    turned = re.sub(r"\b(?:me|my|you|your|yours|yourself|we|us|our|ours|ourselves)\b", other, text, flags=re.IGNORECASE)
    # "we send you" -> "you send I": after a verb or a preposition it is "me".
    return re.sub(
        r"(?<=\w )I\b(?= (?:to|of|in|on|at|by|with|for|from|a|an|the|what|how|if|when|up|out|back|free|within|and|or)\b|$|,)",
        "me",
        turned,
    )


def _plain(subject: str) -> bool:
    words = subject.split()
    return (
        len(words) <= _SUBJECT_MOST
        and "," not in subject
        and not _DENIED.search(subject)
        and not _LEANING.match(subject)
    )


def _lower(subject: str) -> str:
    """A subject inside a sentence: articles and plain words lose their capital, names and codes keep it."""
    first = subject.split()[0]
    if first in (
        "The",
        "A",
        "An",
        "Our",
        "Your",
        "Each",
        "Every",
        "All",
        "Any",
        "We",
        "You",
        "Most",
        "Some",
        "No",
        "Only",
    ):
        return subject[0].lower() + subject[1:]
    if first.isalpha() and first[1:].islower() and first.endswith("s") and first.lower() not in ("paris",):
        return subject[0].lower() + subject[1:]
    return (
        subject
        if any(c.isdigit() or c.isupper() for c in first[1:])
        or (len(subject.split()) > 1 and subject.split()[1][:1].isupper())
        else subject[0].lower() + subject[1:]
    )


def _role(bare: str) -> Asked | None:
    match = _ROLE.match(bare)
    if match is None:
        return None
    role = re.sub(r"^(?:an?|our) ", "the ", match[3])
    return Asked(f"Who {match[2]} {swapped_persons(role)}", match[1])


def _cost(bare: str) -> Asked | None:
    match = _COSTS.match(bare)
    if match is None or not _plain(match[1]) or _TWO.search(match[1]) or "," in match[4] or _DENIED.search(match[4]):
        return None
    do = "does" if match[2] in ("costs", "is charged at") else "do"
    return Asked(f"How much {do} {swapped_persons(_lower(match[1]))} cost{match[4]}", match[3])


def _take(bare: str) -> Asked | None:
    match = _TAKES.match(bare)
    if (
        match is None
        or not _plain(match[1])
        or _has_verb(match[1])
        or re.search(r",|\band\b", match[4])
        or _DENIED.search(match[4])
    ):
        return None
    do = "does" if match[2].endswith("s") else "do"
    return Asked(
        f"How long {do} {swapped_persons(_lower(match[1]))} {match[2].rstrip('s')}{swapped_persons(match[4])}", match[3]
    )


def _by(bare: str) -> Asked | None:
    match = _BY.match(bare)
    if match is None or not _plain(match[1]) or _has_verb(match[1]) or _DENIED.search(bare):
        return None
    if not re.search(
        r"\b(?:partner|engineer|technician|department|team|manager|customer|company|staff|service|office|owner|author|board|"
        r"teacher|doctor|supplier|provider|administrator|admin|specialist|electrician|plumber|driver|fitter|person|owner|user|council|committee|director)s?\b",
        match[4],
    ):
        return None
    return Asked(f"By whom {match[2]} {swapped_persons(_lower(match[1]))} {match[3]}", match[4])


def _copula(bare: str) -> Asked | None:
    match = _COPULA.match(bare)
    if (
        match is None
        or not _plain(match[1])
        or _has_verb(match[1])
        or _DENIED.search(bare)
        or len(match[1].split()) < 3
    ):
        return None
    return Asked(f"What {match[2]} {swapped_persons(_lower(match[1]))}", match[3])


def _counted(bare: str) -> Asked | None:
    match = _COUNTED.match(bare)
    if match is None or not _plain(match[1]) or _has_verb(match[1]) or _DENIED.search(bare) or len(match[7]) > 80:
        return None
    subject, modal, verb, qualifier, number, noun, tail = match.groups()
    base = STATING.get(verb.lower())
    if base is None or re.fullmatch(_TIME, noun) or re.match(r"\s*(?:,|and|or)", tail):
        return None
    helper = modal or ("does" if verb.lower() != base else "do")
    most = {
        "up to": " at most",
        "at most": " at most",
        "no more than": " at most",
        "a maximum of": " at most",
        "at least": " at least",
        "a minimum of": " at least",
    }.get(qualifier.strip(), "")
    return Asked(
        f"How many {noun} {helper} {swapped_persons(_lower(subject))} {base}{most}{swapped_persons(tail)}",
        f"{qualifier}{number} {noun}".strip(),
    )


def _phrase(bare: str) -> Asked | None:
    """The figure behind a preposition, with the auxiliary, or a "do", before the subject."""
    if _DENIED.search(bare):
        return None
    found = [(match, word) for pattern, word in _PHRASES for match in pattern.finditer(bare)]
    if len(found) != 1:
        return None
    match, word = found[0]
    head, tail = bare[: match.start()], bare[match.end() :]
    if (
        "," in head
        or re.search(r",|\band\b", tail)
        or len(tail.split()) > 10
        or re.search(r"\b(?:before|after|later|earlier|ago)$", tail)
    ):
        return None
    inverted = _inverted(head)
    return Asked(f"{word} {inverted}{swapped_persons(tail)}", match[1]) if inverted else None


def _inverted(head: str) -> str:
    """ "We hold an order" -> "do you hold an order"; "Parts are kept" -> "are parts kept"; "" where it cannot be told."""
    words = head.split()
    for position, word in enumerate(words):
        if position == 0:
            continue
        subject, rest = " ".join(words[:position]), " ".join(words[position + 1 :])
        if not _plain(subject) or re.search(r"\b(?:and|or|that|which|who)\b", rest):
            return ""
        if re.fullmatch(r"is|are|was|were|can|may|must|will|should|shall", word):
            aux = word
            if subject in ("You",) and word == "are":
                aux = "am"
            if subject == "We" and word in ("is", "was"):
                return ""
            return f"{aux} {swapped_persons(_lower(subject))} {swapped_persons(rest)}".strip()
        base = STATING.get(word.lower())
        plural = word.lower() == base
        if base and _agrees(subject, plural) and not is_imperative(words[0]):
            helper = "do" if plural else "does"
            return f"{helper} {swapped_persons(_lower(subject))} {base} {swapped_persons(rest)}".strip()
    return ""


def _agrees(subject: str, plural: bool) -> bool:
    """Whether a word behind a subject can be its verb: "the exchange offer ends", "points expire"."""
    last = subject.split()[-1].lower()
    if last in ("the", "a", "an", "our", "your", "each", "of", "to", "for", "in", "with", "and", "or"):
        return False
    many = last in ("we", "you", "they") or (last.endswith("s") and not last.endswith(("ss", "us", "is")))
    return many == plural


def _has_verb(subject: str) -> bool:
    """Whether there is a verb in what should be a subject."""
    return bool(re.search(rf"\b(?:{_AUX}|do|does|did|has|have|had|that|which|who|and then|to)\b", subject))
