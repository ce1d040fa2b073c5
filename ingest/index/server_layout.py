"""How a collection of a Qdrant server is laid out: indexes of payload fields, small copies of vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ingest.index.base import INTEGER_FIELDS, KEYWORD_FIELDS
from ingest.index.tuning import Tuning

if TYPE_CHECKING:
    from qdrant_client import models

# Links a node of a knowledge base's own graph; there is none over all of them, for no query goes across.
LINKS = 16


def field_indexes() -> dict[str, Any]:
    """The indexes of payload fields, the tenant's first; only that one has graphs of its own."""
    from qdrant_client import models

    keyword, integer = models.KeywordIndexType.KEYWORD, models.IntegerIndexType.INTEGER
    # Times are compared, all others are looked up.
    times = ("valid_from", "valid_until")
    return {
        "kb": models.KeywordIndexParams(type=keyword, is_tenant=True),
        **{
            # Sources are asked for by how they begin.
            name: models.KeywordIndexParams(type=keyword, prefix=name == "source" or None, enable_hnsw=False)
            for name in KEYWORD_FIELDS
        },
        **{
            name: models.IntegerIndexParams(
                type=integer, lookup=name not in times, range=name in times, enable_hnsw=False
            )
            for name in INTEGER_FIELDS
        },
    }


def quantized(tuning: Tuning) -> models.QuantizationConfig | None:
    """The small copies of vectors that a collection keeps; None for none."""
    from qdrant_client import models

    pinned = models.Memory.PINNED
    if tuning.quantization == "int8":
        scalar = models.ScalarQuantizationConfig(type=models.ScalarType.INT8, quantile=0.99, memory=pinned)
        return models.ScalarQuantization(scalar=scalar)
    if tuning.quantization == "binary":
        return models.BinaryQuantization(binary=models.BinaryQuantizationConfig(memory=pinned))
    return None


def search_params(tuning: Tuning) -> models.SearchParams | None:
    """How the dense leg of a collection with small copies is searched; None where it has none."""
    from qdrant_client import models

    if tuning.quantization == "none":
        return None
    return models.SearchParams(
        quantization=models.QuantizationSearchParams(rescore=tuning.rescore, oversampling=tuning.oversampling)
    )
