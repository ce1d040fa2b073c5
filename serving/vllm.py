"""A vLLM server as a child process: started for a release, watched until it answers, stopped in order.

vLLM itself listens on loopback with a key that nobody else knows, on every route (serving/guard): what customers' systems reach
is serving/front.py.
"""

from __future__ import annotations

import collections
import contextlib
import glob
import importlib.util
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import httpx

from ingest.errors import SettingsError
from serving.errors import EngineAway
from serving.prompts import Message
from serving.releases import BASE
from serving.vllm_plan import ServeSettings, arguments, environment

START_S = 1800.0
STOP_S = 30.0
WARM_UP_S = 300.0
# Largest rank of an adapter that is attached: vLLM lays out room for it beforehand.
MOST_RANK = 64
# Lines of its log that an error shows.
_LAST = 8
_MODULE = "vllm.entrypoints.openai.api_server"
# All of vLLM's module path that is ours, with one module in it.
_GUARD = Path(__file__).parent / "guard"
# Has itself ended with whoever started it, however that ends: killed, it could stop nothing, and what it left behind would
# keep the memory that the next one needs. Linux only; elsewhere it is started as it is.
_LAUNCH = """
import os, sys
if sys.platform == "linux":
    import ctypes, signal
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    if os.getppid() != int(sys.argv[1]):
        sys.exit("whoever started it has ended")
os.execv(sys.argv[2], sys.argv[2:])
"""
# Debian's; vLLM asks for it on a CPU, where the system's own allocator is slower.
_ALLOCATORS = (
    "/usr/lib/*/libtcmalloc_minimal.so.4",
    "/usr/lib/*/libtcmalloc.so.4",
    "/usr/lib64/libtcmalloc_minimal.so.4",
)
# What its log says, and what a person is told; the first that fits.
_STAGES = (
    (re.compile(r"Application startup complete"), "listening"),
    (re.compile(r"Starting vLLM"), "opening its port"),
    (re.compile(r"[Ww]arm(ing)? ?up|warmup"), "warming up"),
    (re.compile(r"torch\.compile|[Cc]ompil"), "compiling"),
    (re.compile(r"KV cache"), "laying out the cache"),
    (re.compile(r"[Ll]oading (weights|safetensors)|Starting to load model"), "loading the weights"),
    (re.compile(r"Initializing a V1|Initializing an? LLM|Resolved architecture"), "reading the model"),
)
Told = Callable[[str], None]


def find_python(named: str | None = None) -> Path:
    """The interpreter of the environment that vLLM is installed in.

    named: FRONTDESK_VLLM_PYTHON; without it ``.venv-serving`` here or beside the package is looked for, then this interpreter.

    Raises:
        SettingsError: there is none.
    """
    if named:
        path = Path(named).expanduser()
        if not path.is_file():
            raise SettingsError(f"FRONTDESK_VLLM_PYTHON: {path} is not there")
        return path
    places = (Path.cwd(), Path(__file__).resolve().parents[1])
    for place in places:
        if (python := place / ".venv-serving" / "bin" / "python").is_file():
            return python
    if importlib.util.find_spec("vllm") is not None:
        return Path(sys.executable)
    raise SettingsError(
        "vLLM is not installed: run `make serving`, or set FRONTDESK_VLLM_PYTHON to the Python of an environment that has it"
    )


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])


