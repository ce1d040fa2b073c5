"""A model's questions: answers stay verbatim, candidates are chosen, what is no question is not taken."""

from __future__ import annotations

from collections.abc import Sequence

from ingest.pairs.model import ModelWriter, QuestionTask, spans_of
from ingest.pairs.records import Style
from ingest.pairs.topics import Corpus
from tests.unit.ingest.pairs.passages import WordFinder, passage

CHUNK = passage(
    "The Circle is the free programme of the company. Points expire after 24 months without a purchase. "
    "It is open to all. Members in Leeds collect 1 point per pound.",
    "Circle points",
    title="Brindlemoor Circle",
)
OTHER = passage("The Square programme costs £12 a year.", "Square", title="Brindlemoor Square")


class Writes:
    """A model that writes what it is told to."""

    name = "told"

    def __init__(self, *lines: str) -> None:
        self._lines = lines
        self.tasks: list[QuestionTask] = []

    def ask(self, task: QuestionTask) -> Sequence[str]:
        self.tasks.append(task)
        return self._lines


def writer(model: Writes, **options: object) -> ModelWriter:
    return ModelWriter(model, Corpus.of([CHUNK, OTHER]), **options)  # type: ignore[arg-type]  # named as its options are


def test_answers_are_sentences_that_stand_by_themselves_with_figures_first() -> None:
    spans = spans_of(CHUNK)
    assert spans[0] == "Members in Leeds collect 1 point per pound."
    assert "It is open to all." not in spans
    assert all(span in CHUNK.text for span in spans)


def test_one_question_a_sentence_with_the_sentence_as_its_answer() -> None:
    model = Writes("When do the points of the Brindlemoor Circle expire?")
    drafts = list(writer(model, most=2).write(CHUNK))
    assert len(drafts) == len(model.tasks) == 2
    assert all(draft.answer == draft.evidence == task.span for draft, task in zip(drafts, model.tasks, strict=True))
    assert drafts[0].writer == "model:told"


def test_candidates_that_are_no_questions_or_lean_are_not_taken() -> None:
    for line in (
        "Points expire after 24 months.",
        "What does the passage say?",
        "积分什么时候过期？",
        "Question: when?",
    ):
        assert list(writer(Writes(line), most=1).write(CHUNK)) == []
    span = spans_of(CHUNK)[0]
    assert list(writer(Writes(f"Is it true: {span}?"), most=1).write(CHUNK)) == []


def test_the_candidate_that_retrieval_finds_is_kept() -> None:
    crowd = WordFinder([CHUNK, *(passage(f"Weather in winter, number {n}.", str(n)) for n in range(6))])
    model = Writes("What is the weather in winter like?", "When do points of the Brindlemoor Circle expire?")
    (draft,) = writer(model, finder=crowd, most=1).write(CHUNK)
    assert draft.question == "When do points of the Brindlemoor Circle expire?"


def test_examples_and_styles_reach_the_model() -> None:
    model = Writes("circle points expiry")
    examples = (("We open at nine.", "When do you open?"),)
    drafts = list(writer(model, examples=examples, styles=(Style.KEYWORD,), most=1).write(CHUNK))
    assert model.tasks[0].examples == examples
    assert [draft.style for draft in drafts] == [Style.KEYWORD]


def test_a_dialogue_carries_its_turns() -> None:
    first, *later = writer(Writes("What should members of the Circle know about points?")).dialogue(CHUNK)
    assert first.style is Style.PLAIN
    assert later
    assert all(draft.style is Style.FOLLOW_UP for draft in later)
    assert [turn.text for turn in later[0].history] == [first.question, first.answer]
    assert len(later[-1].history) == 2 * len(later)


def test_self_instruct_answers_with_the_sentence_that_has_the_questions_words() -> None:
    model = Writes("Where do members collect points per pound?")
    (draft,) = writer(model).self_instruct(CHUNK)
    assert draft.answer == "Members in Leeds collect 1 point per pound."
    assert model.tasks[0].span == ""


def test_a_comparison_has_both_sources() -> None:
    draft = writer(Writes("How do the Circle and the Square programme differ in price?")).compare(CHUNK, OTHER)
    assert draft is not None
    assert draft.sources == (CHUNK, OTHER)
    assert "£12" in draft.answer
