"""Questions that stand in the files with their answers: headings, "Q:"/"A:", 问/答, tables with such columns. Pure: no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ingest.pairs.records import Draft, SourceChunk
from ingest.pairs.standalone import hanging
from ingest.pairs.topics import Corpus, is_chinese, title_of
from ingest.pairs.units import clean_heading, is_furniture, is_item, paragraphs_of, tables_of, verbatim

WRITER = "rule:faq"
LONGEST_ANSWER = 700
_QUESTION_WORD = re.compile(
    r"^(?:what|who|whom|whose|when|where|which|why|how|is|are|am|was|were|do|does|did|can|could|may|must|should|shall|will|would|"
    r"has|have|had|if|in|on|at|for|to|by|under|what's|who's|where's)\b",
    re.IGNORECASE,
)
_ASKED = re.compile(
    r"^\s*(?:[-*•]\s*)?\**(?:Q(?:uestion)?\s*\d{0,3}|问题?\s*\d{0,3})\**\s*[.:：、)]\s*\**\s*(\S.*?)\**\s*$",
    re.IGNORECASE,
)
_ANSWERED = re.compile(r"^\s*\**(?:A(?:nswer)?\s*\d{0,3}|答案?\s*\d{0,3}|回答)\**\s*[.:：、)]\s*\**\s*", re.IGNORECASE)
_ASKED_COLUMN = re.compile(r"^(?:(?:customer )?questions?|faq|问题?|提问|常见问题|客户问题)$", re.IGNORECASE)
_ANSWER_COLUMN = re.compile(
    r"^(?:(?:our |standard )?(?:answers?|replies|reply|responses?)|答案?|回答|解答|回复|标准答案|答复)$", re.IGNORECASE
)
_FAQ_PAGE = re.compile(r"\bfaqs?\b|questions|q ?& ?a|常见问题|问答|答疑", re.IGNORECASE)
_SEVERAL = re.compile(r"[?？].*[?？]")
_REFERS_ON = re.compile(r"(?:[:：]|below|following|如下|以下|见下[表图文])$")
_REFERS = re.compile(
    r"^(?:see|refer to|please (?:see|refer to)|check) .{0,120}$|^(?:请)?(?:参见|参阅|参考|查看|详见).{0,60}$",
    re.IGNORECASE,
)
_PLAIN = re.compile(r"[A-Za-z][\w\-]{2,}")


def is_question(text: str) -> bool:
    """Whether a heading or line is one question."""
    bare = text.strip().strip("*").strip()
    if not bare.endswith(("?", "？")) or _SEVERAL.search(bare) or not 6 <= len(bare) <= 160:
        return False
    return is_chinese(bare) or (bool(_QUESTION_WORD.match(bare)) and len(bare.split()) >= 3)


def faq(chunk: SourceChunk, corpus: Corpus) -> Iterator[Draft]:
    """Questions of a passage that it answers itself."""
    heading = clean_heading(chunk.heading_path[-1]) if chunk.heading_path else ""
    if is_question(heading) and corpus.is_whole(chunk):
        answer = "\n".join(p for p in chunk.text.split("\n") if not is_furniture(p) or not p.strip()).strip()
        if draft := _draft(heading, answer, chunk):
            yield draft
            return
    yield from _lines(chunk)
    yield from _columns(chunk)


def _lines(chunk: SourceChunk) -> Iterator[Draft]:
    """ "Q: ..." with the "A: ..." that follows it; a question that is a paragraph, with the paragraphs up to the next."""
    about = " ".join((chunk.title, *chunk.heading_path))
    plain_too = (
        bool(_FAQ_PAGE.search(about))
        or sum(is_question(p.strip()) for p in paragraphs_of(chunk.text) if not is_item(p)) >= 2
    )
    paragraphs = [line for p in paragraphs_of(chunk.text) for line in _split_marks(p)]
    asked, marked, held = "", False, []
    for paragraph in [*paragraphs, "\0"]:
        match = _ASKED.match(paragraph)
        plain = paragraph.strip().strip("*").strip()
        begins = bool(match) or (plain_too and not is_item(paragraph) and is_question(plain)) or paragraph == "\0"
        if not begins:
            held.append(paragraph)
            continue
        if asked and held and (not marked or _ANSWERED.match(held[0])):
            body = _ANSWERED.sub("", "\n".join(held), count=1).strip()
            if draft := _draft(asked, body, chunk):
                yield draft
        asked, marked, held = (match[1].strip(), True, []) if match else (plain, False, [])


def _split_marks(paragraph: str) -> list[str]:
    """Lines of a paragraph where "Q:" or "A:" begins one."""
    lines: list[str] = []
    for line in paragraph.split("\n"):
        if lines and not _ASKED.match(line) and not _ANSWERED.match(line):
            lines[-1] += "\n" + line
        else:
            lines.append(line)
    return lines


def _columns(chunk: SourceChunk) -> Iterator[Draft]:
    for table in tables_of(chunk.text):
        asked = next((i for i, name in enumerate(table.header) if _ASKED_COLUMN.match(name)), None)
        answered = next((i for i, name in enumerate(table.header) if _ANSWER_COLUMN.match(name)), None)
        if asked is None or answered is None:
            continue
        for row in table.rows:
            question = row.cells[asked].strip()
            question += "" if question.endswith(("?", "？")) else "？" if is_chinese(question) else "?"
            if draft := _draft(question, row.cells[answered], chunk):
                yield draft


def _draft(question: str, answer: str, chunk: SourceChunk) -> Draft | None:
    evidence = verbatim(answer, chunk.text) if answer else ""
    too_long = len(answer) > LONGEST_ANSWER or len(answer) < 2
    if (
        not evidence
        or too_long
        or _REFERS_ON.search(answer)
        or answer.count("\n|") > 0
        or answer.startswith("|")
        or _REFERS.match(answer.strip())
    ):
        return None
    question = question.strip().strip("*").strip()
    title = title_of(chunk)
    if (hanging(question) or _is_bare(question)) and title and title.lower() not in question.lower():
        question = f"{title}：{question}" if is_chinese(question) else f"{title}: {question}"
    language = "zh" if is_chinese(question) else "en"
    return Draft(question, answer.strip(), (chunk,), WRITER, language, evidence)


def _is_bare(question: str) -> bool:
    """Whether a question names too little to be asked anywhere else: "Who is affected?" """
    if is_chinese(question):
        return len(question) <= 7 and not re.search(r"[A-Za-z0-9]", question)
    words = [
        word
        for word in _PLAIN.findall(question)
        if not _QUESTION_WORD.match(word) and word.lower() not in ("the", "and", "you", "there", "need")
    ]
    return len(words) < 2
