"""One system over several datasets, in this process: its rankings to RUNS/SET/SYSTEM.jsonl.

python -m benchmarks.peers NAME SETS RUNS --cache FILE [--sets squad2 ...]
"""

from __future__ import annotations

import argparse
import importlib
import os
import tempfile
import time
from pathlib import Path

from benchmarks.peers import PEERS, Peer, run_file
from benchmarks.peers.cache import share_vectors
from finetune.evaluate import read_documents, read_questions
from finetune.runs import RankedQuestion, write_run


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=[entry.name for entry in PEERS])
    parser.add_argument("folder", type=Path, help="one dataset folder a set")
    parser.add_argument("runs", type=Path)
    parser.add_argument("--cache", type=Path, required=True, help="vectors that several systems share")
    parser.add_argument("--sets", nargs="+", required=True)
    arguments = parser.parse_args()
    # Nothing is fetched and nobody is told.
    os.environ |= {"HF_HUB_OFFLINE": "1", "HAYSTACK_TELEMETRY_ENABLED": "False", "TOKENIZERS_PARALLELISM": "false"}
    entry = next(entry for entry in PEERS if entry.name == arguments.name)
    asked = {name: [q for q in read_questions(arguments.folder / name) if q.relevant] for name in arguments.sets}
    if entry.dense:
        share_vectors(arguments.cache, [question.question for name in asked for question in asked[name]])
    build = importlib.import_module(f"benchmarks.peers.{entry.module}").build
    for name in arguments.sets:
        started = time.perf_counter()
        dataset = arguments.folder / name
        with tempfile.TemporaryDirectory() as folder:
            peer: Peer = build(read_documents(dataset), Path(folder))
            run = []
            for question in asked[name]:
                ranking = dict.fromkeys(doc_id for doc_id, _ in peer.find(question.question))
                run.append(RankedQuestion(question.qid, question.question, question.relevant, tuple(ranking)))
        write_run(run_file(arguments.runs, name, entry.name), run)
        print(f"{name}: {len(run)} questions, {time.perf_counter() - started:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