@dataclass(slots=True)
class VllmServer:
    """One server.

    python:  of its environment.
    weights: folder of the model; ``adapter`` of an adapter attached to it.
    name:    what it is asked for by: the release's label.
    log:     where what it says is kept.
    adapters: whether others can be attached while it runs; the weights are then called ``base``.
    """

    python: Path
    weights: Path
    name: str
    settings: ServeSettings
    device: str
    log: Path
    adapter: Path | None = None
    extra: tuple[str, ...] = ()
    adapters: bool = False
    port: int = field(default_factory=free_port)
    key: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    _process: subprocess.Popen[bytes] | None = None
    _last: collections.deque[str] = field(default_factory=lambda: collections.deque(maxlen=200))
    _reader: threading.Thread | None = None
    _stage: str = "starting"

    @property
    def url(self) -> str:
        """Where it listens, without a path."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self._process is not None and self._process.poll() is None

    def command(self) -> list[str]:
        """How it is started; the key is no argument, for those can be read by everybody on the machine."""
        said = [str(self.python), "-m", _MODULE, "--host", "127.0.0.1", "--port", str(self.port)]
        said += ["--middleware", "frontdesk_guard.KeyOnEveryRoute"]
        said += ["--model", str(self.weights), *arguments(self.settings, self.device)]
        if self.adapter is None and not self.adapters:
            said += ["--served-model-name", self.name]
        else:
            said += ["--served-model-name", BASE if self.adapters else f"{self.name}-base", "--enable-lora"]
            said += ["--max-lora-rank", str(MOST_RANK)]
            if self.adapters:
                # What is live, a canary, and what is still writing its last answers.
                said += ["--max-loras", "3"]
            if self.adapter is not None:
                said += ["--lora-modules", f"{self.name}={self.adapter}"]
        return [*said, *self.extra]

    def environment(self) -> dict[str, str]:
        """Its variables."""
        given = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        given |= environment(self.settings, self.device) | {"VLLM_API_KEY": self.key, "HF_HUB_OFFLINE": "1"}
        given["PYTHONPATH"] = str(_GUARD)
        if self.adapters:
            # Only who holds the key that is made at each start can ask for it, by whatever route; the front has none.
            given["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] = "1"
        given["PATH"] = f"{self.python.parent}{os.pathsep}{given.get('PATH', '')}"
        if self.device == "cpu" and (allocator := _allocator()):
            given["LD_PRELOAD"] = " ".join(filter(None, (allocator, given.get("LD_PRELOAD", ""))))
        return given

    def start(self) -> None:
        """Start its process, the first time or after it ended; ``wait`` says when it answers."""
        self._stage = "starting"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        # A group of its own: Ctrl-C reaches whoever started it, who then stops it in order with the processes that it started.
        self._process = subprocess.Popen(  # noqa: S603 - vLLM, in the environment that was named
            [sys.executable, "-c", _LAUNCH, str(os.getpid()), *self.command()],
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        if self._process.stdout is None:
            raise RuntimeError("a pipe was asked for")
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), name="vllm-log", daemon=True)
        self._reader.start()

    def wait(
        self, prompt: list[Message], stopped: Callable[[], bool] = lambda: False, told: Told = lambda _: None
    ) -> str:
        """Until it has answered a question; returns the answer.

        prompt:  the question: one that the release was made for.
        stopped: asked while waiting; the wait ends when it says so.
        told:    called with the stage, whenever it changes.

        Raises:
            EngineAway: it ended, or was not there in time; the message holds the last lines of its log.
        """
        end, before = time.monotonic() + START_S, ""
        with httpx.Client(base_url=self.url, headers=self._headers, trust_env=False) as client:
            while not stopped():
                if self._stage != before:
                    told(before := self._stage)
                if not self.running:
                    raise EngineAway(f"vLLM ended while it started; {self._end_of_log()}")
                if time.monotonic() > end:
                    raise EngineAway(f"vLLM was not there after {START_S:g} s; {self._end_of_log()}")
                with contextlib.suppress(httpx.TransportError):
                    if client.get("/health", timeout=5).status_code == httpx.codes.OK:
                        told("asking a first question")
                        return self._warm_up(client, prompt)
                time.sleep(0.5)
        raise EngineAway("it was stopped while it started")

    def _warm_up(self, client: httpx.Client, prompt: list[Message]) -> str:
        body = {
            "model": self.name,
            "messages": [message._asdict() for message in prompt],
            "temperature": 0,
            "max_tokens": 32,
        }
        try:
            reply = client.post("/v1/chat/completions", json=body, timeout=WARM_UP_S)
            reply.raise_for_status()
            answer = str(reply.json()["choices"][0]["message"]["content"] or "").strip()
        except (httpx.HTTPError, ValueError, KeyError, IndexError) as exc:
            raise EngineAway(f"vLLM started and answered no question ({exc}); {self._end_of_log()}") from exc
        if not answer:
            raise EngineAway(f"vLLM started and wrote an empty answer; {self._end_of_log()}")
        return answer

    def attach(self, name: str, folder: Path) -> None:
        """Serve an adapter from now on, under this name; whoever calls has seen that it is what its hashes say.

        Raises:
            EngineAway: vLLM could not load it.
        """
        self._change("load_lora_adapter", {"lora_name": name, "lora_path": str(folder)}, name)

    def detach(self, name: str) -> None:
        """Serve an adapter no longer.

        Raises:
            EngineAway: vLLM could not be told.
        """
        self._change("unload_lora_adapter", {"lora_name": name}, name)

    def _change(self, route: str, body: dict[str, str], name: str) -> None:
        url = f"{self.url}/v1/{route}"
        try:
            reply = httpx.post(url, json=body, headers=self._headers, timeout=WARM_UP_S, trust_env=False)
        except httpx.HTTPError as exc:
            raise EngineAway(f"vLLM could not be told of the adapter {name}: {exc}") from exc
        if reply.status_code != httpx.codes.OK:
            raise EngineAway(f"vLLM refused the adapter {name} (HTTP {reply.status_code}): {reply.text[:300]}")

    def well(self, seconds: float) -> bool:
        """Whether it says within so many seconds that it is well."""
        try:
            reply = httpx.get(f"{self.url}/health", headers=self._headers, timeout=seconds, trust_env=False)
        except httpx.HTTPError:
            return False
        return reply.status_code == httpx.codes.OK

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    def stop(self) -> None:
        """End it with everything that it started; what it writes is given some seconds."""
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_S)
        # Its engine is a process of its own, which a kill of the first leaves behind.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if self._reader is not None:
            self._reader.join(5)

    def _read(self, said: IO[bytes]) -> None:
        with self.log.open("ab") as kept, said:
            for line in said:
                kept.write(line)
                kept.flush()
                text = line.decode(errors="replace").rstrip()
                self._last.append(text)
                self._stage = stage_of(text) or self._stage

    def _end_of_log(self) -> str:
        # The reader may be a moment behind the process's end.
        if self._reader is not None and not self.running:
            self._reader.join(2)
        return f"the end of {self.log}:\n" + "\n".join(list(self._last)[-_LAST:])


def stage_of(line: str) -> str:
    """What a line of vLLM's log says of how far it is; "" for nothing."""
    return next((stage for pattern, stage in _STAGES if pattern.search(line)), "")


def _allocator() -> str:
    return next(iter(_found(_ALLOCATORS)), "")


def _found(patterns: tuple[str, ...]) -> Iterator[str]:
    for pattern in patterns:
        yield from sorted(glob.glob(pattern))
