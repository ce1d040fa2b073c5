"""A follow-up question made standalone: by the model where one is at hand, by rules otherwise."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence

from ingest.language import detect_language
from ingest.sparse import product_names, without_product_codes
from serving.engines import ChatEngine
from serving.errors import EngineError
from serving.passages import content_tokens
from serving.prompts import Message, render_condense

log = logging.getLogger(__name__)
# Words that point back to what was said before.
_BACK_EN = re.compile(
    r"\b(?:it|its|they|them|their|this|that|these|those|one|ones|there|he|she|same|other|another|else)\b"
    r"|^(?:and|but|or|so|then|also|what about|how about|what if)\b",
    re.IGNORECASE,
)
_BACK_ZH = re.compile(r"它|他|她|这|那|其|上述|刚才|同样|另外|^(?:那么?|还有|如果|要是|而且)|呢[？?]?$")
_FEW_WORDS = 3
_TURNS = 6


def is_follow_up(question: str) -> bool:
    """Whether a question leans on the turns before it: it points back, or says too little to be searched for."""
    back = _BACK_ZH if detect_language(question) == "zh" else _BACK_EN
    return bool(back.search(question)) or len(content_tokens(question)) < _FEW_WORDS


def condense_by_rule(history: Sequence[Message], question: str) -> str:
    """A follow-up with the customer's previous question in front of it; any other question as it is.

    "And the WM-700?" after a question about the WM-900 asks the same about the WM-700: it takes the other's place.
    """
    asked = [message.content for message in history if message.role == "user"]
    if not asked or not is_follow_up(question):
        return question
    named = product_names(question)
    before = without_product_codes(asked[-1], named[0]) if named else asked[-1]
    return f"{before} {question}"


async def condense(history: Sequence[Message], question: str, engine: ChatEngine | None) -> str:
    """A question that can be understood, and searched for, without the conversation.

    engine: a model able to rewrite; a failure of it costs the rewriting, never the answer.
    """
    by_rule = condense_by_rule(history, question)
    if engine is None or by_rule == question:
        return by_rule
    try:
        pieces = [piece async for piece in engine.stream(render_condense(history[-_TURNS:], question))]
    except EngineError as exc:
        log.info("condensing by rule: %s", exc)
        return by_rule
    written = "".join(pieces).strip().splitlines()
    # A rewriting that grew past any question is a model that answered instead.
    return written[0].strip() if written and 0 < len(written[0]) <= 2 * len(by_rule) + 80 else by_rule
