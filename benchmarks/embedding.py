"""Texts a second and recall of the packaged embedder by backend: torch in fp32 and bf16, ONNX Runtime in fp32 and int8.

    python benchmarks/embedding.py DATASET [--texts 200] [--threads 1]

DATASET: a folder with documents.jsonl and questions.jsonl. The ONNX rows need `onnx` and `onnxscript` for the export,
which frontdesk itself does not need; without them they are left out. Questions are embedded in fp32 throughout, as the
server does.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ingest.embed import SentenceTransformerEmbedder, Vectors

BATCH = 32
QUESTIONS = 500
LONGEST = 256
Embed = Callable[[Sequence[str]], Vectors]


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--texts", type=int, default=200)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--documents", type=int, default=400, help="documents that recall is measured over")
    parser.add_argument(
        "--skip-bf16", action="store_true", help="it takes minutes where the processor has no units for it"
    )
    options = parser.parse_args()
    import torch

    torch.set_num_threads(options.threads)
    documents = read_lines(options.dataset / "documents.jsonl")
    questions = [q for q in read_lines(options.dataset / "questions.jsonl") if not q.get("is_impossible")]
    full = SentenceTransformerEmbedder("packaged")
    backends: dict[str, Embed] = {
        "torch fp32": full.embed_documents,
        "torch bf16": SentenceTransformerEmbedder("packaged", half=True).embed_documents,
    }
    with tempfile.TemporaryDirectory() as folder:
        if options.skip_bf16:
            del backends["torch bf16"]
        backends |= onnx_backends(full, Path(folder), options.threads)
        texts = sorted((d["text"][:900] for d in documents[: options.texts * 10 : 10]), key=len)
        print("| backend | threads | texts/s | cosine to fp32 | R@1 | R@5 |\n|---|---|---|---|---|---|")
        reference = full.embed_documents(texts)
        for name, embed in backends.items():
            best, vectors = 0.0, reference
            for _ in range(3):
                began = time.perf_counter()
                vectors = embed(texts)
                best = max(best, len(texts) / (time.perf_counter() - began))
            cosine = float((vectors * reference).sum(1).mean())
            first, fifth = recall(embed, full, documents[: options.documents], questions)
            print(f"| {name} | {options.threads} | {best:.1f} | {cosine:.4f} | {first:.3f} | {fifth:.3f} |", flush=True)


def recall(
    embed: Embed, full: SentenceTransformerEmbedder, documents: list[dict[str, Any]], questions: list[dict[str, Any]]
) -> tuple[float, float]:
    """R@1 and R@5 of the dense leg alone, over the questions that these documents answer."""
    documents = sorted(documents, key=lambda d: len(d["text"]))
    names = [d["doc_id"] for d in documents]
    asked = [q for q in questions if q["doc_id"] in set(names)][:QUESTIONS]
    scores = full.embed_queries([q["question"] for q in asked]) @ embed([d["text"] for d in documents]).T
    best = np.argsort(-scores, axis=1)[:, :5]
    hits = [[names[place] == q["doc_id"] for place in row] for q, row in zip(asked, best, strict=True)]
    return float(np.mean([hit[0] for hit in hits])), float(np.mean([any(hit) for hit in hits]))


def onnx_backends(embedder: SentenceTransformerEmbedder, folder: Path, threads: int) -> dict[str, Embed]:
    """The model exported to ONNX, plain and with dynamic int8; nothing where the tools are missing."""
    try:
        import onnxruntime
        from onnxruntime.quantization import QuantType, quantize_dynamic
    except ImportError:
        return {}
    plain, small = folder / "model.onnx", folder / "int8.onnx"
    try:
        export(embedder, plain)
    except ImportError:
        return {}
    quantize_dynamic(str(plain), str(small), weight_type=QuantType.QInt8, per_channel=True, reduce_range=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    found: dict[str, Embed] = {}
    for name, path in (("onnxruntime fp32", plain), ("onnxruntime int8", small)):
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        found[name] = lambda texts, session=session: run_onnx(embedder, session, texts)
    return found


def export(embedder: SentenceTransformerEmbedder, path: Path) -> None:
    """Write the transformer, without pooling, as ONNX."""
    import torch

    model = embedder._model[0].auto_model.eval()

    class Hidden(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Any:
            return self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state

    example = torch.ones(2, 16, dtype=torch.long)
    sizes = {0: torch.export.Dim("texts", min=1, max=512), 1: torch.export.Dim("tokens", min=2, max=512)}
    names = ["input_ids", "attention_mask"]
    torch.onnx.export(
        Hidden(), (example, example.clone()), str(path), dynamo=True, dynamic_shapes=(sizes, sizes), input_names=names
    )


def run_onnx(embedder: SentenceTransformerEmbedder, session: Any, texts: Sequence[str]) -> Vectors:
    """Mean-pooled unit vectors."""
    found = []
    for start in range(0, len(texts), BATCH):
        batch = embedder._model.tokenizer(
            list(texts[start : start + BATCH]), padding=True, truncation=True, max_length=LONGEST, return_tensors="np"
        )
        inputs = {name: batch[name].astype(np.int64) for name in ("input_ids", "attention_mask")}
        (hidden,) = session.run(None, inputs)
        mask = inputs["attention_mask"][..., None]
        mean = (hidden * mask).sum(1) / mask.sum(1)
        found.append(mean / np.linalg.norm(mean, axis=1, keepdims=True))
    return np.concatenate(found).astype(np.float32)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """A JSON object a line."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    main()
