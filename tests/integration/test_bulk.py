"""Bulk ingestion as a Ray Data job on two local workers: the same documents as without it."""

from __future__ import annotations

import importlib.util
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import pytest_socket

from app.uploads import collect
from ingest.bulk import BulkIngestor, check_installed
from ingest.embed import Embedder
from ingest.errors import FrontdeskError, SettingsError
from ingest.index.edge import EdgeIndex
from ingest.records import State
from ingest.schema import PUBLIC
from ingest.settings import IngestSettings
from ingest.sparse import SparseEncoder
from ingest.tokens import TokenCounter
from tests.fakes import HashEmbedder
from tests.source_shop import SourceShop, md, opened

WORKERS = 2
HAS_RAY = importlib.util.find_spec("ray") is not None
with_ray = pytest.mark.skipif(not HAS_RAY, reason="Ray is not installed: it is the extra `bulk`, outside the lock")


def make_embedder(settings: IngestSettings) -> Embedder:
    return HashEmbedder()


def broken_embedder(settings: IngestSettings) -> Embedder:
    raise RuntimeError("no model on this machine")


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[SourceShop]:
    # Ray speaks to its own processes at this machine's address, not at loopback alone.
    pytest_socket.enable_socket()
    pytest_socket._remove_restrictions()
    with opened(tmp_path, lambda: EdgeIndex(tmp_path / "index", 256), IngestSettings(chunk_tokens=64)) as made:
        yield made


def bulk(shop: SourceShop, make: object = make_embedder) -> BulkIngestor:
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    counter = TokenCounter(tokenizer.to_str(), 512)
    parts = (shop.catalog, shop.files, shop.index, HashEmbedder(), counter, SparseEncoder(), shop.settings)
    return BulkIngestor(*parts, make=make)  # type: ignore[arg-type]  # one of the makers above


def ingested(shop: SourceShop, folder: Path, make: object = make_embedder) -> dict[str, State]:
    results = bulk(shop, make).ingest(shop.kb, collect([folder]).uploads, WORKERS, lambda *_: None)
    return {result.document: result.state for result in results}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(12):
        (folder / f"{number}.md").write_text(md(f"thing {number}"))
    (folder / "long.md").write_text("\n\n".join(f"# Part {n}\n\nSection {n} about salt." for n in range(300)))
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 nothing more")
    with zipfile.ZipFile(folder / "box.zip", "w") as archive:
        archive.writestr("inner.md", md("what lies in the box"))
    return folder


@with_ray
@pytest.mark.filterwarnings("ignore")
def test_two_workers_make_what_one_process_makes(shop: SourceShop, files: Path) -> None:
    states = ingested(shop, files)
    assert states.pop("broken.pdf") is State.FAILED
    assert set(states.values()) == {State.READY}
    texts = shop.texts()
    assert "Section 299 about salt." in texts["long.md"]
    assert "what lies in the box" in texts["box.zip/inner.md"]
    assert shop.held() == shop.chunks() > 300
    assert shop.pipeline.verify(shop.kb) == []
    # The vectors are those of their own texts.
    version = next(v for v in shop.catalog.versions(shop.catalog.document(shop.kb, "3.md")) if v.live)
    (point,) = shop.index.points(shop.kb.id, version.id, version.generation)
    near = shop.index.search(
        shop.kb.id,
        dense=HashEmbedder().embed_query("About thing 3 This is what we say about thing 3"),
        sparse=None,
        principal=PUBLIC,
        limit=1,
    ).dense
    assert near[0].payload["document"] == "3.md"
    assert point.payload["live"] == 1
    # The same again changes nothing, one changed file changes itself.
    (files / "3.md").write_text(md("thing 3, of another kind"))
    generations = {d.name: d.latest.generation for d in shop.catalog.documents(shop.kb)}
    ingested(shop, files)
    changed = {d.name for d in shop.catalog.documents(shop.kb) if d.latest.generation != generations[d.name]}
    assert changed == {"3.md", "broken.pdf"}
    assert shop.held() == shop.chunks()


@with_ray
@pytest.mark.filterwarnings("ignore")
def test_a_job_that_fails_loses_nothing(shop: SourceShop, files: Path) -> None:
    with pytest.raises(FrontdeskError, match="the Ray job failed"):
        ingested(shop, files, broken_embedder)
    waiting = {version.document for version in shop.catalog.received(100)}
    assert len(waiting) == 15
    assert shop.held() == 0
    list(shop.pipeline.work_off())
    assert len(shop.texts()) == 15
    assert shop.held() == shop.chunks()


@pytest.mark.skipif(HAS_RAY, reason="Ray is installed")
def test_without_the_extra_the_remedy_is_named(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from app.cli import app

    with pytest.raises(SettingsError, match=r"pip install 'frontdesk\[bulk\]'"):
        check_installed()
    ended = CliRunner().invoke(app, ["bulk-ingest", str(tmp_path)])
    assert (ended.exit_code, "frontdesk[bulk]" in ended.output) == (1, True)
