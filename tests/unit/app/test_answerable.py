"""Answerable or not: what the passages must hold before anybody is asked to write."""

from __future__ import annotations

import pytest

from app.rag.answerable import AnswerabilityJudge, Verdict
from ingest.embed import Vectors
from tests.fakes import HashEmbedder
from tests.unit.app.rigging import KB, TEXTS, desk


def judged(question: str, texts: dict[str, str] | None = None) -> Verdict:
    given = desk(texts)
    found = given.search.search(KB, question)
    return AnswerabilityJudge(given.embedder).judge(question, found, found.passages(5))


@pytest.mark.parametrize(
    ("question", "evidence"),
    [
        ("How long is the motor of the WM-900 guaranteed?", TEXTS["warranty.docx"].split(". ")[0] + "."),
        ("How much do you charge to collect a large appliance that I return?", TEXTS["returns.pdf"]),
        ("RF-360N 的变频压缩机保修多少年？", "RF-360N 的变频压缩机保修 12 年。"),
        ("签收后几天内可以退货？", TEXTS["tuigui.pdf"]),
    ],
)
def test_what_the_files_hold_is_answerable_by_the_right_sentence(question: str, evidence: str) -> None:
    verdict = judged(question)
    assert verdict.answerable
    assert verdict.sure
    assert verdict.evidence[0].window.text == evidence


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        pytest.param("How long is the motor of the WM-800 guaranteed?", "no passage speaks of wm800", id="other product"),
        pytest.param("RF-310 的变频压缩机保修多少年？", "no passage speaks of rf310", id="other product, chinese"),
        pytest.param("How much does the motor of the WM-900 cost?", "an amount of money", id="missing kind"),
        pytest.param("How loud is the motor of the WM-900?", "a sound level", id="missing unit"),
        pytest.param("Do you sell garden furniture and bicycles?", "evidence", id="about something else"),
    ],
)  # fmt: skip
def test_what_the_files_do_not_hold_is_refused_with_its_reason(question: str, reason: str) -> None:
    verdict = judged(question)
    assert not verdict.answerable
    assert not verdict.sure
    assert reason in verdict.reason


def test_a_neighbour_that_speaks_of_another_product_is_no_evidence() -> None:
    assert {e.window.text for e in judged("How long is the motor of the WM-700 guaranteed?").evidence} == {
        "The motor of the WM-700 is guaranteed for 5 years."
    }


def test_a_product_of_the_turns_before_may_be_left_open_but_not_be_another() -> None:
    given = desk()
    asked = "What is charged for a visit that finds no fault?"
    question = f"WM-700: {asked}"
    found = given.search.search(KB, question)
    judge = AnswerabilityJudge(given.embedder)
    strict = judge.judge(question, found, found.passages(5))
    assert TEXTS["fees.md"] not in {e.window.text for e in strict.evidence}
    verdict = judge.judge(question, found, found.passages(5), asked)
    assert verdict.evidence[0].window.text == TEXTS["fees.md"]
    assert not any("WM-900" in e.window.text for e in verdict.evidence)


def test_a_question_for_a_price_alone_is_about_the_product_of_the_turns_before() -> None:
    given = desk()
    found = given.search.search(KB, "WM-700: And how much does it cost?")
    judge = AnswerabilityJudge(given.embedder)
    verdict = judge.judge("WM-700: And how much does it cost?", found, found.passages(5), "And how much does it cost?")
    assert not any("£" in e.window.text for e in verdict.evidence)


def test_thin_evidence_is_answerable_but_not_sure() -> None:
    verdict = judged("Could somebody from Leeds perhaps look at my hob, and on which shop days?")
    assert (verdict.answerable, verdict.sure) == (True, False)


def test_nothing_found_is_refused() -> None:
    assert judged("How long is the guarantee?", {}) == Verdict(False, "nothing was found", 0.0, [], scale="words")


def test_a_row_with_the_unit_goes_before_a_sentence_without_it() -> None:
    texts = {"data.md": "The dishwasher is quiet.\n\n| Model | Noise (dB) |\n|---|---|\n| Dishwasher | 44 |"}
    assert judged("How loud is the dishwasher?", texts).evidence[0].window.is_row


class CountingEmbedder(HashEmbedder):
    """Remembers what it was asked to embed."""

    def __init__(self) -> None:
        super().__init__(languages=("en",))
        self.embedded: list[str] = []

    def embed_query(self, text: str) -> Vectors:
        self.embedded.append(text)
        return super().embed_query(text)


def test_a_window_is_embedded_once_and_the_question_not_again() -> None:
    question = "How long is the motor of the WM-900 guaranteed?"
    given, counting = desk(), CountingEmbedder()
    found = given.search.search(KB, question)
    judge = AnswerabilityJudge(counting)
    first = judge.judge(question, found, found.passages(5))
    embedded = list(counting.embedded)
    assert embedded
    assert question not in embedded
    assert judge.judge(question, found, found.passages(5)) == first
    assert counting.embedded == embedded
