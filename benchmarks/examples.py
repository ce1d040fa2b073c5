"""The example company's questions, asked through the real chain with the engine pinned to each rung in turn.

    python benchmarks/examples.py [--engine extractive packaged endpoint] [--show]

Prints a table: the first citation is the right document, the gold words stand in the answer, how the unanswerable ones
ended. What was said to unanswerable questions is always printed in full: whether it is an invention, a person judges.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from app.rag.answer import Answer, Ask, Outcome
from app.uploads import collect
from app.workspace import Settings, Workspace, open_workspace

EXAMPLES = Path(__file__).parents[1] / "examples"


def folded(text: str) -> str:
    """Lower case without white space, for comparing."""
    return "".join(text.lower().split())


def right_document(question: dict[str, Any], answer: Answer) -> bool:
    """Whether the first citation names the gold document, or another that states the same."""
    gold = {question["document"], *question.get("also", [])}
    return bool(answer.citations) and answer.citations[0].document in gold


def holds_all(question: dict[str, Any], answer: Answer) -> bool:
    """Whether the answer carries all of the gold words."""
    return all(folded(word) in folded(answer.answer) for word in question.get("strings") or [question["answer"]])


async def ask_all(workspace: Workspace, engine: str, questions: list[dict[str, Any]]) -> list[Answer]:
    """Every question in order."""
    kb = workspace.catalog.knowledge_base("examples")
    return [await workspace.chain.answer(Ask(q["question"], kb, engine=engine)) for q in questions]


def report(engine: str, questions: list[dict[str, Any]], answers: list[Answer], seconds: float, show: bool) -> bool:
    """Print one engine's figures; returns whether the bar (18 of 20, 3 citations) is met."""
    pairs = list(zip(questions, answers, strict=True))
    answerable = [(q, a) for q, a in pairs if q["answer"] is not None]
    impossible = [(q, a) for q, a in pairs if q["answer"] is None]
    right = [(q, a) for q, a in answerable if right_document(q, a)]
    most = max((len(a.citations) for a in answers), default=0)
    refused = sum(a.outcome is Outcome.REFUSED for _, a in impossible)
    print(
        f"{engine:11} first citation right {len(right):2}/{len(answerable)}   gold words {sum(holds_all(q, a) for q, a in answerable):2}"
        f"/{len(answerable)}   most citations {most}   unanswerable refused {refused:2}/{len(impossible)}"
        f"   {seconds / len(pairs):.1f} s a question"
    )
    for q, a in answerable:
        missed = not right_document(q, a)
        if missed or show:
            first = a.citations[0].document if a.citations else a.outcome.value
            print(
                f"    {'MISS ' if missed else '     '}{q['id']} {q['question']}\n          -> {a.answer}\n          ({first}; {a.verdict}; by {a.engine}; gold {q['document']}: {q['answer']})"
            )
    for q, a in impossible:
        if a.outcome is not Outcome.REFUSED or show:
            print(
                f"    NEAR {q['id']} {q['question']}\n          -> {a.answer}\n          ({a.outcome.value}; {a.verdict})"
            )
    return len(right) >= 18 and most <= 3


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", nargs="+", default=["extractive", "packaged"])
    parser.add_argument("--questions", type=Path, default=EXAMPLES / "questions.jsonl")
    parser.add_argument("--show", action="store_true", help="print every answer")
    arguments = parser.parse_args()
    questions = [json.loads(line) for line in arguments.questions.read_text(encoding="utf-8").splitlines()]
    met = True
    with tempfile.TemporaryDirectory() as temporary:
        settings = Settings.load()
        home = settings.ingest.model_copy(
            update={"home": Path(temporary), "database_url": None, "vector_engine": "edge"}
        )
        with open_workspace(Settings(home, settings.serving, settings.app)) as workspace:
            kb = workspace.catalog.create_knowledge_base("examples")
            results = list(workspace.pipeline.ingest(kb, collect([EXAMPLES / "files"]).uploads))
            print(f"{len(results)} files, {sum(r.chunks for r in results)} chunks")
            for engine in arguments.engine:
                started = time.perf_counter()
                answers = asyncio.run(ask_all(workspace, engine, questions))
                met &= report(engine, questions, answers, time.perf_counter() - started, arguments.show)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
