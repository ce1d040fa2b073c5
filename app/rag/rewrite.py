"""A follow-up rewritten by a model, taken only when it keeps to what was said; the rules' wording otherwise."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping, Sequence
from contextlib import aclosing

from app.rag.condense import Standalone
from app.rag.question import Wording
from ingest.language import detect_language
from ingest.sparse import codes
from serving.engines import ChatEngine
from serving.errors import EngineError
from serving.passages import content_tokens
from serving.prompts import Message, render_condense

log = logging.getLogger(__name__)
# Seconds that a rewriting may take: the customer waits, and the rules' wording is there already.
SECONDS = 4.0
# Say of the follow-up as it was asked: what a model worded is whole.
ASKED_WEIGHT = 0.2
_NAME = re.compile(r"(?<!^)\b[A-Z][\w'’-]+")
# Of the words that a rewriting adds, the share that must come from the turns before.
_SAID = 0.7
# Share of the question's own words that must still be there.
_KEPT = 0.5
_MOST_CHARACTERS = 400


async def rewrite(
    history: Sequence[Message],
    question: str,
    by_rules: Standalone,
    engine: ChatEngine,
    seconds: float = SECONDS,
    headers: Mapping[str, str] | None = None,
) -> Standalone:
    """The question as the model words it, or ``by_rules``.

    history: messages before it, bounded.
    seconds: after these the rules' wording is taken.
    headers: as ``ChatEngine.stream`` takes them.
    """
    try:
        # Closing the stream stops the engine, also when its time is over.
        asked = engine.stream(render_condense(history, question), headers)
        async with asyncio.timeout(seconds), aclosing(asked) as stream:
            pieces = [piece async for piece in stream]
    except (EngineError, TimeoutError) as exc:
        log.info("condensing by rules: %s", exc or f"the model was not done after {seconds:g} s")
        return by_rules
    lines = "".join(pieces).strip().splitlines()
    written = lines[0].strip() if lines else ""
    if objection := objection_to(written, history, question):
        log.info("condensing by rules: the model's wording %s", objection)
        return by_rules
    wordings = (Wording(written, 1 - ASKED_WEIGHT), Wording(question, ASKED_WEIGHT))
    return Standalone(written, wordings, by_rules.carried, "model")


def objection_to(written: str, history: Sequence[Message], question: str) -> str:
    """Why a model's wording is not taken; "" when nothing speaks against it.

    Numbers, codes and names must all have been said, and those of the question itself must still be there.
    """
    if not written:
        return "is empty"
    if len(written) > _MOST_CHARACTERS + len(question):
        return "is longer than any question"
    if detect_language(written) != detect_language(question) and content_tokens(question):
        return "is in another language"
    said = "\n".join([*(m.content for m in history), question])
    if invented := set(codes(written)) - set(codes(said)):
        return f"invents {', '.join(sorted(invented))}"
    if dropped := set(codes(question)) - set(codes(written)):
        return f"drops {', '.join(sorted(dropped))}"
    folded = said.casefold()
    if strange := [name for name in _NAME.findall(written) if name.casefold() not in folded]:
        return f"invents {', '.join(strange)}"
    kept = written.casefold()
    if lost := [name for name in _NAME.findall(question) if name.casefold() not in kept]:
        return f"drops {', '.join(lost)}"
    asked, words = content_tokens(question), content_tokens(written)
    if len(asked & words) < _KEPT * len(asked):
        return "asks something else"
    if words and len(words & content_tokens(said)) < _SAID * len(words):
        return "speaks of other things"
    return ""
