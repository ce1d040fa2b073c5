"""The tuned release beside its base, on documents that training never saw: words, refusals, citations, time.

    python benchmarks/tuned.py DATA [--releases base support] [--parts absent twisted general answers] [--limit 60] [--read 50]

answers: as `frontdesk eval answers` on each set, passages given and retrieved, both styles.
absent:  three passages that retrieval found: one of them answers, or none does. Refusals should be the latter: those of the model alone,
         and where it or the verifier (its best score below a half) refuses; AUC of the model alone and of both (as for twisted).
twisted: squad2's adversarial questions: AUC of "it cannot be answered" by the model's own probability of its refusal, by the
         verifier, and by both (sum of log-odds, nothing fitted).
general: the packaged general questions, asked without passages: what tuning has cost.
--read:  answers of the product in the style ``sentence`` to so many questions, a third of each of three sets, written to a
         file to be read by a person: question, what is right, what was answered, the passage cited.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import math
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from tuned_sets import SETS, Shown, neighbours, prepare, twisted

from app.answer_evaluation import Asked, ChainAnswerer, Evaluation, released
from app.evaluation import Indexed, indexed
from app.rag.answer import Answer, Ask
from app.workspace import Settings
from finetune.answer_dataset import AnswerQuestion, read_answer_questions
from finetune.answer_metrics import by_characters, scores
from finetune.answer_report import report_of
from finetune.answers import MAX_NEW_TOKENS, evaluate_answers
from finetune.general_ability import evaluate_general
from finetune.metrics import mean, roc_auc
from finetune.samples import holds
from serving.batches import MOST_TOKENS, PackagedBatchWriter, batches
from serving.citations import marks_of, strip_marks
from serving.engines import PACKAGED as ENGINE
from serving.packaged import PackagedModel
from serving.passages import Passage, windows
from serving.prompts import NOT_FOUND, Message, Style, render_answer
from serving.releases import LIVE, Release
from serving.verifier import PACKAGED, load_verifier, logit, shown

PARTS = ("absent", "twisted", "general", "answers")
READ_FROM = ("company", "squad2", "gitlab_handbook")


def quiet(*_: object) -> None:
    """No progress: the table is what is printed."""


HEAD = (
    "| set | passages | style | release | F1 | contains | kept | refusal P / R | citation P / R | questions | s |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|"
)
STYLES: tuple[Style, ...] = ("short", "sentence")


def answers(places: dict[str, Path], releases: Sequence[str], limit: int, settings: Settings) -> None:
    """Rows of the first table."""
    print(f"\n{HEAD}", flush=True)
    for name, place in places.items():
        # Nothing holds the answers of what was withheld: it cannot be given.
        for style, release in product(STYLES, releases) if name != "withheld" else ():
            figures = Evaluation(Asked(place, release, "given", style, limit=limit), settings).run(quiet).report
            print(f"| {name} | given | {style} | {release} | {shown_figures(figures)}", flush=True)
        questions = read_answer_questions(place, limit)
        # One index for all of them: making it takes longer than asking.
        with indexed(place, quiet, settings) as corpus:
            for style, release in product(STYLES, releases):
                pin = released(settings, release).reference
                answerer = ChainAnswerer(corpus.workspace.chain, corpus, style, ENGINE, pin)
                figures = report_of(*evaluate_answers(questions, answerer)).as_json()
                print(f"| {name} | retrieved | {style} | {release} | {shown_figures(figures)}", flush=True)


def shown_figures(figures: Mapping[str, Any]) -> str:
    """The rest of a row."""
    parts = (
        f"{figures['f1']:.3f}",
        f"{figures['contains']:.3f}",
        f"{figures['answerable_kept']:.2f}",
        f"{figures['refusal_precision']:.2f} / {figures['refusal_recall']:.2f}",
        f"{figures['citation_precision']:.2f} / {figures['citation_recall']:.2f}",
        f"{figures['answerable']}+{figures['impossible']}",
        f"{figures['seconds']:.0f} |",
    )
    return " | ".join(parts)


class Alone:
    """A release's model by itself."""

    def __init__(self, release: Release, settings: Settings) -> None:
        folder = settings.ingest.models_folder
        self._packaged = PackagedModel(
            folder, settings.serving.packaged_dtype, release if release.folder is not None else None
        )
        self._brief = release.manifest.prompt == "brief"
        self._budget = release.manifest.context

    def prompts(self, asked: Sequence[Shown], style: Style) -> list[list[Message]]:
        """What it is asked."""
        return [
            render_answer(
                each.asked.question,
                each.passages,
                style=style,
                brief=self._brief,
                budget=self._budget,
                count_tokens=self._packaged.count_tokens,
            )
            for each in asked
        ]

    def written(self, asked: Sequence[Shown], style: Style) -> list[str]:
        """What it answers."""
        found = PackagedBatchWriter(self._packaged).write(self.prompts(asked, style), MAX_NEW_TOKENS, quiet)
        return [text for text, _ in found]

    def general(self) -> tuple[float, tuple[float, float]]:
        """Share of the general questions that it answers rightly, with its interval."""
        found = evaluate_general(PackagedBatchWriter(self._packaged), quiet)
        return found["contains"], tuple(found["interval"])

    def refusing(self, asked: Sequence[Shown], style: Style) -> list[float]:
        """Probability that it begins its answer as it begins a refusal."""
        import torch

        loaded = self._packaged.load()
        tokenizer, model = loaded.tokenizer, loaded.model
        first = tokenizer(NOT_FOUND, add_special_tokens=False)["input_ids"][0]
        ids = [
            tokenizer.apply_chat_template([m._asdict() for m in prompt], add_generation_prompt=True, return_dict=True)[
                "input_ids"
            ]
            for prompt in self.prompts(asked, style)
        ]
        found = [0.0] * len(ids)
        for batch in batches([len(each) for each in ids]):
            longest = max(len(ids[i]) for i in batch)
            rows = [[0] * (longest - len(ids[i])) + ids[i] for i in batch]
            mask = [[0] * (longest - len(ids[i])) + [1] * len(ids[i]) for i in batch]
            with torch.inference_mode():
                logits = model(
                    input_ids=torch.tensor(rows), attention_mask=torch.tensor(mask), logits_to_keep=1
                ).logits[:, -1]
            for place, value in zip(batch, torch.softmax(logits.float(), dim=-1)[:, first].tolist(), strict=True):
                found[place] = value
        return found


