"""Where the points of a knowledge base are: an engine, the embedder that made their vectors, a name."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Address:
    """An index of one knowledge base, unlike every other of it.

    engine: "edge" or "server"; "" for what the settings name.
    model, size: the embedder's name and the dimension of its vectors; "" and 0 while nothing was embedded.
    space:  what the engine is asked for: a shard's folder, or the tenant's value.
    """

    engine: str
    model: str
    size: int
    space: str

    def as_text(self) -> str:
        """For a database."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_text(cls, text: str) -> Address:
        """Back from a database."""
        return cls(**json.loads(text))
