"""The example company's files through the real parsers, pipeline and Edge; broken files fail with their reason."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.uploads import collect
from ingest.catalog import Catalog
from ingest.database import open_database
from ingest.files import FileStore
from ingest.index.edge import EdgeIndex
from ingest.pipeline import Pipeline, Upload
from ingest.records import KnowledgeBase, State
from ingest.schema import PUBLIC
from ingest.sparse import SparseEncoder
from tests.fakes import HashEmbedder

EXAMPLES = Path(__file__).parents[2] / "examples" / "files"
NAMES = sorted(path.relative_to(EXAMPLES).as_posix() for path in EXAMPLES.rglob("*") if path.is_file())
FORMATS = {".pdf", ".docx", ".pptx", ".xlsx", ".html", ".md", ".txt", ".csv"}


class Shop:
    """A pipeline over real parts, only the embedder is a stand-in."""

    def __init__(self, folder: Path) -> None:
        self._engine = open_database(f"sqlite:///{folder / 'catalog.db'}")
        self.catalog = Catalog(self._engine)
        self.index = EdgeIndex(folder / "index", 256)
        embedder = HashEmbedder(languages=("en",))
        files = FileStore(folder / "store")
        self.pipeline = Pipeline(self.catalog, files, self.index, embedder, SparseEncoder(), 256)
        self.kb: KnowledgeBase = self.catalog.create_knowledge_base("shop")

    def close(self) -> None:
        self.index.close()
        self._engine.dispose()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """All examples, ingested in one go."""
    shop = Shop(tmp_path_factory.mktemp("formats"))
    list(shop.pipeline.ingest(shop.kb, collect([EXAMPLES]).uploads))
    yield shop
    shop.close()


def test_the_examples_cover_every_format_in_both_languages() -> None:
    for language in ("en", "zh"):
        assert {Path(name).suffix for name in NAMES if name.startswith(language)} == FORMATS


@pytest.mark.parametrize("name", NAMES)
def test_an_example_becomes_ready(shop: Shop, name: str) -> None:
    document = shop.catalog.document(shop.kb, name)
    latest = document.latest
    assert (latest.state, latest.reason, latest.live) == (State.READY, "", True)
    assert document.title
    assert shop.index.count(shop.kb.id, latest.id, latest.generation) == latest.chunks > 0
    payloads = [hit.payload for hit in shop.index.points(shop.kb.id, latest.id, latest.generation)]
    assert all(payload["text"].strip() for payload in payloads)
    assert sorted(payload["ordinal"] for payload in payloads) == list(range(latest.chunks))
    if Path(name).suffix in (".pdf", ".pptx"):
        assert latest.pages
        assert all(payload["pages"] for payload in payloads)
    if Path(name).suffix == ".xlsx":
        assert all(payload["sheet"] for payload in payloads)
    language = name.split("/")[0]
    told = [payload["language"] for payload in payloads]
    assert told.count(language) > len(told) / 2


@pytest.mark.parametrize(
    ("question", "document"),
    [
        ("dishwasher salt container", "en/dishwasher-manual.pdf"),
        ("return a product within days", "en/returns-policy.pdf"),
        ("洗衣机 排水 过滤器", "zh/washing-machine-manual-zh.pdf"),
        ("退货 政策", "zh/returns-policy-zh.pdf"),
    ],
)
def test_words_of_a_question_lead_to_its_document(shop: Shop, question: str, document: str) -> None:
    weights = SparseEncoder().encode_query(question)
    hits = shop.index.search(shop.kb.id, dense=None, sparse=weights, principal=PUBLIC, limit=5).sparse
    assert document in [hit.payload["document"] for hit in hits]


def cut_off(path: Path) -> bytes:
    return path.read_bytes()[: path.stat().st_size // 2]


def zipped(path: Path) -> bytes:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("hello.txt", "hello")
    return path.read_bytes()


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("cut-off.pdf", "en/returns-policy.pdf"),
        ("cut-off.docx", "en/warranty.docx"),
        ("cut-off.pptx", "en/product-range.pptx"),
        ("cut-off.xlsx", "en/price-list.xlsx"),
        ("not-a-word-file.docx", None),
        ("a-picture.png", b"\x89PNG\r\n\x1a\n" + bytes(200)),
        ("empty.txt", b""),
        ("blank.md", b"\n \n\t\n"),
        ("binary.txt", bytes(range(256)) * 64),
        ("no-text.html", b"<html><body><img src='x'></body></html>"),
        ("header-only.csv", b""),
    ],
)
def test_a_broken_file_fails_with_its_reason(tmp_path: Path, name: str, source: str | bytes | None) -> None:
    shop = Shop(tmp_path)
    path = tmp_path / name
    if isinstance(source, bytes):
        path.write_bytes(source)
    else:
        path.write_bytes(cut_off(EXAMPLES / source) if source else zipped(tmp_path / "x.zip"))
    good = tmp_path / "good.txt"
    good.write_text("Open on Sundays.")
    results = {r.document: r for r in shop.pipeline.ingest(shop.kb, [Upload(name, path), Upload("good.txt", good)])}
    broken = results[name]
    assert broken.state is State.FAILED
    assert len(broken.reason) > 10
    assert "\n" not in broken.reason
    # A reason of ours, not one of a library that broke: the latter would name its exception.
    assert not broken.reason.startswith("it could not be read (")
    assert shop.catalog.document(shop.kb, name).latest.reason == broken.reason
    assert results["good.txt"].state is State.READY
    assert shop.index.count(shop.kb.id) == 1
    shop.close()
