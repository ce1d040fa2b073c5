"""The filters as one: order, failing closed, what is remembered, round trip, proof, votes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from ingest.pairs.filters import PairFilters, without_column_units
from ingest.pairs.records import Draft, FoundChunk, PairKind, SourceChunk, Style, Turn
from tests.unit.ingest.pairs.passages import WordFinder, fact, passage


class Broken:
    """Every collaborator at once, broken in the same way."""

    def __init__(self, answer: object) -> None:
        self._answer = answer

    def _say(self) -> object:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    def find(self, question: str, limit: int = 5) -> Sequence[FoundChunk]:
        return self._say()  # type: ignore[return-value]  # that is what is broken

    def problem(self, answer: str, question: str, source: SourceChunk) -> str:
        return self._say()  # type: ignore[return-value]

    def vote(self, question: str, text: str, language: str) -> float | None:
        return self._say()  # type: ignore[return-value]


class Says:
    """A check of sentences, or a vote, that always says the same."""

    def __init__(self, problem: str = "", score: float | None = 0.9) -> None:
        self._problem, self._score = problem, score

    def problem(self, answer: str, question: str, source: SourceChunk) -> str:
        return self._problem

    def vote(self, question: str, text: str, language: str) -> float | None:
        return self._score


def finder(*others: SourceChunk) -> WordFinder:
    return WordFinder([*fact().sources, *others])


def test_a_good_pair_is_kept_with_a_note_of_each_filter() -> None:
    judged = PairFilters(finder(), Says(), Says()).judge(fact())
    assert judged.kept
    names = [
        "shape",
        "length",
        "language",
        "digits",
        "span",
        "negation",
        "self_contained",
        "instructions",
        "personal_data",
    ]
    assert list(judged.notes) == [
        *names,
        "best_span",
        "duplicate",
        "supported",
        "round_trip",
        "no_answer",
        "entailment",
    ]
    assert judged.notes["round_trip"].startswith("rank 1; 0.83 of its words")


def test_the_first_filter_that_says_no_ends_it_and_is_counted() -> None:
    asked = finder()
    filters = PairFilters(asked, Says(), Says())
    judged = filters.judge(fact(evidence="It costs nothing.", answer="It costs nothing.", short=""))
    assert (judged.dropped_by, list(judged.notes)[-1]) == ("span", "span")
    assert filters.counts == {"span": 1}
    assert asked.asked == []


@pytest.mark.parametrize("broken", [RuntimeError("the model is away"), None, object()])
def test_what_cannot_be_decided_is_dropped(broken: object) -> None:
    ruined = Broken(broken)
    paraphrased = fact(answer="The delivery of a large appliance costs just £29.00 on the mainland.")
    assert PairFilters(ruined).judge(fact()).dropped_by == "round_trip"
    assert PairFilters(finder(), ruined).judge(paraphrased).dropped_by == "supported"
    if broken is not None:
        judged = PairFilters(finder(), None, ruined).judge(fact())
        assert judged.dropped_by == "entailment"
        assert "could not decide" in judged.reason


@pytest.mark.parametrize("vote", [float("nan"), 1.5, -0.1])
def test_a_vote_that_is_no_probability_drops(vote: float) -> None:
    assert PairFilters(finder(), None, Says(score=vote)).judge(fact()).dropped_by == "entailment"


def test_an_error_in_a_plain_check_drops(monkeypatch: pytest.MonkeyPatch) -> None:
    filters = PairFilters(finder())
    monkeypatch.setattr("ingest.pairs.checks.find_personal", lambda text: 1 / 0)
    judged = filters.judge(fact())
    assert judged.dropped_by == "personal_data"
    assert "ZeroDivisionError" in judged.reason


def test_an_answer_that_its_passage_does_not_support_is_dropped() -> None:
    paraphrased = fact(answer="The delivery of a large appliance costs just £29.00 on the mainland.")
    assert PairFilters(finder(), Says("no passage says so")).judge(paraphrased).dropped_by == "supported"
    # Verbatim it needs no check.
    assert PairFilters(finder(), Says("no passage says so")).judge(fact()).kept


def test_units_of_a_column_are_not_looked_for_beside_the_figure() -> None:
    source = passage("| Model | Price (£) | 用电（度） |\n|---|---|---|\n| FD-250 | 579.00 | 0.62 |", "Appliances")
    row = "| FD-250 | 579.00 | 0.62 |"
    pair = fact(answer="The price of FD-250 is £579.00.", evidence=row, short="579.00", sources=(source,))
    assert without_column_units(pair) == "The price of FD-250 is 579.00."
    assert without_column_units(replace(pair, answer="用电是 0.62 度。", short="0.62")) == "用电是 0.62。"


def test_the_wrong_sentence_or_column_of_the_right_passage_is_dropped() -> None:
    other = "It takes 3 days."
    wrong = fact(answer=other, evidence=other, short="3 days")
    assert PairFilters(finder()).judge(wrong).dropped_by == "best_span"
    row = "| FD-250 | black | 579.00 |"
    source = passage(f"| Model | Colour | Price |\n|---|---|---|\n{row}", "Appliances")
    pair = fact(
        question="What is the colour of FD-250?",
        answer="The colour of FD-250 is black.",
        evidence=row,
        short="black",
        sources=(source,),
    )
    assert PairFilters(WordFinder([source])).judge(pair).kept
    assert (
        PairFilters(WordFinder([source])).judge(replace(pair, question="What is the price of FD-250?")).dropped_by
        == "best_span"
    )


def test_the_sentence_about_another_product_is_dropped() -> None:
    text = "The motor of the WM-900 is guaranteed for 10 years. The motor of the WM-700 is guaranteed for 5 years."
    wrong = "The motor of the WM-700 is guaranteed for 5 years."
    source = passage(text, "Single parts")
    asked = "For how long is the motor of the WM-900 guaranteed?"
    pair = fact(question=asked, answer=wrong, evidence=wrong, short="5 years", sources=(source,))
    assert PairFilters(WordFinder([source])).judge(pair).dropped_by == "best_span"
    # A heading that asks is answered by what stands below it, whatever products that names.
    faq = passage("Yes, on the WM-700 and the WM-900.", "Can I put the TD-800 on top of my washing machine?")
    whole = fact(question=faq.heading_path[0], answer=faq.text, evidence=faq.text, short="", sources=(faq,))
    assert PairFilters(WordFinder([faq])).judge(whole).kept


def test_round_trip_drops_what_retrieval_does_not_find() -> None:
    crowd = [
        passage(f"How much does the delivery of a large appliance cost on the mainland, part {n}?", str(n))
        for n in range(6)
    ]
    judged = PairFilters(WordFinder(crowd)).judge(fact())
    assert judged.dropped_by == "round_trip"
    assert "not among the first 5" in judged.reason


def test_a_copy_of_the_text_elsewhere_counts_as_found() -> None:
    copied = replace(fact().sources[0], id="elsewhere", text_hash="another hash")
    assert PairFilters(WordFinder([copied])).judge(fact()).kept


def test_a_follow_up_is_searched_for_with_the_question_before_it() -> None:
    asked = finder()
    history = (
        Turn("user", "How much does the delivery of a large appliance cost?"),
        Turn("assistant", "It costs £29.00."),
    )
    assert PairFilters(asked).judge(fact(question="And on the mainland?", style=Style.FOLLOW_UP, history=history)).kept
    assert asked.asked[-1] == "How much does the delivery of a large appliance cost? And on the mainland?"


def test_the_vote_drops_alone_only_where_it_is_sure() -> None:
    first = finder()
    assert PairFilters(first, None, Says(score=0.05)).judge(fact()).kept
    assert PairFilters(first, None, Says(score=0.001)).judge(fact()).dropped_by == "entailment"
    better = passage("How much does the delivery of a large appliance cost on the mainland?", "Asked")
    second = WordFinder([better, *fact().sources])
    assert PairFilters(second, None, Says(score=0.05)).judge(fact()).dropped_by == "entailment"
    assert PairFilters(second, None, Says(score=0.3)).judge(fact()).kept
    assert PairFilters(second, None, Says(score=None)).judge(fact()).notes["entailment"] == "abstained"


def test_near_duplicates() -> None:
    filters = PairFilters(finder())
    assert filters.judge(fact()).kept
    again = fact(question="how much does delivery of a large appliance cost on the mainland")
    assert filters.judge(again).dropped_by == "duplicate"
    plural = fact(question="How much does the delivery of large appliances cost on the mainland?")
    assert filters.judge(plural).dropped_by == "duplicate"
    slipped = fact(question="How much does the delivrey of a large appliance cost on the mainland?", style=Style.SLIP)
    assert filters.judge(slipped).kept
    assert filters.judge(fact(question="How much does the delivery of a small appliance cost on the mainland?")).kept


def test_numbers_and_codes_make_other_questions() -> None:
    row = "| FD-{n}00 | £{n}9 |"
    source = passage("| Model | Price |\n|---|---|\n" + "\n".join(row.format(n=n) for n in (1, 2)), "Appliances")
    pairs = [
        Draft(f"What is the price of FD-{n}00?", f"The price of FD-{n}00 is £{n}9.", (source,), "rule:table", "en", row.format(n=n), f"£{n}9")
        for n in (1, 2)
    ]  # fmt: skip
    filters = PairFilters(WordFinder([source]))
    assert [filters.judge(pair).kept for pair in pairs] == [True, True]


def test_what_was_kept_in_an_earlier_run_is_a_duplicate() -> None:
    filters = PairFilters(finder())
    filters.remember("How much does the delivery of a large appliance cost on the mainland?")
    assert filters.judge(fact()).dropped_by == "duplicate"


def test_a_dropped_question_is_not_remembered() -> None:
    filters = PairFilters(finder(), Says("no passage says so"))
    assert not filters.judge(fact(answer="The delivery of a large appliance costs just £29.00 on the mainland.")).kept
    assert filters.judge(fact()).kept


def unanswerable(question: str, style: Style, *sources: SourceChunk, absent: tuple[str, ...] = ()) -> Draft:
    return Draft(question, "", sources, "rule:table", "en", kind=PairKind.UNANSWERABLE, style=style, absent=absent)


def test_proof_that_nothing_answers() -> None:
    price = passage("| Model | Price |\n|---|---|\n| FD-250 | £579.00 |", "Appliances")
    noise = passage("The FD-180 is quiet.", "Noise")
    filters = PairFilters(WordFinder([price, noise]))
    assert filters.judge(unanswerable("What is the price of FD-180?", Style.SWAPPED, noise)).kept
    assert filters.judge(unanswerable("What is the price of FD-250?", Style.SWAPPED, noise)).dropped_by == "no_answer"
    assert filters.judge(unanswerable("How do bees make honey?", Style.OUT_OF_SCOPE)).kept
    withheld = unanswerable("What does the FD-250 cost in black?", Style.WITHHELD, noise, absent=("£579.00",))
    assert filters.judge(withheld).kept
    assert (
        filters.judge(replace(withheld, question="What is the FD-250 sold for?", sources=(price,))).dropped_by
        == "no_answer"
    )
    assert (
        filters.judge(replace(withheld, question="What must I pay for the FD-250?", absent=())).dropped_by
        == "no_answer"
    )


def test_without_retrieval_nothing_unanswerable_passes() -> None:
    assert (
        PairFilters(None).judge(unanswerable("How do bees make honey?", Style.OUT_OF_SCOPE)).dropped_by == "no_answer"
    )


def test_a_source_that_the_vote_calls_an_answer_drops_an_unanswerable_question() -> None:
    noise = passage("The FD-180 is quiet.", "Noise")
    filters = PairFilters(WordFinder([noise]), None, Says(score=0.97))
    assert filters.judge(unanswerable("What is the price of FD-180?", Style.SWAPPED, noise)).dropped_by == "entailment"
