"""The one place where a prompt is written; training renders its examples with the same functions. Pure: no I/O.

Two styles: ``sentence`` (what customers get) and ``short`` (a bare answer, for scoring).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from serving.passages import Passage

PROMPT_VERSION = "1"
Style = Literal["sentence", "short"]

# What a model writes when the passages do not hold the answer; also the target of such training examples.
NOT_FOUND = "NOT_FOUND"

_SYSTEM: dict[Style, str] = {
    "sentence": (
        "You are the customer service assistant of a company. Answer the question in one or two full sentences, using only "
        "the passages below. Copy numbers, names and conditions exactly. Put the number of the passage a sentence comes "
        f"from at its end, like [1]. If the passages do not hold the answer, write {NOT_FOUND}. "
        "Answer in the language of the question."
    ),
    "short": (
        "Answer the question with the shortest phrase copied from the passages below, and nothing else. "
        f"If the passages do not hold the answer, write {NOT_FOUND}."
    ),
}
# A model of 135 million parameters follows one instruction, not five (docs/experiments.md).
_BRIEF = "Answer the customer's question in one full sentence, using only the passages. Copy the facts exactly."
_ASK = (
    "You write the questions that customers ask a company's customer service. Write questions that the given sentence of the passage answers. "
    "Each must be understood without the passage: name the product or the subject, never write 'the passage', 'the text' or 'it'. "
    "Do not give the answer away. Write in the language of the passage. Write one question a line, nothing else."
)
_ASK_FREELY = "Write questions that the passage answers completely. " + _ASK.partition("answers. ")[2]
_MANNERS = {
    "keyword": "Write each as a search query of two to six keywords, without a question mark.",
    "colloquial": "Write as people talk, friendly and informal.",
    "slip": "Write each with one typing mistake that everybody understands.",
    "follow_up": "The customer has asked before: write the next question, which may leave out what the conversation names already.",
    "comparison": "Each question must need both sentences: ask for the difference.",
}
_CONDENSE = (
    "Rewrite the customer's last message as one question that can be understood without the conversation. "
    "Keep its language, names and numbers. Write the question only."
)


class Message(NamedTuple):
    """One message of a chat prompt; role is system, user or assistant."""

    role: str
    content: str


def render_answer(
    question: str,
    passages: Sequence[Passage],
    *,
    style: Style = "sentence",
    brief: bool = False,
    budget: int = 800,
    count_tokens: Callable[[str], int] = lambda text: len(text) // 3,
) -> list[Message]:
    """The prompt that asks for an answer from passages.

    brief:  the short instruction, for a small model in the style ``sentence``.
    budget: tokens that system message, passages and question may have together; passages that do not fit are left
            out from the last one on, and the first is cut if it alone is too long.
    """
    system = _BRIEF if brief and style == "sentence" else _SYSTEM[style]
    tail = f"Question: {question}"
    room = budget - count_tokens(system) - count_tokens(tail)
    blocks: list[str] = []
    for passage in passages:
        block = render_passage(passage)
        cost = count_tokens(block)
        if cost > room:
            if not blocks:
                keep = max(int(len(block) * room / max(cost, 1)), 200)
                blocks.append(block[:keep])
            break
        blocks.append(block)
        room -= cost
    return [Message("system", system), Message("user", "\n\n".join([*blocks, tail]))]


def render_alone(question: str) -> list[Message]:
    """The question and nothing else: what a model knows without any passage. Evaluation only, never customers."""
    return [Message("user", question)]


def render_passage(passage: Passage) -> str:
    """A passage as the model sees it: number, where it stands, text."""
    where = " > ".join(dict.fromkeys(part for part in (passage.title, *passage.heading_path) if part))
    return f"[{passage.n}] {where}\n{passage.text}"


def render_condense(history: Sequence[Message], question: str) -> list[Message]:
    """The prompt that asks a model to make a follow-up question standalone.

    A message is one line, whatever it holds: none can pass for another's.
    """
    lines = [f"{'Customer' if m.role == 'user' else 'Assistant'}: {' '.join(m.content.split())}" for m in history]
    asked = f"Customer: {' '.join(question.split())}"
    return [Message("system", _CONDENSE), Message("user", "\n".join([*lines, asked]))]


class Asked(NamedTuple):
    """What a question is to be written for: where the passage stands, its text, and the words that answer ("" for any)."""

    where: str
    text: str
    span: str = ""


def render_questions(
    asked: Asked,
    *,
    style: str = "plain",
    count: int = 4,
    examples: Sequence[tuple[str, str]] = (),
    history: Sequence[Message] = (),
    other: Asked | None = None,
) -> list[Message]:
    """The prompt that asks a model for questions whose answer is known already.

    style:    plain, keyword, colloquial, slip, follow_up or comparison.
    examples: (sentence, question) that a person wrote, shown as turns of their own.
    history:  earlier turns of a dialogue.
    other:    the second passage of a comparison.
    """
    manner = _MANNERS.get(style, "")
    system = " ".join(part for part in (_ASK if asked.span else _ASK_FREELY, manner, f"Write {count}.") if part)
    messages = [Message("system", system)]
    for sentence, question in examples:
        messages += [Message("user", f"Sentence: {' '.join(sentence.split())}"), Message("assistant", question)]
    blocks = []
    if history:
        lines = (f"{'Customer' if m.role == 'user' else 'Assistant'}: {' '.join(m.content.split())}" for m in history)
        blocks.append("Conversation:\n" + "\n".join(lines))
    for one in (asked, *([other] if other else [])):
        block = f"Passage ({one.where}):\n{one.text}"
        blocks.append(f"{block}\n\nSentence: {' '.join(one.span.split())}" if one.span else block)
    return [*messages, Message("user", "\n\n".join(blocks))]
