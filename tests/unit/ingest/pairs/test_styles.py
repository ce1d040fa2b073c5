"""Questions in other styles, comparisons, near-duplicates' words."""

from __future__ import annotations

from dataclasses import replace

from ingest.pairs.compare import comparisons
from ingest.pairs.likeness import KnownQuestions, overlap
from ingest.pairs.records import Draft, Style
from ingest.pairs.rules import RuleWriter
from ingest.pairs.runs import writer_mark
from ingest.pairs.styles import StyledWriter, colloquial, follow_ups, keyword, slip
from ingest.pairs.topics import Corpus
from ingest.pairs.words import known_word
from tests.unit.ingest.pairs.passages import fact, passage

PRICES = passage(
    "| Model | Colour | Weight | Price |\n|---|---|---|---|\n"
    + "\n".join(
        f"| FD-{n}00 | {c} | {n}0 kg | £{n}99 |" for n, c in ((1, "white"), (2, "black"), (3, "grey"), (4, "red"))
    ),
    "Appliances",
)


def cell(question: str, language: str = "en") -> Draft:
    return fact(question=question, writer="rule:table", language=language)


def test_keywords_keep_what_is_asked_for_and_the_code() -> None:
    found = keyword(cell("What is the price of FD-200?"))
    assert found is not None
    assert (found.question, found.style) == ("price FD-200", Style.KEYWORD)
    chinese = keyword(cell("WM-900 的最高转速是多少？", "zh"))
    assert chinese is not None
    assert chinese.question == "WM-900 最高转速"
    company = keyword(cell("Q&A Processor: What is the type of input?"))
    assert company is not None
    assert company.question == "Q&A Processor type input"


def test_no_keywords_of_steps_and_long_questions() -> None:
    assert keyword(fact(question="How do I fill in salt?", writer="rule:steps")) is None
    assert keyword(cell("Is it?")) is None
    assert keyword(cell("上传多少个图片附件？", "zh")) is None


def test_colloquial_keeps_the_whole_question() -> None:
    for question in ("What is the price of FD-200?", "WM-900 的噪音是多少？", "IH-604: what can I do?"):
        found = colloquial(cell(question))
        assert found is not None
        assert question[1:] in found.question
        assert len(found.question) > len(question)


def test_a_slip_is_one_and_makes_no_other_word() -> None:
    question = "How long does the delivery of the dishwasher FD-200 take?"
    found = slip(fact(question=question))
    assert found is not None
    changed = [(a, b) for a, b in zip(question.split(), found.question.split(), strict=True) if a != b]
    assert len(changed) == 1
    assert not known_word(changed[0][1])
    assert "FD-200" in found.question
    assert slip(fact(question="FD-200 WM-900?")) is None
    chinese = slip(cell("冰箱的净重是多少？", "zh"))
    assert chinese is not None
    assert chinese.question == "冰箱得净重是多少？"


def test_follow_ups_leave_out_the_thing_and_carry_the_turns() -> None:
    found = list(follow_ups(PRICES, Corpus.of([PRICES])))
    assert len(found) == 4
    for draft in found:
        assert draft.question.startswith("And what is the ")
        assert "FD-" not in draft.question
        assert [turn.role for turn in draft.history] == ["user", "assistant"]
        # The thing that was left out is the one spoken of before.
        thing = draft.history[0].text.split()[-1].rstrip("?")
        assert thing in draft.answer


def test_a_styled_writer_changes_some_questions_and_no_answer() -> None:
    corpus = Corpus.of([PRICES])
    chunks = [replace(PRICES, id=str(n), text_hash=f"{n:08}") for n in range(40)]
    plain, styled = RuleWriter(corpus), StyledWriter(RuleWriter(corpus), corpus)
    counts = dict.fromkeys(Style, 0)
    for chunk in chunks:
        before, after = list(plain.write(chunk)), list(styled.write(chunk))
        assert len(after) <= 5
        assert [d.answer for d in before] == [d.answer for d in after[: len(before)]]
        assert after == list(styled.write(chunk))
        for draft in after:
            counts[draft.style] += 1
    assert min(counts[s] for s in (Style.PLAIN, Style.KEYWORD, Style.COLLOQUIAL, Style.SLIP, Style.FOLLOW_UP)) > 0
    assert counts[Style.PLAIN] > counts[Style.KEYWORD] + counts[Style.COLLOQUIAL] + counts[Style.SLIP]


def test_comparisons_take_two_passages_of_one_kind_of_product() -> None:
    header = "| Model | Load | Order number |\n|---|---|---|\n"
    first = passage(f"{header}| WM-700 | 7 kg | 200700-W |", "Washing machines", ordinal=0)
    second = passage(f"{header}| WM-900 | 9 kg | 200900-W |", "More washing machines", ordinal=1)
    lamp = passage(f"{header}| LED-40 | 40 W | 300040-W |", "Lamps", ordinal=2)
    chunks = [first, second, lamp]
    (draft,) = comparisons(chunks, Corpus.of(chunks))
    assert "differ in load" in draft.question
    assert set(draft.sources) == {first, second}
    assert draft.evidence in draft.sources[0].text
    assert all(text in draft.answer for text in ("7 kg", "9 kg"))
    same = [passage(f"{header}| WM-{n} | 7 kg | {n} |", str(n)) for n in (100, 200)]
    assert list(comparisons(same, Corpus.of(same))) == []


def test_overlap_counts_the_questions_words() -> None:
    assert overlap("What is the price of FD-200?", "The price of the FD-200 is £429.") == 1
    assert overlap("What is the price of FD-200?", "Cheques are accepted.") == 0
    assert overlap("What is it?", "anything") == 0


def test_near_duplicates_differ_in_no_number_and_in_one_word_that_is_spelt_alike() -> None:
    known = KnownQuestions()
    known.add("What is the price of the FD-200?")
    known.add("How do I get from Leeds to York?")
    known.add("碳刷保修几年？")
    assert known.like("what is the price of FD-200")
    assert known.like("What are the prices of the FD-200?")
    assert not known.like("What is the price of the FD-250?")
    assert not known.like("What is the weight of the FD-200?")
    assert not known.like("How do I get from York to Leeds?")
    assert known.like("请问碳刷保修几年")
    assert not known.like("碳盒保修几年？")
    assert not known.like("What is the price of the FD-200?", "another group")


def test_a_styled_writer_is_known_by_both_versions() -> None:
    assert writer_mark(StyledWriter(RuleWriter(), Corpus())) == "rules@1.1"
