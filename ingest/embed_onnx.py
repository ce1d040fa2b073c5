"""The embedder on a processor: a sentence-transformers model run by ONNX Runtime, without torch in the process.

Importing torch and sentence-transformers takes ten seconds and half a gigabyte in every process that embeds; the
exported model is there in half a second, answers a single question three times as fast and gives the same vectors
(docs/experiments.md). It is exported once into the data folder, by ``ingest.embed_export`` in a process of its own.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from ingest.tokens import TokenCounter

log = logging.getLogger(__name__)
Vectors = NDArray[np.float32]
MODEL, SMALL, TOKENIZER, ABOUT = "model.onnx", "model-int8.onnx", "tokenizer.json", "about.json"
# Of the exported form: raised when what is written changes, so that older exports are made anew.
_FORM = 1
# Small ones stay in the cache and have less padding: 8 are 10 % faster than 32 (docs/experiments.md).
_BATCH = 8
# Tokens up to which a passage is embedded in full precision: among short ones that say nearly the same (entries of an FAQ)
# the noise of int8 decides, and they cost little (docs/experiments.md).
_SHORT = 64
_EXPORT_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class About:
    """What the exported model does not say itself.

    size:       numbers of a vector.
    max_tokens: what the model reads of a text, its own marks included.
    pad_id, pad_token: what fills a batch.
    query, document: what the model wants before a question and before a passage; mostly nothing.
    unfit:      why this model cannot be run here; "" when it can.
    """

    size: int = 0
    max_tokens: int = 0
    pad_id: int = 0
    pad_token: str = "[PAD]"  # noqa: S105 - a mark of the vocabulary, no secret
    query: str = ""
    document: str = ""
    unfit: str = ""

    def write(self, folder: Path) -> None:
        """Put it beside the model."""
        (folder / ABOUT).write_text(json.dumps(asdict(self), ensure_ascii=False, indent=1), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> About | None:
        """What stands beside the model; None when there is none, or an incomplete one."""
        try:
            return cls(**json.loads((folder / ABOUT).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None


class OnnxEmbedder:
    """An exported model; the vectors are those of SentenceTransformerEmbedder.

    small: passages of more than 64 tokens are embedded with int8 weights; questions never are.
    """

    def __init__(
        self, name: str, folder: Path, languages: frozenset[str], *, threads: int | None = None, small: bool = False
    ) -> None:
        from tokenizers import Tokenizer

        about = About.read(folder)
        assert about is not None  # noqa: S101 - exported() has seen it
        # One thread: the pool of the library does not survive a fork.
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        self.name = name
        self.size, self.max_tokens = about.size, about.max_tokens
        self._about, self._folder, self._languages = about, folder, languages
        self._threads, self._small = threads or os.cpu_count() or 1, small
        self._definition = (folder / TOKENIZER).read_text(encoding="utf-8")
        self._counter = TokenCounter(self._definition, about.max_tokens)
        self._tokenizer = Tokenizer.from_str(self._definition)
        self._tokenizer.enable_truncation(about.max_tokens)
        self._tokenizer.enable_padding(pad_id=about.pad_id, pad_token=about.pad_token)
        self._opening = threading.Lock()
        self._sessions: dict[str, Any] = {}

    def knows(self, language: str) -> bool:
        """Whether vectors of this language mean anything."""
        return "*" in self._languages or language in self._languages

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special tokens not counted."""
        return self._counter.count_tokens(texts)

    def counter(self) -> TokenCounter:
        """Counts tokens as this model does, without it."""
        return TokenCounter(self._definition, self.max_tokens)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Passages to unit vectors, shape (len(texts), size); texts of like length share a batch."""
        asked = [self._about.document + text for text in texts]
        if not self._small:
            return self._embed(MODEL, asked)
        vectors = np.zeros((len(asked), self.size), dtype=np.float32)
        short = np.array([count <= _SHORT for count in self.count_tokens(asked)], dtype=bool)
        for name, which in ((MODEL, short), (SMALL, ~short)):
            if which.any():
                vectors[which] = self._embed(name, [asked[place] for place in np.flatnonzero(which)])
        return vectors

    def embed_query(self, text: str) -> Vectors:
        """A question to a unit vector, shape (size,)."""
        found: Vectors = self.embed_queries([text])[0]
        return found

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Questions to unit vectors in one batch, shape (len(texts), size)."""
        return self._embed(MODEL, [self._about.query + text for text in texts])

    def _session(self, name: str) -> Any:
        # A process that only embeds passages never loads the weights for questions, and the other way round.
        with self._opening:
            if name not in self._sessions:
                self._sessions[name] = self._open(name)
            return self._sessions[name]

    def _open(self, name: str) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        # Threads that wait for work by spinning take the cores from whoever answers.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(str(self._folder / name), options, providers=["CPUExecutionProvider"])

    def _embed(self, name: str, texts: list[str]) -> Vectors:
        session = self._session(name)
        vectors = np.zeros((len(texts), self.size), dtype=np.float32)
        tokens = self._tokenizer.encode_batch(texts) if texts else []
        # What is padding was counted too: lengths are those of the masks.
        lengths = [sum(found.attention_mask) for found in tokens]
        order = sorted(range(len(texts)), key=lengths.__getitem__, reverse=True)
        for start in range(0, len(order), _BATCH):
            places = order[start : start + _BATCH]
            longest = lengths[places[0]]
            ids = np.array([tokens[place].ids[:longest] for place in places], dtype=np.int64)
            mask = np.array([tokens[place].attention_mask[:longest] for place in places], dtype=np.int64)
            (vectors[places],) = session.run(None, {"input_ids": ids, "attention_mask": mask})
        return vectors


def exported(source: Path, models: Path) -> Path | None:
    """Folder of the exported form of a model, made now if it is not there; None where this model cannot be exported.

    source: folder of a sentence-transformers model.
    models: where exported models are kept.
    """
    folder = models / f"embedder-{_fingerprint(source)}"
    about = About.read(folder)
    if about is None:
        models.mkdir(parents=True, exist_ok=True)
        # Several processes may share the folder.
        with FileLock(models / "embedder.lock"):
            about = About.read(folder) or _export(source, folder)
    return folder if about is not None and not about.unfit else None


def _export(source: Path, folder: Path) -> About | None:
    log.warning("preparing the embedder in %s: once, about 20 seconds", folder)
    command = [sys.executable, "-m", "ingest.embed_export", str(source), str(folder)]
    try:
        # In a process of its own: what torch takes is given back.
        subprocess.run(command, check=True, capture_output=True, timeout=_EXPORT_TIMEOUT_S)  # noqa: S603 - our own
    except (OSError, subprocess.SubprocessError) as exc:
        errors = getattr(exc, "stderr", None) or b""
        last = errors.decode(errors="replace").strip().splitlines()[-1:] or [str(exc)]
        log.warning("the embedder cannot be exported, it runs on torch instead: %s", last[0])
        return None
    return About.read(folder)


def _fingerprint(source: Path) -> str:
    """Changes when a file of the model does."""
    files = sorted(
        path for path in source.rglob("*") if path.is_file() and path.suffix in (".json", ".safetensors", ".bin")
    )
    found = [(str(path.relative_to(source)), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return hashlib.sha256(repr((_FORM, str(source.resolve()), found)).encode()).hexdigest()[:16]
