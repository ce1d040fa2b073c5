"""What an embedder is tuned on: negatives that do not answer, batches without a second answer, sections held out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from finetune.retriever_data import (
    Asked,
    Text,
    batches,
    digest,
    held_out_groups,
    may_answer,
    sentences_as_questions,
    with_negatives,
)

GUARANTEE = "The motor of the washing machine WM-900 is guaranteed for ten years from the day of delivery"


def text(identity: str, said: str, language: str = "en") -> Text:
    return Text(identity, said, f"Manual\n{said}", language)


PASSAGES = {
    each.id: each
    for each in (
        text("gold", f"{GUARANTEE}."),
        text("copy", f"{GUARANTEE}!!"),
        text("other", "The drum of the dryer is guaranteed for ten years after it was bought in a shop of ours."),
        text("near", "The motor of the fan is cleaned with a soft cloth once a month, never with water."),
        text("far", "Delivery within the city costs nothing and takes a day or two at the most."),
        text("zh", "洗衣机的电机自送货之日起保修十年。", "zh"),
    )
}
ASKED = Asked("How long is the motor guaranteed?", ("gold",), "ten years", "en", "manual")


@pytest.mark.parametrize(
    ("identity", "may"), [("gold", True), ("copy", True), ("other", True), ("near", False), ("far", False)]
)
def test_gold_near_copies_and_what_holds_the_answer_may_answer(identity: str, may: bool) -> None:
    assert may_answer(ASKED, PASSAGES[identity], PASSAGES) is may


def test_negatives_are_the_nearest_that_do_not_answer_in_the_language_of_the_answer() -> None:
    found = ["gold", "copy", "zh", "other", "near", "near", "far"]
    assert with_negatives(ASKED, found, PASSAGES, 5).negatives == ("near", "far")
    assert with_negatives(ASKED, found, PASSAGES, 1).negatives == ("near",)
    assert with_negatives(ASKED, found, PASSAGES, 0).negatives == ()


def test_an_answer_without_words_of_its_own_is_kept_apart_by_copies_only() -> None:
    steps = replace(ASKED, short="")
    assert with_negatives(steps, ["copy", "other"], PASSAGES, 5).negatives == ("other",)


def many(count: int) -> tuple[list[Asked], dict[str, Text]]:
    words = ["apple", "brick", "cloud", "drill", "eagle", "flute", "grape", "honey", "igloo", "jelly"]
    passages = {f"p{n}": text(f"p{n}", " ".join(words[(n + k) % 10] + str(n) for k in range(6))) for n in range(count)}
    return [Asked(f"question {n}?", (f"p{n}",), "", "en", f"s{n}") for n in range(count)], passages


def test_each_question_once_an_epoch_in_another_order_in_the_next() -> None:
    asked, passages = many(10)
    one = [[row.asked.question for row in batch] for batch in batches(asked, passages, 4, 0, seed=1)]
    assert sorted(q for batch in one for q in batch) == sorted(each.question for each in asked)
    assert [len(batch) for batch in one] == [4, 4, 2]
    again = [[row.asked.question for row in batch] for batch in batches(asked, passages, 4, 0, seed=1)]
    later = [[row.asked.question for row in batch] for batch in batches(asked, passages, 4, 0, seed=1, epoch=1)]
    assert one == again != later


def test_no_passage_of_a_batch_answers_two_of_its_questions() -> None:
    asked, passages = many(8)
    # Two questions about one passage, one whose answer stands in another's, and a negative that is another's gold.
    asked += [replace(asked[0], question="the same passage?"), replace(asked[1], question="held?", short="apple3")]
    passages["p3"] = text("p3", "apple3 stands here and nothing else of this kind")
    asked[5] = replace(asked[5], negatives=("p6",))
    for epoch in range(20):
        for batch in batches(asked, passages, 10, 1, seed=2, epoch=epoch):
            for row in batch:
                others = [one for other in batch if other is not row for one in other.passages]
                assert not any(may_answer(row.asked, passages[one], passages) for one in (*others, *row.passages[1:]))


def test_negatives_are_drawn_and_filled_up() -> None:
    asked, passages = many(12)
    asked[0] = replace(asked[0], negatives=("p3", "p4", "p5"))
    drawn = {
        row.passages[1:]
        for epoch in range(12)
        for batch in batches(asked, passages, 2, 2, seed=3, epoch=epoch)
        for row in batch
        if row.asked is asked[0]
    }
    assert {each for pair in drawn for each in pair} == {"p3", "p4", "p5"}
    rows = [row for batch in batches(asked, passages, 2, 2, seed=3) for row in batch]
    assert {len(row.passages) for row in rows} == {3}


def test_a_row_has_the_texts_as_they_are_embedded() -> None:
    asked, passages = many(12)
    asked = [replace(each, positive=f"instead of {each.gold[0]}") if each.gold == ("p1",) else each for each in asked]
    rows = {row.passages[0]: row for batch in batches(asked, passages, 2, 1, seed=1) for row in batch}
    assert rows["p0"].texts(passages)[0] == passages["p0"].indexed
    assert rows["p1"].texts(passages)[0] == "instead of p1"
    assert rows["p1"].texts(passages)[1] == passages[rows["p1"].passages[1]].indexed


def test_a_question_alone_teaches_nothing() -> None:
    asked, passages = many(3)
    assert list(batches(asked[:1], passages, 4, 1, seed=1)) == []


def test_whole_sections_of_each_language_are_held_out() -> None:
    asked = [Asked("?", (), "", language, f"{language}{n % 10}") for language in ("en", "zh") for n in range(40)]
    held = held_out_groups(asked, 0.2, 7)
    assert sorted(name[:2] for name in held) == ["en", "en", "zh", "zh"]
    assert held == held_out_groups(list(reversed(asked)), 0.2, 7)
    assert held != held_out_groups(asked, 0.2, 8)
    assert held_out_groups(asked, 0.0, 7) == frozenset()


def test_sentences_are_asked_for_their_passage_without_them() -> None:
    said = "洗衣机的电机保修十年，从送货之日算起。其他零件的保修期是两年。好。"
    passages = [
        text("zh", said, "zh"),
        text("en", f"{GUARANTEE}. It is white and it is quiet."),
        text("one", said[:18], "zh"),
    ]
    (one, other) = sentences_as_questions(passages, {"zh"}, 5, seed=1)
    assert {one.gold, other.gold} == {("zh",)}
    assert {one.question, other.question} == {"洗衣机的电机保修十年，从送货之日算起。", "其他零件的保修期是两年。"}
    for each in (one, other):
        assert each.question not in each.positive
        assert "好。" in each.positive
        assert each.positive.startswith("Manual")
    assert len(sentences_as_questions(passages, {"zh"}, 1, seed=1)) == 1
    assert sentences_as_questions(passages, {"zh"}, 5, seed=1, without={"zh"}) == []


def test_the_digest_follows_what_is_learnt() -> None:
    asked, passages = many(4)
    assert digest(asked, passages) == digest(list(reversed(asked)), passages)
    assert digest(asked, passages) != digest(asked[:3], passages)
    assert digest(asked, passages) != digest(asked, passages | {"p0": text("p0", "another text")})
