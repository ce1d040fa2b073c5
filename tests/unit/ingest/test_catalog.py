"""Which version is live, and what must be deleted. tests/integration/test_postgres.py runs these on PostgreSQL too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ingest.catalog import Catalog
from ingest.database import open_database
from ingest.errors import AlreadyExists, InvalidName, NotFound
from ingest.records import UNFINISHED, KnowledgeBase, State, Version, version_id


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


def begin(catalog: Catalog, kb: KnowledgeBase, content: str, document: str = "a.txt") -> Version:
    version = catalog.begin_version(kb, document, content * 64, "fp", 10)
    assert version is not None
    return version


def publish(catalog: Catalog, version: Version) -> bool:
    return catalog.publish(version, title="A", format="text", pages=None, chunks=2)


def put(catalog: Catalog, kb: KnowledgeBase, content: str, document: str = "a.txt") -> Version:
    version = begin(catalog, kb, content, document)
    assert publish(catalog, version)
    return version


def purged(catalog: Catalog) -> list[tuple[str, int]]:
    return sorted((purge.version_id, purge.generation) for purge in catalog.purges())


def live(catalog: Catalog, kb: KnowledgeBase, document: str = "a.txt") -> list[tuple[str, int]]:
    versions = catalog.versions(catalog.document(kb, document))
    return [(v.content_hash[0], v.generation) for v in versions if v.live]


# Knowledge bases


def test_create_list_rename_delete(catalog: Catalog) -> None:
    first = catalog.create_knowledge_base("shop")
    catalog.create_knowledge_base("archive")
    assert [kb.name for kb in catalog.knowledge_bases()] == ["archive", "shop"]
    assert catalog.rename_knowledge_base("shop", "store").id == first.id
    assert catalog.knowledge_base("store").id == first.id
    with pytest.raises(NotFound, match=r"no knowledge base named 'shop' \(there are: archive, store\)"):
        catalog.knowledge_base("shop")
    catalog.delete_knowledge_base("store")
    assert [kb.name for kb in catalog.knowledge_bases()] == ["archive"]
    assert [(p.knowledge_base_id, p.version_id) for p in catalog.purges()] == [(first.id, "")]


@pytest.mark.parametrize("name", ["shop", "a", "shop 2.0_old-b", "网店", "x" * 100])
def test_names_that_can_be_used(catalog: Catalog, name: str) -> None:
    assert catalog.create_knowledge_base(name).name == name


@pytest.mark.parametrize("name", ["", " ", "a/b", "../a", ".a", "-a", "a\n", "a ", " a", "a\0b", "x" * 101])
def test_names_that_cannot_be_used(catalog: Catalog, kb: KnowledgeBase, name: str) -> None:
    with pytest.raises(InvalidName, match="cannot be the name of a knowledge base"):
        catalog.create_knowledge_base(name)
    with pytest.raises(InvalidName, match="cannot be the name of a knowledge base"):
        catalog.rename_knowledge_base(kb.name, name)


def test_a_name_is_taken_once_a_tenant(catalog: Catalog, kb: KnowledgeBase) -> None:
    catalog.create_knowledge_base("other")
    with pytest.raises(AlreadyExists, match="'shop' exists already"):
        catalog.create_knowledge_base("shop")
    with pytest.raises(AlreadyExists, match="'shop' exists already"):
        catalog.rename_knowledge_base("other", "shop")
    assert catalog.create_knowledge_base("shop", tenant="neighbour").id != kb.id
    assert [base.id for base in catalog.knowledge_bases()] != [base.id for base in catalog.knowledge_bases("neighbour")]


@pytest.mark.parametrize("act", ["rename", "delete", "get"])
def test_an_unknown_knowledge_base(catalog: Catalog, act: str) -> None:
    acts = {
        "rename": lambda: catalog.rename_knowledge_base("nowhere", "x"),
        "delete": lambda: catalog.delete_knowledge_base("nowhere"),
        "get": lambda: catalog.knowledge_base("nowhere"),
    }
    with pytest.raises(NotFound, match=r"there are: none yet"):
        acts[act]()


def test_deleting_a_knowledge_base_forgets_its_documents_and_leaves_others_alone(
    catalog: Catalog, kb: KnowledgeBase
) -> None:
    other = catalog.create_knowledge_base("other")
    put(catalog, kb, "a")
    kept = put(catalog, other, "b")
    begin(catalog, kb, "c", "c.txt")
    catalog.delete_knowledge_base("shop")
    assert catalog.documents(kb) == []
    assert catalog.unfinished() == []
    assert catalog.content_hashes() == {kept.content_hash}
    assert [doc.name for doc in catalog.documents(other)] == ["a.txt"]


def test_an_index_is_bound(catalog: Catalog, kb: KnowledgeBase) -> None:
    assert (kb.embedding_model, kb.embedding_size, kb.fingerprint) == ("", 0, "")
    catalog.bind_index(kb.id, "model", 384, "fp")
    bound = catalog.knowledge_base("shop")
    assert (bound.embedding_model, bound.embedding_size, bound.fingerprint) == ("model", 384, "fp")


# A version's life


def test_a_version_from_received_to_ready(catalog: Catalog, kb: KnowledgeBase) -> None:
    version = begin(catalog, kb, "a")
    assert version.id == version_id(kb.id, version.document_id, "a" * 64, "fp")
    assert (version.state, version.generation, version.live) == (State.RECEIVED, 1, False)
    for state in (State.PARSING, State.EMBEDDING, State.INDEXING):
        catalog.set_state([version], state)
        assert [v.state for v in catalog.unfinished()] == [state]
    assert catalog.publish(version, title="Title", format="pdf", pages=3, chunks=7, warnings=["one", "two"])
    document = catalog.document(kb, "a.txt")
    latest = document.latest
    assert (document.title, document.live_version_id) == ("Title", version.id)
    assert (latest.state, latest.live, latest.format, latest.pages, latest.chunks, latest.size_bytes) == (
        State.READY, True, "pdf", 3, 7, 10,
    )  # fmt: skip
    assert latest.warnings == ("one", "two")
    assert catalog.unfinished() == []
    assert catalog.purges() == []


def test_what_is_live_is_not_undone_by_who_comes_late(catalog: Catalog, kb: KnowledgeBase) -> None:
    version = put(catalog, kb, "a")
    catalog.set_state([version], State.INDEXING)
    catalog.fail(version, "the purge failed after it had gone live")
    assert catalog.requeue(version)
    document = catalog.document(kb, "a.txt")
    assert (document.live_version_id, document.latest.state, document.latest.reason) == (version.id, State.READY, "")
    assert purged(catalog) == []
    assert catalog.unfinished() == []


@pytest.mark.parametrize("part", ["knowledge base", "document", "content", "fingerprint"])
def test_a_versions_id_depends_on_all_that_went_into_it(part: str) -> None:
    parts = dict.fromkeys(("knowledge base", "document", "content", "fingerprint"), "x")
    assert version_id(*parts.values()) != version_id(*{**parts, part: "y"}.values())


def test_the_same_bytes_that_are_live_change_nothing(catalog: Catalog, kb: KnowledgeBase) -> None:
    put(catalog, kb, "a")
    assert catalog.begin_version(kb, "a.txt", "a" * 64, "fp", 10) is None
    assert live(catalog, kb) == [("a", 1)]
    assert catalog.begin_version(kb, "a.txt", "a" * 64, "another pipeline", 10) is not None
    assert catalog.begin_version(kb, "copy.txt", "a" * 64, "fp", 10) is not None


def test_a_b_a_each_writing_has_its_own_generation(catalog: Catalog, kb: KnowledgeBase) -> None:
    first, second, third = put(catalog, kb, "a"), put(catalog, kb, "b"), put(catalog, kb, "a")
    assert first.id == third.id
    assert [v.generation for v in (first, second, third)] == [1, 2, 3]
    assert live(catalog, kb) == [("a", 3)]
    # The late deletion of the first A names generation 1: it cannot touch what is live now.
    assert purged(catalog) == sorted([(first.id, 1), (second.id, 2)])


def test_a_generation_is_not_used_again_after_a_failure(catalog: Catalog, kb: KnowledgeBase) -> None:
    catalog.fail(begin(catalog, kb, "a"), "broken")
    assert begin(catalog, kb, "a").generation == 2


def test_a_new_version_that_fails_leaves_the_old_one_live(catalog: Catalog, kb: KnowledgeBase) -> None:
    put(catalog, kb, "a")
    version = begin(catalog, kb, "b")
    assert live(catalog, kb) == [("a", 1)]
    catalog.fail(version, "damaged")
    assert live(catalog, kb) == [("a", 1)]
    latest = catalog.document(kb, "a.txt").latest
    assert (latest.state, latest.reason, latest.live) == (State.FAILED, "damaged", False)
    assert purged(catalog) == [(version.id, 2)]


@pytest.mark.parametrize(
    "overtaking",
    [
        "a",
        pytest.param(
            "b",
        ),
    ],
)
def test_an_overtaken_writing_cannot_be_published(catalog: Catalog, kb: KnowledgeBase, overtaking: str) -> None:
    put(catalog, kb, "x")
    slow = begin(catalog, kb, "a")
    quick = begin(catalog, kb, overtaking)
    assert publish(catalog, quick)
    assert not publish(catalog, slow)
    assert live(catalog, kb) == [(overtaking, 3)]


def test_a_writing_that_is_begun_again_purges_what_the_first_one_left(catalog: Catalog, kb: KnowledgeBase) -> None:
    dead = begin(catalog, kb, "a")
    again = begin(catalog, kb, "a")
    assert (dead.id, dead.generation, again.generation) == (again.id, 1, 2)
    assert purged(catalog) == [(dead.id, 1)]
    catalog.fail(dead, "late")
    catalog.set_state([dead], State.INDEXING)
    assert not publish(catalog, dead)
    assert [v.state for v in catalog.unfinished()] == [State.RECEIVED]
    assert publish(catalog, again)


def test_a_deleted_document_cannot_be_published(catalog: Catalog, kb: KnowledgeBase) -> None:
    version = begin(catalog, kb, "a")
    catalog.delete_document(kb, "a.txt")
    assert not publish(catalog, version)
    catalog.fail(version, "too late")
    assert catalog.documents(kb) == []


def test_unpublish_takes_a_live_version_out_of_service(catalog: Catalog, kb: KnowledgeBase) -> None:
    version = put(catalog, kb, "a")
    catalog.unpublish(version, "points are missing")
    document = catalog.document(kb, "a.txt")
    assert (document.live_version_id, document.latest.state, document.latest.reason) == (
        None, State.FAILED, "points are missing",
    )  # fmt: skip
    assert purged(catalog) == [(version.id, 1)]
    assert begin(catalog, kb, "a").generation == 2


# Documents


def test_documents_are_listed_by_name_with_their_newest_version(catalog: Catalog, kb: KnowledgeBase) -> None:
    put(catalog, kb, "a", "b.txt")
    put(catalog, kb, "b", "b.txt")
    catalog.fail(begin(catalog, kb, "c", "a.txt"), "damaged")
    assert [(d.name, d.latest.content_hash[0], d.latest.state) for d in catalog.documents(kb)] == [
        ("a.txt", "c", State.FAILED),
        ("b.txt", "b", State.READY),
    ]
    assert [v.generation for v in catalog.versions(catalog.document(kb, "b.txt"))] == [1, 2]


def test_deleting_a_document_purges_all_it_wrote(catalog: Catalog, kb: KnowledgeBase) -> None:
    first = put(catalog, kb, "a")
    second = begin(catalog, kb, "b")
    catalog.delete_document(kb, "a.txt")
    assert purged(catalog) == sorted([(first.id, 1), (second.id, 2)])
    assert catalog.documents(kb) == []
    assert catalog.content_hashes() == set()
    with pytest.raises(NotFound, match=r"no document named 'a.txt' in knowledge base 'shop'"):
        catalog.delete_document(kb, "a.txt")


def test_purges_are_struck_off_one_by_one(catalog: Catalog, kb: KnowledgeBase) -> None:
    put(catalog, kb, "a")
    second = put(catalog, kb, "b")
    put(catalog, kb, "c")
    first_purge, second_purge = catalog.purges()
    catalog.purged(first_purge)
    catalog.purged(first_purge)  # twice does no harm
    assert purged(catalog) == [(second.id, second.generation)]
    catalog.purged(second_purge)
    assert catalog.purges() == []


def test_live_among(catalog: Catalog, kb: KnowledgeBase) -> None:
    old, new = put(catalog, kb, "a"), put(catalog, kb, "b")
    other = put(catalog, kb, "c", "c.txt")
    hidden = begin(catalog, kb, "d", "c.txt")
    asked = [(v.id, v.generation) for v in (old, new, other, hidden)] + [(new.id, 9), ("nowhere", 1)]
    assert catalog.live_among(asked) == {(new.id, 2), (other.id, 1)}
    assert catalog.live_among([]) == set()


def test_unfinished_are_all_states_but_the_final_ones(catalog: Catalog, kb: KnowledgeBase) -> None:
    for number, state in enumerate(State):
        version = begin(catalog, kb, "a", f"{number}.txt")
        catalog.set_state([version], state)
    assert {v.state for v in catalog.unfinished()} == set(UNFINISHED)
    assert set(State) - set(UNFINISHED) == {State.READY, State.FAILED}


def test_stored_files_are_needed_for_live_and_newest_versions(catalog: Catalog, kb: KnowledgeBase) -> None:
    put(catalog, kb, "a")
    put(catalog, kb, "b")
    catalog.fail(begin(catalog, kb, "c"), "damaged")
    put(catalog, kb, "d", "d.txt")
    assert catalog.content_hashes() == {"b" * 64, "c" * 64, "d" * 64}
