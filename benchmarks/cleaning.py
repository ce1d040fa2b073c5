"""How often the flags of ingest/cleaning are right, what they cost, and what they say of real files.

    python benchmarks/cleaning.py [FOLDER ...] [--show 50]

First the labelled sentences of tests/data/cleaning.jsonl ({text, flags[]} a line): precision and recall by kind. Then
near-duplicates: passages of this repository's docs, changed a little or much, and how many are found. Then, for each
folder of documents, how many passages have which flag, processor milliseconds a chunk, and a sample of flagged ones to be read.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from ingest import cleaning
from ingest.catalog import Catalog
from ingest.chunk import chunk_document
from ingest.cleaning.duplicates import NearDuplicates, flag_across
from ingest.cleaning.personal import find_personal
from ingest.cleaning.signatures import signature
from ingest.database import open_database
from ingest.errors import ParseError
from ingest.parse import SUPPORTED_SUFFIXES, parse
from ingest.schema import Chunk

ROOT = Path(__file__).parents[1]
LABELLED = ROOT / "tests" / "data" / "cleaning.jsonl"


def kind_of(flag: str) -> str:
    """The kind that is counted: "personal_data:email", else what stands before the colon."""
    return flag if flag.startswith("personal_data:") else flag.partition(":")[0]


def labelled() -> dict[str, Counter[str]]:
    """Right, wrong and missed flags by kind, over the labelled sentences."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for line in LABELLED.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        (chunk,) = cleaning.flag_chunks([Chunk(0, row["text"])])
        found = {flag for flag in chunk.flags if flag != "contact"}
        for flag in found | set(row["flags"]):
            outcome = "wrong" if flag not in row["flags"] else "right" if flag in found else "missed"
            counts[kind_of(flag)][outcome] += 1
    return counts


def show(counts: dict[str, Counter[str]]) -> None:
    """A table of precision and recall."""
    total: Counter[str] = Counter()
    for count in counts.values():
        total.update(count)
    for kind, count in [*sorted(counts.items()), ("all", total)]:
        right, wrong, missed = (count[name] for name in ("right", "wrong", "missed"))
        precision, recall = (f"{right / n:.2f}" if (n := right + other) else "-" for other in (wrong, missed))
        print(
            f"  {kind:34} right {right:3}  wrong {wrong:3}  missed {missed:3}  precision {precision}  recall {recall}"
        )


def near_duplicates() -> None:
    """How many changed passages are called near-duplicates, by the share of words that was changed."""
    words = " ".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))).split()
    drawn = random.Random(3)
    starts = range(0, len(words) - 130, 130)
    for share in (0.0, 0.02, 0.05, 0.10, 0.20):
        found = total = 0
        for start in starts:
            passage = words[start : start + 130]
            changed = [drawn.choice(words) if drawn.random() < share else word for word in passage]
            a, b = signature(" ".join(passage)), signature(" ".join(changed))
            if a is not None and b is not None:
                total += 1
                found += bool(set(a.bands()) & set(b.bands())) and a.similarity(b) >= 0.85
        print(f"  {share:4.0%} of the words changed: {found:3} of {total} passages are near-duplicates")


def near_misses() -> None:
    """How many passages that differ in one number or one negation are called conflicts, and how many strangers are."""
    words = " ".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))).split()
    passages = [" ".join(words[start : start + 60]) for start in range(0, len(words) - 60, 60)]
    signatures = [signature(passage) for passage in passages]
    changes = {
        "one number is another": (re.compile(r"(?<![\w.,-])\d{1,3}(?![\w.,-])"), "7531"),
        "one sentence is denied": (re.compile(r"\b(is|are|has|can|must)\b"), r"\1 not"),
    }
    for name, (pattern, replacement) in changes.items():
        found = total = 0
        for passage, own in zip(passages, signatures, strict=True):
            other = signature(pattern.sub(replacement, passage, count=1)) if pattern.search(passage) else None
            if own is not None and other is not None:
                total += 1
                alike = own.similarity(other)
                found += alike >= 0.85 and own.facts.contradict(other.facts, alike)
        print(f"  {name:28} {found:4} of {total} passages are conflicts")
    known = [own for own in signatures if own is not None]
    pairs = [(a, b) for i, a in enumerate(known) for b in known[:i]]
    strangers = sum(a.similarity(b) >= 0.85 for a, b in pairs)
    print(f"  {'two passages of these docs':28} {strangers:4} of {len(pairs)} pairs are near-duplicates")


def documents(folder: Path) -> Iterator[tuple[str, list[Chunk], float]]:
    """Name, flagged chunks and seconds of cleaning of each document that can be read."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in SUPPORTED_SUFFIXES or not path.is_file():
            continue
        try:
            with tempfile.TemporaryDirectory() as scratch:
                parsed = parse(path, scratch=Path(scratch))
        except ParseError:
            continue
        started = time.process_time()
        document, _ = cleaning.clean(parsed)
        seconds = time.process_time() - started
        chunks = chunk_document(document, document.title, 254, lambda texts: [len(t.encode()) // 4 + 1 for t in texts])
        started = time.process_time()
        chunks = cleaning.flag(document, chunks)
        yield str(path.relative_to(folder)), chunks, seconds + time.process_time() - started


def real(folder: Path, shown: int) -> None:
    """Flags over a folder's documents, their cost, and some to read."""
    seconds = across = 0.0
    counts: Counter[str] = Counter()
    flagged: list[tuple[str, Chunk, tuple[str, ...]]] = []
    chunks_seen = 0
    with tempfile.TemporaryDirectory() as temporary:
        engine = open_database(f"sqlite:///{temporary}/catalog.db")
        catalog = Catalog(engine)
        kb = catalog.create_knowledge_base("cleaning")
        near = NearDuplicates(engine)
        for name, chunks, spent in documents(folder):
            version = catalog.begin_version(kb, name, name.ljust(64)[:64], "", 0)
            assert version is not None
            seconds += spent
            started = time.process_time()
            part = flag_across(near, kb.id, [(version, "", chunk) for chunk in chunks])
            across += time.process_time() - started
            chunks_seen += len(part)
            for _, _, chunk in part:
                kinds = {kind_of(flag) for flag in chunk.flags}
                counts.update(kinds)
                if kinds - {"contact"}:
                    flagged.append((name, chunk, chunk.flags))
        engine.dispose()
    each = 1000 / max(chunks_seen, 1)
    print(f"{folder.name}: {chunks_seen} chunks, {len(flagged)} flagged")
    print(
        f"  {seconds * each:.2f} ms of processor a chunk alone, {across * each:.2f} ms a chunk against the knowledge base"
    )
    for kind, count in counts.most_common():
        print(f"  {kind:34} {count:5}")
    random.Random(5).shuffle(flagged)
    for name, chunk, flags in flagged[:shown]:
        samples = [f"{f.kind} {f.sample}" for f in find_personal(chunk.text) if f.kind != "contact"]
        print(f"--- {name}#{chunk.ordinal} {' '.join(flags)} {samples or ''}")
        print("    " + " ".join(chunk.text.split())[:300])


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--show", type=int, default=0, help="flagged passages to print for each folder")
    arguments = parser.parse_args()
    rows = LABELLED.read_text(encoding="utf-8").splitlines()
    positive = sum(bool(json.loads(row)["flags"]) for row in rows)
    print(f"labelled sentences: {positive} with flags, {len(rows) - positive} without")
    show(labelled())
    print("near-duplicates:")
    near_duplicates()
    near_misses()
    for folder in arguments.folders:
        if folder.is_dir():
            real(folder, arguments.show)
        else:
            print(f"skipped: no folder {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
