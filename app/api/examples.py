"""Examples in the OpenAPI document; they name the example company, and tests ask the running server the same."""

from __future__ import annotations

from pydantic.config import JsonDict

# A server-sent event, in the terms of the OpenAPI specification's section on them.
EVENT_SCHEMA: JsonDict = {
    "type": "object",
    "properties": {"event": {"type": "string"}, "data": {"type": "string"}},
    "required": ["data"],
}
QUESTION = "How long is the motor of the WM-900 guaranteed?"
SENTENCE = "The motor of the WM-900 is guaranteed for 10 years [1]."
CITATION = {
    "n": 1,
    "document": "en/warranty.docx",
    "title": "Warranty terms",
    "version": "9b2d6c1f0f5e4a6fb0c7f6a1d2e3f405",
    "page": None,
    "sheet": None,
    "heading": "Guarantee periods",
    "text": "The motor of the WM-900 is guaranteed for 10 years.",
}
CHAT_EVENTS = f"""event: sources
data: {{"conversation_id": "4f…", "message_id": 2, "sources": []}}

event: sources
data: {{"conversation_id": "4f…", "message_id": 2, "sources": [{{"n": 1, "document": "en/warranty.docx", …}}]}}

event: sentence
data: {{"text": "{SENTENCE}"}}

event: done
data: {{"answer": "{SENTENCE}", "outcome": "answered", …}}
"""
COMPLETION_REQUEST: JsonDict = {"model": "default", "messages": [{"role": "user", "content": QUESTION}]}
COMPLETION_CHUNKS = """data: {"id": "chatcmpl-…", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "…"}}]}

data: [DONE]
"""
