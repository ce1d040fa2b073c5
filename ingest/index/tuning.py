"""How the engines keep and search vectors: what the settings say, as both engines take it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Quantization = Literal["none", "int8", "binary"]
# Bytes of one request that writes points; servers refuse bodies above 32 MiB by default.
BATCH_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Tuning:
    """Vectors in memory and on disk.

    quantization: small copies of the dense vectors that candidates are chosen by: a byte a dimension, or a bit.
    rescore:      rank the candidates by the vectors themselves.
    oversampling: how many times more candidates than hits; at least 1.
    on_disk:      leave vectors and their graph on the disk, to be read when a query needs them; small copies stay in
                  memory.
    """

    quantization: Quantization = "none"
    rescore: bool = True
    oversampling: float = 2.0
    on_disk: bool = False


PLAIN = Tuning()


@dataclass(frozen=True, slots=True)
class Cluster:
    """How a server lays a collection out when it makes it, and how patient we are with it.

    shards, replicas, write_consistency: None leaves it to the server (one of each).
    tries:       attempts at a request that met something that may pass: no connection, 429, 5xx.
    pause_s:     before the second attempt; doubled before each further one, up to ``longest_pause_s``.
    batch_bytes: about how large one request with points may be.
    """

    shards: int | None = None
    replicas: int | None = None
    write_consistency: int | None = None
    tries: int = 4
    pause_s: float = 0.2
    longest_pause_s: float = 5.0
    batch_bytes: int = BATCH_BYTES


SINGLE = Cluster()
