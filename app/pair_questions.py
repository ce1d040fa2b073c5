"""A model that writes questions for pairs: the packaged one, or any OpenAI-compatible endpoint; the prompt is serving's."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from ingest.pairs.model import QuestionTask
from ingest.pairs.records import SourceChunk
from serving.packaged import PackagedModel
from serving.prompts import Asked, Message, render_questions

Complete = Callable[[Sequence[Message]], str]
# Numbers, bullets and quotes that models put around each line.
_AROUND = re.compile(
    r"^\s*(?:[-*•]|\d{1,2}[.)、:]|Q\d*[.:]|Question(?: \d+)?:|问题?\d*[：:])?\s*[\"“「']?(.*?)[\"”」']?\s*$",
    re.IGNORECASE,
)
# Characters of a passage that a small model's prompt has room for.
_REACH = 1600


class ChatQuestions:
    """Questions of a chat model; an AsksQuestions.

    complete: messages to the model's answer; blocking.
    """

    def __init__(self, name: str, complete: Complete) -> None:
        self.name = name
        self._complete = complete

    def ask(self, task: QuestionTask) -> Sequence[str]:
        """Candidates, a line each, without the numbers and quotes around them."""
        other = _asked(task.other[0], task.other[1]) if task.other else None
        messages = render_questions(
            _asked(task.chunk, task.span),
            style=task.style.value,
            count=task.count,
            examples=task.examples,
            history=[Message(turn.role, turn.text) for turn in task.history],
            other=other,
        )
        lines = (_AROUND.sub(r"\1", line).strip() for line in self._complete(messages).splitlines())
        return list(dict.fromkeys(line for line in lines if line))[: task.count]


def _asked(chunk: SourceChunk, span: str) -> Asked:
    where = " > ".join(dict.fromkeys(part for part in (chunk.title, *chunk.heading_path) if part))
    return Asked(where, chunk.text[:_REACH], span)


def packaged_complete(model: PackagedModel, max_new_tokens: int = 120, timeout_s: float = 90.0) -> Complete:
    """The packaged model as a function from messages to text."""

    def complete(messages: Sequence[Message]) -> str:
        return "".join(model.generate(messages, max_new_tokens, threading.Event(), time.monotonic() + timeout_s))

    return complete


def chat_complete(model: BaseChatModel) -> Complete:
    """A chat model of an endpoint as a function from messages to text."""
    kinds: dict[str, type[BaseMessage]] = {"system": SystemMessage, "user": HumanMessage, "assistant": AIMessage}

    def complete(messages: Sequence[Message]) -> str:
        return str(model.invoke([kinds[m.role](content=m.content) for m in messages]).content)

    return complete
