"""One vector a text for all systems: what one embedded, the others take from a file.

All of them compute the same function: the packaged model, mean pooling, unit length, on the tokens that they let through
(256 by sentence-transformers, 512 by txtai's own pooling); none of them puts a prompt before a text. The key is the model's
name and those tokens, so sharing changes a vector by no more than the batch that it was computed in does: by rounding.
Times of cached runs mean nothing.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.embed import packaged_model_folder

Vectors = NDArray[np.float32]
_SLICE = 256


class VectorCache:
    """Unit vectors by a hash of model and tokens, in one SQLite file."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(file, timeout=60)
        self._db.execute("create table if not exists vectors (key blob primary key, vector blob) without rowid")

    def vectors(self, model: str, tokens: Sequence[Sequence[int]], compute: Callable[[list[int]], Vectors]) -> Vectors:
        """Vectors of token sequences; ``compute`` is handed the numbers of those that nobody embedded yet."""
        keys = [hashlib.sha256(f"{model} {list(ids)}".encode()).digest() for ids in tokens]
        known = {key: self._known(key) for key in set(keys)}
        missing = list({key: n for n, key in enumerate(keys) if known[key] is None}.values())
        # Alike lengths together: a batch is padded to its longest. Saved slice by slice: a run that ends early keeps them.
        missing.sort(key=lambda n: len(tokens[n]))
        for start in range(0, len(missing), _SLICE):
            part = missing[start : start + _SLICE]
            for n, vector in zip(part, _unit(compute(part)), strict=True):
                known[keys[n]] = vector.tobytes()
                self._db.execute("insert or ignore into vectors values (?, ?)", (keys[n], vector.tobytes()))
            self._db.commit()
        return np.stack([np.frombuffer(known[key] or b"", dtype=np.float32) for key in keys])

    def _known(self, key: bytes) -> bytes | None:
        row = self._db.execute("select vector from vectors where key = ?", (key,)).fetchone()
        return row[0] if row else None


def share_vectors(file: Path, questions: list[str]) -> None:
    """Let sentence-transformers, and txtai's pooling where it is installed, look into the cache first.

    questions: embedded now, in batches, because every system embeds them one by one.

    The one thing that is changed in the systems; it is done below all of them, so that their own code runs unaltered.
    """
    from sentence_transformers import SentenceTransformer

    cache = VectorCache(file)
    compute = SentenceTransformer.encode

    def encode(self: Any, inputs: str | list[str], *_: object, convert_to_tensor: bool = False, **options: Any) -> Any:
        assert options.get("precision", "float32") == "float32"
        texts = [inputs] if isinstance(inputs, str) else list(inputs)
        tokens = self.tokenizer(texts, truncation=True, max_length=self.max_seq_length)["input_ids"]
        found = cache.vectors(
            "packaged", tokens, lambda missing: compute(self, [texts[n] for n in missing], show_progress_bar=False)
        )
        return found[0] if isinstance(inputs, str) else found

    SentenceTransformer.encode = encode  # type: ignore[assignment] # the same call, narrowed to what the systems use
    _ = SentenceTransformer(str(packaged_model_folder()), device="cpu").encode(questions)
    try:
        from txtai.models import Pooling
    except ImportError:
        return
    pool = Pooling.encode

    def encode_pooled(self: Any, documents: list[str], batch: int = 32, category: str | None = None) -> Vectors:
        tokens = self.tokenizer(list(documents), truncation=True, max_length=self.maxlength)["input_ids"]
        return cache.vectors(
            "packaged", tokens, lambda missing: pool(self, [documents[n] for n in missing], batch, category)
        )

    Pooling.encode = encode_pooled


def _unit(vectors: Any) -> Vectors:
    values = np.asarray(vectors, dtype=np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)
