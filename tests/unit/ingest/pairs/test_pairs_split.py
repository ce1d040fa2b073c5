"""Two sides without a leak: by hand, and held against a comparison of all with all."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.errors import UsageError
from finetune.evaluate import read_documents, read_questions
from ingest.database import open_database
from ingest.pairs.near import Tokens, alike, links, tokens_of
from ingest.pairs.records import Pair, PairKind, ReviewState, Side, SourceRef, Style, Turn
from ingest.pairs.split import Leak, Split, Splitter, section_of
from ingest.pairs.store import Pairs
from tests.unit.ingest.pairs.pair_rig import Shelf, quiet


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(f"sqlite:///{tmp_path / 'catalog.db'}")
    yield engine
    engine.dispose()


@pytest.fixture
def shelf(engine: Engine) -> Shelf:
    return Shelf(engine)


def pair(
    number: int, question: str, *sections: str, answer: str = "Yes.", side: Side | None = None, **what: object
) -> Pair:
    refs = tuple(SourceRef(f"c{s}", f"h{s}", "v", s) for s in sections)
    made = Pair(
        f"{number:032}", "kb", question, answer, PairKind.ANSWERABLE, Style.PLAIN, "en", "rules", refs, side=side
    )
    return replace(made, **what)  # type: ignore[arg-type] # named by the test


def splitter_of(pairs: Sequence[Pair], texts: dict[str, str] | None = None) -> Splitter:
    splitter = Splitter()
    for each in pairs:
        splitter.add(each)
    for name, text in (texts or {}).items():
        splitter.add_text(f"h{name}", text)
    return splitter


def on_sides(pairs: Sequence[Pair], split: Split) -> list[Pair]:
    return [replace(each, side=split.sides[each.id]) for each in pairs]


def leaks(pairs: Sequence[Pair], texts: dict[str, str] | None = None) -> list[Leak]:
    return list(splitter_of(pairs, texts).leaks())


def together(first: Pair, second: Pair, *others: Pair, texts: dict[str, str] | None = None) -> bool:
    """Whether two pairs are on one side under every one of many seeds."""
    sides = [splitter_of([first, second, *others], texts).split(seed, 0.5).sides for seed in range(40)]
    return all(each[first.id] is each[second.id] for each in sides)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("How long is the guarantee of the WM-900?", "how long IS the WM-900's guarantee", True),
        ("How long is the guarantee of the WM-900?", "How long is the guarantee of the WM-800?", False),
        ("How much does the steel kettle cost?", "How much does the glass kettle cost?", False),
        ("Is it two years?", "Is it three years?", False),
        ("退货需要几天时间办理？", "退货需要几天时间能办理", True),
        ("洗衣机的保修期是多久？", "洗碗机的保修期是多久？", False),
        ("", "...", True),
        ("WM-900", "洗衣机", False),
    ],
)
def test_which_questions_are_nearly_the_same(first: str, second: str, same: bool) -> None:
    assert alike(tokens_of(first), tokens_of(second)) is same
    assert alike(tokens_of(second), tokens_of(first)) is same


@pytest.mark.parametrize("figures", [True, False])
@pytest.mark.parametrize("seed", range(8))
def test_the_join_finds_what_a_comparison_of_all_finds(figures: bool, seed: int) -> None:
    random_ = random.Random(seed)
    words = [f"word{'abcdefgh'[n % 8]}{'ijklmno'[n % 7]}" for n in range(30)] + [
        "12",
        "13",
        "WM-900",
        *"退货需要几天时间办理",
    ]
    texts: list[Tokens] = []
    for _ in range(120):
        if texts and random_.random() < 0.6:
            text = set(random_.choice(texts)) ^ set(random_.sample(words, random_.choice([0, 1, 1, 2])))
        else:
            text = set(random_.sample(words, random_.randint(0, 14)))
        texts.append(frozenset(text))

    def clusters(pairs: Iterator[tuple[int, int]]) -> set[frozenset[int]]:
        of = {n: {n} for n in range(len(texts))}
        for a, b in pairs:
            if of[a] is not of[b]:
                of[a] |= of[b]
                for n in of[b]:
                    of[n] = of[a]
        return {frozenset(each) for each in of.values()}

    everything = (
        (a, b) for a, b in itertools.combinations(range(len(texts)), 2) if alike(texts[a], texts[b], figures=figures)
    )
    assert clusters(links(texts, figures=figures)) == clusters(everything)


def test_a_section_is_never_parted() -> None:
    pairs = [pair(n, f"What of thing{chr(97 + n % 26)}{n}?", f"section {n % 20}") for n in range(200)]
    for seed in range(5):
        split = splitter_of(pairs).split(seed)
        by_section = {section_of(p.sources[0]): split.sides[p.id] for p in pairs}
        assert all(split.sides[p.id] is by_section[section_of(p.sources[0])] for p in pairs)
        assert sum(split.clusters.values()) == 20
        assert leaks(on_sides(pairs, split)) == []


def test_near_duplicates_of_any_kind_stay_together() -> None:
    said = "The guarantee covers motor, pump and drum of every machine bought"
    assert together(pair(1, "How long is the motor guaranteed?", "a"), pair(2, "how long is the MOTOR guaranteed", "b"))
    assert together(pair(1, "One?", "a", answer=said), pair(2, "Two?", "b", answer=f"{said}!"))
    assert together(pair(1, "One?", "a"), pair(2, "Two?", "b"), texts={"a": said, "b": f"{said} 2026"})
    # By way of a third one.
    assert together(pair(1, "One?", "a"), pair(2, "Two?", "b"), pair(3, "Both?", "a", "b", style=Style.COMPARISON))
    # What was said before a follow-up is part of it.
    follow = (Turn("user", "About the kettle."),)
    assert together(pair(1, "How much then?", "a", history=follow), pair(2, "About the kettle. How much then?", "b"))
    # And what does not: short answers, other subjects, what a retrieval found beside.
    assert not together(pair(1, "One thing?", "a"), pair(2, "Another?", "b"))
    assert not together(
        pair(1, "One?", "a"), pair(2, "Two?", "b"), texts={"a": "Kettles boil water", "b": "Irons press clothes"}
    )
    none = pair(3, "None?", "c", "a", "b", answer="", kind=PairKind.UNANSWERABLE)
    assert not together(pair(1, "One?", "a"), pair(2, "Two?", "b"), none)
    assert together(pair(1, "One?", "c"), none)


def world(random_: random.Random, count: int, start: int = 0) -> list[Pair]:
    """Pairs whose sections, questions and answers meet by chance."""
    things = [f"thing{a}{b}" for a in "abcdefgh" for b in "klmnop"]
    found = []
    for number in range(start, start + count):
        words = random_.sample(things, 5)
        sections = [f"s{random_.randint(0, count)}" for _ in range(random_.choice([1, 1, 1, 2]))]
        answer = (
            " ".join(random_.sample(things, random_.choice([1, 7])))
            if random_.random() < 0.8
            else "of all " + " ".join(things[:7])
        )
        found.append(pair(number, f"What of {' '.join(words)}?", *sections, answer=answer))
        if random_.random() < 0.3:
            found[-1] = replace(found[-1], question=random_.choice(found).question + " please")
    return found


@pytest.mark.parametrize("seed", range(12))
def test_no_split_leaks_however_pairs_are_added(seed: int) -> None:
    random_ = random.Random(seed)
    pairs = world(random_, 80)
    random_.shuffle(pairs)
    first = splitter_of(pairs).split(seed)
    assert splitter_of(sorted(pairs, key=lambda p: p.id)).split(seed).sides == first.sides
    pairs = on_sides(pairs, first)
    for round_ in range(3):
        more = pairs + world(random_, 30, start=1000 * (round_ + 1))
        split = splitter_of(more).split(seed)
        trained = [p for p in pairs if p.side is Side.TRAIN]
        # Nothing that was trained on is tested later; whatever moves goes the other way, because it has to.
        assert all(split.sides[p.id] is Side.TRAIN for p in trained)
        assert split.moved == sum(split.sides[p.id] is not p.side for p in pairs)
        pairs = on_sides(more, split)
        assert leaks(pairs) == []
        for a, b in itertools.combinations(pairs, 2):
            if a.side is not b.side:
                assert not {section_of(r) for r in a.sources} & {section_of(r) for r in b.sources}
                assert not alike(tokens_of(a.question), tokens_of(b.question))


def test_the_check_finds_each_kind_of_leak() -> None:
    said = "The guarantee covers motor, pump and drum of every machine bought"
    train, test = Side.TRAIN, Side.TEST
    sections = [pair(1, "One?", "a", side=train), pair(2, "Two?", "a", side=test)]
    assert {leak.what for leak in leaks(sections)} == {"section", "text"}
    questions = [pair(1, "How hot is it?", "a", side=test), pair(2, "how hot is it", "b", side=train)]
    assert leaks(questions) == [Leak("question", (questions[1].id, questions[0].id))]
    answers = [pair(1, "One?", "a", answer=said, side=train), pair(2, "Two?", "b", answer=said, side=test)]
    assert [leak.what for leak in leaks(answers)] == ["answer"]
    of_texts = [pair(1, "One?", "a", side=train), pair(2, "Two?", "b", side=test)]
    assert [leak.what for leak in leaks(of_texts, {"a": said, "b": said + " 2"})] == ["text"]
    assert leaks(of_texts) == []


def test_the_share_is_met_about_and_never_by_a_cluster_that_is_most_of_all() -> None:
    pairs = [pair(n, f"What of thing{n}?", f"section {n}") for n in range(2000)]
    assert splitter_of(pairs).split(3, 0.2).pairs["test"] == pytest.approx(400, abs=70)
    big = [pair(n, f"What of thing{n}?", "one section" if n < 60 else f"section {n}") for n in range(100)]
    for seed in range(30):
        split = splitter_of(big).split(seed, 0.2)
        assert split.sides[big[0].id] is Side.TRAIN
        assert split.pairs["test"] > 0
    alone = splitter_of([pair(1, "Alone?", "a")]).split()
    assert set(alone.sides.values()) == {Side.TRAIN}


def test_other_seeds_split_otherwise_and_the_same_seed_alike() -> None:
    pairs = [pair(n, f"What of thing{n}?", f"section {n}") for n in range(100)]
    sides = [splitter_of(pairs).split(seed).sides for seed in (1, 1, 2)]
    assert sides[0] == sides[1] != sides[2]


def test_a_knowledge_base_is_split_checked_and_split_again(shelf: Shelf) -> None:
    for number in range(30):
        shelf.put(f"{number}.md", f"Alpha{number} is one thing", f"Beta{number} is another")
    shelf.make()
    told = shelf.pairs.split(shelf.base, quiet)
    assert (told["leaks"], told["pairs"]["train"] + told["pairs"]["test"], told["moved"]) == (0, 60, 0)
    assert 3 <= told["pairs"]["test"] <= 25
    before = {p.id: p.side for p in shelf.pairs.page(shelf.base, limit=1000).found}
    for number in range(30, 40):
        shelf.put(f"{number}.md", f"Alpha{number} is one thing", f"Beta{number} is another")
    shelf.make()
    again = shelf.pairs.split(shelf.base, quiet)
    now = {p.id: p.side for p in shelf.pairs.page(shelf.base, limit=1000).found}
    assert {key: now[key] for key in before} == before
    assert (again["seed"], again["leaks"], None in now.values()) == (0, 0, False)
    other = shelf.pairs.split(shelf.base, quiet, seed=7, share=0.5)
    assert (other["seed"], other["share"], other["moved"] > 0, other["leaks"]) == (7, 0.5, True, 0)
    # A rejected pair is on no side, and one that was worded anew has to be split again.
    first, second = shelf.pairs.page(shelf.base).found[:2]
    shelf.pairs.review(shelf.base, first.id, ReviewState.REJECTED)
    shelf.pairs.review(shelf.base, second.id, ReviewState.EDITED, question="Which one?")
    shelf.pairs.split(shelf.base, quiet)
    found = {p.id: p.side for p in shelf.pairs.page(shelf.base).found}
    assert (found[first.id], found[second.id] is None) == (None, False)


def test_a_leak_that_somebody_made_is_found(shelf: Shelf) -> None:
    shelf.put("a.md", "One. Two")
    shelf.put("b.md", "Three")
    shelf.make()
    one, two, three = (p.id for p in shelf.pairs.page(shelf.base).found)
    Pairs(shelf.engine).put_on_sides(shelf.base.id, {one: Side.TRAIN, two: Side.TEST, three: Side.TEST})
    told = shelf.pairs.check(shelf.base, quiet)
    assert (told["leaks"], told["leaking"][0]) == (2, {"what": "section", "train": one, "test": two})


def test_what_was_trained_on_and_is_stale_still_holds_its_section(shelf: Shelf) -> None:
    for number in range(20):
        shelf.put(f"{number}.md", f"Alpha{number} is one thing")
    shelf.make()
    shelf.pairs.split(shelf.base, quiet)
    side = {p.sources[0].document: p.side for p in shelf.pairs.page(shelf.base).found}
    for number in range(20):
        shelf.put(f"{number}.md", f"Gamma{number} is said instead")
    shelf.make()
    shelf.pairs.split(shelf.base, quiet)
    assert {p.sources[0].document: p.side for p in shelf.pairs.page(shelf.base).found if not p.stale} == side


def test_the_test_side_is_a_dataset_that_the_evaluation_reads(shelf: Shelf, tmp_path: Path) -> None:
    for number in range(6):
        shelf.put(
            f"{number}.md",
            (("Prices", "Kettles"), f"Alpha{number} costs {number} pounds"),
            (("Prices", "Kettles"), "More"),
        )
    shelf.make()
    rows = Pairs(shelf.engine)
    pairs = [p for p in rows.page(shelf.base.id).found if "Alpha" in p.question]
    none = replace(pairs[1], id="f" * 32, question="What does it weigh?", answer="", kind=PairKind.UNANSWERABLE)
    rows.add(shelf.base.id, [replace(none, history=(Turn("user", "Of Alpha1"), Turn("assistant", "Yes?")))], 0)
    with pytest.raises(UsageError, match="pairs split"):
        shelf.pairs.evalset(shelf.base, tmp_path / "set")
    shelf.pairs.split(shelf.base, quiet)
    rows.put_on_sides(shelf.base.id, {p.id: Side.TEST for p in (*pairs[:3], none)})
    rows.review(shelf.base.id, pairs[2].id, ReviewState.REJECTED)
    told = shelf.pairs.evalset(shelf.base, tmp_path / "set")
    assert told == {"kb": "kb", "documents": 6, "questions": 3, "impossible": 1, "left_out": 0}
    documents = {d.doc_id: d for d in read_documents(tmp_path / "set")}
    assert documents["1.md#Prices#Kettles"].text == "# Prices\n\n## Kettles\n\nAlpha1 costs 1 pounds\n\nMore"
    first, second, third = read_questions(tmp_path / "set")
    assert (first.question, first.relevant) == (pairs[0].question, {"0.md#Prices#Kettles"})
    assert (third.relevant, [m.role for m in third.history]) == (frozenset(), ["user", "assistant"])
    raw = [json.loads(line) for line in (tmp_path / "set" / "questions.jsonl").read_text().splitlines()]
    assert [(r["answers"], r["is_impossible"], r["doc_id"]) for r in raw] == [
        (["Alpha0 costs 0 pounds."], False, "0.md#Prices#Kettles"),
        (["Alpha1 costs 1 pounds."], False, "1.md#Prices#Kettles"),
        ([], True, "1.md#Prices#Kettles"),
    ]
    assert second.qid == pairs[1].id
