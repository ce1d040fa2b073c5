"""Run by the interpreter that has llm-compressor, never imported: packs a model by one of its methods.

    python serving/oneshot.py '{"method": "gptq", "weights": ..., "target": ..., "texts": ..., "group": 64, "length": 2048}'

After llm-compressor's own examples: `oneshot` with a recipe of modifiers and a data set of token ids; the output is
compressed-tensors in safetensors. The last line of stdout says what it was made with.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from typing import Any


def modifiers(method: str, group: int) -> list[Any]:
    """The recipe of a method; the output layer stays as it is, it is the embeddings' weights in small models."""
    from llmcompressor.modifiers.gptq import GPTQModifier
    from llmcompressor.modifiers.quantization import QuantizationModifier
    from llmcompressor.modifiers.transform.awq import AWQModifier

    def four_bits(*, symmetric: bool) -> dict[str, Any]:
        weights = {"num_bits": 4, "type": "int", "symmetric": symmetric, "strategy": "group", "group_size": group}
        return {"group_0": {"targets": ["Linear"], "weights": weights}}

    if method == "w8a8":
        return [GPTQModifier(targets="Linear", scheme="W8A8", ignore=["lm_head"])]
    if method == "gptq":
        return [GPTQModifier(config_groups=four_bits(symmetric=True), ignore=["lm_head"])]
    if method == "awq":
        packed = QuantizationModifier(config_groups=four_bits(symmetric=False), ignore=["lm_head"])
        return [AWQModifier(duo_scaling="both"), packed]
    raise SystemExit(f"no method {method!r}")


def main() -> None:
    """Command line."""
    # First, so that a wrong interpreter is told at once.
    from llmcompressor import oneshot

    spec = json.loads(sys.argv[1])
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(spec["weights"], local_files_only=True)
    model = AutoModelForCausalLM.from_pretrained(
        spec["weights"], dtype=torch.bfloat16, local_files_only=True, use_safetensors=True
    )
    with open(spec["texts"], encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    # The texts have their chat marks already.
    rows = [
        dict(tokenizer(text, add_special_tokens=False, truncation=True, max_length=spec["length"])) for text in texts
    ]
    oneshot(
        model=model,
        dataset=Dataset.from_list(rows),
        recipe=modifiers(spec["method"], spec.get("group", 0)),
        max_seq_length=spec["length"],
        num_calibration_samples=len(rows),
    )
    model.save_pretrained(spec["target"], save_compressed=True)
    made = {"llmcompressor": version("llmcompressor"), "texts": len(rows), "group": spec.get("group", 0)}
    print(json.dumps(made))  # noqa: T201 - read by serving/compressor.py


if __name__ == "__main__":
    main()
