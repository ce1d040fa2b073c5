"""How an Edge shard is laid out: its vectors, the small copies of them, indexes of payload fields."""

from __future__ import annotations

import json
from pathlib import Path

import qdrant_edge as edge

from ingest.errors import IndexMismatch, IndexUnavailable
from ingest.index.base import DENSE, INTEGER_FIELDS, KEYWORD_FIELDS, SPARSE
from ingest.index.tuning import Tuning

# Edge's own: links a node, candidates while building, KiB below which everything is looked at.
_HNSW = (16, 100, 10_000)


def shard_config(size: int, tuning: Tuning) -> edge.EdgeConfig:
    """How a shard is made, and opened: named vectors of a size, their graph and small copies."""
    memory = edge.Memory.Cold if tuning.on_disk else None
    dense = edge.EdgeVectorParams(
        size=size,
        distance=edge.Distance.Cosine,
        quantization_config=_quantized(tuning),
        memory=memory,
    )
    return edge.EdgeConfig(
        vectors={DENSE: dense},
        sparse_vectors={SPARSE: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf, memory=memory)},
        hnsw_config=edge.HnswIndexConfig(*_HNSW, memory=memory) if memory is not None else None,
        # The thread that asks searches by itself: handing a few segments to a pool costs more than they take, and a server
        # has many questions at a time to keep its cores busy (docs/experiments.md).
        max_search_threads=1,
    )


def check_size(config: Path, knowledge_base: str, size: int) -> None:
    """See that a shard's vectors are of the embedder's size.

    config: what Edge wrote of the shard when it was made.

    Raises:
        IndexMismatch: they are not.
        IndexUnavailable: the file is damaged.
    """
    try:
        made = int(json.loads(config.read_bytes())["vectors"][DENSE]["size"])
    except (ValueError, KeyError, TypeError) as exc:
        raise IndexUnavailable(
            f"the index of knowledge base {knowledge_base} failed: {config.name} is damaged; delete its folder, then "
            "run `frontdesk documents verify`"
        ) from exc
    if made != size:
        raise IndexMismatch(
            f"the index of knowledge base {knowledge_base} holds vectors of {made} dimensions, the embedder makes "
            f"{size}: set FRONTDESK_EMBEDDING_MODEL back"
        )


def index_fields(shard: edge.EdgeShard) -> None:
    """Index the fields that queries filter on; a shard of an earlier frontdesk lacks some."""
    there = set(shard.info().payload_schema)
    kinds = dict.fromkeys(KEYWORD_FIELDS, edge.PayloadSchemaType.Keyword)
    kinds |= dict.fromkeys(INTEGER_FIELDS, edge.PayloadSchemaType.Integer)
    for name, kind in kinds.items():
        if name not in there:
            shard.update(edge.UpdateOperation.create_field_index(name, kind))


def _quantized(tuning: Tuning) -> edge.QuantizationConfigType | None:
    if tuning.quantization == "int8":
        # A few outliers must not take the range from all other values.
        return edge.ScalarQuantizationConfig(edge.ScalarType.Int8, quantile=0.99, memory=edge.Memory.Pinned)
    if tuning.quantization == "binary":
        return edge.BinaryQuantizationConfig(memory=edge.Memory.Pinned)
    return None


def search_params(tuning: Tuning) -> edge.SearchParams | None:
    """How a shard with small copies of its vectors is searched; None where it has none."""
    if tuning.quantization == "none":
        return None
    return edge.SearchParams(
        quantization=edge.QuantizationSearchParams(rescore=tuning.rescore, oversampling=tuning.oversampling)
    )
