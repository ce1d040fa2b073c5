"""A changed page of a file costs its own chunks, not the file's: a real PDF through the real parser and index."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from ingest.catalog import Catalog
from ingest.database import open_database
from ingest.embed import Vectors
from ingest.files import FileStore
from ingest.index.edge import EdgeIndex
from ingest.pipeline import Pipeline, Upload
from ingest.records import State
from ingest.sparse import SparseEncoder
from tests.fakes import HashEmbedder

PAGES, CHANGED = 20, 11
_GOODS = ("kettle", "toaster", "blender", "fridge", "freezer", "oven", "hob", "hood", "fan", "heater")
_DEEDS = ("delivered", "repaired", "exchanged", "collected", "tested", "recycled", "returned", "installed")


class CountingEmbedder(HashEmbedder):
    """Remembers what it was asked to embed."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        self.seen += texts
        return super().embed_documents(texts)


def manual(changed: bool) -> bytes:
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4, invariant=1)
    for page in range(1, PAGES + 1):
        mark = f"revised{page}" if changed and page == CHANGED else f"original{page}"
        canvas.setFont("Helvetica-Bold", 16)
        canvas.drawString(60, 780, f"Chapter {page}: the {_GOODS[page % 10]} {mark}")
        text = canvas.beginText(60, 740)
        text.setFont("Helvetica", 10)
        for line in range(24):
            goods, deed = _GOODS[(page * 3 + line) % 10], _DEEDS[(page + line * 5) % 8]
            text.textLine(f"In case {page}-{line} the {goods} is {deed} within {page + line} days, says {mark}.")
        canvas.drawText(text)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def test_only_the_changed_page_is_embedded_again(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'catalog.db'}")
    catalog, index, embedder = Catalog(engine), EdgeIndex(tmp_path / "index", 256), CountingEmbedder()
    pipeline = Pipeline(catalog, FileStore(tmp_path / "store"), index, embedder, SparseEncoder(), 256)
    kb = catalog.create_knowledge_base("shop")
    try:
        chunks = []
        for changed in (False, True):
            path = tmp_path / "manual.pdf"
            path.write_bytes(manual(changed))
            embedder.seen.clear()
            (result,) = pipeline.ingest(kb, [Upload("manual.pdf", path)])
            assert result.state is State.READY, result.reason
            chunks.append((result.chunks, list(embedder.seen)))
        (before, first), (after, second) = chunks
        assert before == len(first) >= PAGES
        live = next(v for v in catalog.versions(catalog.document(kb, "manual.pdf")) if v.live)
        hits = list(index.points(kb.id, live.id, live.generation))
        of_page = [hit for hit in hits if CHANGED in hit.payload["pages"]]
        assert second
        assert all(f"revised{CHANGED}" in text for text in second)
        assert len(second) == len(of_page) < after / 4
        # What was taken over is there, under the new version, and the old version is gone.
        assert len(hits) == after == index.count(kb.id)
    finally:
        index.close()
        engine.dispose()
