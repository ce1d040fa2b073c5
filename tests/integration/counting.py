"""Token counts of the packaged embedder, without loading torch."""

from __future__ import annotations

from ingest.embed import packaged_model_folder
from ingest.tokens import TokenCounter


def packaged_counter() -> TokenCounter:
    return TokenCounter((packaged_model_folder() / "tokenizer.json").read_text(), 256)
