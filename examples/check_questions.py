"""Check `questions.jsonl` against the files it asks about.

    python examples/check_questions.py

Prints one line for each thing that is wrong and exits 1 if there is any.
"""

import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from formats.reading import pages_of, squeeze

HERE = Path(__file__).resolve().parent
FILES = HERE / "files"
EXPECTED = {("en", True): 12, ("zh", True): 8, ("en", False): 6, ("zh", False): 4}
EXPECTED_KINDS = {"fact": 10, "table": 4, "paraphrase": 6, "unanswerable": 10}

# Function words, which a paraphrase may share with its passage.
_ENGLISH = (
    "a about above after all an and any are as at be been by can could do does for from get give has have how i if in "
    "is it its may me my no not of on one or our out over per s so some still t that the their them then there they "
    "this to under until up us was we what when where which while who will with without would you your"
)
_CHINESE = re.compile("怎么|什么|多少|如果|要是|可以|我们|你们|[您我你的了吗呢吧是在和与或也都就会能请把被]")


def main() -> int:
    """Run every check over every question."""
    lines = (HERE / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    questions = [json.loads(line) for line in lines]
    texts = {str(path.relative_to(FILES)): pages_of(path) for path in sorted(FILES.rglob("*.*"))}
    wrong = check_counts(questions)
    for question in questions:
        check = check_unanswerable if question["kind"] == "unanswerable" else check_answerable
        wrong += [f"{question['id']}: {problem}" for problem in check(question, texts)]
    for line in wrong:
        print(line)
    print(f"{len(questions)} questions, {len(wrong)} problems")
    return 1 if wrong else 0


def check_counts(questions: list[dict[str, Any]]) -> list[str]:
    """Languages, kinds and demo questions, as many as the set is meant to have."""
    languages = Counter((question["language"], question["answer"] is not None) for question in questions)
    kinds = Counter(question["kind"] for question in questions)
    demo = Counter((each["language"], each["answer"] is not None) for each in questions if each.get("demo"))
    wrong = []
    if languages != EXPECTED:
        wrong.append(f"counts by language and answerable: {dict(languages)}")
    if kinds != EXPECTED_KINDS:
        wrong.append(f"counts by kind: {dict(kinds)}")
    if demo != {("en", True): 3, ("zh", True): 1, ("en", False): 1}:
        wrong.append(f"demo questions: {dict(demo)}")
    if len({question["id"] for question in questions}) != len(questions):
        wrong.append("two questions have the same id")
    return wrong


def check_answerable(question: dict[str, Any], texts: dict[str, list[str]]) -> list[str]:
    """The passage stands on its page and in no other document, and holds the answer."""
    document, passage = question["document"], squeeze(question["passage"])
    if document not in texts:
        return [f"{document} does not exist"]
    pages = texts[document]
    if document.endswith((".pdf", ".pptx")):
        pages = pages[question["page"] - 1 : question["page"]]
    elif question["page"] is not None:
        return [f"{document} has no pages to cite"]
    wrong = []
    if not any(passage in squeeze(page) for page in pages):
        wrong.append(f"passage not found in {document}, page {question['page']}")
    allowed = {document, *question.get("also", [])}
    elsewhere = {name for name, found in texts.items() if passage in squeeze("".join(found))} - allowed
    if elsewhere:
        wrong.append(f"passage also in {sorted(elsewhere)}")
    wrong += [f"{text!r} is not in the passage" for text in question["strings"] if squeeze(text) not in passage]
    if question["kind"] == "paraphrase":
        words = content_words(question["question"], question["language"])
        if shared := words & content_words(question["passage"], question["language"]):
            wrong.append(f"shares with the passage: {sorted(shared)}")
    return wrong


def check_unanswerable(question: dict[str, Any], texts: dict[str, list[str]]) -> list[str]:
    """What the question names is in the question and in the document that comes near to answering it."""
    wrong = [f"{key} is set" for key in ("answer", "document", "page") if question[key] is not None]
    near = "".join(texts.get(question["near"], []))
    for name in question["names"]:
        wrong += [f"{name} is not in the question"] if name not in question["question"] else []
        wrong += [f"{name} is not in {question['near']}"] if name not in near else []
    return wrong


def content_words(text: str, language: str) -> set[str]:
    """Stems of the English words, or pairs of neighbouring Chinese characters, that are no function words."""
    function_words = _ENGLISH.split()
    words = {_stem(word) for word in re.findall(r"[a-z0-9]+", text.lower()) if word not in function_words}
    if language == "zh":
        for run in re.findall(r"[\u4e00-\u9fff]+", _CHINESE.sub(" ", text)):
            words |= {run[start : start + 2] for start in range(max(1, len(run) - 1))}
    return words


def _stem(word: str) -> str:
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word


if __name__ == "__main__":
    sys.exit(main())
