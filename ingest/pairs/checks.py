"""The filters that need nothing but the pair and its sources, each by itself. Pure: no I/O.

Each takes a draft and gives a Verdict; one that cannot decide raises, and the judge then drops the pair.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from dataclasses import dataclass, replace

from ingest.cleaning.findings import CONTACT, Finding
from ingest.cleaning.instructions import FLAGGED, instruction_score
from ingest.cleaning.personal import find_personal
from ingest.language import detect_language
from ingest.pairs.records import Draft, PairKind, Style, Turn
from ingest.pairs.standalone import hanging, leads_outside, pointing
from ingest.pairs.topics import is_chinese
from ingest.pairs.units import cells_of, squeezed
from ingest.sparse import codes, product_codes

LONGEST_QUESTION, LONGEST_ANSWER, LONGEST_EVIDENCE = 300, 2000, 2500
_MOST_WORDS = 60


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a filter says: passed or not, a note (why not, if not), and the draft where it changed it."""

    passed: bool
    note: str
    draft: Draft | None = None


# What models leave before or around a question.
_LEFTOVER = re.compile(
    r"^(?:question|q|answer|a|customer|user|assistant|问题?|问|答|答案|用户|客户)\s*\d*\s*[:：]|^(?:here (?:is|are)|sure[,!]|certainly|以下是|好的[,，])|"
    r"\*\*|```|<\|?\w+\|?>|\{\{|\}\}|\\n|^\W*$|NOT_FOUND|\[\d+\]",
    re.IGNORECASE,
)


def shape(draft: Draft) -> Verdict:
    """Whether everything is there that a pair of its kind has."""
    question = draft.question
    if not question.strip() or "\n" in question or question != question.strip():
        return Verdict(False, "the question is empty or is not one line")
    if _LEFTOVER.search(question):
        return Verdict(False, "the question holds signs that are no part of it")
    if not any(char.isalpha() for char in question):
        return Verdict(False, "the question holds no words")
    if draft.style is Style.FOLLOW_UP and not draft.history:
        return Verdict(False, "a follow-up without the turns before it")
    if draft.style is Style.COMPARISON and len(draft.sources) < 2:
        return Verdict(False, "a comparison of less than two sources")
    if draft.kind is PairKind.UNANSWERABLE:
        if draft.answer or draft.evidence or draft.short:
            return Verdict(False, "an unanswerable question with an answer")
        if draft.style not in (Style.WITHHELD, Style.SWAPPED, Style.OUT_OF_SCOPE):
            return Verdict(False, "it does not say why it cannot be answered")
        return Verdict(True, "whole")
    if not draft.sources or not draft.answer.strip() or not draft.evidence.strip():
        return Verdict(False, "it has no source, no answer or no evidence")
    if squeezed(draft.question) == squeezed(draft.answer):
        return Verdict(False, "the answer repeats the question")
    return Verdict(True, "whole")


def length(draft: Draft) -> Verdict:
    """Whether it is as long as questions and answers of customers are."""
    question = draft.question
    least = 3 if is_chinese(question) else 5
    if not least <= len(question) <= LONGEST_QUESTION or len(question.split()) > _MOST_WORDS:
        return Verdict(False, f"the question has {len(question)} characters")
    if len(draft.answer) > LONGEST_ANSWER or len(draft.evidence) > LONGEST_EVIDENCE:
        return Verdict(False, f"the answer has {len(draft.answer)} characters")
    return Verdict(True, f"{len(question)} and {len(draft.answer)} characters")


def language(draft: Draft) -> Verdict:
    """Whether question and answer are in the language that the pair is said to be in."""
    if draft.language not in ("en", "zh"):
        return Verdict(False, f"{draft.language!r} is no language that pairs are made in")
    found = _language_of(draft.question)
    if found != draft.language and not (found == "und" and draft.style is Style.KEYWORD):
        return Verdict(False, f"the question is in {found!r}")
    if draft.answer and any(char.isalpha() for char in draft.answer):
        # A name or an address may be in the other language; whole sentences may not.
        told = _language_of(draft.answer)
        if told != draft.language and len(draft.answer) > 3 * len(draft.short) + 20 and told in ("en", "zh"):
            return Verdict(False, f"the answer is in {told!r}")
    return Verdict(True, draft.language)


