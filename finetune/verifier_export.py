"""A trained verifier as serving/verifier.py reads it: int8 ONNX, tokenizer, and what is to be known of them.

`python -m finetune.verifier_export OUT`: from OUT/checkpoint.pt, which may be that of an unfinished training.
"""

from __future__ import annotations

import logging
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from finetune.verifier_model import MAX_TOKENS, VerifierModel, batch_of, encode, new_model, tokenizer
from finetune.verifier_pairs import Pair
from serving.verifier import ABOUT, MODEL, TOKENIZER, About, Calibration, OnnxVerifier, logit

NAME = "frontdesk-verifier-1"
# Until benchmarks/refusals.py has fitted one: the verifier's word alone.
UNCALIBRATED = Calibration(bias=0.0, evidence=0.0, nearest=0.0, verifier=1.0, answer_from=0.5)
# Log-odds differ by less than this with int8 weights.
_MOST_DIFFERENT = 0.75
_SAMPLES = (
    ("How long is the motor guaranteed?", "Warranty: The motor of the WM-900 is guaranteed for 10 years."),
    ("How long is the motor guaranteed?", "Shops: The shop in Leeds opens at 9:00."),
    ("In what year was the engine patented?", "Steam engine: In 1781 James Watt patented a steam engine. " * 12),
)


class _Scores(nn.Module):
    """The score alone: where the answer stands is of use to training only."""

    def __init__(self, model: VerifierModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Any:
        return self.model(input_ids, attention_mask, token_type_ids)[0]


def export(model: VerifierModel, folder: Path) -> None:
    """Write a verifier into a folder; a calibration that stands there is kept only with the same weights.

    Raises:
        ValueError: with int8 weights it gives other scores.
    """
    from onnx import TensorProto
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.transformers import optimizer

    folder.mkdir(parents=True, exist_ok=True)
    model.eval()
    tok = tokenizer()
    inputs, *_ = batch_of([encode(tok, Pair(question, text, False, "sample")) for question, text in _SAMPLES])
    names = ("input_ids", "attention_mask", "token_type_ids")
    axes = {name: {0: "pairs", 1: "tokens"} for name in names} | {"scores": {0: "pairs"}}
    whole, fused = folder / "whole.onnx", folder / "fused.onnx"
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # The exporter that traces: the newer one wants a description of shapes that differs from model to model.
        torch.onnx.export(
            _Scores(model), tuple(inputs[name] for name in names), str(whole), input_names=list(names),
            output_names=["scores"], dynamic_axes=axes, opset_version=17, dynamo=False,
        )  # fmt: skip
    config: Any = model.encoder.config
    optimizer.optimize_model(
        str(whole), model_type="bert", num_heads=config.num_attention_heads, hidden_size=config.hidden_size, opt_level=1
    ).save_model_to_file(str(fused))
    # Seven bits: without units for it (VNNI) sums of two eight-bit products do not fit into sixteen.
    quantize_dynamic(
        str(fused), str(folder / MODEL), weight_type=QuantType.QInt8, per_channel=True, reduce_range=True,
        extra_options={"DefaultTensorType": TensorProto.FLOAT},
    )  # fmt: skip
    whole.unlink()
    fused.unlink()
    (folder / TOKENIZER).write_text(tok.to_str(), encoding="utf-8")
    About(NAME, MAX_TOKENS, ("en",), UNCALIBRATED).write(folder)
    _compare(model, inputs, folder)


def _compare(model: VerifierModel, inputs: dict[str, Tensor], folder: Path) -> None:
    with torch.no_grad():
        wanted = model(**inputs)[0].numpy()
    verifier = OnnxVerifier(folder)
    found = np.array([logit(verifier.score(question, [text])[0]) for question, text in _SAMPLES])
    difference = float(np.abs(found - wanted).max())
    if not difference < _MOST_DIFFERENT:
        (folder / ABOUT).unlink()
        raise ValueError(f"with int8 weights the verifier gives other scores: log-odds off by {difference:.2g}")


def main() -> int:
    """Entry point."""
    logging.basicConfig(level=logging.INFO)
    out = Path(sys.argv[1])
    model = new_model()
    state = torch.load(out / "checkpoint.pt", weights_only=True)
    model.load_state_dict(state["model"])
    export(model, out)
    size = sum(path.stat().st_size for name in (MODEL, TOKENIZER, ABOUT) if (path := out / name).is_file())
    sys.stdout.write(f"step {state['step']}: {size / 1e6:.1f} MB in {out}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
