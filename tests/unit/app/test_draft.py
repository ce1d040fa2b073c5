"""An answer in the making: what is shown, under which marks, and what is withheld for which reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from app.rag.draft import Draft
from serving.extractive import Evidence
from serving.passages import Part, Passage, windows


def passage(n: int, text: str, title: str = "Guarantee", language: str = "en") -> Passage:
    return Passage(n, f"c{n}", f"d{n}.md", title, "v1", text, language=language)


MOTOR = passage(1, "The motor of the WM-900 is guaranteed for 10 years. The steel tub cannot rust.")
FEE = passage(2, "A visit to your home costs £65.", "Fees")
DELIVERY = passage(3, "Delivery to Scotland takes 5 days.", "Delivery")
SHOP = passage(4, "The shop in Leeds opens at 9:00.", "Shops")
CHINESE = passage(5, "直驱电机保修 10 年。上门费每次 60 元。", "保修", "zh")
ALL = [MOTOR, FEE, DELIVERY, SHOP, CHINESE]
QUESTION = "How long is the motor guaranteed and what else is there?"

MOTOR_SAID = "The motor of the WM-900 is guaranteed for 10 years"
FEE_SAID = "A visit to your home costs £65"
DELIVERY_SAID = "Delivery to Scotland takes 5 days"
SHOP_SAID = "The shop in Leeds opens at 9:00"


def draft(
    question: str = QUESTION, passages: Sequence[Passage] = ALL, weights: dict[int, float] | None = None, **kind: bool
) -> Draft:
    """Every window is equally good evidence unless its passage is given a weight."""
    evidence = [Evidence(w, (weights or {}).get(p.n, 0.5)) for p in passages for w in windows(p)]
    return Draft(question, passages, evidence, None, **kind)


def written(target: Draft, text: str) -> list[str]:
    shown = [sentence for char in text for sentence in target.push(char)]
    return shown + target.finish()


@pytest.mark.parametrize(
    ("text", "answer", "documents"),
    [
        pytest.param(f"{MOTOR_SAID} [1].", f"{MOTOR_SAID} [1].", ["d1.md"], id="kept"),
        pytest.param(f"{SHOP_SAID} [4]. {MOTOR_SAID} [1].", f"{SHOP_SAID} [1]. {MOTOR_SAID} [2].", ["d4.md", "d1.md"], id="renumbered in order of citing"),
        pytest.param(f"{MOTOR_SAID}. {FEE_SAID}.", f"{MOTOR_SAID} [1]. {FEE_SAID} [2].", ["d1.md", "d2.md"], id="marks are given"),
        pytest.param(f"{FEE_SAID} [2]. The steel tub cannot rust [1]. {MOTOR_SAID} [1].", f"{FEE_SAID} [1]. The steel tub cannot rust [2]. {MOTOR_SAID} [2].", ["d2.md", "d1.md"], id="one number a source"),
        pytest.param(f"{MOTOR_SAID} [1]. {MOTOR_SAID} [1].", f"{MOTOR_SAID} [1].", ["d1.md"], id="said twice"),
        pytest.param(f"{MOTOR_SAID} [1]. {MOTOR_SAID} [1]", f"{MOTOR_SAID} [1].", ["d1.md"], id="said twice, cut off"),
        pytest.param("直驱电机保修 10 年[5]。上门费每次 60 元[5]。", "直驱电机保修 10 年 [1]。上门费每次 60 元 [1]。", ["d5.md"], id="chinese"),
        pytest.param(f"{MOTOR_SAID} [1]. {FEE_SAID} [2]. {DELIVERY_SAID} [3]. {SHOP_SAID} [4].", f"{MOTOR_SAID} [1]. {FEE_SAID} [2]. {DELIVERY_SAID} [3].", ["d1.md", "d2.md", "d3.md"], id="three sources at most"),
        pytest.param("NOT_FOUND", "", [], id="not found"),
        pytest.param(f"{MOTOR_SAID} [1]. NOT_FOUND.", f"{MOTOR_SAID} [1].", ["d1.md"], id="not found as an afterthought"),
        pytest.param(f"NOT_FOUND. {MOTOR_SAID} [1].", "", [], id="nothing counts after not found"),
    ],
)  # fmt: skip
def test_what_is_shown(text: str, answer: str, documents: list[str]) -> None:
    target = draft()
    shown = written(target, text)
    assert target.text == answer
    assert [source.document for source in target.sources] == documents
    assert shown == target.sentences


def test_not_found_counts_only_when_nothing_was_said() -> None:
    refused, answered = draft(), draft()
    written(refused, "NOT_FOUND")
    written(answered, f"{MOTOR_SAID} [1]. NOT_FOUND")
    assert (refused.not_found, answered.not_found) == (True, False)


@pytest.mark.parametrize(
    ("text", "question", "kind", "reason"),
    [
        ("The motor of the WM-900 is guaranteed for 12 years [1].", QUESTION, {}, "12"),
        ("The motor is guaranteed.", "How long is the motor guaranteed?", {}, "repeats the question"),
        (f"{FEE_SAID} [2]. {DELIVERY_SAID} [3]. {SHOP_SAID} [4]. {MOTOR_SAID} [1].", QUESTION, {}, "more than 3 sources"),
        (f"{FEE_SAID}.", "How long is the motor guaranteed?", {"small": True}, "leaves out"),
        ("The steel motor is guaranteed for 10 cheerful years.", "How long is the motor guaranteed?", {"small": True}, "words of its own"),
    ],
)  # fmt: skip
def test_what_is_withheld_has_its_reason(text: str, question: str, kind: dict[str, bool], reason: str) -> None:
    target = draft(question, **kind)
    written(target, text)
    assert len(target.withheld) == 1
    assert reason in target.withheld[0]


def test_a_heading_alone_is_no_answer() -> None:
    covered = Passage(1, "c1", "d.md", "Guarantee terms", "v1", "Guarantee terms. It runs.", heading_path=("Periods",))
    target = draft("Is the tub covered?", [covered])
    written(target, "Guarantee terms [1].")
    assert "only names a heading" in target.withheld[0]


def test_product_codes_do_not_make_up_for_words_that_nobody_said() -> None:
    manual = Passage(
        1, "c1", "manual.pdf", "Manual", "v1", "This manual is about two dishwashers: the FD-200 and the FD-250.",
        heading_path=("Safety",),
    )  # fmt: skip
    target = draft("How many FD-200 are affected by the safety notice?", [manual])
    written(target, "The safety notice is about the safety of the FD-200 and FD-250 [1].")
    assert target.sentences == []


def test_products_put_beside_a_heading_state_nothing() -> None:
    exchange = Passage(
        1, "c1", "notice.txt", "Safety notice", "v1", "You may exchange it for a new FD-200, or for an FD-250."
    )
    target = draft("How many FD-200 are affected by the safety notice?", [exchange])
    written(target, "The safety notice is about the safety of the FD-200 and FD-250 [1].")
    assert target.sentences == []
    assert "only names a heading" in target.withheld[0]


@pytest.mark.parametrize(("weight", "kept"), [(0.9, 1), (0.1, 0)])
def test_a_true_sentence_from_a_passage_with_little_to_say_answers_something_else(weight: float, kept: int) -> None:
    target = draft(weights={1: 0.9, 2: weight})
    written(target, f"{FEE_SAID} [2].")
    assert len(target.sentences) == kept
    assert [("answers something else" in reason) for reason in target.withheld] == [True] * (1 - kept)


def test_a_small_model_is_not_heard_after_it_has_strayed() -> None:
    target = draft("How long is the motor of the WM-900 guaranteed?", small=True)
    written(target, f"{MOTOR_SAID}. It also sings cheerful songs all night. The steel tub cannot rust.")
    assert target.full
    assert target.sentences == [f"{MOTOR_SAID} [1]."]


def test_a_small_model_says_two_sentences_at_most_another_one_six() -> None:
    many = [
        f"Part {word} of the motor is guaranteed"
        for word in ("alpha", "beta", "gamma", "delta", "kappa", "sigma", "omega")
    ]
    long = passage(1, ". ".join(many) + ".")
    for small, most in ((True, 2), (False, 6)):
        target = draft("Which part of the motor is guaranteed?", [long], small=small)
        written(target, ". ".join(many) + ".")
        assert len(target.sentences) == most
        assert target.full


@pytest.mark.parametrize(("bare", "kept"), [(True, ["£65 [1]"]), (False, [])])
def test_a_bare_answer_is_taken_in_the_short_style_only(bare: bool, kept: list[str]) -> None:
    target = draft("What is it?", [FEE], bare=bare)
    written(target, "£65")
    assert target.sentences == kept


def test_a_quote_keeps_its_text_and_gets_a_mark() -> None:
    target = draft()
    target.say("The closest passage says:")
    target.quote(windows(FEE)[0])
    target.quote(windows(CHINESE)[0])
    assert target.text == "The closest passage says: A visit to your home costs £65 [1]. 直驱电机保修 10 年 [2]。"


def test_a_citation_names_the_page_of_the_chunk_that_was_quoted() -> None:
    parts = (Part("The motor is guaranteed for 10 years.", (3,)), Part("The tub cannot rust.", (4,)))
    both = replace(MOTOR, text="\n\n".join(part.text for part in parts), pages=(3,), parts=parts)
    target = draft(passages=[both])
    written(target, "The tub cannot rust [1].")
    (source,) = target.citations
    assert (source.page, source.text) == (4, both.text)
    quoting = draft(passages=[both])
    quoting.quote(windows(both)[0])
    assert quoting.citations[0].page == 3
