"""Examples: where the gold passage stands, what is refused, what is cited."""

from __future__ import annotations

import re

from finetune.examples import Group, Sample, build
from finetune.recipe import Examples
from serving.passages import Passage
from serving.prompts import NOT_FOUND


def passage(name: str, text: str) -> Passage:
    return Passage(1, name, f"{name}.txt", name.title(), "v", text)


PASSAGES = {
    name: passage(name, text)
    for name, text in {
        "price": "The fridge costs 429 pounds.",
        "warranty": "The warranty of the fridge is five years.",
        "delivery": "Delivery takes three days.",
        "noise": "The fridge makes a noise of 38 dB.",
        "colour": "The fridge comes in white.",
    }.items()
}
FOUND = ("price", "warranty", "noise", "colour", "delivery")


def sample(question: str, gold: str, short: str, sentence: str, *, found: tuple[str, ...] = FOUND) -> Sample:
    return Sample(question, (gold,) if gold else (), short, sentence, found, gold)


SAMPLES = [
    sample("What does the fridge cost?", "price", "429 pounds", "The fridge costs 429 pounds."),
    sample("How long is the warranty?", "warranty", "five years", "The warranty of the fridge is five years."),
    sample("How loud is it?", "noise", "38 dB", "The fridge makes a noise of 38 dB."),
    sample("How long does delivery take?", "delivery", "three days", "Delivery takes three days."),
]


def groups(**said: object) -> list[Group]:
    settings = Examples.model_validate({"domain": 1.0, **said})
    return list(build(SAMPLES, PASSAGES, settings, lambda text: len(text.split()), 7))


def test_the_gold_passage_is_at_any_place_and_the_mark_is_its_number() -> None:
    places = set()
    for seed in range(20):
        made = build(SAMPLES, PASSAGES, Examples(short=0, absent=0), lambda text: len(text.split()), seed)
        for group in made:
            for example in group.examples:
                (mark,) = re.findall(r"\[(\d)\]", example.target)
                said = example.target.replace(f" [{mark}]", "")
                block = next(b for b in example.prompt[1].content.split("\n\n") if b.startswith(f"[{mark}]"))
                assert said in block
                assert example.target.endswith(f"[{mark}].")
                places.add(int(mark))
    assert places == {1, 2, 3, 4}


def test_short_answers_are_bare() -> None:
    targets = {e.target for group in groups(short=1, absent=0) for e in group.examples}
    assert targets == {"429 pounds", "five years", "38 dB", "three days"}


def test_what_the_passages_do_not_hold_is_refused() -> None:
    refused = [e for group in groups(absent=0.5, passages=[1, 1]) for e in group.examples if not e.answerable]
    assert refused
    for example in refused:
        asked = example.prompt[1].content.rsplit("Question: ", 1)[1]
        answer = next(s.short for s in SAMPLES if s.question == asked)
        assert example.target == NOT_FOUND
        assert answer not in example.prompt[1].content


def test_a_question_whose_answer_happens_to_stand_there_is_not_refused() -> None:
    also = {**PASSAGES, "offer": passage("offer", "Until May the fridge costs 429 pounds.")}
    asked = sample("Is there an offer?", "offer", "Until May", "Until May.", found=("offer", "price", "warranty"))
    settings = Examples(absent=0.8, passages=(1, 1), domain=1.0)
    price = sample("What does it cost?", "price", "429 pounds", "x", found=("offer",))
    for seed in range(10):
        for group in build([asked, price], also, settings, lambda text: len(text.split()), seed):
            for example in group.examples:
                held = "[1] Offer" in example.prompt[1].content and "What does it cost?" in example.prompt[1].content
                assert not (held and example.target == NOT_FOUND)


def test_pairs_that_cannot_be_answered_are_refused_where_retrieval_brings_their_passages() -> None:
    odd = Sample("Does it make ice?", (), "", "", ("price", "noise"), "odd")
    made = build([*SAMPLES, odd], PASSAGES, Examples(absent=0.9, domain=1.0), lambda text: len(text.split()), 3)
    targets = {e.target for g in made for e in g.examples if "make ice" in e.prompt[1].content}
    assert targets == {NOT_FOUND}


def test_the_share_of_refusals_is_about_what_is_asked_for() -> None:
    many = [
        sample(f"What does the fridge cost in {n}?", "price", "429 pounds", "The fridge costs 429 pounds.")
        for n in range(60)
    ] + [sample(f"How loud is number {n}?", "noise", "38 dB", "38 dB.") for n in range(60)]
    settings = Examples(absent=0.2, passages=(1, 1), domain=1.0, most_shared=10)
    made = [e for g in build(many, PASSAGES, settings, lambda text: len(text.split()), 7) for e in g.examples]
    share = sum(not e.answerable for e in made) / len(made)
    assert 0.15 <= share <= 0.25


def test_a_group_asks_of_every_passage_that_it_shows_and_of_each_sample_once() -> None:
    made = groups(absent=0, passages=[5, 5], short=1)
    assert [len(group.examples) for group in made] == [4]
    assert {example.target for example in made[0].examples} == {"429 pounds", "five years", "38 dB", "three days"}
    few = groups(absent=0, passages=[5, 5], most_shared=3)
    assert [len(group.examples) for group in few] == [3, 1]


def test_what_has_an_answer_in_one_style_only_is_asked_in_that() -> None:
    long = [Sample(f"Why {n}?", ("price",), "", f"Because of {n}.", ("noise",), "g") for n in range(5)]
    bare = [Sample(f"Who {n}?", ("noise",), f"Number {n}", "", ("price",), "g") for n in range(5)]
    for seed in range(5):
        made = build([*long, *bare], PASSAGES, Examples(absent=0.3, domain=1.0), lambda text: len(text.split()), seed)
        examples = [example for group in made for example in group.examples]
        answered = [example for example in examples if example.answerable]
        assert len(answered) == 10
        assert all((example.style == "short") == example.target.startswith("Number") for example in answered)
        # No group of refusals alone: it would teach that nothing is ever answered.
        assert len(examples) - len(answered) <= 6


def test_a_sample_that_says_nothing_is_never_taught() -> None:
    silent = Sample("What now?", ("price",), "", "", ("noise",), "g")
    assert list(build([silent], PASSAGES, Examples(domain=1.0), lambda text: len(text.split()), 1)) == []


def test_passages_that_do_not_fit_are_left_out_and_the_gold_one_never_is() -> None:
    for group in groups(budget=100, passages=[4, 4], absent=0):
        prompt = group.examples[0].prompt
        assert sum(len(message.content.split()) for message in prompt) <= 100
        gold = next(s for s in SAMPLES if s.question in prompt[1].content)
        assert PASSAGES[gold.gold[0]].text in prompt[1].content


def test_the_same_seed_makes_the_same_examples_and_another_epoch_others() -> None:
    settings = Examples(domain=1.0)

    def made(seed: int, epoch: int) -> list[object]:
        return [g.examples for g in build(SAMPLES, PASSAGES, settings, len, seed, epoch=epoch)]

    assert made(7, 0) == made(7, 0)
    assert made(7, 0) != made(7, 1)
