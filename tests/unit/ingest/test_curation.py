"""What is said of documents, drafts, and uploads of one name at once. test_postgres.py runs these on PostgreSQL too."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from ingest.catalog import Catalog
from ingest.curation import MOST_TAGS
from ingest.database import open_database
from ingest.errors import NotFound, UnusableValue
from ingest.records import ALWAYS, Curation, KnowledgeBase, State, Version
from ingest.schema import Filters

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


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


def begin(catalog: Catalog, kb: KnowledgeBase, content: str, name: str = "a.txt", *, draft: bool = False) -> Version:
    version = catalog.begin_version(kb, name, content * 64, "fp", 10, draft=draft)
    assert version is not None
    return version


def put(catalog: Catalog, kb: KnowledgeBase, content: str, name: str = "a.txt") -> Version:
    version = begin(catalog, kb, content, name)
    assert catalog.publish(version, title="T", format="txt", pages=None, chunks=1)
    return version


def drafted(catalog: Catalog, kb: KnowledgeBase, content: str, name: str = "a.txt") -> Version:
    version = begin(catalog, kb, content, name, draft=True)
    assert catalog.keep_draft(version, format="txt", pages=None, chunks=1)
    return version


def say(catalog: Catalog, version: Version, **what: Any) -> Curation:
    return catalog.curate(version.document_id, lambda before: replace(before, **what))


def writing(version: Version) -> tuple[str, int]:
    return version.id, version.generation


def purged(catalog: Catalog) -> list[tuple[str, int]]:
    return sorted((purge.version_id, purge.generation) for purge in catalog.purges())


@pytest.mark.parametrize(
    ("said", "at", "shown"),
    [
        ({}, NOON, True),
        ({"enabled": False}, NOON, False),
        ({"valid_from": NOON}, NOON - SECOND, False),
        ({"valid_from": NOON}, NOON, True),
        ({"valid_until": NOON}, NOON - SECOND, True),
        ({"valid_until": NOON}, NOON, False),
        ({"valid_from": NOON, "valid_until": NOON + SECOND}, NOON + SECOND / 2, True),
        ({"enabled": False, "valid_from": NOON}, NOON, False),
    ],
)
def test_what_is_live_depends_on_what_is_said(
    catalog: Catalog, kb: KnowledgeBase, said: dict[str, Any], at: datetime, shown: bool
) -> None:
    version = put(catalog, kb, "a")
    assert say(catalog, version, **said) == Curation(**said)
    assert catalog.curation(version.document_id) == Curation(**said)
    assert catalog.document(kb, "a.txt").curation == Curation(**said)
    assert catalog.live_among([writing(version)], at=at) == ({writing(version)} if shown else set())


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        (Filters(), ["a.txt", "b.txt"]),
        (Filters(tags=("x",)), ["a.txt"]),
        (Filters(tags=("z", "y")), ["a.txt", "b.txt"]),
        (Filters(tags=("X",)), []),
        (Filters(tags=("保修",)), ["b.txt"]),
        (Filters(source="s3://Bucket/"), ["a.txt"]),
        (Filters(source="S3://"), []),
        (Filters(source="s3://bucket/%"), []),
        (Filters(tags=("z",), source="s3://"), ["b.txt"]),
    ],
)
def test_tags_and_sources_are_filters(catalog: Catalog, kb: KnowledgeBase, filters: Filters, names: list[str]) -> None:
    first, second = put(catalog, kb, "a"), put(catalog, kb, "b", "b.txt")
    say(catalog, first, tags=("x", "y"), source="s3://Bucket/a.txt")
    say(catalog, second, tags=("z", "保修"), source="s3://other/b.txt")
    assert [document.name for document in catalog.documents(kb, filters=filters)] == names
    assert catalog.count_documents(kb, filters=filters) == len(names)
    live = catalog.live_among([writing(first), writing(second)], filters)
    assert live == {writing(v) for v in (first, second) if v.document in names}


def test_a_payload_never_shortens_a_documents_time() -> None:
    assert Curation().payload() == {"enabled": 1, "valid_from": 0, "valid_until": ALWAYS, "tags": [], "source": ""}
    half = Curation(valid_from=NOON + SECOND / 2, valid_until=NOON + SECOND / 2, enabled=False).payload()
    assert (half["valid_from"], half["valid_until"], half["enabled"]) == (NOON.timestamp(), NOON.timestamp() + 1, 0)


@pytest.mark.parametrize(
    "said",
    [
        {"valid_from": NOON, "valid_until": NOON},
        {"valid_from": NOON + SECOND, "valid_until": NOON},
        {"tags": ("",)},
        {"tags": ("x" * 51,)},
        {"tags": ('a"b',)},
        {"tags": ("a\\b",)},
        {"tags": tuple(f"t{i}" for i in range(MOST_TAGS + 1))},
        {"source": "x" * 2001},
    ],
)
def test_what_cannot_be_said_changes_nothing(catalog: Catalog, kb: KnowledgeBase, said: dict[str, Any]) -> None:
    version = put(catalog, kb, "a")
    say(catalog, version, tags=("kept",))
    with pytest.raises(UnusableValue):
        say(catalog, version, **said)
    assert catalog.curation(version.document_id) == Curation(tags=("kept",))


def test_tags_are_kept_in_order_each_once(catalog: Catalog, kb: KnowledgeBase) -> None:
    version = put(catalog, kb, "a")
    assert say(catalog, version, tags=("b", " a  c ", "b")).tags == ("a c", "b")
    catalog.delete_document(kb, "a.txt")
    with pytest.raises(NotFound):
        say(catalog, version, tags=())


# Drafts


def test_a_draft_waits_beside_the_live_version(catalog: Catalog, kb: KnowledgeBase) -> None:
    live, draft = put(catalog, kb, "a"), drafted(catalog, kb, "b")
    assert catalog.live_among([writing(live), writing(draft)]) == {writing(live)}
    document = catalog.document(kb, "a.txt")
    assert (document.latest.state, document.latest.draft, document.latest.live) == (State.READY, True, False)
    assert [writing(v) for v in catalog.drafts([document.id]).values()] == [writing(draft)]
    assert {w.live for w in catalog.writings(kb.id).values()} == {True, False}
    assert catalog.owns(kb.id, *writing(draft))
    assert catalog.content_hashes() == {"a" * 64, "b" * 64}
    assert catalog.begin_version(kb, "a.txt", "b" * 64, "fp", 10, draft=True) is None
    assert catalog.begin_version(kb, "a.txt", "a" * 64, "fp", 10, draft=True) is None
    for _ in range(2):
        assert catalog.publish(draft, title="T", format="txt", pages=None, chunks=1)
    assert catalog.live_among([writing(live), writing(draft)]) == {writing(draft)}
    assert (purged(catalog), catalog.draft(document.id)) == ([writing(live)], None)


def test_a_newer_draft_and_a_newer_version_drop_an_older_draft(catalog: Catalog, kb: KnowledgeBase) -> None:
    put(catalog, kb, "a")
    first, second = drafted(catalog, kb, "b"), drafted(catalog, kb, "c")
    assert purged(catalog) == [writing(first)]
    assert not catalog.publish(first, title="T", format="txt", pages=None, chunks=1)
    third = put(catalog, kb, "d")
    assert catalog.draft(third.document_id) is None
    assert not catalog.discard_draft(second)
    assert writing(second) in purged(catalog)
    assert catalog.live_among([writing(v) for v in (first, second, third)]) == {writing(third)}


def test_discarding_a_draft_leaves_what_was_before(catalog: Catalog, kb: KnowledgeBase) -> None:
    live = put(catalog, kb, "a")
    draft = drafted(catalog, kb, "b")
    assert catalog.discard_draft(draft)
    assert not catalog.discard_draft(draft)
    document = catalog.document(kb, "a.txt")
    assert (document.latest.id, document.latest.live) == (live.id, True)
    assert (catalog.count_documents(kb), purged(catalog)) == (1, [writing(draft)])
    assert begin(catalog, kb, "c").generation == 3
    only = drafted(catalog, kb, "x", "new.txt")
    assert catalog.discard_draft(only)
    assert [document.name for document in catalog.documents(kb)] == ["a.txt"]


def test_a_draft_uploaded_as_no_draft_is_written_again(catalog: Catalog, kb: KnowledgeBase) -> None:
    draft = drafted(catalog, kb, "a")
    again = begin(catalog, kb, "a")
    assert (again.id, again.draft, purged(catalog)) == (draft.id, False, [writing(draft)])
    assert catalog.publish(again, title="T", format="txt", pages=None, chunks=1)
    assert catalog.live_among([writing(again)]) == {writing(again)}


# Many at once


def test_a_document_that_is_uploaded_again_after_its_deletion_shares_nothing_with_it(
    catalog: Catalog, kb: KnowledgeBase
) -> None:
    first = put(catalog, kb, "a")
    catalog.delete_document(kb, "a.txt")
    again = put(catalog, kb, "a")
    assert (again.id != first.id, again.document_id != first.document_id, again.generation) == (True, True, 1)
    # What is still under way for the deleted one finds nothing of its own.
    assert catalog.working(first.id, first.generation) is None
    assert catalog.begin(first.id, first.generation) is None
    catalog.fail(first, "late")
    assert not catalog.publish(first, title="", format="txt", pages=None, chunks=1)
    assert catalog.document(kb, "a.txt").live_version_id == again.id
    assert [(purge.version_id, purge.generation) for purge in catalog.purges()] == [(first.id, 1)]


def test_uploads_of_one_name_at_once_are_one_document(catalog: Catalog, kb: KnowledgeBase) -> None:
    with ThreadPoolExecutor(8) as pool:
        begun = list(pool.map(lambda i: begin(catalog, kb, format(i, "x")), range(16)))
    assert len({version.document_id for version in begun}) == 1
    assert sorted(version.generation for version in begun) == list(range(1, 17))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda v: catalog.publish(v, title="T", format="txt", pages=None, chunks=1), begun))
    newest = max(begun, key=lambda version: version.generation)
    assert catalog.live_among([writing(v) for v in begun]) == {writing(newest)}
    assert writing(newest) not in purged(catalog)
    assert {writing(v) for v in begun} - {writing(newest)} == set(purged(catalog))


def test_a_deletion_takes_what_was_found_inside(catalog: Catalog, kb: KnowledgeBase) -> None:
    mail = put(catalog, kb, "a", "mail.eml")
    inner = catalog.begin_version(kb, "mail.eml/a.zip", "b" * 64, "fp", 10, parent_id=mail.document_id)
    assert inner is not None
    catalog.begin_version(kb, "mail.eml/a.zip/c.txt", "c" * 64, "fp", 10, parent_id=inner.document_id)
    put(catalog, kb, "d", "other.txt")
    assert [d.name for d in catalog.family(mail.document_id)] == ["mail.eml/a.zip", "mail.eml/a.zip/c.txt"]
    catalog.delete_document(kb, "mail.eml")
    assert [document.name for document in catalog.documents(kb)] == ["other.txt"]
    assert len(purged(catalog)) == 3
