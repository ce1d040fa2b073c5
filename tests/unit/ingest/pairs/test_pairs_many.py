"""Forty thousand passages: walked one document at a time, and gone on with where a run was cut off."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from ingest.database import open_database
from ingest.index.base import Hit
from ingest.pairs.make import PairMaker
from ingest.pairs.records import Draft, SourceChunk
from ingest.pairs.runs import Runs
from ingest.schema import text_hash
from tests.fakes import MemoryIndex
from tests.unit.ingest.pairs.pair_rig import Judge, Shelf, quiet

DOCUMENTS, EACH = 40, 1000


class ManyPassages(MemoryIndex):
    """Passages that are made when they are asked for; it notes how many texts one walk gave, and how many walks live."""

    def __init__(self, versions: dict[str, tuple[str, int]]) -> None:
        super().__init__()
        self._versions = versions
        self.most = 0

    def writings(self, knowledge_base: str, *, live: bool = False) -> Counter[tuple[str, int]]:
        return Counter(dict.fromkeys(self._versions.values(), EACH))

    def payloads(
        self,
        knowledge_base: str,
        fields: Collection[str] | None = None,
        *,
        document: str | None = None,
        flag: str | None = None,
        live: bool = False,
    ) -> Iterator[Hit]:
        given = 0
        for name in [document] if document is not None else self._versions:
            version, generation = self._versions[name]
            for ordinal in range(EACH):
                text = f"{name} {ordinal}"
                payload: dict[str, Any] = {
                    "version": version, "generation": generation, "document": name, "title": name, "ordinal": ordinal,
                    "text": text, "text_hash": text_hash(text), "heading_path": [], "language": "en",
                }  # fmt: skip
                kept = {key: payload[key] for key in fields or payload if key in payload}
                given += "text" in kept
                self.most = max(self.most, given)
                yield Hit(f"{version}-{ordinal}", 0.0, kept)


class Every200th:
    """Has a pair of few passages; it dies at one."""

    name, version = "rules", "1"

    def __init__(self, dies_at: str = "") -> None:
        self.asked: Counter[str] = Counter()
        self._dies_at = dies_at

    def write(self, chunk: SourceChunk) -> Iterator[Draft]:
        if chunk.text == self._dies_at:
            raise RuntimeError("out of memory")
        self.asked[chunk.text] += 1
        if chunk.ordinal % 200 == 0:
            yield Draft(f"What of {chunk.text}?", "That.", (chunk,), "rules", "en", evidence=chunk.text)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(f"sqlite:///{tmp_path / 'catalog.db'}")
    yield engine
    engine.dispose()


def test_forty_thousand_passages(engine: Engine) -> None:
    shelf = Shelf(engine)
    versions = {}
    for number in range(DOCUMENTS):
        name = f"{number:02}.md"
        version = shelf.catalog.begin_version(shelf.base, name, f"{number}", "f", 1)
        assert version is not None
        shelf.catalog.publish(version, title=name, format="md", pages=None, chunks=EACH)
        versions[name] = (version.id, version.generation)
    index = ManyPassages(versions)
    writer, told = Every200th(dies_at="25.md 500"), []
    with pytest.raises(RuntimeError):
        PairMaker(shelf.catalog, index, [writer], Judge()).make(shelf.base, lambda *said: told.append(said))
    assert sum(writer.asked.values()) == 25_500
    # How far it has come was told all along.
    assert told[-1] == ("25.md", "asking", 25_500, 40_000)
    again = Every200th()
    run = PairMaker(shelf.catalog, index, [again], Judge()).make(shelf.base, quiet)
    assert (run.asked, run.skipped) == (14_500, 25_500)
    assert writer.asked + again.asked == Counter({f"{name} {n}": 1 for name in versions for n in range(EACH)})
    # Texts come by document: no walk ever gave more of them than one has.
    assert index.most == EACH
    assert sum(run.kept for run in Runs(engine).all(shelf.base.id)) == 200
