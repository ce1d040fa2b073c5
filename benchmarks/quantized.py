"""A release and its smaller forms beside each other: size, memory, time, and what they answer.

    python benchmarks/quantized.py DATASET [--release support] [--to bf16 int8 gguf:q8_0 gguf:q4_0] [--limit 24] [--rounds 3]

Each form is made of the release in a data folder of its own (a release has its name from its content, so it is the one that customers would
get), then measured in a process of its own, all in turn (serving/costs.py); times are also given as the median of their ratios to the release's
in the same round, which other work on the machine touches least. Answers are those of `frontdesk eval answers DATASET --passages given`;
"alike" is the share that is the release's own, word for word, each prompt asked alone.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from app.answer_evaluation import Asked, Evaluation
from app.workspace import Settings
from serving.batches import PackagedBatchWriter
from serving.conversion import Converter, Wanted
from serving.costs import measure
from serving.errors import ReleaseError
from serving.loading import packaged_base
from serving.packaged import PackagedModel
from serving.parity import parity
from serving.release_store import ReleaseStore
from serving.releases import GGUF, Release

HEAD = (
    "| form | MiB on disk | MiB resident | loaded s | read ms (x) | ms a token (x) | tokens/s | F1 | kept | refused | alike |",
    "|---|---|---|---|---|---|---|---|---|---|---|",
)


def wanted(said: str) -> Wanted:
    """A form by its word: bf16, int8, gguf:q4_0."""
    method, _, kind = said.partition(":")
    return Wanted(method, f"{method}-{kind}" if kind else method, kind or "q8_0")


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--release", default="support")
    parser.add_argument("--to", nargs="+", default=["bf16", "int8", f"{GGUF}:q8_0", f"{GGUF}:q4_0"])
    parser.add_argument("--limit", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--style", default="short", choices=("short", "sentence"))
    arguments = parser.parse_args()
    if not arguments.dataset.is_dir():
        print(f"skipped: no dataset at {arguments.dataset}")
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        os.environ.setdefault("FRONTDESK_HOME", temporary)
        settings = Settings.load()
        models, dtype = settings.ingest.models_folder, settings.serving.packaged_dtype
        store = ReleaseStore(settings.ingest.releases_folder, packaged_base)
        parent = store.get(arguments.release)
        releases: list[Release] = [parent]
        for said in arguments.to:
            try:
                releases.append(Converter(store, models).convert(parent, wanted(said)))
            except ReleaseError as exc:
                print(f"not made: {said}: {exc}", file=sys.stderr)
        base = Asked(arguments.dataset, parent.reference, "given", arguments.style, limit=arguments.limit)
        evaluation = Evaluation(base, settings)
        writer = PackagedBatchWriter(PackagedModel(models, dtype, parent if parent.folder else None))
        prompts = evaluation.prompts(writer, arguments.limit)
        longest = max(prompts, key=lambda each: sum(len(message.content) for message in each))
        for release in releases[1:]:
            # A GGUF file is unpacked once; that is no part of loading it.
            PackagedModel(models, dtype, release).load()
        costs = measure(models, dtype, releases, longest, arguments.rounds)
        print("\n".join(HEAD), flush=True)
        for release, cost in zip(releases, costs, strict=True):
            run = Evaluation(replace(base, release=release.reference), settings).run(lambda *_: None)
            alike = 1.0 if release is parent else parity(models, dtype, release, prompts, parent)
            report = run.report
            print(
                f"| {release.packed or release.name} | {cost.size_mib:.0f} | {cost.memory_mib:.0f} | {cost.load_s:.1f} | "
                f"{cost.read_ms:.0f} ({cost.read_times:.2f}) | {cost.token_ms:.0f} ({cost.token_times:.2f}) | {1e3 / cost.token_ms:.1f} | "
                f"{report['f1']:.3f} | {report['answerable_kept']:.2f} | {report['refusal_recall']:.2f} | {alike:.2f} |",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
