"""Write a sentence-transformers model as ONNX: `python -m ingest.embed_export SOURCE FOLDER`.

The whole of it is traced, pooling and normalisation included, and compared with the original before it is used: a model
that cannot be traced, wants other inputs or gives other vectors is named unfit, and runs on torch.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from ingest.embed_onnx import MODEL, SMALL, TOKENIZER, About, OnnxEmbedder

# Cosines of the vectors differ by less than this: rounding, not another model.
_MOST_DIFFERENT = 1e-4
# With int8 weights 0.03 are usual (docs/experiments.md).
_MOST_DIFFERENT_SMALL = 0.1
_SAMPLES = (
    "Hello",
    "The guarantee of the washing machine covers parts and labour for two years from the day of delivery.",
    "退货须在收货后三十天内提出。",
    "Error code E-18: the pump is blocked; switch the machine off, clean the filter and start the programme again. "
    * 40,
    "",
)


def main() -> int:
    """Entry point."""
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    half = target.with_name(target.name + f".part-{os.getpid()}")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    try:
        export(source, half)
    except ImportError as exc:
        sys.stderr.write(f"{exc}: run `make setup`\n")
        shutil.rmtree(half)
        return 1
    except Exception as exc:
        # Exporters raise whatever torch raises. It will not go better next time, so that is written down.
        logging.getLogger(__name__).warning("not exported", exc_info=True)
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir()
        About(unfit=f"{type(exc).__name__}: {exc}"[:500]).write(half)
    shutil.rmtree(target, ignore_errors=True)
    half.rename(target)
    return 0


def export(source: Path, folder: Path) -> None:
    """Write model, tokenizer and what is to be known of them into a folder.

    Raises:
        ValueError: the exported model gives other vectors, or its tokenizer is none of the `tokenizers` library.
    """
    import torch
    from sentence_transformers import SentenceTransformer

    # Attention written out: fused kernels of torch leave a graph in which ONNX Runtime finds no attention to fuse.
    model = SentenceTransformer(str(source), device="cpu", model_kwargs={"attn_implementation": "eager"}).eval()
    tokenizer = getattr(model.tokenizer, "backend_tokenizer", None)
    if tokenizer is None:
        raise ValueError("the model has no fast tokenizer (tokenizer.json)")

    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Any:
            found = self.model({"input_ids": input_ids, "attention_mask": attention_mask})["sentence_embedding"]
            return torch.nn.functional.normalize(found, dim=1)

    example = model.tokenizer(["one text", "another one, which is longer"], padding=True, return_tensors="pt")
    names = ("input_ids", "attention_mask")
    axes = {name: {0: "texts", 1: "tokens"} for name in names} | {"vectors": {0: "texts"}}
    # The exporter that traces: the newer one wants a description of shapes that differs from model to model.
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Whole(), tuple(example[name] for name in names), str(folder / MODEL), input_names=list(names),
            output_names=["vectors"], dynamic_axes=axes, opset_version=17, dynamo=False,
        )  # fmt: skip
    transformer: Any = model[0]
    _quantize(folder, transformer.auto_model.config)
    (folder / TOKENIZER).write_text(tokenizer.to_str(), encoding="utf-8")
    About(
        size=int(model.get_embedding_dimension() or 0),
        max_tokens=int(model.max_seq_length or 512),
        pad_id=int(model.tokenizer.pad_token_id),
        pad_token=str(model.tokenizer.pad_token),
        query=_prompt(model, "query"),
        # As encode_document chooses.
        document=_prompt(model, "document", "passage", "corpus"),
    ).write(folder)
    _compare(model, folder)


def _quantize(folder: Path, config: Any) -> None:
    """The same with int8 weights, attention and normalisation fused where the architecture is known."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.transformers import optimizer

    fused = folder / "fused.onnx"
    if config.model_type in ("bert", "roberta", "xlm-roberta", "mpnet", "distilbert"):
        optimizer.optimize_model(
            str(folder / MODEL), model_type="bert", num_heads=config.num_attention_heads,
            hidden_size=config.hidden_size, opt_level=1,
        ).save_model_to_file(str(fused))  # fmt: skip
    else:
        shutil.copy(folder / MODEL, fused)
    # Seven bits: without units for it (VNNI) sums of two eight-bit products do not fit into sixteen.
    quantize_dynamic(
        str(fused), str(folder / SMALL), weight_type=QuantType.QInt8, per_channel=True, reduce_range=True,
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
    )  # fmt: skip
    fused.unlink()


def _prompt(model: Any, *names: str) -> str:
    return next((model.prompts[name] or "" for name in names if name in model.prompts), "")


def _compare(model: Any, folder: Path) -> None:
    ours = OnnxEmbedder(folder.name, folder, frozenset())
    small = OnnxEmbedder(folder.name, folder, frozenset(), small=True)
    for kind in ("query", "document"):
        wanted = getattr(model, f"encode_{kind}")(
            list(_SAMPLES), normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True
        )
        found = ours.embed_queries(_SAMPLES) if kind == "query" else ours.embed_documents(_SAMPLES)
        difference = float(1 - (found * wanted).sum(1).min())
        if not (np.isfinite(found).all() and difference < _MOST_DIFFERENT):
            raise ValueError(f"the exported model gives other vectors for a {kind}: cosine off by {difference:.2g}")
    difference = float(1 - (small.embed_documents(_SAMPLES) * wanted).sum(1).min())
    if not difference < _MOST_DIFFERENT_SMALL:
        raise ValueError(f"with int8 weights the model gives other vectors: cosine off by {difference:.2g}")


if __name__ == "__main__":
    sys.exit(main())