def _language_of(text: str) -> str:
    if is_chinese(text):
        return "zh"
    found = detect_language(text)
    return "en" if found not in ("zh", "und") and text.isascii() else found


# A number that is no part of a code, with the sign before it and the unit behind it.
_UNIT = re.compile(
    r"([£$€¥])?\s?(?<![A-Za-z0-9\-.])(\d+(?:[.,]\d+)*)(?![\-.]?\d|[A-Za-z]?\-)\s?-?\s?(%|°\s?C|[A-Za-z²³µΩ]{1,12}|[\u4e00-\u9fff])?"
)


def digits(draft: Draft) -> Verdict:
    """Whether every number and code of the answer stands in the evidence, with its unit.

    Of a table row the column's name, the heading and the title may give codes and units, too; figures may not.
    """
    if draft.kind is PairKind.UNANSWERABLE:
        return Verdict(True, "nothing to answer")
    evidence = _evidence(draft)
    around = "\n".join((*_around(draft), draft.question))
    known, named = set(codes(evidence)), set(codes(around))
    named_codes = named if "|" in draft.evidence else product_codes(around)
    # A question's own figures may be repeated only where they stand in the source.
    asked = set(codes(draft.question)) & set(codes("\n".join(source.text for source in draft.sources)))
    astray = [
        code
        for code in codes(draft.answer)
        if code not in known and code not in (named_codes & named) and code not in asked
    ]
    if astray:
        return Verdict(False, f"{', '.join(dict.fromkeys(astray))} does not stand in the evidence")
    if draft.short and (strange := set(codes(draft.short)) - known):
        return Verdict(False, f"{', '.join(sorted(strange))} does not stand in the evidence")
    if wrong := _wrong_unit(draft.answer, f"{evidence}\n{around}"):
        return Verdict(False, f"the unit of {wrong} is another in the evidence")
    return Verdict(True, "kept" if any(codes(draft.answer)) else "none")


def _evidence(draft: Draft) -> str:
    """The evidence; of a comparison all that its sources say, since the span stands in the first alone."""
    if draft.style is Style.COMPARISON:
        return "\n".join((draft.evidence, *(source.text for source in draft.sources[1:])))
    return draft.evidence


def _around(draft: Draft) -> list[str]:
    """What names things around the evidence: title, headings, and the header of the table that the row is in."""
    parts = [part for source in draft.sources for part in (source.title, *source.heading_path)]
    for source in draft.sources:
        lines = source.text.split("\n")
        parts += [above for above, line in itertools.pairwise(lines) if re.match(r"\|\s*:?-{3}", line)]
    return parts


def _wrong_unit(answer: str, told: str) -> str:
    known: dict[str, set[str]] = {}
    for sign, number, unit in _UNIT.findall(unicodedata.normalize("NFKC", told)):
        known.setdefault(number.replace(",", ""), set()).update(u for u in (sign, unit.strip().lower()) if u)
    whole = unicodedata.normalize("NFKC", told).lower()
    for sign, number, unit in _UNIT.findall(unicodedata.normalize("NFKC", answer)):
        here = known.get(number.replace(",", ""))
        for one in (sign, unit.strip().lower()):
            # A unit that the column names stands apart from its figures: it has to be there, somewhere.
            if one and here and one not in here and one not in whole:
                return f"{number} {one}"
            if (
                sign
                and one == sign
                and here is not None
                and one not in here
                and not re.search(rf"[(（]\s*{re.escape(one)}", whole)
            ):
                return f"{sign}{number}"
    return ""


def span(draft: Draft) -> Verdict:
    """Whether the evidence is a verbatim part of the first source, and the short answer one of the evidence."""
    if draft.kind is PairKind.UNANSWERABLE:
        return Verdict(True, "nothing to answer")
    if squeezed(draft.evidence) not in squeezed(draft.sources[0].text):
        return Verdict(False, "the evidence does not stand in the source")
    if draft.short and squeezed(draft.short) not in squeezed(draft.evidence.replace("\\|", "|").replace("\\_", "_")):
        return Verdict(False, "the short answer does not stand in the evidence")
    return Verdict(True, f"{len(draft.evidence)} characters")


