"""Pairs out of a section's heading and what stands below it: definitions and procedures. Pure: no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ingest.cleaning.findings import wordset
from ingest.pairs.records import Draft, SourceChunk
from ingest.pairs.topics import (
    Corpus,
    heading_of,
    is_chinese,
    is_everywhere,
    is_generic,
    led_by_topic,
    naming_codes,
    title_of,
)
from ingest.pairs.units import Steps, is_furniture, sentences_of, steps_of, verbatim
from ingest.pairs.words import NOUN_ZH, PROCEDURE_EN, PROCEDURE_ZH, VERBS_ZH, base_of_gerund, is_imperative

_LONGEST_STEPS, _LONGEST_PROSE = 1200, 600
_HEADING_EN, _HEADING_ZH = 10, 24
_ARTICLE = re.compile(r"^(?:an?|the)\s+", re.IGNORECASE)
_HOW_TO = re.compile(r"^how (?:do (?:i|you|we)|can (?:i|you|we)|to)\s+", re.IGNORECASE)
_HOW_TO_ZH = re.compile(r"^(?:如何|怎样|怎么|怎么样)")
_DEFINING = (
    r"(?:(?:is|are) (?:an?|the|our|your|one of|any|all|how|where|what|used (?:to|for)|designed (?:to|for)|meant (?:to|for))\b|"
    r"means|refers to|stands for|lets you|allows you to|enables you to|helps you)(?!\s+(?:same|following|above|below|only|default|recommended)\b)"
)
_MEANS_ZH = re.compile(r"所称(?:的)?[“「\"]([^”」\"]{2,20})[”」\"][，,]?\s*(?:是指|指的是|系指|即指|指|是)")
_MEANS_EN = re.compile(r"[“\"]([A-Z][^”\"]{2,40})[”\"]\s+(?:means|refers to|is defined as)\s")
# A line between steps that only names a picture.
_CAPTION = re.compile(
    r"^(?:\w*_\w*|(?:[A-Z][\w\-]*|of|and|the|in|for|to|with)(?: (?:[A-Z][\w\-]*|of|and|the|in|for|to|with)){0,6}|[\u4e00-\u9fff]{2,12})$"
)
# After "is", not a definition: "is available", "is optional".
_DEMONSTRATIVE = re.compile(
    r"^(?:this|these|that|those|it|they|below|above|here)\b|^(?:这|那|该|此|它|以上|以下|上述)", re.IGNORECASE
)
_LITTLE = wordset("a an the and or to of for in with up out off on down your my from at by")
# "Using with LLM nodes" says nothing of what is used.
_NO_OBJECT = wordset("with via by from for as within using")
_NO_THING = wordset("steps guide instructions options settings process run results overview")
# Words that are orders only before an article: as often they are nouns and adjectives.
_OTHERWISE = wordset(
    "lower open dry cool clean clear level back order return contact access query test record report display store label list plug post "
    "process print purchase review schedule search share sign start switch track transfer type update upgrade use view visit wait work show "
    "set pack park place lock log limit link mark map measure move name order handle heat help hide hold import export change charge check "
    "claim close copy cut debug draft drain edit embed exchange extract filter find fit fix format press lift request reset rent repair "
    "separate complete correct load look locate mount present present reply reserve rest ring roll rotate run scan secure sort stop submit support "
    "sync take tap tell touch train turn wash watch write convert default build drive drop fold"
)
_DETERMINERS = wordset(
    "a an the your my our this that all any each every new one two multiple from to with into up out off on down"
)
# How the steps of a list begin that are steps.
_LEADS_STEP = wordset(
    "in on to if after once when from optional optional: before under at for with then first next finally now please optionally"
)
_TWO_CLAUSES = re.compile(r"\b(?:and|or|vs|versus)\b|[与和及或、/&,，]")
_PRESS_ZH = re.compile(r"^(?:请|先|首先|若要|要|按|点击|在|同时按|进入|打开)")


def definition(chunk: SourceChunk, corpus: Corpus) -> Iterator[Draft]:
    """The sentence that says what the heading, or the title, is; and terms that a text defines by itself."""
    sentences = sentences_of(chunk.text)
    for sentence in sentences:
        match = _MEANS_ZH.search(sentence) or _MEANS_EN.search(sentence)
        if match:
            question = f"“{match[1]}”指什么？" if is_chinese(sentence) else f'What does "{match[1]}" mean?'
            yield from _drafts(question, sentence, chunk, corpus, "rule:definition")
    names = [heading_of(chunk)] if chunk.heading_path else []
    if chunk.ordinal == 0 or len(chunk.heading_path) <= 1:
        names.append(title_of(chunk))
    for name in dict.fromkeys(names):
        sentence = next((s for s in sentences[:3] if _defines(s, name)), "")
        if sentence:
            plural = bool(re.search(rf"{re.escape(_bare(name))}\s+are\b", sentence, re.IGNORECASE))
            question = f"{name}是什么？" if is_chinese(name) else _what_is(name, sentence, plural)
            yield from _drafts(question, sentence, chunk, corpus, "rule:definition")
            return


def _bare(name: str) -> str:
    return _ARTICLE.sub("", name)


def _what_is(name: str, sentence: str, plural: bool) -> str:
    article = _ARTICLE.match(sentence)
    led = f"{article[0].lower()}{_bare(name)}" if article else _bare(name)
    return f"What {'are' if plural else 'is'} {led}?"


def _defines(sentence: str, name: str) -> bool:
    """Whether a sentence begins with a name and says what it is."""
    if is_generic(name) or len(name) < 2 or name.endswith(("?", "？")) or base_of_gerund(name.split()[0]):
        return False
    if is_chinese(name):
        begins = rf"^{re.escape(name)}\s*(?:（[^）]*）)?\s*(?:节点|功能|插件|工具)?\s*(?:是(?!否|指示|因|由|可|必|不|在|从|通过)|是指|指的是|用于|可以?让|允许|能够|可用于)"
        return bool(re.match(begins, sentence))
    if len(name.split()) > 6:
        return False
    begins = rf"^(?:an?\s+|the\s+)?{re.escape(_bare(name))}(?:\s+(?:nodes?|feature|tool|plugin|page|mode|policy|programme|program))?(?:\s*\([^)]*\))?\s+{_DEFINING}"
    return bool(re.match(begins, sentence, re.IGNORECASE))


def procedure(chunk: SourceChunk, corpus: Corpus) -> Iterator[Draft]:
    """How to do what the heading says: the numbered steps below it, or a short text of orders."""
    heading = heading_of(chunk)
    question = _as_written(how_question(heading), chunk.text)
    lists = steps_of(chunk.text)
    # Two lists are two ways, or two halves: the heading asks for both.
    if question and len(lists) == 1 and (not lists[0].at_end or corpus.is_whole(chunk)):
        steps = lists[0]
        span = verbatim(steps.span, chunk.text)
        if len(span) <= _LONGEST_STEPS and _are_steps(steps):
            yield from _drafts(question, _without_captions(span), chunk, corpus, "rule:steps", span)
        return
    if question and not lists and corpus.is_whole(chunk) and "|" not in chunk.text:
        body = "\n".join(line for line in chunk.text.split("\n") if not is_furniture(line) or not line.strip()).strip()
        prose = sentences_of(body)
        whole = len("".join(prose)) >= 0.9 * len("".join(body.split("\n")).strip())
        if prose and whole and len(body) <= _LONGEST_PROSE and _orders(prose[0]) and not body.endswith((":", "：")):
            yield from _drafts(question, verbatim(body, chunk.text), chunk, corpus, "rule:steps")


def _are_steps(steps: Steps) -> bool:
    """Whether a numbered list tells what to do one after another, and tells it to the end."""
    if any(is_furniture(item) for item in steps.items) or steps.items[-1].endswith((":", "：")):
        return False
    if is_chinese(steps.span):
        return True
    firsts = [item.split()[0].strip(",:").lower() for item in steps.items]
    return 2 * sum(is_imperative(first) or first in _LEADS_STEP for first in firsts) >= len(firsts)


def _without_captions(span: str) -> str:
    """Steps without the captions of pictures between them."""
    lines = [line for line in span.split("\n") if line.strip()]
    kept = [line for line in lines if not _CAPTION.match(line) or re.match(r"\s*(?:\d|[-*•])", line)]
    return "\n".join(kept)


def _orders(sentence: str) -> bool:
    """Whether a sentence tells what to do."""
    if is_chinese(sentence):
        return bool(_PRESS_ZH.match(sentence)) or sentence.startswith(VERBS_ZH)
    words = sentence.split()
    return is_imperative(words[0].strip(",")) or (words[0] in ("To", "Before", "First") and "," in sentence)


def how_question(heading: str) -> str:
    """ "Filling in salt" -> "How do I fill in salt?"; "" for a heading that names no procedure."""
    if is_everywhere(heading) or heading.endswith(("?", "？")) or re.search(r"[:：;；]", heading):
        return ""
    if is_chinese(heading):
        return _how_zh(heading)
    bare = _HOW_TO.sub("", heading)
    words = bare.split()
    if not 2 <= len(words) <= _HEADING_EN or words[1].lower() in _NO_OBJECT:
        return ""
    verb = base_of_gerund(words[0]) or (words[0].lower() if _begins_with_order(words) or bare != heading else "")
    if verb and words[-1].lower() not in _NO_THING:
        rest = " ".join(_with_base(words[1:]))
        return f"How do I {'set up' if verb == 'setup' else verb} {_my(rest)}?"
    if PROCEDURE_EN.search(heading) and words[0].lower() not in ("setup", "set-up", "next", "first"):
        article = "" if _ARTICLE.match(heading) else "the "
        return f"What are the steps of {article}{_lowered(heading)}?"
    return ""


def _begins_with_order(words: list[str]) -> bool:
    """Whether a heading is an order: "Change your address", and not "Lower basket" or "Order number"."""
    first, second = words[0].lower(), words[1].lower()
    return is_imperative(first) and (first not in _OTHERWISE or second in _DETERMINERS)


def _with_base(words: list[str]) -> list[str]:
    """Words behind the verb; a second gerund after "and" goes with the first: "cleaning and storing the tub"."""
    found: list[str] = []
    for position, word in enumerate(words):
        base = base_of_gerund(word) if position and words[position - 1].lower() in ("and", "or", "&") else ""
        found.append(base or word)
    return found


def _as_written(question: str, text: str) -> str:
    """Words that only a heading writes with a capital as the text below it writes them."""
    head, _, rest = question.partition("How do I ")
    small = {*re.findall(r"[a-z]+", text), *_LITTLE}
    words = [
        word.lower() if word.istitle() and {bare := word.strip("?,").lower(), bare.removesuffix("s")} & small else word
        for word in rest.split()
    ]
    return f"{head}How do I {' '.join(words)}" if rest else question


def _my(rest: str) -> str:
    """A company's "your order" is the customer's "my order"."""
    return re.sub(r"\byours\b", "mine", re.sub(r"\b[Yy]our\b", "my", rest))


def _how_zh(heading: str) -> str:
    if len(heading) > _HEADING_ZH or NOUN_ZH.search(heading):
        return ""
    if _HOW_TO_ZH.match(heading):
        return heading + "？"
    if PROCEDURE_ZH.search(heading):
        verb = heading.startswith(VERBS_ZH)
        bare = PROCEDURE_ZH.sub("", heading).removesuffix("的")
        return f"{bare}有哪些步骤？" if len(bare) >= 3 and (verb or not _TWO_CLAUSES.search(bare)) else ""
    return f"如何{heading}？" if heading.startswith(VERBS_ZH) and len(heading) >= 4 else ""


def _lowered(heading: str) -> str:
    return heading if heading[:2].isupper() else heading[:1].lower() + heading[1:]


def _drafts(
    question: str, answer: str, chunk: SourceChunk, corpus: Corpus, writer: str, evidence: str = ""
) -> Iterator[Draft]:
    evidence = evidence or verbatim(answer, chunk.text)
    led = led_by_topic(question, chunk, corpus, _variant(chunk)) if needs_topic(question, chunk, corpus) else question
    if not evidence or not led or _DEMONSTRATIVE.match(answer):
        return
    language = "zh" if is_chinese(question) else "en"
    yield Draft(led, answer, (chunk,), writer, language, evidence)


def needs_topic(question: str, chunk: SourceChunk, corpus: Corpus) -> bool:
    """Whether a question made of a heading would mean something else below another title."""
    heading = heading_of(chunk)
    title = title_of(chunk)
    if naming_codes(question) or (title and title.lower() in question.lower()):
        return False
    return corpus.headings[heading.lower()] > 1 or bool(naming_codes(title)) or len(question) < 8


def _variant(chunk: SourceChunk) -> int:
    return int(chunk.text_hash[:4] or "0", 16) if all(c in "0123456789abcdef" for c in chunk.text_hash[:4]) else 0
