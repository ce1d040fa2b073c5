"""Retrieval on every measuring set, side by side: other systems at their defaults, bare BM25, and frontdesk.

    python benchmarks/retrieval.py DATA [--packages FOLDER] [--runs FOLDER] [--systems frontdesk ...] [--sets squad2 ...]

DATA holds the sets as published (see benchmarks/measuring_sets.py). frontdesk runs `eval retrieval`: real ingestion, real
retrieval. The others are in benchmarks/peers: LangChain, LlamaIndex, Haystack and txtai with the same packaged embedder,
bm25s with jieba, and bare BM25 of Qdrant Edge; each runs in a process of its own with the packages of FOLDER, into which
benchmarks/peers/requirements.txt says how to install them. Without them their lines say "skipped".

The rankings of every system are written to --runs; systems that --systems leaves out are taken from there, so that one of
them can be measured anew beside the others' rankings. The systems share the vectors of equal texts in a file there
(benchmarks/peers/cache.py); times are therefore not given. Ends with 1 if frontdesk is not first or within the interval of the
first everywhere.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from importlib.metadata import distributions
from pathlib import Path

ROOT = Path(__file__).parents[1]
# In place of this folder, whose datasets.py sentence-transformers would take for the library of that name.
sys.path[0] = str(ROOT)

from benchmarks.measuring_sets import SETS, convert  # noqa: E402 - after the path is set
from benchmarks.peers import PEERS, Entry, run_file  # noqa: E402
from benchmarks.retrieval_table import HEADER, OURS, goals, rows  # noqa: E402
from finetune.retrieval_report import Figures, figures_of  # noqa: E402
from finetune.runs import RankedQuestion, read_run, same_questions, write_run  # noqa: E402

ENGLISH = ("squad2", "xquad_en", "gitlab_handbook", "dstc11_faq")
SYSTEMS = [*(entry.name for entry in PEERS), OURS]


def sample(dataset: Path, limit: int) -> None:
    """Keep a random part of the answerable questions, the same one every time."""
    path = dataset / "questions.jsonl"
    questions = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    questions = [question for question in questions if not question.get("is_impossible")]
    if len(questions) > limit:
        questions = random.Random(0).sample(questions, limit)
    path.write_text("".join(json.dumps(q, ensure_ascii=False) + "\n" for q in questions), encoding="utf-8")


def installed(packages: Path | None) -> dict[str, str]:
    """Versions by name of what the systems' processes can import."""
    path = [*([str(packages)] if packages else []), *sys.path]
    # The first on the path is the one that is imported.
    return {d.metadata["Name"].lower(): d.version for d in reversed(list(distributions(path=path)))}


def run_peer(entry: Entry, folder: Path, sets: list[str], runs: Path, packages: Path | None) -> None:
    """Ask one system all questions, in a process of its own."""
    path = os.pathsep.join([str(ROOT), *([str(packages.resolve())] if packages else [])])
    command = [sys.executable, "-m", "benchmarks.peers", entry.name, str(folder), str(runs)]
    command += ["--cache", str(runs / "vectors.sqlite"), "--sets", *sets]
    ended = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"PYTHONPATH": path}, stdout=sys.stderr, stderr=subprocess.PIPE, text=True
    )
    if ended.returncode:
        raise SystemExit(f"{entry.name} ended with {ended.returncode}: {ended.stderr[-2000:]}")


def run_ours(dataset: Path) -> list[RankedQuestion]:
    """What `eval retrieval` finds."""
    from app.evaluation import run_retrieval

    return list(run_retrieval(dataset, lambda *_: None, lambda *_: None).run)


def figures_by_system(name: str, runs: Path) -> dict[str, Figures]:
    """Figures of every system that has a run on a set, all of them on the same questions."""
    found = {system: run_file(runs, name, system) for system in SYSTEMS if run_file(runs, name, system).exists()}
    read = {system: read_run(file) for system, file in found.items()}
    for run in read.values():
        same_questions(next(iter(read.values())), run)
    return {system: figures_of(run) for system, run in read.items()}


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--systems", nargs="*", choices=SYSTEMS, default=SYSTEMS, help="those to run now")
    parser.add_argument("--packages", type=Path, help="where benchmarks/peers/requirements.txt is installed")
    parser.add_argument("--runs", type=Path, help="folder for the rankings of every system")
    parser.add_argument("--limit", type=int, default=1000, help="questions a set, drawn at random")
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        print(f"skipped: no measuring data at {arguments.data}")
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        sets = Path(temporary) / "sets"
        runs: Path = (arguments.runs or Path(temporary) / "runs").resolve()
        runs.mkdir(parents=True, exist_ok=True)
        for name, _, _ in convert(arguments.data, sets, arguments.sets):
            sample(sets / name, arguments.limit)
        versions, skipped = installed(arguments.packages), []
        for entry in (each for each in PEERS if each.name in arguments.systems):
            missing = [package for package in entry.needs if package not in versions]
            if missing:
                skipped.append(f"{entry.name} skipped: not installed ({', '.join(missing)}); see benchmarks/peers")
                continue
            run_peer(entry, sets, arguments.sets, runs, arguments.packages)
            print(f"{entry.name}: {', '.join(f'{p} {versions[p]}' for p in entry.needs)}", flush=True)
        if OURS in arguments.systems:
            for name in arguments.sets:
                write_run(run_file(runs, name, OURS), run_ours(sets / name))
        found = {name: figures_by_system(name, runs) for name in arguments.sets}
        return show({name: systems for name, systems in found.items() if systems}, skipped)


def show(sets: dict[str, dict[str, Figures]], skipped: list[str]) -> int:
    """Print the table and the goals; the exit code."""
    print(f"\n95 % intervals beside the means; bold: first, ≈: within the interval of the first.\n\n{HEADER}")
    for name, systems in sets.items():
        print("\n".join(rows(name, systems)))
    print("\n".join(skipped))
    found = goals(sets, ENGLISH, [entry.name for entry in PEERS if entry.dense and not entry.sparse])
    for goal in found:
        print(f"{'met   ' if goal.met else 'MISSED'} {goal.line}")
    return 0 if not found or found[0].met else 1


if __name__ == "__main__":
    sys.exit(main())
