"""An OpenAI-compatible server on loopback over the packaged model, to measure the `endpoint` rung where there is no other.

    python benchmarks/endpoint.py 8001 &
    FRONTDESK_ENDPOINT_URL=http://127.0.0.1:8001/v1 FRONTDESK_ENDPOINT_MODEL=base FRONTDESK_ENDPOINT_LANGUAGES=en \
        python benchmarks/examples.py --engine endpoint

For measuring only: one request at a time, no key, no limits. The endpoint rung treats it like any server, as a model that
can judge its passages, which this one cannot: a hard test of the checks.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from serving.packaged import PackagedModel
from serving.prompts import Message


class Handler(BaseHTTPRequestHandler):
    """POST /v1/chat/completions, streamed."""

    model: PackagedModel

    def do_POST(self) -> None:
        """Stream an answer as server-sent events."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        messages = [Message(m["role"], m["content"]) for m in body["messages"]]
        limit = int(body.get("max_completion_tokens") or body.get("max_tokens") or 160)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        stop = threading.Event()
        try:
            for piece in self.model.generate(messages, limit, stop, time.monotonic() + 120):
                self._event({"content": piece}, None)
            self._event({}, "stop")
            self.wfile.write(b"data: [DONE]\n\n")
        except (BrokenPipeError, ConnectionResetError):
            stop.set()

    def _event(self, delta: dict[str, str], finish: str | None) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        chunk = {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": "base", "choices": [choice]}
        self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


def main() -> None:
    """Command line."""
    with tempfile.TemporaryDirectory() as temporary:
        Handler.model = PackagedModel(Path(temporary))
        Handler.model.load()
        ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()


if __name__ == "__main__":
    main()
