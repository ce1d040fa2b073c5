"""Further wordings of a question: synonyms of a glossary, slips corrected, and what the verdict makes of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from app.rag.answerable import AnswerabilityJudge, Verdict
from app.rag.question import wordings_of
from app.rag.retrieve import HybridSearch, Retrieved
from app.rag.rewordings import MOST_FURTHER, Rewordings
from app.rag.spelling import Corrected, Vocabulary, corrected
from app.rag.synonyms import Rewording, Thesaurus
from app.rag.vocabulary import Vocabularies
from ingest.bindings import Place
from ingest.catalog import Catalog
from ingest.database import open_database
from ingest.english import is_english
from ingest.errors import IndexUnavailable
from ingest.glossary import Glossary, GlossaryDraft
from ingest.index.base import Hit
from ingest.records import KnowledgeBase
from ingest.schema import PUBLIC
from tests.fakes import MemoryIndex
from tests.unit.app.rigging import KB, Desk, desk


class Patient(Vocabularies):
    """Words that every question waits for, on any machine."""

    def of(self, kb: KnowledgeBase, place: Place, wait_s: float | None = None) -> Vocabulary | None:
        return super().of(kb, place, wait_s=None)


class Sample(Vocabularies):
    """The words of a part of the passages."""

    def of(self, kb: KnowledgeBase, place: Place, wait_s: float | None = None) -> Vocabulary | None:
        return Vocabulary(Counter({"zorbler": 3, "week": 1}), whole=False)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(f"sqlite:///{tmp_path / 'catalog.db'}")
    yield engine
    engine.dispose()


@pytest.fixture
def vocabularies() -> Iterator[Vocabularies]:
    made = Patient()
    yield made
    made.close()


class Rig:
    """A small knowledge base with a glossary; ``kb`` is as the catalog has it now."""

    def __init__(self, engine: Engine, vocabularies: Vocabularies | None = None, **texts: str) -> None:
        self.glossary, self.catalog = Glossary(engine), Catalog(engine)
        self.id = self.catalog.create_knowledge_base("kb").id
        self.desk: Desk = desk({f"{name}.md": text for name, text in texts.items()})
        self.rewordings = Rewordings(self.glossary, self.desk.sparse, vocabularies)

    @property
    def kb(self) -> KnowledgeBase:
        return replace(KB, corpus_version=self.catalog.knowledge_base_by_id(self.id).corpus_version)

    def entry(self, *terms: str, one_way: bool = False) -> None:
        # The index of the rigging belongs to KB; the glossary to a row that can be read.
        self.glossary.add(self.id, GlossaryDraft(terms, one_way))

    def found(self, question: str) -> Retrieved:
        given = self.desk
        rewordings = _For(self.rewordings, self.id)
        search = HybridSearch(given.index, given.catalog, given.embedder, given.sparse, reworder=rewordings)
        return search.search(self.kb, question)

    def judged(self, question: str) -> Verdict:
        found = self.found(question)
        return AnswerabilityJudge(self.desk.embedder).judge(question, found, found.passages(5))

    def wordings(self, question: str) -> list[tuple[str, bool]]:
        return [(w.text, w.judged) for w in self.found(question).wordings if w.instead_of]


class _For:
    """Rewordings by the glossary of another row than the rigging's knowledge base."""

    def __init__(self, rewordings: Rewordings, knowledge_base_id: str) -> None:
        self._rewordings = rewordings
        self._id = knowledge_base_id

    def reworded(self, kb: KnowledgeBase, *rest: Any) -> Any:
        return self._rewordings.reworded(replace(kb, id=self._id), *rest)


# Synonyms


@pytest.mark.parametrize(
    ("drafts", "question", "rewordings"),
    [
        ([("WM-900", "TurboWash")], "How loud is the wm900?", ["How loud is the TurboWash?"]),
        ([("WM-900", "TurboWash")], "How loud is the TurboWash?", ["How loud is the WM-900?"]),
        ([("e-bike", "pedelec", "electric bike")], "Two ebikes?", ["Two pedelec?", "Two electric bike?"]),
        ([("退货", "退换")], "我想退貨", ["我想退换"]),
        ([("hob", "cooktop"), ("fee", "charge")], "Is there a fee for a hob?", ["Is there a charge for a cooktop?"]),
        ([("hob", "cooktop")], "How hot is it?", []),
        ([("a b c d e f", "x")], "", []),
    ],
)
def test_rewordings_of_a_text(drafts: list[tuple[str, ...]], question: str, rewordings: list[str]) -> None:
    found = Thesaurus(GlossaryDraft(terms) for terms in drafts).rewordings(question, lambda _: True)
    assert [each.text for each in found] == rewordings


