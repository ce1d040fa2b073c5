"""Pairs out of labelled lines ("Model: FD-200"), and of telephone numbers and addresses of mail. Pure: no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ingest.chunk import split_sentences
from ingest.pairs.records import Draft, SourceChunk
from ingest.pairs.rules_facts_en import ask_en
from ingest.pairs.rules_facts_zh import ask_zh
from ingest.pairs.rules_table import attribute_en
from ingest.pairs.topics import Corpus, heading_of, is_chinese, led_by_topic
from ingest.pairs.units import items_of, labelled_lines, prose_lines, sentences_of, verbatim
from ingest.pairs.words import ATTRIBUTE_ZH, EMPTY_CELLS, VERBS_ZH, is_imperative

_PHONE = r"(?:\+?\d{1,3}[ \-])?(?:\(?0\d{2,4}\)?|\d{3,4})[ \-]\d{3,4}[ \-]?\d{3,4}(?![\d\-])|(?:400|800)[\- ]?\d{3,4}[\- ]?\d{3,4}|(?<!\d)1[3-9]\d{9}(?!\d)"
_MAIL = r"[A-Za-z0-9][\w.+\-]*@[\w\-]+(?:\.[\w\-]+)+"
_PHONE_ZH = re.compile(
    rf"([\u4e00-\u9fff]{{0,8}}(?:热线|电话|专线|总机|传真|手机|手机号))\s*(?:是|为)?\s*[:：]?\s*({_PHONE})"
)
_MAIL_ZH = re.compile(rf"([\u4e00-\u9fff]{{0,6}}(?:邮箱|邮件地址|电子邮件))\s*(?:是|为)?\s*[:：]?\s*({_MAIL})")
_PHONE_EN = re.compile(
    rf"^((?:[A-Z][\w\-]*|[\w\-]+)(?: [\w\-&]+){{0,4}}?)\s*(?::|,? (?:telephone|phone|tel\.?|hotline))\s*:?\s*({_PHONE})"
)
_NUMBERED = re.compile(r"\d")
_LABEL_EN = re.compile(r"^[A-Z][\w\-/]*(?: [\w\-/]+){0,3}$")
# Values without a figure are names or sentences; these labels have values that are neither.
_STRONG = re.compile(
    r"(?:地址|位置|地点|型号|编号|颜色|规格|期限|时间|日期|邮箱)$|\b(?:address|location|models?|colou?r|opening hours|dimensions)$",
    re.IGNORECASE,
)
_GENERIC_LABEL = re.compile(
    r"^(?:notes?|tips?|warning|caution|danger|important|examples?|e\.g|step \d+|format|default|description|type|input|output|result|"
    r"注意|提示|警告|危险|示例|例如|比如|说明|格式|类型|描述|输入|输出|结果|默认|重要|步骤.*|方法.*|问|答|备注)$",
    re.IGNORECASE,
)


def facts(chunk: SourceChunk, corpus: Corpus) -> Iterator[Draft]:
    """Sentences and items with a figure, asked for it."""
    for sentence in [
        *sentences_of(chunk.text),
        *(
            s
            for i in items_of(chunk.text)
            for s in split_sentences(i)
            if s.endswith((".", "。")) or (is_chinese(s) and not re.search("[，,]", s))
        ),
    ]:
        if is_chinese(sentence):
            asked_zh = ask_zh(sentence)
            if asked_zh is None:
                continue
            stated = asked_zh.stated
            whole = sentence if len(sentence) <= len(stated) + 2 or sentence.startswith(stated) else stated
            answer = whole if whole.endswith(("。", "！")) else whole.rstrip("；;，,") + "。"
            yield from _led(asked_zh.question, answer, asked_zh.short, sentence, chunk, corpus, "rule:fact")
        else:
            asked = ask_en(sentence)
            if asked is not None:
                answer = sentence if sentence.endswith((".", "!")) else sentence + "."
                yield from _led(asked.question, answer, asked.short, sentence, chunk, corpus, "rule:fact")


def labels(chunk: SourceChunk, corpus: Corpus) -> Iterator[Draft]:
    """Lines that name an attribute and its value."""
    for label, value, line in labelled_lines(chunk.text):
        if _GENERIC_LABEL.match(label) or len(value) > 100 or value.casefold().rstrip(".。") in EMPTY_CELLS:
            continue
        if re.search(_PHONE, value):
            # Whose number it is may stand in the label; contacts() asks for it.
            continue
        bare = value.rstrip("。.;；")
        told = any(char.isdigit() for char in bare) or _STRONG.search(label)
        once = len(re.findall(rf"^\W*{re.escape(label)}\s*[:：]", chunk.text, re.MULTILINE)) == 1
        if (
            not told
            or not once
            or len(bare) > 80
            or "_" in label
            or bare.endswith(("?", "？"))
            or _begins_with_verb(label, bare)
        ):
            continue
        if is_chinese(label):
            if (
                len(label) <= 10
                and ATTRIBUTE_ZH.search(label)
                and not re.search(r"[。；]", bare)
                and label[-1] not in "的了"
            ):
                yield from _led(
                    f"{label}是什么？", f"{label}：{bare}。", bare, line.strip(), chunk, corpus, "rule:label"
                )
        elif (
            _LABEL_EN.match(label)
            and attribute_en(label)
            and not is_imperative(label.split()[0])
            and "." not in bare.strip()
        ):
            verb = "are" if label.lower().endswith("s") and not label.lower().endswith(("ss", "us")) else "is"
            name = attribute_en(label)
            yield from _led(
                f"What {verb} the {name}?",
                f"The {name} {verb}: {bare}.",
                bare,
                line.strip(),
                chunk,
                corpus,
                "rule:label",
            )


def _begins_with_verb(label: str, value: str) -> bool:
    """Whether a labelled line tells what to do instead of what something is."""
    return (
        (label.startswith(VERBS_ZH) and not _STRONG.search(label))
        or value.startswith(("点击", "选择", "输入", "描述"))
        or is_imperative(value.split()[0])
    )


def contacts(chunk: SourceChunk, corpus: Corpus) -> Iterator[Draft]:
    """How to reach somebody by telephone or mail; whether it is a person's own number is for the filters to say."""
    for line in prose_lines(chunk.text):
        for pattern in (_PHONE_ZH, _MAIL_ZH):
            match = pattern.search(line)
            if match and len(match[1]) >= 4 and not re.match(r"[我你您他她]", match[1]):
                name = re.sub(r"^(?:拨打|请|或|致电|的|和|与|，|我们)+", "", match[1])
                question = f"{name}是多少？" if pattern is _PHONE_ZH else f"{name}是什么？"
                yield from _led(
                    question,
                    f"{name}：{match[2]}。",
                    match[2],
                    match[0].strip(),
                    chunk,
                    corpus,
                    "rule:contact",
                    bare=len(name) >= 5,
                )
        match = _PHONE_EN.match(line.strip().lstrip("-*• "))
        if match and not is_chinese(line) and not _NUMBERED.search(match[1]):
            name = match[1].strip()
            if name.lower() in ("telephone", "phone", "tel", "fax", "hotline", "call", "contact"):
                continue
            lowered = name if name[1:2].isupper() else name[0].lower() + name[1:]
            yield from _led(
                f"What is the telephone number of the {lowered}?",
                f"The telephone number of the {lowered} is {match[2]}.",
                match[2],
                match[0].strip(),
                chunk,
                corpus,
                "rule:contact",
                bare=True,
            )


def _led(
    question: str,
    answer: str,
    short: str,
    evidence: str,
    chunk: SourceChunk,
    corpus: Corpus,
    writer: str,
    *,
    bare: bool = False,
) -> Iterator[Draft]:
    """bare: the question names what it asks for, so it needs no topic before it."""
    span = verbatim(evidence, chunk.text)
    variant = sum(map(ord, question))
    led = question if bare or _names_heading(question, chunk) else led_by_topic(question, chunk, corpus, variant)
    if span and led:
        yield Draft(led, answer, (chunk,), writer, "zh" if is_chinese(question) else "en", span, short)


def _names_heading(question: str, chunk: SourceChunk) -> bool:
    """Whether the heading's words are in the question already, and are enough to tell what it is about."""
    heading = heading_of(chunk)
    if is_chinese(heading):
        return len(heading) >= 4 and heading in question
    words = [word for word in re.findall(r"\w+", heading.lower()) if len(word) > 3]
    return len(words) >= 2 and all(word[:5] in question.lower() for word in words)
