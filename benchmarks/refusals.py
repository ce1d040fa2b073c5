"""Refusals over an index: what is refused of the unanswerable when nine of ten answerable questions are kept.

    python benchmarks/refusals.py DATA [--sets squad2 ...] [--most 250] [--keep FOLDER] [--verifier FOLDER] [--calibrate]

Five scores side by side: the plain retrieval score (best cosine; best BM25 score where the embedder does not know the
language), the verdict's evidence, the verdict without a verifier, the verifier alone, and the verdict with it. AUC, area under
the risk-coverage curve (lower is better), share refused at 90 % kept, and what the shipped threshold keeps and refuses. `--keep` leaves
indexes and judged questions in FOLDER and uses those that are there; `--calibrate` writes what was fitted into the verifier's folder.

- squad2: questions of the articles that the verifier's training holds out, over the whole collection; those that cannot be
  answered are twisted versions of those that can.
- out_of_scope: the answerable ones of squad2, and the set's queries about anything at all.
- clapnq: all its passages in one index; unanswerable from the question's own passage.
- cmrc2018: questions whose document was withheld. No verifier: it knows no Chinese.

Fitted on squad2 and out_of_scope, both kinds of question weighing the same. "crossed": each article of squad2 by what was fitted on the other
one; clapnq is never fitted on.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from follow_ups import indexed
from measuring_sets import read
from scipy.optimize import minimize

from app.rag.answerable import VERIFIED, AnswerabilityJudge
from app.rag.deciding import BY_SIMILARITY, ENOUGH
from app.rag.retrieve import HybridSearch
from finetune.evaluate import DatasetDocument
from finetune.metrics import aurc, mean, refused_keeping, roc_auc
from finetune.verifier_pairs import held_out
from ingest.records import KnowledgeBase
from serving.verifier import PACKAGED, About, Calibration, Verifier, load_verifier, logit, shown

# Passages that reach the judge, as FRONTDESK_TOP_K.
TOP_K = 5
# L2 of the calibration: four numbers on a thousand questions.
L2 = 1e-4
FITTED_ON = ("squad2", "out_of_scope")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question to judge; group: what calibration is crossed over."""

    question: str
    answerable: bool
    group: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found for it.

    evidence: 0 where something settled the question.
    support:  the verdict's, without a verifier.
    texts:    the best windows, as the verifier reads them.
    verified: its best score; -1 when it was not asked.
    """

    question: str
    answerable: bool
    group: str
    language: str
    plain: float
    evidence: float
    nearest: float
    support: float
    texts: list[str]
    judge_ms: float
    verified: float = -1.0
    verify_ms: float = 0.0


Set = tuple[list[DatasetDocument], list[Asked]]


def squad2(data: Path) -> Set:
    """Held-out articles."""
    rows = read(data / "squad2" / "documents.jsonl")
    titles = {row["doc_id"]: row["title"] for row in rows if held_out(row["title"])}
    asked = [
        Asked(q["question"], not q["is_impossible"], titles[q["doc_id"]])
        for q in read(data / "squad2" / "questions.jsonl")
        if q["doc_id"] in titles
    ]
    return [DatasetDocument(row["doc_id"], row["title"], row["text"]) for row in rows], asked


def out_of_scope(data: Path) -> Set:
    """squad2's documents, and queries that are about something else."""
    documents, asked = squad2(data)
    strange = [Asked(row["query"], False) for row in read(data / "out_of_scope" / "clinc_oos_en.jsonl")]
    return documents, [a for a in asked if a.answerable] + strange


def clapnq(data: Path) -> Set:
    """All passages in one index."""
    rows = [
        (row, answerable)
        for name, answerable in (("answerable", True), ("unanswerable", False))
        for row in read(data / "clapnq" / f"{name}.jsonl")
    ]
    documents = [DatasetDocument(row["qid"], row["title"], row["passage"]) for row, _ in rows]
    return documents, [Asked(row["question"], answerable) for row, answerable in rows]


