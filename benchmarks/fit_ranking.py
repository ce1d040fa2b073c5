"""The weights of app/rag/ranking.py: fitted on squad2 and cmrc2018, measured on every set, and leaving each set out.

    python benchmarks/fit_ranking.py DATA [--sets squad2 cmrc2018 ...] [--limit 1000]

Every set is ingested as `frontdesk eval retrieval` does it; the candidates of every question, with their signs, are what is
fitted on: a conditional logit over a question's candidates, the mass on the chunks of the right documents, L2 0.5. A set
that is fitted on is measured by halves of its questions, fitted on the other half.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from app.evaluation import indexed
from app.rag.fusion import fuse
from app.rag.ranking import CLOSE, WEIGHTS, Signs, signs_of
from finetune.evaluate import read_questions
from finetune.metrics import mean, recall_at, reciprocal_rank_at

# In place of this folder, whose datasets.py sentence-transformers would take for the library of that name.
sys.path[0] = str(Path(__file__).parents[1])

from benchmarks.measuring_sets import SETS, convert  # noqa: E402 - after the path is set
from benchmarks.retrieval import sample  # noqa: E402

Numbers = NDArray[np.float64]
FITTED_ON = ("squad2", "cmrc2018")
L2 = 0.5


@dataclass(frozen=True, slots=True)
class Asked:
    """A question's candidates: their documents, signs (candidates, signs), first-stage scores, and what is right."""

    documents: list[str]
    signs: Numbers
    fused: Numbers
    gold: frozenset[str]

    @property
    def right(self) -> NDArray[np.bool_]:
        """Which candidates are of the right documents."""
        return np.array([document in self.gold for document in self.documents])


def gather(dataset: Path) -> list[Asked]:
    """Ingest a set, ask all its questions, keep the candidates."""
    found = []
    with indexed(dataset, lambda *_: None) as corpus:
        for question in read_questions(dataset):
            if not question.relevant:
                continue
            legs = corpus.search.search(corpus.kb, question.question).legs
            close = fuse(legs)[:CLOSE]
            if close:
                signs = np.array([astuple(each) for each in signs_of(question.question, legs, close)])
                names = [corpus.ids[each.hit.payload["document"]] for each in close]
                found.append(Asked(names, signs, np.array([each.score for each in close]), question.relevant))
    return found


def fit(asked: Sequence[Asked]) -> Numbers:
    """Weights of the signs, shape (signs,)."""
    usable = [each for each in asked if each.right.any()]
    signs = np.zeros((len(usable), CLOSE, len(fields(Signs))))
    right, there = np.zeros((len(usable), CLOSE)), np.zeros((len(usable), CLOSE))
    for row, each in enumerate(usable):
        held = len(each.documents)
        signs[row, :held], right[row, :held], there[row, :held] = each.signs, each.right, 1

    def loss(weights: Numbers) -> tuple[float, Numbers]:
        values = signs @ weights - 1e9 * (1 - there)
        mass = np.exp(values - values.max(1, keepdims=True))
        good = mass * right
        gradient = np.einsum("nk,nkf->f", mass / mass.sum(1, keepdims=True) - good / good.sum(1, keepdims=True), signs)
        value = -np.log(good.sum(1) / mass.sum(1)).sum()
        return float(value + L2 * weights @ weights), gradient + 2 * L2 * weights

    return np.asarray(minimize(loss, np.zeros(signs.shape[2]), jac=True, method="L-BFGS-B").x)


def measure(asked: Sequence[Asked], score: Callable[[Asked], Numbers]) -> Numbers:
    """R@1, R@5 and MRR@10 by document."""
    rankings = [
        list(dict.fromkeys(each.documents[i] for i in np.argsort(-score(each), kind="stable"))) for each in asked
    ]
    pairs = list(zip(rankings, (each.gold for each in asked), strict=True))
    return np.array(
        [
            mean([recall_at(ranking, gold, 1) for ranking, gold in pairs]),
            mean([recall_at(ranking, gold, 5) for ranking, gold in pairs]),
            mean([reciprocal_rank_at(ranking, gold, 10) for ranking, gold in pairs]),
        ]
    )


def measured_apart(sets: dict[str, list[Asked]], name: str, fitted_on: Sequence[str]) -> Numbers:
    """A set under weights fitted on sets; on the other half of itself, where it is one of them."""
    others = [each for other in fitted_on if other != name for each in sets[other]]
    if name not in fitted_on:
        weights = fit(others)
        return measure(sets[name], lambda each: each.signs @ weights)
    half = len(sets[name]) // 2
    parts = []
    for fitted, held in ((sets[name][:half], sets[name][half:]), (sets[name][half:], sets[name][:half])):
        weights = fit([*others, *fitted])
        parts.append(measure(held, lambda each, weights=weights: each.signs @ weights) * len(held))
    return np.asarray(sum(parts) / len(sets[name]))


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--limit", type=int, default=1000, help="questions a set, drawn at random")
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        print(f"skipped: no measuring data at {arguments.data}")
        return 0
    sets: dict[str, list[Asked]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for name, _, _ in convert(arguments.data, Path(temporary), arguments.sets):
            sample(Path(temporary) / name, arguments.limit)
            sets[name] = gather(Path(temporary) / name)
    fitted_on = [name for name in FITTED_ON if name in sets] or list(sets)[:1]
    weights = fit([each for name in fitted_on for each in sets[name]])
    print(f"fitted on {' and '.join(fitted_on)}:")
    for sign, value, shipped in zip(fields(Signs), weights, astuple(WEIGHTS), strict=True):
        print(f"    {sign.name:16} {value:7.3f}   shipped {shipped:7.3f}")
    print(
        "\n| set (R@1 R@5 MRR@10) | first stage alone | shipped weights | fitted as shipped, apart | all sets but this |"
    )
    print("|---|---|---|---|---|")
    for name, asked in sets.items():
        columns = [
            measure(asked, lambda each: each.fused),
            measure(asked, lambda each: each.signs @ np.array(astuple(WEIGHTS))),
            measured_apart(sets, name, fitted_on),
            measured_apart(sets, name, [other for other in sets if other != name] or [name]),
        ]
        print(f"| {name} | {' | '.join(' '.join(f'{x:.3f}' for x in column) for column in columns)} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
