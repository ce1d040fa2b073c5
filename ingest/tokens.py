"""Token counts of the embedding model without the model: what a process needs that cuts documents into chunks.

Loading it takes 50 ms, where the model takes half a second, or with torch ten.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol


class CountsTokens(Protocol):
    """What the chunker needs to know of an embedding model."""

    @property
    def max_tokens(self) -> int:
        """What the model reads of a text, its own marks included."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special tokens not counted."""
        ...


@dataclass(frozen=True)
class TokenCounter:
    """Counts as the embedder does that it was made by.

    definition: the tokenizer as the JSON of the `tokenizers` library.
    max_tokens: what the model reads of a text, its own marks included.
    """

    definition: str
    max_tokens: int

    @cached_property
    def _tokenizer(self) -> Any:
        # One thread: the pool of the library does not survive a fork.
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_str(self.definition)
        # As saved they cut texts at the model's length and fill them up to it.
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special tokens not counted."""
        if not texts:
            return []
        return [len(found.ids) for found in self._tokenizer.encode_batch(list(texts), add_special_tokens=False)]
