"""Pairs turned round: the sentence that answers stands in the prompt, and what people asked of it is the target."""

from __future__ import annotations

from finetune.corpus import corpus_of
from finetune.examples import Sample
from finetune.question_examples import MOST, build_questions
from finetune.recipe import Data, Recipe, Train
from finetune.sharing import Encoded
from serving.passages import Passage
from serving.prompts import Asked, render_questions

TEXT = "The motor is guaranteed for 10 years. The drum is guaranteed\nfor 5 years. We are in Leeds."
PASSAGES = {"c": Passage(1, "c", "w.md", "Warranty", "v", TEXT, heading_path=("Parts",))}
MOTOR, DRUM = "The motor is guaranteed for 10 years.", "The drum is guaranteed for 5 years."


def sample(question: str, sentence: str, gold: tuple[str, ...] = ("c",)) -> Sample:
    return Sample(question, gold, "", sentence, (), "w.md")


SAMPLES = [
    sample("How long is the motor guaranteed?", MOTOR),
    sample("What has\n a guarantee of 10 years?", MOTOR),
    sample("How long is the drum guaranteed?", DRUM),
    sample("Who made it?", "Nobody wrote this sentence."),
    sample("Do you sell bicycles?", "", ()),
]


def test_each_sentence_is_asked_for_once_with_all_that_people_asked_of_it() -> None:
    examples = [e for group in build_questions(SAMPLES, PASSAGES, 16, 7) for e in group.examples]
    # What the passage does not say word for word, white space aside, teaches nothing.
    assert {frozenset(e.target.splitlines()) for e in examples} == {
        frozenset({"How long is the motor guaranteed?", "What has a guarantee of 10 years?"}),
        frozenset({"How long is the drum guaranteed?"}),
    }
    drum = next(e for e in examples if "drum" in e.target)
    # The prompt of `pairs make --model`, letter by letter.
    assert list(drum.prompt) == render_questions(Asked("Warranty > Parts", TEXT, DRUM), count=1)


def test_a_group_begins_alike_and_is_no_longer_than_is_said() -> None:
    samples = [sample(f"Question {n}?", sentence) for n, sentence in enumerate((MOTOR, DRUM, "We are in Leeds."))]
    groups = list(build_questions(samples, PASSAGES, 2, 7))
    assert sorted(len(group.examples) for group in groups) == [1, 2]
    assert len({e.prompt[0] for group in groups for e in group.examples}) == 1
    many = [sample(f"Question {n}?", MOTOR) for n in range(MOST + 3)]
    (group,) = build_questions(many, PASSAGES, 16, 7)
    assert len(group.examples[0].target.splitlines()) == MOST


def test_a_recipe_says_which_of_the_two_is_taught() -> None:
    def encode(prompt: object, target: str) -> Encoded:
        targets.append(target)
        return Encoded((1, 2, 3), (4, 5))

    for teaches, expected in (("questions", "How long is the drum guaranteed?"), ("answers", f"{DRUM[:-1]} [1].")):
        targets: list[str] = []
        recipe = Recipe.model_validate(
            {"name": "r", "teaches": teaches, "data": Data(kb="default"), "train": Train(held_out=0.0)}
        )
        corpus_of(recipe, [SAMPLES[2]], PASSAGES, encode, len)
        assert targets == [expected]