def absent(place: Path, releases: Sequence[str], limit: int, settings: Settings) -> None:
    """Refusals where no passage holds the answer."""
    asked = neighbours(place, limit)
    gold = sum(each.answered for each in asked)
    print(f"\nThree passages, {gold} questions with one that answers, {len(asked) - gold} without:", flush=True)
    doubts = doubts_of(asked)
    print(
        "| release | style | F1 answerable | kept | right mark | refusal P / R | AUC | with the verifier: kept | refusal P / R | AUC |"
        "\n|---|---|---|---|---|---|---|---|---|---|"
    )
    for name in releases:
        alone = Alone(released(settings, name), settings)
        for style in STYLES:
            texts = alone.written(asked, style)
            refused = [NOT_FOUND in text for text in texts]
            f1 = [
                0.0 if no else scores(strip_marks(text), each.asked.answers)["f1"]
                for each, text, no in zip(asked, texts, refused, strict=True)
                if each.answered
            ]
            marked = [
                set(marks_of(text)) == {p.n for p in each.passages if _holds(each, p)}
                for each, text, no in zip(asked, texts, refused, strict=True)
                if each.answered and not no
            ]
            right = f"{mean([float(m) for m in marked]):.2f}" if style == "sentence" else "-"
            kept, said = refusing_figures(asked, refused)
            impossible = [not each.answered for each in asked]
            mine = alone.refusing(asked, style)
            row = f"| {name} | {style} | {mean(f1):.3f} | {kept} | {right} | {said} | {roc_auc(mine, impossible):.3f} |"
            if doubts:
                both = [no or doubt > 0.5 for no, doubt in zip(refused, doubts, strict=True)]
                odds = [logit(a) + logit(b) for a, b in zip(mine, doubts, strict=True)]
                row += f" {' | '.join(refusing_figures(asked, both))} | {roc_auc(odds, impossible):.3f} |"
            print(row, flush=True)


def refusing_figures(asked: Sequence[Shown], refused: Sequence[bool]) -> tuple[str, str]:
    """Share of the answerable questions that are kept, precision and recall of the refusals."""
    missing = [no for each, no in zip(asked, refused, strict=True) if not each.answered]
    kept = mean([float(not no) for each, no in zip(asked, refused, strict=True) if each.answered])
    return f"{kept:.2f}", f"{sum(missing) / max(1, sum(refused)):.2f} / {mean([float(no) for no in missing]):.2f}"