def self_contained(draft: Draft) -> Verdict:
    """Whether it can be understood without the page: nothing points to it, no pronoun hangs in the air."""
    question = draft.question
    if words := pointing(question):
        return Verdict(False, f"{words!r} in the question points to the page")
    if words := leads_outside(draft.answer):
        return Verdict(False, f"{words!r} in the answer points to the page")
    if draft.style is not Style.FOLLOW_UP and (words := hanging(question)):
        return Verdict(False, f"{words!r} refers to nothing")
    return Verdict(True, "stands by itself")


def personal_data(draft: Draft) -> Verdict:
    """Personal data masked; a pair that asks for it, or whose short answer it is, is dropped.

    The company's own contacts (a hotline, support@) are what customers ask for: they stay.
    """
    found: dict[str, Finding] = {}
    company: set[str] = set()
    texts = ["\n".join((*source.heading_path, source.text)) for source in draft.sources]
    fields = [draft.question, draft.answer, draft.evidence, *(turn.text for turn in draft.history)]
    for text in (*texts, *fields):
        for finding in find_personal(text):
            if finding.kind == CONTACT:
                company.add(finding.value)
            else:
                found[text[finding.start : finding.end]] = finding
    private = {written: f for written, f in found.items() if f.value not in company}
    held = {written: f for written, f in private.items() if any(written in field for field in fields)}
    if not held:
        return Verdict(True, "none")
    for written, finding in held.items():
        if written in draft.question or written in draft.short:
            return Verdict(False, f"it asks for or names a {finding.kind.replace('_', ' ')}")

    def masked(text: str) -> str:
        for written, finding in sorted(held.items(), key=lambda entry: -len(entry[0])):
            text = text.replace(written, finding.sample)
        return text

    history = tuple(Turn(turn.role, masked(turn.text)) for turn in draft.history)
    clean = replace(draft, answer=masked(draft.answer), evidence=masked(draft.evidence), history=history)
    kinds = sorted({finding.kind for finding in held.values()})
    return Verdict(True, f"masked: {', '.join(kinds)}", clean)


def instructions(draft: Draft) -> Verdict:
    """Whether nothing of it, and nothing that it was made of, reads like orders to a model."""
    for text in (draft.question, draft.answer, *(turn.text for turn in draft.history)):
        if instruction_score(text) >= FLAGGED:
            return Verdict(False, "the pair reads like orders to a language model")
    for source in draft.sources:
        if instruction_score("\n".join((*source.heading_path, source.text))) >= FLAGGED:
            return Verdict(False, "its source reads like orders to a language model")
    return Verdict(True, "none")


_DENIED_EN = re.compile(
    r"\b(?:not|no|never|none|cannot|without|neither|nor|unable|except|unless|nobody|nothing)\b|n['’]t\b", re.IGNORECASE
)
_DENIED_ZH = re.compile(
    r"不(?!同|仅|但|锈|断|管|限|如|论|妨)|没有|未(?!来)|无(?!线|论|痕|霜|菌)|勿|禁止|谢绝|并非|非(?!常)|除外|别(?=[再把让])"
)


def negation(draft: Draft) -> Verdict:
    """Whether the answer denies exactly as often as the words of the evidence that it repeats."""
    if draft.kind is PairKind.UNANSWERABLE:
        return Verdict(True, "nothing to answer")
    if squeezed(draft.answer).rstrip("。.") in squeezed(draft.evidence):
        return Verdict(True, "verbatim")
    told = draft.short if "|" in draft.evidence and draft.short else _evidence(draft)
    # A row's name may deny: "Not included"; a cell "no" is no name, and stands in every "not".
    cells = cells_of(draft.evidence) if draft.evidence.startswith("|") else ()
    named = sum(_denials(cell) for cell in cells if len(cell) > 3 and cell in draft.answer and cell != draft.short)
    answered, stated = _denials(draft.answer), _denials(told) + named
    if answered > stated or (answered < stated and draft.style is not Style.COMPARISON):
        return Verdict(False, "the answer and the evidence do not deny the same")
    return Verdict(True, "kept")


def _denials(text: str) -> int:
    return len(_DENIED_EN.findall(text)) + len(_DENIED_ZH.findall(text))
