"""The packaged model in-process: SmolLM2-135M-Instruct (Apache-2.0), as a LangChain chat model.

Loaded once, generation in a thread of its own, streamed, stoppable, several answers together (serving/writing.py). The GGUF file is converted once into the data folder
(10 to 40 s); later starts read the converted weights.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from queue import Queue
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import ConfigDict

from serving.errors import EngineAway, EngineBusy
from serving.loading import Loaded, convert, is_converted, load, package_folder
from serving.prompts import Message
from serving.releases import BASE, Release
from serving.turns import MOST_QUEUED, Turns
from serving.writing import END, Read, Writer, Writing

log = logging.getLogger(__name__)
_ROLES = {"human": "user", "ai": "assistant", "system": "system"}
__all__ = ["END", "MOST_QUEUED", "PackagedChatModel", "PackagedModel"]


class PackagedModel:
    """Weights and tokenizer, loaded at the first use; its answers are written together, in one thread.

    folder: where converted weights are kept.
    dtype:  ``auto``, ``float32`` or ``bfloat16``.
    served: the release whose weights these are; None for the packaged ones.
    turns:  what it waits for; of its own when not given.
    """

    def __init__(
        self, folder: Path, dtype: str = "auto", served: Release | None = None, turns: Turns | None = None
    ) -> None:
        self._folder = folder
        self._dtype = dtype
        self.served = served
        self._turns = turns or Turns()
        self._writer = Writer()
        self._loaded: Loaded | None = None
        self._loading = threading.Lock()
        self._warming = False

    @property
    def release(self) -> str:
        """The release that it serves, as answers name it."""
        return self.served.label if self.served is not None else BASE

    def load(self) -> Loaded:
        """Load once; later calls return at once.

        Raises:
            DamagedRelease: the release's files cannot be used.
            EngineAway: the package is not installed or its weights cannot be read.
        """
        with self._loading:
            if self._loaded is None:
                try:
                    self._loaded = load(self._folder, self._dtype, self.served)
                except (OSError, ValueError, ImportError) as exc:
                    raise EngineAway(f"the packaged model cannot be loaded ({exc}): run `make setup`") from exc
            return self._loaded

    def convert(self) -> Path:
        """Write the weights into the folder in the form that loads fast; returns where they are."""
        return convert(self._folder)

    def count_tokens(self, text: str) -> int:
        """Tokens of a text."""
        return len(self.load().tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    def generate(
        self, messages: Sequence[Message], max_new_tokens: int, stop: threading.Event, deadline: float
    ) -> Iterator[str]:
        """Pieces of the answer as they are written, greedily; ends early when ``stop`` is set.

        deadline: time.monotonic() after which generation ends.
        """
        pieces: Queue[object] = Queue()
        self.start(messages, max_new_tokens, stop, deadline, pieces.put)
        try:
            while (piece := pieces.get()) is not END:
                if isinstance(piece, Exception):
                    raise piece
                yield str(piece)
        finally:
            stop.set()

    def start(
        self,
        messages: Sequence[Message],
        max_new_tokens: int,
        stop: threading.Event,
        deadline: float,
        put: Callable[[object], object],
    ) -> None:
        """Queue a generation; ``put`` is called from its thread with each piece, an exception if it fails, then END.

        Raises:
            EngineBusy: too many generations are waiting already.
        """
        chat = [{"role": m.role, "content": m.content} for m in messages]
        writing = Writing(
            chat, max_new_tokens, stop, deadline, put, partial(self._turns.ended, self), self._turns.wrote
        )
        self._turns.enter(self)
        # Before the thread is asked: what it writes now may have room for this one, too.
        self._writer.add(writing)
        try:
            self._turns.submit(self._write)
        except EngineAway:
            self._writer.remove(writing)
            self._turns.ended(self)
            raise

    def warm_up(self) -> None:
        """Load in this thread; until that is done, questions are sent on to the next rung instead of waiting."""
        self._warming = True
        try:
            if not is_converted(self._folder):
                # In a process of its own: converting would hold Python's lock, and with it the customers.
                command = [sys.executable, "-m", "serving.packaged", str(self._folder)]
                subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - our own module
            self.load()
        except (EngineAway, OSError, subprocess.CalledProcessError) as exc:
            log.warning("the packaged model is not ready: %s", exc)
        finally:
            self._warming = False

    def ensure_ready(self) -> None:
        """See that an answer need not wait for the weights, where they are being loaded beside.

        Raises:
            EngineBusy: they are still being loaded.
        """
        if self.warming:
            raise EngineBusy("the packaged model is still being loaded")

    @property
    def loaded(self) -> bool:
        """Whether the weights are in memory."""
        return self._loaded is not None

    @property
    def warming(self) -> bool:
        """Whether the weights are being loaded beside."""
        return self._warming and self._loaded is None

    def problem(self) -> str:
        """Why it could not be loaded, without loading it; "" when nothing speaks against it."""
        try:
            package_folder()
        except ImportError as exc:
            return f"{exc}: run `make setup`"
        return ""

    @property
    def read(self) -> Read:
        """Prompts whose keys and values are kept, with the share that need not be read again."""
        return self._writer.read

    @property
    def queued(self) -> int:
        """Generations that run or wait."""
        return self._turns.queued

    def close(self) -> None:
        """Take no further question; what waits ends unanswered."""
        self._turns.close()
        self._writer.fail(EngineAway("the packaged model has been shut down"))

    def _write(self) -> None:
        """Write what waits, in the thread of the turns; what came while others were written is written already."""
        try:
            loaded = self.load()
        except Exception as exc:  # noqa: BLE001 - carried to the callers' threads and raised there
            self._writer.fail(exc)
            return
        self._writer.work(loaded, lambda: self._turns.others(self))


class PackagedChatModel(BaseChatModel):
    """The packaged model behind LangChain's interface; never blocks the event loop."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    packaged: PackagedModel
    max_new_tokens: int = 160
    timeout_s: float = 60.0

    @property
    def _llm_type(self) -> str:
        return "frontdesk-packaged"

    def _start(self, messages: list[BaseMessage], stop: threading.Event) -> Iterator[str]:
        return self.packaged.generate(_plain(messages), self.max_new_tokens, stop, time.monotonic() + self.timeout_s)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        text = "".join(self._start(messages, threading.Event()))
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content=text))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        for piece in self._start(messages, threading.Event()):
            yield ChatGenerationChunk(message=AIMessageChunk(content=piece))

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        halt = threading.Event()
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[object] = asyncio.Queue()

        def put(piece: object) -> None:
            # The loop may have ended before the thread has.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(pieces.put_nowait, piece)

        self.packaged.start(_plain(messages), self.max_new_tokens, halt, time.monotonic() + self.timeout_s, put)
        try:
            while (piece := await pieces.get()) is not END:
                if isinstance(piece, Exception):
                    raise piece
                yield ChatGenerationChunk(message=AIMessageChunk(content=str(piece)))
        finally:
            # Reached when the reader goes away, too: generation stops at its next token.
            halt.set()


def _plain(messages: Sequence[BaseMessage]) -> list[Message]:
    return [Message(_ROLES.get(m.type, "user"), str(m.content)) for m in messages]


if __name__ == "__main__":
    PackagedModel(Path(sys.argv[1])).convert()