def test_an_entry_may_hold_one_way() -> None:
    thesaurus = Thesaurus([GlossaryDraft(("AC", "air conditioner"), one_way=True)])
    assert thesaurus.rewordings("Is the AC loud?", lambda _: True) == [Rewording("Is the air conditioner loud?", True)]
    assert thesaurus.rewordings("Is the air conditioner loud?", lambda _: True) == []


def test_a_synonym_that_no_passage_holds_is_not_searched_for() -> None:
    thesaurus = Thesaurus([GlossaryDraft(("hob", "cooktop", "stove", "plate"))])
    held = {"cooktop", "plate"}.__contains__
    assert thesaurus.rewordings("A hob?", held) == [Rewording("A cooktop?", False), Rewording("A plate?", False)]
    assert thesaurus.rewordings("A plate?", held) == [Rewording("A cooktop?", True)]
    assert thesaurus.rewordings("A hob?", {"hob"}.__contains__) == []


def test_a_question_has_few_further_wordings(engine: Engine) -> None:
    names = [f"other{letter}" for letter in "abcdefghi"]
    rig = Rig(engine, price=f"It is {', '.join(names)}.")
    rig.entry("hob", *names)
    question = "I have a hob. Is a hob cheap? Is the hob loud?"
    assert len(wordings_of(question)) > 1
    assert len(rig.wordings(question)) == MOST_FURTHER


TURBO = "The TurboWash costs 499 euros and is delivered within two days."


def test_a_product_is_found_and_answered_by_its_other_name(engine: Engine) -> None:
    rig = Rig(engine, turbo=TURBO, hood="The CH-60 costs 199 euros.")
    question = "How much does the WM-900 cost?"
    before = rig.judged(question)
    assert not before.answerable
    assert "no passage speaks of wm900" in before.reason
    rig.entry("WM-900", "TurboWash")
    after = rig.judged(question)
    assert after.answerable
    assert after.evidence[0].window.text == TURBO
    assert rig.found(question).passages(1)[0].document == "turbo.md"
    assert rig.wordings(question) == [("How much does the TurboWash cost?", True)]


def test_another_product_is_no_answer_for_all_that(engine: Engine) -> None:
    rig = Rig(engine, hood="The CH-60 costs 199 euros.", hob="A hob costs 99 euros.")
    rig.entry("WM-900", "TurboWash")
    assert not rig.judged("How much does the WM-900 cost?").answerable
    # Of the price of the other one alone, a window says nothing of this one.
    assert [e.window.text for e in rig.judged("How much does the TurboWash cost?").evidence] == [
        "A hob costs 99 euros."
    ]


def test_words_of_a_synonym_count_as_words_of_the_question(engine: Engine) -> None:
    rig = Rig(engine, trip="Cyclists may bring a pedelec onto our ferries.", other="Dogs travel free on Sundays.")
    question = "Are velocipedes allowed aboard?"
    assert not rig.judged(question).answerable
    rig.entry("velocipede", "pedelec")
    rig.entry("allowed aboard", "ferries")
    assert rig.judged(question).answerable


def test_a_change_holds_for_the_next_question_and_none_costs_nothing(engine: Engine) -> None:
    rig = Rig(engine, turbo=TURBO)
    question, statements = "How much does the WM-900 cost?", []
    kb = rig.kb
    assert rig.rewordings.reworded(kb, place(rig), wordings_of(question), "en", PUBLIC)[1] == ()
    event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    kb_id = replace(kb, id=rig.id)
    rig.rewordings.reworded(kb_id, place(rig), wordings_of(question), "en", PUBLIC)
    first = len(statements)
    rig.rewordings.reworded(kb_id, place(rig), wordings_of(question), "en", PUBLIC)
    assert (first > 0, len(statements)) == (True, first)
    rig.entry("WM-900", "TurboWash")
    assert rig.wordings(question)
    rig.glossary.remove(rig.id, rig.glossary.all(rig.id)[0].id)
    assert not rig.wordings(question)


def place(rig: Rig) -> Place:
    return Place(rig.desk.index, KB.id, rig.desk.embedder)


# Slips

WORDS = Vocabulary(
    Counter(
        {"refund": 9, "warranty": 5, "dishwasher": 4, "washer": 4, "bolton": 2, "delivery": 3, "deliver": 1, "store": 2}
    )
)


@pytest.mark.parametrize(
    ("slip", "meant"),
    [
        ("refnud", "refund"),
        ("refudn", "refund"),
        ("rfund", "refund"),
        ("refuund", "refund"),
        ("refumd", "refund"),
        ("warrenty", "warranty"),
        ("dishwahser", "dishwasher"),
        ("dishwahserr", "dishwasher"),
        ("delivry", "delivery"),
        ("efnudd", None),
        ("toaster", None),
    ],
)
def test_which_word_a_slip_meant(slip: str, meant: str | None) -> None:
    assert WORDS.meant_by(slip) == meant


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Can I get a refnud?", Corrected("Can I get a refund?", names=False)),
        ("REFNUD NOW", Corrected("REFUND NOW", names=False)),
        ("Refnud? Warrenty?", Corrected("Refund? Warranty?", names=False)),
        ("Is there a Bollton store?", Corrected("Is there a Bolton store?", names=True)),
        ("Is there a Boston store?", None),
        ("Do you have a toaster?", None),
        ("My washers leak", None),
        ("Is the refnud1 or REF-NUD5 there?", None),
        ("refnud@example.com, https://refnud.example", None),
        ("Is iRefund good?", None),
        ("我的 refund 呢", None),
        ("", None),
    ],
)
def test_what_is_corrected(question: str, expected: Corrected | None) -> None:
    assert corrected(question, WORDS, is_english) == expected


