"""Near-duplicates: signatures, facts that tell repetition from contradiction, and the table behind them."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from ingest.catalog import Catalog
from ingest.cleaning.duplicates import NearDuplicates, flag_across
from ingest.cleaning.signatures import ROWS_STORED, Facts, Signature, signature
from ingest.database import PassageBandRow, open_database
from ingest.files import FileStore
from ingest.pipeline import Pipeline, Upload
from ingest.records import KnowledgeBase, State, Version
from ingest.schema import Chunk
from ingest.sparse import SparseEncoder
from tests.fakes import HashEmbedder, MemoryIndex

RETURNS = (
    "Returns are accepted within 30 days of purchase with a receipt and in the original packaging, for a full refund."
)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(f"sqlite:///{tmp_path / 'catalog.db'}")
    yield engine
    engine.dispose()


@pytest.fixture
def catalog(engine: Engine) -> Catalog:
    return Catalog(engine)


@pytest.fixture
def kb(catalog: Catalog) -> KnowledgeBase:
    return catalog.create_knowledge_base("shop")


def a_version(catalog: Catalog, kb: KnowledgeBase, name: str, content: str = "1") -> Version:
    version = catalog.begin_version(kb, name, content.ljust(64, "0"), "fingerprint", 10)
    assert version is not None
    return version


def publish(catalog: Catalog, version: Version) -> None:
    assert catalog.publish(version, title="", format="txt", pages=None, chunks=1)


def flags(
    engine: Engine, kb: KnowledgeBase, version: Version, *texts: str, title: str = "", first: int = 0
) -> list[tuple[str, ...]]:
    part = [(version, title, Chunk(first + i, text)) for i, text in enumerate(texts)]
    return [chunk.flags for _, _, chunk in flag_across(NearDuplicates(engine), kb.id, part)]


@pytest.mark.parametrize(
    ("one", "other", "conflict"),
    [
        (RETURNS, RETURNS, False),
        (RETURNS, RETURNS.replace("30", "14"), True),
        (RETURNS, RETURNS.replace("are accepted", "are not accepted"), True),
        ("It can be opened by hand at any time during the day.", "It cannot be opened by hand at any time during the day.", True),
        ("It is open for you at any time during the day.", "It isn't open for you at any time during the day.", True),
        ("The warranty is two years from the day of purchase.", "The warranty is three years from the day of purchase.", True),
        ("Costs 1,000 euros a year for every shop and office.", "Costs 1000 euros a year for every shop and office.", False),
        ("Only the adapter AD-12 may be used to charge the FD-200 safely.", "Only the adapter AD-15 may be used to charge the FD-200 safely.", True),
        ("Step 3: press the button until the light is green.", "Step 4: press the button until the light is green.", False),
        ("自购买之日起7天内可以无理由退货,商品需保持完好。", "自购买之日起15天内可以无理由退货,商品需保持完好。", True),
        ("本产品拆封之后可以退换,请保留发票和包装。", "本产品拆封之后不可以退换,请保留发票和包装。", True),
        ("保修期为两年,自购买之日起计算,需要出示发票。", "保修期为三年,自购买之日起计算,需要出示发票。", True),
        ("保修期为两年,自购买之日起计算,需要出示发票。", "保修期为 2 年,自购买之日起计算,需要出示发票。", False),
    ],
)  # fmt: skip
def test_repetition_or_contradiction(one: str, other: str, conflict: bool) -> None:
    a, b = signature(one), signature(other)
    assert a is not None
    assert b is not None
    assert a.similarity(b) >= 0.85
    assert a.facts.same_subject(b.facts)
    assert a.facts.contradict(b.facts, a.similarity(b)) is conflict


@pytest.mark.parametrize(
    ("one", "other", "titles"),
    [
        ("The FD-200 charges in 3 hours and runs for 24 hours.", "The FD-300 charges in 4 hours and runs for 36 hours.", ("", "")),
        ("E05: switch the device off and wait for a minute.", "E06: switch the device off and wait for a minute.", ("", "")),
        (RETURNS, RETURNS.replace("30", "14"), ("Manual FD-200", "Manual FD-300")),
    ],
)  # fmt: skip
def test_the_sheets_of_two_products_do_not_contradict_each_other(one: str, other: str, titles: tuple[str, str]) -> None:
    a, b = signature(one, titles[0]), signature(other, titles[1])
    assert a is not None
    assert b is not None
    assert not a.facts.same_subject(b.facts)
    assert not a.facts.contradict(b.facts, a.similarity(b))


def test_a_sentence_more_is_no_contradiction() -> None:
    long = " ".join(
        f"The {word} is checked in our workshop before it is sent back to you."
        for word in ("pump", "hose", "lid", "key")
    )
    a, b = signature(long + " It must not take more than 3 days."), signature(long)
    assert a is not None
    assert b is not None
    assert a.facts.numbers > b.facts.numbers
    assert not a.facts.contradict(b.facts, a.similarity(b))


def test_of_many_numbers_one_that_is_added_is_no_contradiction() -> None:
    words = re.findall(r"\w+", "the red blue green white black grey brown pink pale dark pump costs in our shop")
    text = " ".join(f"{word} {number * 7}" for number, word in enumerate(words, 1))
    own = signature(text)
    assert own is not None
    for number in range(500, 560):
        other = signature(f"{text} {number}")
        assert other is not None
        assert not own.facts.contradict(other.facts, 0.9)
        changed = signature(f"{text.replace(' 7 ', f' {number} ')}")
        assert changed is not None
        assert changed.facts.contradict(own.facts, 1.0)


def test_two_editions_of_a_text_are_one_subject() -> None:
    a, b = signature(RETURNS, "returns v1"), signature(RETURNS.replace("30", "14"), "returns v2")
    assert a is not None
    assert b is not None
    assert a.facts.contradict(b.facts, a.similarity(b))


@pytest.mark.parametrize("text", ["", "Page 3", "OK.", "价格", "19.90 | 29.90"])
def test_what_is_too_short_has_no_signature(text: str) -> None:
    assert signature(text) is None


def test_a_column_of_numbers_is_compared_by_its_numbers() -> None:
    one, other = (" ".join(str(number) for number in range(start, start + 40)) for start in (100, 500))
    a, b = signature(one), signature(other)
    assert a is not None
    assert b is not None
    assert a.similarity(b) < 0.5


def test_a_signature_comes_back_from_its_rows() -> None:
    own = signature(RETURNS + " Not for the FD-200, FD-300, X100 and Z9-1.", "Manual AB-1 CD-2")
    assert own is not None
    rows = own.rows()
    assert all(len(row) <= 32 for row in rows)
    random.Random(1).shuffle(rows)
    assert Signature.from_rows(rows) == own
    assert Signature.from_rows(rows[1:]) is None
    assert Facts.from_rows(*own.facts.rows()) == own.facts


def test_the_estimate_is_near_the_truth() -> None:
    words = [f"{a}{b}{c}" for a in "bcdf" for b in "aeiou" for c in "lmnrst"]
    drawn = random.Random(2)
    text = [drawn.choice(words) for _ in range(300)]
    changed = list(text)
    for position in range(0, 300, 30):
        changed[position] = "different"
    a, b = signature(" ".join(text)), signature(" ".join(changed))
    assert a is not None
    assert b is not None
    shingles = [{tuple(words[i : i + 3]) for i in range(298)} for words in (text, changed)]
    truth = len(shingles[0] & shingles[1]) / len(shingles[0] | shingles[1])
    assert a.similarity(b) == pytest.approx(truth, abs=0.12)


def test_a_passage_of_another_document(engine: Engine, catalog: Catalog, kb: KnowledgeBase) -> None:
    old = a_version(catalog, kb, "returns 2023.md")
    assert flags(engine, kb, old, "We are a family business since the beginning.", RETURNS) == [(), ()]
    publish(catalog, old)
    new = a_version(catalog, kb, "returns 2024.md")
    found = flags(engine, kb, new, RETURNS.replace("30", "14"), RETURNS, "Something else that nobody has said so far.")
    assert found == [
        ("conflict:returns 2023.md#1",),
        # The same window holds the contradiction, too; it comes first.
        ("conflict:returns 2024.md#0", "near_duplicate:returns 2023.md#1"),
        (),
    ]
    assert NearDuplicates(engine).warnings(kb.id, new) == (
        "2 passages differ from a passage of the same words in a number, a code or a negation",
    )


def test_two_documents_of_one_window_see_each_other(engine: Engine, catalog: Catalog, kb: KnowledgeBase) -> None:
    one, other = a_version(catalog, kb, "a.md"), a_version(catalog, kb, "b.md")
    part = [(version, "", Chunk(0, RETURNS)) for version in (one, other)]
    found = [chunk.flags for _, _, chunk in flag_across(NearDuplicates(engine), kb.id, part)]
    assert found == [("near_duplicate:b.md#0",), ("near_duplicate:a.md#0",)]


def test_flags_of_before_stay_and_writing_twice_changes_nothing(
    engine: Engine, catalog: Catalog, kb: KnowledgeBase
) -> None:
    near = NearDuplicates(engine)
    version = a_version(catalog, kb, "a.md")
    part = [(version, "", Chunk(i, RETURNS, flags=("instructions",))) for i in range(2)]
    once = flag_across(near, kb.id, part)
    assert [chunk.flags for _, _, chunk in once] == [("instructions",), ("instructions", "near_duplicate:a.md#0")]
    assert flag_across(near, kb.id, once) == once
    with Session(engine) as session:
        assert session.scalar(select(func.count()).select_from(PassageBandRow)) == 2 * ROWS_STORED


def test_an_earlier_window_of_the_same_document_is_seen(engine: Engine, catalog: Catalog, kb: KnowledgeBase) -> None:
    version = a_version(catalog, kb, "a.md")
    flags(engine, kb, version, RETURNS)
    assert flags(engine, kb, version, RETURNS, first=300) == [("near_duplicate:a.md#0",)]


def test_replaced_failed_and_deleted_texts_are_no_duplicates(
    engine: Engine, catalog: Catalog, kb: KnowledgeBase
) -> None:
    first = a_version(catalog, kb, "a.md")
    flags(engine, kb, first, RETURNS)
    publish(catalog, first)
    second = a_version(catalog, kb, "a.md", "2")
    # Its own version of before is what it replaces, not what it repeats.
    assert flags(engine, kb, second, RETURNS + " Ask us for an exception in all other cases, please.") == [()]
    flags(engine, kb, second, "Nothing is taken back by us any more, since this summer.")
    publish(catalog, second)
    failed = a_version(catalog, kb, "failed.md")
    flags(engine, kb, failed, RETURNS)
    catalog.fail(failed, "no")
    other = a_version(catalog, kb, "b.md")
    assert flags(engine, kb, other, RETURNS) == [()]
    publish(catalog, other)
    catalog.delete_document(kb, "b.md")
    assert flags(engine, kb, a_version(catalog, kb, "c.md"), RETURNS) == [()]
    with Session(engine) as session:
        assert not session.scalars(select(PassageBandRow).where(PassageBandRow.version_id == other.id)).all()


def test_a_text_that_comes_back_is_known_again(engine: Engine, catalog: Catalog, kb: KnowledgeBase) -> None:
    """A, then B, then A again: rows of A that were deleted with B's writing are there again."""
    for content in ("1", "2", "1"):
        version = a_version(catalog, kb, "a.md", content)
        flags(
            engine,
            kb,
            version,
            RETURNS if content == "1" else "Another text of some length that has nothing to do with it.",
        )
        publish(catalog, version)
    assert flags(engine, kb, a_version(catalog, kb, "b.md"), RETURNS) == [("near_duplicate:a.md#0",)]


