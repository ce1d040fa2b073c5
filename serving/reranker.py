"""Rerankers by name: any sentence-transformers CrossEncoder, or the verifier that is here already."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ingest.errors import SettingsError
from ingest.hub import only_here
from serving.verifier import OnnxVerifier, PairScorer

# Pairs of one pass: candidates are few, so that there is mostly one.
_BATCH = 32


class CrossEncoderReranker:
    """A sentence-transformers CrossEncoder with one score a pair."""

    def __init__(self, name: str) -> None:
        """Load the model.

        Raises:
            SettingsError: it cannot be loaded; the message says what to set.
        """
        self.name = name
        self._model = _load(name)

    def score(self, question: str, texts: Sequence[str]) -> list[float]:
        """How well each text answers, 0 to 1."""
        if not texts:
            return []
        pairs = [(question, text) for text in texts]
        from torch.nn import Sigmoid

        found = self._model.predict(pairs, batch_size=_BATCH, show_progress_bar=False, activation_fn=Sigmoid())
        return [float(value) for value in found]


def load_reranker(name: str) -> PairScorer:
    """The reranker of a name: a folder of a verifier, a folder of a CrossEncoder, or a name of the hub.

    Raises:
        SettingsError: it cannot be loaded; the message says what to set.
    """
    folder = Path(name).expanduser()
    if name.startswith(("/", ".", "~")) and not folder.is_dir():
        raise SettingsError(f"FRONTDESK_RERANKER: there is no folder {name!r}; name another, or unset it")
    if (folder / "model-int8.onnx").is_file():
        try:
            return OnnxVerifier(folder)
        # Whatever is wrong in the folder, the one who set it must know.
        except Exception as exc:
            raise SettingsError(f"FRONTDESK_RERANKER: the verifier in {name!r} cannot be opened ({exc})") from exc
    return CrossEncoderReranker(str(folder) if folder.is_dir() else name)


def _load(name: str) -> Any:
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    from sentence_transformers import CrossEncoder

    logging.getLogger("sentence_transformers").setLevel(logging.WARNING)
    try:
        model = CrossEncoder(name, local_files_only=only_here(name))
    # Loaders raise whatever the hub client, torch or the file system raises; to the user all mean the same.
    except Exception as exc:
        raise SettingsError(
            f"FRONTDESK_RERANKER: cannot load {name!r} ({type(exc).__name__}). Give a folder or a hub name that this "
            "machine can reach (set HF_ENDPOINT or HF_HOME for a mirror or a cache), or unset it"
        ) from exc
    if model.num_labels != 1:
        raise SettingsError(
            f"FRONTDESK_RERANKER: {name!r} gives {model.num_labels} scores a pair; choose a CrossEncoder that gives one"
        )
    return model