def cmrc2018(data: Path) -> Set:
    """Without the withheld documents."""
    folder = data / "cmrc2018"
    documents = [DatasetDocument(r["doc_id"], r["title"], r["text"]) for r in read(folder / "documents.jsonl")]
    asked = [Asked(q["question"], True) for q in read(folder / "questions.jsonl")]
    return documents, asked + [Asked(q["question"], False) for q in read(folder / "unanswerable_questions.jsonl")]


SETS: dict[str, Callable[[Path], Set]] = {
    "squad2": squad2,
    "out_of_scope": out_of_scope,
    "clapnq": clapnq,
    "cmrc2018": cmrc2018,
}
# Sets that share an index.
SHARED = {"out_of_scope": "squad2"}


def sampled(asked: Sequence[Asked], most: int) -> list[Asked]:
    """At most so many of each kind."""
    chance = random.Random(0)
    kinds = [[a for a in asked if a.answerable is kind] for kind in (True, False)]
    return [a for kind in kinds for a in (kind if len(kind) <= most else chance.sample(kind, most))]


def judge_all(
    search: HybridSearch, judge: AnswerabilityJudge, kb: KnowledgeBase, asked: Sequence[Asked]
) -> list[Judged]:
    """Scores of every question but the verifier's."""
    rows = []
    for each in asked:
        found = search.search(kb, each.question)
        clock = time.perf_counter()
        verdict = judge.judge(each.question, found, found.passages(TOP_K))
        judge_ms = 1e3 * (time.perf_counter() - clock)
        best = found.legs.dense or found.legs.sparse
        texts = list(dict.fromkeys(shown(e.window) for e in verdict.evidence[:VERIFIED]))
        rows.append(
            Judged(
                each.question,
                each.answerable,
                each.group,
                found.language,
                best[0].score if best else 0.0,
                verdict.score if verdict.support > 0 else 0.0,
                found.nearest or 0.0,
                verdict.support,
                texts,
                judge_ms,
            )
        )
    return rows


def verified(rows: Sequence[Judged], verifier: Verifier) -> list[Judged]:
    """The same with the verifier's score, for those whose language it knows."""
    found = []
    for row in rows:
        if not row.texts or not verifier.knows(row.language):
            found.append(row)
            continue
        clock = time.perf_counter()
        best = max(verifier.score(row.question, row.texts))
        found.append(replace(row, verified=best, verify_ms=1e3 * (time.perf_counter() - clock)))
    return found


def fitted(rows: Sequence[Judged]) -> Calibration:
    """Logistic regression of answerable on evidence, nearest and verifier; both kinds weigh the same."""
    asked = [row for row in rows if row.verified >= 0]
    signs = np.array([[1.0, row.evidence, row.nearest, logit(row.verified)] for row in asked])
    wanted = np.array([row.answerable for row in asked], dtype=float)
    shares = np.where(wanted > 0, 0.5 / wanted.sum(), 0.5 / (1 - wanted).sum())

    def loss(weights: np.ndarray) -> float:
        odds = signs @ weights
        return float(shares @ (np.logaddexp(0, odds) - wanted * odds) + L2 * (weights[1:] ** 2).sum() / 2)

    bias, evidence, nearest, word = minimize(loss, np.zeros(4)).x
    return Calibration(float(bias), float(evidence), float(nearest), float(word), 0.5)


def together(calibration: Calibration, row: Judged) -> float:
    """As the judge does it: something that settles the question stays settled."""
    return calibration.probability(row.evidence, row.nearest, row.verified) if row.evidence > 0 else 0.0


def crossed(rows: Sequence[Judged]) -> list[float]:
    """Both together, each group by what was fitted on the others."""
    groups = {row.group for row in rows}
    by_group = {group: fitted([row for row in rows if row.group != group]) for group in groups}
    return [together(by_group[row.group], row) for row in rows]