def doubts_of(asked: Sequence[Shown]) -> list[float]:
    """The verifier's probability that none of the passages answers; nothing where there is no verifier."""
    verifier = load_verifier(PACKAGED)
    if verifier is None:
        return []
    texts = [[shown(window) for passage in each.passages for window in windows(passage)] for each in asked]
    return [
        1 - max(verifier.score(each.asked.question, said), default=0.0) for each, said in zip(asked, texts, strict=True)
    ]


def _holds(each: Shown, passage: Passage) -> bool:
    return any(holds(passage.text, answer) for answer in each.asked.answers)


def adversarial(place: Path, releases: Sequence[str], limit: int, settings: Settings) -> None:
    """AUC on squad2's own unanswerable questions."""
    asked = twisted(place, limit)
    impossible = [not each.answered for each in asked]
    doubts = doubts_of(asked)
    if doubts:
        print(f"\nTwisted questions, {len(asked)}: verifier alone AUC {roc_auc(doubts, impossible):.3f}", flush=True)
    for name in releases:
        alone = Alone(released(settings, name), settings)
        for style in STYLES:
            mine = alone.refusing(asked, style)
            said = f"{name}, {style}: model alone AUC {roc_auc(mine, impossible):.3f}"
            if doubts:
                both = [logit(a) + logit(b) for a, b in zip(mine, doubts, strict=True)]
                said += f", with the verifier {roc_auc(both, impossible):.3f}"
            print(said, flush=True)


def read_by_a_person(places: dict[str, Path], release: str, count: int, file: Path, settings: Settings) -> None:
    """Answers of the product with what they cite, for somebody to read."""
    rows = []
    each_set = math.ceil(count / len(READ_FROM))
    for name in READ_FROM:
        questions = [
            q for q in read_answer_questions(places[name]) if not q.impossible and not by_characters(q.question)
        ]
        chosen = sorted(questions, key=lambda q: hashlib.sha256(q.qid.encode()).digest())[:each_set]
        with indexed(places[name], quiet, settings) as corpus:
            answers_to = _asked(corpus, chosen, released(settings, release).reference)
            for question, answer in zip(chosen, asyncio.run(answers_to), strict=True):
                cited = [f"[{c.n}] {corpus.ids.get(c.document)}: {c.text}" for c in answer.citations]
                said = {"set": name, "question": question.question, "right": question.answers[:3]}
                rows.append(
                    {
                        **said,
                        "answer": answer.answer,
                        "outcome": answer.outcome.value,
                        "engine": answer.engine,
                        "fallen": [fall.reason for fall in answer.fallen],
                        "cited": cited,
                    }
                )
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows[:count]), encoding="utf-8")
    print(f"\n{min(count, len(rows))} answers to read in {file}")


async def _asked(corpus: Indexed, questions: Sequence[AnswerQuestion], pin: str) -> list[Answer]:
    chain = corpus.workspace.chain
    return [await chain.answer(Ask(q.question, corpus.kb, engine=ENGINE, release=pin)) for q in questions]


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--releases", nargs="+", default=["base", "support"])
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--limit", type=int, default=60, help="questions a row")
    parser.add_argument("--keep", type=Path, help="a folder for the datasets, used again where they are there")
    parser.add_argument("--read", type=int, default=0, help="answers to write to READ_FILE")
    parser.add_argument("--read-file", type=Path, default=Path("answers-to-read.jsonl"))
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        print(f"skipped: no measuring data at {arguments.data}")
        return 0
    settings = Settings.load()
    bounded = {"max_new_tokens": min(settings.serving.max_new_tokens, MAX_NEW_TOKENS), "release": LIVE}
    settings = Settings(settings.ingest, settings.serving.model_copy(update=bounded), settings.app)
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, at most {MOST_TOKENS} tokens a batch", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        wanted = dict.fromkeys([*arguments.sets, *(READ_FROM if arguments.read else ()), "squad2"])
        places = prepare(arguments.data, folder, wanted)
        if "absent" in arguments.parts:
            absent(places["squad2"], arguments.releases, arguments.limit, settings)
        if "twisted" in arguments.parts:
            adversarial(places["squad2"], arguments.releases, 2 * arguments.limit, settings)
        for release in arguments.releases if "general" in arguments.parts else ():
            share, (low, high) = Alone(released(settings, release), settings).general()
            print(f"{release}: general questions right {share:.3f} ({low:.3f} to {high:.3f})", flush=True)
        if "answers" in arguments.parts:
            answers({name: places[name] for name in arguments.sets}, arguments.releases, arguments.limit, settings)
        if arguments.read:
            read_by_a_person(places, arguments.releases[-1], arguments.read, arguments.read_file, settings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
