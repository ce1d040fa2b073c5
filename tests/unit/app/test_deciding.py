"""Three outcomes: thresholds of a knowledge base, subjects to ask back about, the verifier as one more sign."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from app.evaluation import fit_refusals, judge_questions
from app.rag.answer import Answer, Ask, Outcome
from app.rag.answerable import AnswerabilityJudge, Verdict
from app.rag.chain import AnswerChain
from app.rag.deciding import ENOUGH, SIMILARITY, WORDS, Thresholds, as_text, products_meant, subjects
from app.rag.refusals import asking_back
from finetune.refusals import AskedQuestion
from serving.extractive import Evidence
from serving.passages import Passage, Window, windows
from serving.verifier import Calibration
from tests.unit.app.rigging import KB, desk

THIN = "Could somebody from Leeds perhaps look at my hob, and on which shop days?"
QUESTION = "How long is the motor of the WM-900 guaranteed?"


class FixedVerifier:
    """Says of every text that it answers with the same probability."""

    name = "fixed"
    calibration = Calibration(bias=0.0, evidence=0.0, nearest=0.0, verifier=1.0, answer_from=0.5)

    def __init__(self, probability: float, error: Exception | None = None) -> None:
        self.probability, self.error = probability, error
        self.asked: list[list[str]] = []

    def knows(self, language: str) -> bool:
        return language == "en"

    def score(self, question: str, texts: Sequence[str]) -> list[float]:
        self.asked.append(list(texts))
        if self.error:
            raise self.error
        return [self.probability for _ in texts]


def judged(
    question: str, verifier: FixedVerifier | None = None, stored: str = "", texts: dict[str, str] | None = None
) -> Verdict:
    given = desk(texts)
    found = given.search.search(KB, question)
    return AnswerabilityJudge(given.embedder, verifier).judge(question, found, found.passages(5), stored=stored)


def ask(question: str, stored: str, texts: dict[str, str] | None = None) -> Answer:
    given = desk(texts)
    chain = AnswerChain(given.search, given.embedder, [])
    return asyncio.run(chain.answer(Ask(question, replace(KB, thresholds=stored))))


def window(text: str, title: str, headings: tuple[str, ...] = ()) -> Window:
    return windows(Passage(1, "c", "d", title, "v", text, headings))[0]


def test_the_shipped_threshold_decides_where_none_is_stored() -> None:
    assert Thresholds.of("", WORDS, ENOUGH) == Thresholds(ENOUGH, ENOUGH)


def test_thresholds_hold_for_the_verifier_they_were_fitted_with_only() -> None:
    stored = as_text({"similarity": Thresholds(0.3, 0.2), "fixed": Thresholds(0.7, 0.6)})
    assert Thresholds.of(stored, SIMILARITY, 0.1) == Thresholds(0.3, 0.2)
    assert Thresholds.of(stored, "fixed", 0.1) == Thresholds(0.7, 0.6)
    assert Thresholds.of(stored, "newer", 0.1) == Thresholds(0.1, 0.1)


def test_a_stored_threshold_turns_an_answer_into_a_refusal_and_a_question() -> None:
    score = judged(THIN).support
    assert ask(THIN, "").outcome is Outcome.ANSWERED
    assert ask(THIN, as_text({SIMILARITY: Thresholds(score + 0.2, score + 0.1)})).outcome is Outcome.REFUSED
    back = ask(THIN, as_text({SIMILARITY: Thresholds(score + 0.1, score - 0.01)}))
    assert back.outcome is Outcome.ASKED_BACK
    assert "“shops”" in back.answer
    assert (back.citations, back.engine) == ((), None)


@pytest.mark.parametrize(("probability", "outcome"), [(0.9, "answer"), (0.1, "refuse")])
def test_the_verifier_has_a_say(probability: float, outcome: str) -> None:
    verdict = judged(QUESTION, FixedVerifier(probability))
    assert verdict.outcome == outcome
    assert verdict.verified == probability
    assert verdict.support == pytest.approx(probability)


def test_thresholds_fitted_on_a_knowledge_base_decide_its_questions() -> None:
    given = desk()
    chain = AnswerChain(given.search, given.embedder, [])
    asked = [AskedQuestion(QUESTION, True)] * 10 + [AskedQuestion(THIN, False)] * 10
    seen: list[tuple[int, int]] = []
    judged_ones = judge_questions(chain, KB, asked, lambda done, total: seen.append((done, total)))
    (report,), stored = fit_refusals(judged_ones, 0.9, 0.98)
    assert (report.auc, report.kept, report.refused, seen[-1]) == (1.0, 1.0, 1.0, (20, 20))
    assert judged(THIN).answerable
    assert not judged(THIN, stored=stored).answerable
    assert judged(QUESTION, stored=stored).answerable


def test_the_verifier_reads_the_best_window_with_its_heading() -> None:
    verifier = FixedVerifier(0.9)
    judged(QUESTION, verifier)
    (texts,) = verifier.asked
    assert texts == ["warranty: The motor of the WM-900 is guaranteed for 10 years."]


def test_a_verifier_is_not_asked_in_a_language_it_does_not_know() -> None:
    verifier = FixedVerifier(0.0)
    verdict = judged("RF-360N 的变频压缩机保修多少年？", verifier)
    assert (verdict.answerable, verdict.verified, verifier.asked) == (True, None, [])


def test_a_verifier_that_breaks_changes_nothing() -> None:
    assert judged(QUESTION, FixedVerifier(0.0, RuntimeError("damaged"))) == judged(QUESTION)


def test_cosines_that_nothing_was_fitted_to_have_no_say() -> None:
    given = desk()
    found = given.search.search(KB, QUESTION)
    verifier = FixedVerifier(0.0)
    verdict = AnswerabilityJudge(given.embedder, verifier, calibrated=False).judge(QUESTION, found, found.passages(5))
    assert (verdict.outcome, verdict.scale, verdict.support) == ("answer", WORDS, verdict.score)
    assert not verifier.asked


def test_what_settles_a_question_is_settled_whatever_the_verifier_says() -> None:
    verdict = judged("How long is the motor of the WM-800 guaranteed?", FixedVerifier(1.0))
    assert (verdict.outcome, verdict.support, verdict.scale) == ("refuse", 0.0, "fixed")


def test_the_unit_that_was_asked_for_of_the_product_that_was_named_is_an_answer_whatever_the_verifier_says() -> None:
    rows = {"range.pptx": "CH-90: 90 cm wide, four speeds, up to 720 m³/h on boost. CH-60: 60 cm wide, in black."}
    question = "How many cubic metres of air an hour does the {} move at most?"
    assert judged(question.format("CH-90"), FixedVerifier(0.0), texts=rows).answerable
    assert not judged(question.format("CH-60"), FixedVerifier(0.0), texts=rows).answerable
    assert not judged("Could the CH-90 be delivered to a shop in Leeds?", FixedVerifier(0.0), texts=rows).answerable


def test_subjects_are_the_nearest_headings_of_good_evidence() -> None:
    evidence = [
        Evidence(window("We collect it.", "Returns", ("Fees", "Collection")), 0.5),
        Evidence(window("We repair it.", "Repairs"), 0.45),
        Evidence(window("It rains.", "Weather"), 0.1),
    ]
    assert subjects(evidence) == ("Collection", "Repairs")
    assert subjects([]) == ()


def products(count: int) -> str:
    return " ".join(f"The motor of the WM-{n}00 is guaranteed for {n + 1} years." for n in range(1, count + 1))


def test_the_same_of_many_products_is_asked_back() -> None:
    question = "How long is the motor of the washing machine guaranteed?"
    back = ask(question, "", {"warranty.docx": products(4)})
    assert back.outcome is Outcome.ASKED_BACK
    assert all(f"“WM-{n}00”" in back.answer for n in range(1, 5))
    # As many as an answer can quote are quoted.
    assert ask(question, "", {"warranty.docx": products(3)}).outcome is Outcome.ANSWERED
    assert ask(QUESTION, "", {"warranty.docx": products(9)}).outcome is Outcome.ANSWERED


def test_the_same_of_many_products_is_asked_back_in_chinese() -> None:
    said = "".join(f"RF-{n}10 的变频压缩机保修 {n} 年。" for n in range(1, 5))
    back = ask("变频压缩机保修多少年？", "", {"bx.docx": said})
    assert back.outcome is Outcome.ASKED_BACK
    assert "「RF-410」" in back.answer


def test_different_statements_leave_nothing_to_choose() -> None:
    texts = (
        "The WM-100 has a motor.",
        "Clean the filter of the WM-200 monthly.",
        "Call us for the WM-300.",
        "WM-400 in red.",
    )
    evidence = [Evidence(window(text, "Manual"), 0.5) for text in texts]
    assert products_meant("What do I do with the machine?", evidence) == ()


@pytest.mark.parametrize("language", ["en", "zh", "de", "fr", "es", "ko"])
def test_asking_back_names_every_subject(language: str) -> None:
    for names in (("Collection",), ("Collection", "Repairs")):
        assert all(name in asking_back(language, names) for name in names)
