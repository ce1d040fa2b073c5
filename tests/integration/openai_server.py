"""A server on loopback that speaks OpenAI's chat completions stream, and can misbehave in every way we know of."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Script:
    """What the server does next, and what it was asked.

    behaviour: answer, cut, status, hang, hang after a token, garbage, empty.
    gone:      set when a client left before the answer was written.
    """

    behaviour: str = "answer"
    answer: str = ""
    status: int = 200
    message: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    gone: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: EndpointServer

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on stderr."""

    def do_POST(self) -> None:
        script = self.server.script
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        script.asked.append({**asked, "path": self.path})
        script.keys.append(self.headers.get("Authorization", ""))
        if script.behaviour == "status":
            self._json(script.status, {"error": {"message": script.message, "type": "error", "code": script.status}})
            return
        if script.behaviour == "hang":
            script.over.wait(30)
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        self.end_headers()
        try:
            self._stream(script)
        except OSError:
            script.gone.set()
        self.close_connection = True

    def _stream(self, script: Script) -> None:
        if script.behaviour == "garbage":
            self._chunk("data: {not json at all\n\n")
            self._chunk("")
            return
        words = script.answer.split(" ")
        if script.behaviour == "endless":
            while not script.over.wait(0.02):
                self._event("The motor hums. ")
            return
        for number, word in enumerate(words):
            if script.behaviour == "cut" and number == len(words) - 1:
                # No closing chunk: the client sees the connection end in the middle of the body.
                return
            self._event(word if number == 0 else f" {word}")
            if script.behaviour == "hang after a token":
                script.over.wait(30)
                return
        self._chunk("data: [DONE]\n\n")
        self._chunk("")

    def _event(self, text: str) -> None:
        choice = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": None}
        event = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "tuned", "choices": [choice]}
        self._chunk(f"data: {json.dumps(event)}\n\n")

    def _chunk(self, text: str) -> None:
        data = text.encode()
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _json(self, status: int, value: dict[str, Any]) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)


class EndpointServer(ThreadingHTTPServer):
    """The server; use it as a context manager."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = Script()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is a part of the tests."""

    def __enter__(self) -> EndpointServer:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.script.over.set()
        self.shutdown()
        self.server_close()