def test_words_that_some_may_not_see_are_known_and_never_proposed(vocabularies: Vocabularies) -> None:
    given = desk({"open.md": "A refund takes a week."}).add({"staff.md": "The zorblex is secret."}, acl=["staff"])
    words = vocabularies.of(KB, Place(given.index, KB.id, given.embedder))
    assert words is not None
    assert ("zorblex" in words, words.meant_by("zorblxe"), words.meant_by("refnud")) == (True, None, "refund")


class CountedIndex(MemoryIndex):
    """An index that counts how often all of it is read, and may fail at it."""

    def __init__(self) -> None:
        super().__init__()
        self.read = 0
        self.away = False

    def payloads(self, knowledge_base: str, fields: Collection[str] | None = None, **which: Any) -> Iterator[Hit]:
        self.read += 1
        if self.away:
            raise IndexUnavailable("away")
        yield from super().payloads(knowledge_base, fields, **which)


def counted(texts: dict[str, str]) -> tuple[CountedIndex, Place]:
    index = CountedIndex()
    given = Desk(index=index).add(texts)
    return index, Place(index, KB.id, given.embedder)


def test_words_are_read_once_for_what_does_not_change(vocabularies: Vocabularies) -> None:
    index, where = counted({"a.md": "A refund takes a week."})
    first = vocabularies.of(KB, where)
    assert first is not None
    assert vocabularies.of(KB, where) is first
    assert index.read == 1


def test_an_index_that_is_away_costs_the_correction_not_the_question(vocabularies: Vocabularies) -> None:
    index, where = counted({"a.md": "A refund takes a week."})
    index.away = True
    assert not vocabularies.of(KB, where)
    assert index.read == 1


def test_of_a_large_knowledge_base_a_part_is_read() -> None:
    _, where = counted({f"{n}.md": f"refund word{chr(97 + n)}" for n in range(9)})
    part = Patient(most_passages=3)
    words = part.of(KB, where)
    part.close()
    assert words is not None
    assert (words.whole, "refund" in words) == (False, True)


def test_a_word_outside_of_the_part_that_was_read_is_no_slip(engine: Engine) -> None:
    rig = Rig(engine, Sample(), a="A zorblex takes a week.")
    assert rig.wordings("How long does a zorblex take?") == []
    assert rig.wordings("How long does a zorblerr take?") == [("How long does a zorbler take?", True)]


def test_a_slip_is_found_and_answered(engine: Engine, vocabularies: Vocabularies) -> None:
    rig = Rig(engine, vocabularies, refund="A refund reaches your account after five days.", dog="Dogs travel free.")
    rig.entry("reimbursement", "refund")
    found = rig.found("When does a refnud reach my account?")
    further = [w.text for w in found.wordings if w.instead_of]
    assert further == ["When does a refund reach my account?"]
    assert found.passages(1)[0].document == "refund.md"
    # A word of the glossary is known, whether a passage holds it or not.
    assert [text for text, _ in rig.wordings("A reimbursement?")] == ["A refund?"]


def test_a_name_that_nobody_knows_answers_nothing(engine: Engine, vocabularies: Vocabularies) -> None:
    rig = Rig(engine, vocabularies, shop="Our shop in Bolten closes at noon.")
    assert rig.wordings("When does your shop in Bollten close?") == [("When does your shop in Bolten close?", False)]
    assert rig.wordings("What does a shopp in China cost?") == [("What does a shop in China cost?", True)]


def test_only_english_is_corrected(engine: Engine, vocabularies: Vocabularies) -> None:
    rig = Rig(engine, vocabularies, refund="A refund reaches your account after five days.")
    assert rig.wordings("Wann kommt das Geld, und wie bekomme ich einen refnud für meine Bestellung?") == []


def test_without_vocabularies_slips_stay(engine: Engine) -> None:
    assert Rig(engine, refund="A refund takes days.").wordings("A refnud?") == []


@pytest.mark.parametrize(
    ("word", "known"),
    [("toaster", True), ("Toasters", True), ("refnud", False), ("warrenty", False), ("zorblex", False)],
)
def test_what_is_english(word: str, known: bool) -> None:
    assert is_english(word) is known
