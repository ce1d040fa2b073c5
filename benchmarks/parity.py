"""Do frontdesk's own rung and vLLM write the same? Greedy answers to the same prompts by the same merged weights.

    python benchmarks/parity.py DATASET [--release support] [--prompts 50] [--python PYTHON] [--folder DIR]

The release is merged and written to a folder; vLLM (CPU, bfloat16) serves that folder on the loopback; both are asked the
prompts of `frontdesk eval answers DATASET --passages given`, in both styles. Where two answers part, the in-process model says
how near the two tokens were there: bfloat16 rounds the scores (logits) near 20 to steps of 0.125, so a lead of a step or two is a
tie that the order of the sums decides.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from app.answer_evaluation import Asked, Evaluation
from app.workspace import Settings
from ingest.errors import SettingsError
from serving.batches import PackagedBatchWriter
from serving.packaged import PackagedModel
from serving.prompts import Message
from serving.vllm import VllmServer, find_python
from serving.vllm_plan import ServeSettings

TOKENS = 48
# A lead of the first token over the second below which rounding may turn them: two steps of bfloat16 between 16 and 32.
TIE = 0.25


@contextmanager
def vllm(python: Path, folder: Path, log: Path, prompt: Sequence[Message]) -> Iterator[httpx.Client]:
    """A vLLM server of a merged release, that has answered a first prompt."""
    settings = ServeSettings(dtype="bfloat16", max_model_len=2048, max_num_seqs=4, kv_cache_gib=1.0, eager=True)
    server = VllmServer(python, folder, "release", settings, "cpu", log)
    server.start()
    try:
        server.wait(list(prompt))
        headers = {"Authorization": f"Bearer {server.key}"}
        with httpx.Client(base_url=f"{server.url}/v1", headers=headers, timeout=300) as client:
            yield client
    finally:
        server.stop()


def asked_of_vllm(client: httpx.Client, prompts: Sequence[Sequence[Message]]) -> list[str]:
    """Greedy answers, one after the other."""
    answers = []
    for prompt in prompts:
        body = {
            "model": "release",
            "messages": [message._asdict() for message in prompt],
            "temperature": 0,
            "max_tokens": TOKENS,
        }
        reply = client.post("/chat/completions", json=body)
        reply.raise_for_status()
        answers.append(str(reply.json()["choices"][0]["message"]["content"] or "").strip())
    return answers


@dataclass(frozen=True, slots=True)
class Parting:
    """Where two answers part: how far the in-process model's choice led there over the other's."""

    place: int
    lead: float
    mine: str
    theirs: str


def parting(loaded: Any, prompt: Sequence[Message], mine: str, theirs: str) -> Parting:
    """The first token that differs."""
    import torch

    tokenizer, model = loaded.tokenizer, loaded.model
    chat = [message._asdict() for message in prompt]
    ids = list(tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=True)["input_ids"])
    ours, others = (
        [*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id] for text in (mine, theirs)
    )
    place = next(
        (i for i, (a, b) in enumerate(zip(ours, others, strict=False)) if a != b), min(len(ours), len(others)) - 1
    )
    with torch.inference_mode():
        scores = model(input_ids=torch.tensor([ids + ours[:place]]), logits_to_keep=1).logits[0, -1].float()
    lead = float(scores[ours[place]] - scores[others[place]])
    return Parting(place, lead, tokenizer.decode([ours[place]]), tokenizer.decode([others[place]]))


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--release", default="support")
    parser.add_argument("--prompts", type=int, default=50)
    parser.add_argument("--python", help="of the environment that vLLM is installed in; .venv-serving when not given")
    parser.add_argument("--folder", type=Path, help="where the merged weights are written; temporary when not given")
    arguments = parser.parse_args()
    try:
        python = find_python(arguments.python)
    except SettingsError as exc:
        print(f"skipped: {exc}")
        return 0
    settings = Settings.load()
    styles = ("short", "sentence")
    evaluations = [
        Evaluation(Asked(arguments.dataset, arguments.release, "given", style), settings) for style in styles
    ]
    release = evaluations[0].release
    served = release if release is not None and release.folder is not None else None
    packaged = PackagedModel(settings.ingest.models_folder, "bfloat16", served)
    writer = PackagedBatchWriter(packaged)
    each = -(-arguments.prompts // len(styles))
    prompts = [prompt for evaluation in evaluations for prompt in evaluation.prompts(writer, each)][: arguments.prompts]
    loaded = packaged.load()
    # One by one, as customers are answered: padding of a batch would be a difference of its own.
    mine = [writer.write([prompt], TOKENS, lambda *_: None)[0][0] for prompt in prompts]
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary) / "merged"
        loaded.model.save_pretrained(folder)
        loaded.tokenizer.save_pretrained(folder)
        with vllm(python, folder, Path(temporary) / "vllm.log", prompts[0]) as client:
            theirs = asked_of_vllm(client, prompts)
    same = sum(a == b for a, b in zip(mine, theirs, strict=True))
    print(f"{arguments.release}: {same} of {len(prompts)} greedy answers are the same word for word")
    ties = 0
    for prompt, a, b in zip(prompts, mine, theirs, strict=True):
        if a == b:
            continue
        found = parting(loaded, prompt, a, b)
        ties += abs(found.lead) <= TIE
        print(
            f"  parts at token {found.place}, lead {found.lead:+.3f} of {found.mine!r} over {found.theirs!r}\n    {a!r}\n    {b!r}"
        )
    if same < len(prompts):
        print(f"{ties} of {len(prompts) - same} differences are ties within {TIE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
