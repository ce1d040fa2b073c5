"""Products that a question names and the files do not know."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.rag.answerable import AnswerabilityJudge, Verdict
from app.rag.products import strange_names
from tests.fakes import HashEmbedder
from tests.unit.app.rigging import KB, desk

SAID = "the motor of the wm-900 is guaranteed. our shop in leeds. the breeze fan is quiet."


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("How long is the motor of the TurboWash guaranteed?", ["TurboWash"]),
        ("TurboWash: how long is the motor guaranteed?", ["TurboWash"]),
        ("How long is the motor of my Titan guaranteed?", ["Titan"]),
        ("Is Klarvexa quiet?", ["Klarvexa"]),
        ("Does Klarvexa whistle?", ["Klarvexa"]),
        ("TurboWash 的电机保修多久？", ["TurboWash"]),
        ("How quiet is the Breeze?", []),
        ("How long is the motor guaranteed?", []),
        ("Can I come to Leeds on Monday?", []),
        ("My aunt Susan bought it. Does it hold?", []),
        ("How Long Is The Motor Of The Titan Guaranteed?", []),
        ("HOW LONG IS THE MOTOR GUARANTEED?", []),
        ("电机保修多久？", []),
        ("", []),
    ],
)
def test_names_that_nothing_found_holds(question: str, names: list[str]) -> None:
    assert strange_names(question, lambda word: word in SAID) == names


def judged(question: str) -> Verdict:
    given = desk()
    found = given.search.search(KB, question)
    return AnswerabilityJudge(given.embedder).judge(question, found, found.passages(5))


def test_a_product_that_nobody_knows_is_asked_back_with_those_that_are_known() -> None:
    verdict = judged("How long is the motor of the TurboWash guaranteed?")
    assert verdict.outcome == "ask_back"
    assert {"WM-900", "WM-700"} <= set(verdict.meant)
    assert "TurboWash" in verdict.reason
    assert not verdict.evidence


def test_a_strange_name_with_nothing_of_its_question_in_the_files_is_refused() -> None:
    given = desk({"range.pptx": "CH-90: 90 cm wide. CH-60: 60 cm wide."})
    question = "Does Klarvexa whistle?"
    found = given.search.search(KB, "CH-90")
    # By words alone: then nothing that was found has a score above 0.
    judge = AnswerabilityJudge(HashEmbedder(languages=("fr",)))
    verdict = judge.judge(question, replace(found, wordings=(), language="en"), found.passages(5))
    assert (verdict.outcome, verdict.meant, verdict.reason) == ("refuse", (), "no passage speaks of Klarvexa")


def test_a_strange_name_takes_nothing_from_what_is_said_of_no_product() -> None:
    assert judged("How much do you charge to collect a large appliance that Klarvexa returns?").answerable


def test_a_product_that_is_known_is_answered_beside_a_strange_name() -> None:
    assert judged("How long is the motor of the WM-900 guaranteed, says TurboWash?").answerable