def test_a_document_deleted_while_it_is_written(engine: Engine, catalog: Catalog, kb: KnowledgeBase) -> None:
    version = a_version(catalog, kb, "a.md")
    catalog.delete_document(kb, "a.md")
    assert flags(engine, kb, version, RETURNS) == [()]


def test_an_ingested_document_carries_the_flags_and_says_so(
    engine: Engine, catalog: Catalog, kb: KnowledgeBase, tmp_path: Path
) -> None:
    index = MemoryIndex()
    pipeline = Pipeline(catalog, FileStore(tmp_path / "store"), index, HashEmbedder(), SparseEncoder(), chunk_tokens=64)
    results = []
    for name, text in (("2023.txt", RETURNS), ("2024.txt", RETURNS.replace("30", "14"))):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        results += pipeline.ingest(catalog.knowledge_base("shop"), [Upload(name, path)])
    said = "1 passage differs from a passage of the same words in a number, a code or a negation"
    assert [result.warnings for result in results] == [(), (said,)]
    newest = catalog.document(kb, "2024.txt").latest
    assert newest.warnings == (said,)
    (point,) = index.points(kb.id, newest.id, newest.generation)
    assert point.payload["flags"] == ["conflict:2023.txt#0"]


def test_knowledge_bases_are_kept_apart(engine: Engine, catalog: Catalog, kb: KnowledgeBase) -> None:
    flags(engine, kb, a_version(catalog, kb, "a.md"), RETURNS)
    other = catalog.create_knowledge_base("other")
    assert flags(engine, other, a_version(catalog, other, "a.md"), RETURNS) == [()]


def test_what_is_in_every_document_names_a_few(engine: Engine, catalog: Catalog, kb: KnowledgeBase) -> None:
    for number in range(12):
        (found,) = flags(engine, kb, a_version(catalog, kb, f"{number:02}.md"), RETURNS)
        assert len(found) == min(number, 2)


def test_forgetting_a_version(engine: Engine, catalog: Catalog, kb: KnowledgeBase) -> None:
    version = a_version(catalog, kb, "a.md")
    flags(engine, kb, version, RETURNS)
    NearDuplicates(engine).forget(version.id)
    assert version.state is State.RECEIVED
    assert flags(engine, kb, a_version(catalog, kb, "b.md"), RETURNS) == [()]