def print_row(
    name: str, what: str, rows: Sequence[Judged], scores: Sequence[float], threshold: float | None = None
) -> None:
    """One line of the table."""
    answerable = [row.answerable for row in rows]
    yes = sum(answerable)
    shipped = ""
    if threshold is not None:
        kept = sum(s >= threshold for s, kind in zip(scores, answerable, strict=True) if kind) / yes
        refused = sum(s < threshold for s, kind in zip(scores, answerable, strict=True) if not kind) / (len(rows) - yes)
        shipped = f"{kept:6.1%} {refused:6.1%}"
    print(
        f"{name:13} {what:20} {yes:4} {len(rows) - yes:4}  {roc_auc(scores, answerable):.3f}  "
        f"{aurc(scores, answerable):.3f}  {refused_keeping(scores, answerable, 0.9):6.1%}   {shipped}",
        flush=True,
    )


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--most", type=int, default=250, help="questions of each kind")
    parser.add_argument("--keep", type=Path, help="folder for indexes and judged questions")
    parser.add_argument("--verifier", type=Path, default=PACKAGED, help="a folder that finetune.verifier made")
    parser.add_argument("--calibrate", action="store_true", help="write what was fitted into that folder")
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        print(f"skipped: no measuring data at {arguments.data}")
        return 0
    verifier = load_verifier(arguments.verifier)
    print(
        "set           score                 yes   no  AUC    AURC   refused at 90 % kept; shipped: kept, refused",
        flush=True,
    )
    judged: dict[str, list[Judged]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        for name in sorted(arguments.sets, key=list(SETS).index):
            rows = _rows(arguments.data, folder, name, arguments.most)
            judged[name] = show(name, rows, verifier)
    fit_on = [row for name in FITTED_ON for row in judged.get(name, []) if row.verified >= 0]
    if fit_on and verifier is not None:
        found = fitted(fit_on)
        print(f"fitted {found}\nshipped {verifier.calibration}")
        if arguments.calibrate:
            kept = replace(found, answer_from=verifier.calibration.answer_from)
            replace(About.read(arguments.verifier), calibration=kept).write(arguments.verifier)
    return 0


def show(name: str, rows: list[Judged], verifier: Verifier | None) -> list[Judged]:
    """Print a set's lines; its rows with the verifier's scores."""
    print_row(name, "plain retrieval", rows, [row.plain for row in rows])
    print_row(name, "evidence", rows, [row.evidence for row in rows])
    similar = any(row.nearest for row in rows)
    print_row(name, "verdict", rows, [row.support for row in rows], BY_SIMILARITY.answer_from if similar else ENOUGH)
    rows = verified(rows, verifier) if verifier is not None else rows
    asked = [row for row in rows if row.verified >= 0]
    if verifier is None or not asked:
        return rows
    calibration = verifier.calibration
    print_row(name, "verifier alone", rows, [row.verified for row in rows])
    scores = [together(calibration, row) for row in rows]
    print_row(name, "verdict with verifier", rows, scores, calibration.answer_from)
    if name == "squad2":
        print_row(name, "the same, crossed", rows, crossed(rows))
    times = sorted(row.verify_ms for row in asked)
    print(
        f"{'':13} verifier p50 {times[len(times) // 2]:.1f} ms, p95 {times[int(0.95 * len(times))]:.1f} ms, "
        f"judge without it mean {mean([row.judge_ms for row in rows]):.1f} ms"
    )
    return rows


def _rows(data: Path, folder: Path, name: str, most: int) -> list[Judged]:
    kept = folder / f"{name}-{most}.jsonl"
    if kept.is_file():
        return [Judged(**row) for row in read(kept)]
    documents, asked = SETS[name](data)
    place = folder / SHARED.get(name, name)
    with indexed(place, documents) as (workspace, kb, _):
        judge = AnswerabilityJudge(workspace.embedder)
        rows = judge_all(workspace.search, judge, kb, sampled(asked, most))
    kept.write_text("".join(json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return rows


if __name__ == "__main__":
    sys.exit(main())
