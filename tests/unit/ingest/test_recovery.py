"""What a crash left, and what catalog and index do not agree about, is mended."""

from __future__ import annotations

import pytest

from ingest.pipeline import Mismatch, Upload
from ingest.reconcile import INTERRUPTED
from ingest.records import State
from ingest.worklist import MOST_ATTEMPTS
from tests.stored import stored
from tests.unit.ingest.shop import Shop


def abandon(shop: Shop, *uploads: Upload) -> None:
    """The process dies once the first result of a batch is out: what follows is never run."""
    run = shop.pipeline.ingest(shop.kb, uploads)
    next(run)
    run.close()


def test_recover_after_a_crash_between_two_documents_of_a_batch(shop: Shop) -> None:
    shop.put("b.txt", "Open on Sundays.")
    abandon(shop, shop.upload("a.txt", "Returns take ten days."), shop.upload("b.txt", "Closed on Sundays."))
    assert shop.texts() == ["Closed on Sundays.", "Open on Sundays.", "Returns take ten days."]
    assert [v.document for v in shop.pipeline.recover()] == ["b.txt"]
    assert shop.catalog.document(shop.kb, "b.txt").latest.state is State.RECEIVED
    assert shop.texts() == ["Open on Sundays.", "Returns take ten days."]
    assert shop.answers("sundays")[0] == "Open on Sundays."
    assert [(r.document, r.state) for r in shop.pipeline.work_off()] == [("b.txt", State.READY)]
    assert shop.texts() == ["Closed on Sundays.", "Returns take ten days."]
    assert shop.pipeline.recover() == []


@pytest.mark.parametrize("state", [State.RECEIVED, State.PARSING, State.EMBEDDING, State.INDEXING])
def test_recover_from_each_stage(shop: Shop, state: State) -> None:
    path = shop.upload("a.txt", "Returns take ten days.").path
    content_hash, size = stored(shop.files, path)
    version = shop.catalog.begin_version(shop.kb, "a.txt", content_hash, shop.pipeline.fingerprint, size)
    assert version is not None
    shop.catalog.set_state([version], state)
    (shop.folder / "store" / "tmphalfcopy").write_text("half")
    assert [v.id for v in shop.pipeline.recover()] == [version.id]
    # The bytes were accepted: they wait for their ingestion; the half copy does not.
    assert shop.stored() == ["Returns take ten days."]
    assert [r.state for r in shop.pipeline.work_off()] == [State.READY]
    assert shop.texts() == ["Returns take ten days."]
    assert list(shop.pipeline.work_off()) == []


def test_a_file_that_ends_the_process_each_time_is_given_up(shop: Shop) -> None:
    content_hash, size = stored(shop.files, shop.upload("a.txt", "Returns take ten days.").path)
    shop.catalog.begin_version(shop.kb, "a.txt", content_hash, shop.pipeline.fingerprint, size)
    for _ in range(MOST_ATTEMPTS):
        (version,) = shop.catalog.received(10)
        assert shop.catalog.claim(version)  # and the process dies
        shop.pipeline.recover()
    latest = shop.catalog.document(shop.kb, "a.txt").latest
    assert (latest.state, latest.reason) == (State.FAILED, INTERRUPTED)
    assert list(shop.pipeline.work_off()) == []


def test_recover_finishes_deletions(shop: Shop) -> None:
    shop.put("a.txt", "Returns take ten days.")
    shop.catalog.delete_document(shop.kb, "a.txt")  # and the process dies before the points are deleted
    shop.pipeline.recover()
    assert (shop.texts(), shop.stored(), shop.catalog.purges()) == ([], [], [])


def test_verify_finds_nothing_wrong(shop: Shop) -> None:
    shop.put("a.txt", "Open on Sundays.")
    assert shop.pipeline.verify(shop.kb) == []
    assert shop.answers("sundays") == ["Open on Sundays."]


def test_verify_ingests_again_what_lost_points(shop: Shop) -> None:
    shop.put("a.md", "# A\n\none\n\n# B\n\ntwo")
    shop.put("b.txt", "Open on Sundays.")
    version = shop.catalog.document(shop.kb, "a.md").latest
    shop.index.delete(shop.kb.id, version.id, version.generation)
    assert shop.pipeline.verify(shop.kb) == [Mismatch("a.md", 2, 0, queued=True)]
    latest = shop.catalog.document(shop.kb, "a.md").latest
    assert (latest.state, latest.live) == (State.RECEIVED, False)
    assert [(r.document, r.state) for r in shop.pipeline.work_off()] == [("a.md", State.READY)]
    assert shop.pipeline.verify(shop.kb) == []
    assert shop.texts() == ["Open on Sundays.", "one", "two"]


def test_verify_says_what_it_cannot_ingest_again(shop: Shop) -> None:
    shop.put("a.md", "# A\n\none\n\n# B\n\ntwo")
    version = shop.catalog.document(shop.kb, "a.md").latest
    shop.index.delete(shop.kb.id, version.id, version.generation)
    shop.files.discard({version.content_hash}, set)
    assert shop.pipeline.verify(shop.kb) == [Mismatch("a.md", 2, 0)]
    latest = shop.catalog.document(shop.kb, "a.md").latest
    assert (latest.state, latest.live, latest.reason) == (State.FAILED, False, "the index held 0 of its 2 chunks")


def test_verify_shows_points_that_were_left_hidden(shop: Shop) -> None:
    shop.put("a.txt", "Open on Sundays.")
    for point in shop.index._spaces[shop.kb.id].values():
        point.payload["live"] = 0
    assert shop.pipeline.verify(shop.kb) == [Mismatch("a.txt", 1, 0)]
    assert shop.answers("sundays") == ["Open on Sundays."]
    assert shop.pipeline.verify(shop.kb) == []


def test_verify_deletes_points_that_nobody_owns(shop: Shop) -> None:
    shop.put("a.txt", "Open on Sundays.")
    # A catalog that was restored from an older copy does not know what was written since.
    other = shop.catalog.create_knowledge_base("other")
    list(shop.pipeline.ingest(other, [shop.upload("x.txt", "Nobody's.")]))
    ((version, generation),) = shop.index.writings(other.id)
    stray = next(iter(shop.index._spaces[other.id].values()))
    shop.index.upsert(shop.kb.id, [stray])
    assert shop.pipeline.verify(shop.kb) == [Mismatch("", 0, 1)]
    assert shop.texts() == ["Open on Sundays."]
    assert shop.index.count(other.id, version, generation) == 1
