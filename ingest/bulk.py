"""Bulk ingestion past one machine, as a Ray Data job.

    received versions -> read and cut (a pool of sandboxes) -> embed (a pool of models) -> written and published here

Reading and embedding spread over the cluster. This process, which owns catalog and index, receives their results and
takes them through the very steps of any ingestion (ingest/stages.py): hidden, counted, live in one step. So a job that
is killed leaves what any killed ingestion leaves, and the next start goes on.

The data folder must lie on storage that every machine of the cluster sees under the same path: files are read from it,
and files found inside them are put there.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ingest.catalog import Catalog
from ingest.embed import Embedder, Vectors, load_embedder
from ingest.errors import FrontdeskError, SettingsError
from ingest.files import FileStore
from ingest.index.base import VectorIndex
from ingest.limits import limits_of
from ingest.pipeline import Pipeline, Upload
from ingest.reading import Read
from ingest.records import KnowledgeBase, State, Version
from ingest.schema import Chunk
from ingest.settings import IngestSettings
from ingest.sparse import SparseEncoder
from ingest.stages import WINDOW, Ingested, Progress
from ingest.staging import chunk_of, document_of, lines_of
from ingest.tokens import TokenCounter

if TYPE_CHECKING:
    from ingest.sandbox import Sandbox

# Chunks that a model is given at once; it batches them by length itself.
EMBED_AT_ONCE = 128
MISSING = "bulk ingestion needs Ray: pip install 'frontdesk[bulk]'"
# A row of the job: whose it is, which line of the read document it carries, and what is embedded of it.
Row = dict[str, Any]
MakeEmbedder = Callable[[IngestSettings], Embedder]


def load_for_bulk(settings: IngestSettings) -> Embedder:
    """The embedder of a machine of the cluster."""
    return load_embedder(settings, for_documents=True)


class ReadFiles:
    """A sandbox somewhere in the cluster: a row a file becomes a row a line of the read document."""

    def __init__(self, counter: TokenCounter, settings: IngestSettings) -> None:
        from ingest.sandbox import Sandbox

        self._sandbox: Sandbox = Sandbox(counter, settings.chunk_tokens, limits_of(settings))
        self._sandbox.start()

    def __call__(self, row: Row) -> list[Row]:
        """Read one file; one that cannot be read gives one row with the reason."""
        try:
            read = self._sandbox.read(
                Path(row["path"]), row["document"], row["title"], scratch=Path(row["scratch"]), depth=int(row["depth"])
            )
        except (FrontdeskError, OSError) as exc:
            return [_row(row["writing"], failed=True, line=str(exc))]
        document, *chunks = lines_of(read)
        return [
            _row(row["writing"], line=document),
            *(
                _row(row["writing"], line=line, text=chunk.indexed_text(read.title), language=chunk.language)
                for chunk, line in zip(read.chunks, chunks, strict=True)
            ),
        ]


class EmbedTexts:
    """A model somewhere in the cluster: rows with texts get their vectors."""

    def __init__(self, settings: IngestSettings, make: MakeEmbedder) -> None:
        self._embedder = make(settings)

    def __call__(self, batch: Row) -> Row:
        """Embed a batch of texts, each column an array; those in a language that the model does not know get none."""
        texts, languages = list(batch["text"]), list(batch["language"])
        vectors = np.zeros((len(texts), self._embedder.size), dtype=np.float32)
        known = [i for i, text in enumerate(texts) if text and _embedded(self._embedder, languages[i])]
        vectors[known] = self._embedder.embed_documents([str(texts[i]) for i in known])
        return {**batch, "vector": vectors}


class GivenVectors:
    """The embedder of the steps in this process: it hands over by their texts what the job has made."""

    def __init__(self, model: Embedder) -> None:
        self.name, self.size, self.max_tokens = model.name, model.size, model.max_tokens
        self._model = model
        self.given: dict[str, Vectors] = {}

    def knows(self, language: str) -> bool:
        """Whether vectors of this language mean anything."""
        return self._model.knows(language)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special tokens not counted."""
        return self._model.count_tokens(texts)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """The vectors that the job made of these texts; what a person has reworded since is embedded here."""
        other = [text for text in texts if text not in self.given]
        vectors = {**self.given, **dict(zip(other, self._model.embed_documents(other), strict=True))}
        return np.stack([vectors[text] for text in texts]) if texts else np.zeros((0, self.size), dtype=np.float32)

    def embed_query(self, text: str) -> Vectors:
        """A question to a unit vector, shape (size,)."""
        return self._model.embed_query(text)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Questions to unit vectors, shape (len(texts), size)."""
        return self._model.embed_queries(texts)


@dataclass(slots=True)
class _Arriving:
    """A document whose rows come in, in any order."""

    version: Version
    head: Read | None = None
    expected: int = -1
    chunks: dict[int, Chunk] = field(default_factory=dict)
    vectors: dict[int, Vectors] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        return len(self.chunks) == self.expected


class BulkIngestor:
    """Ingests files with the help of a cluster.

    model:   the settings' embedder; here only its name, size and token counts are needed.
    counter: counts tokens as the model does, in another process.
    make:    makes an embedder on a machine of the cluster.
    """

    def __init__(
        self,
        catalog: Catalog,
        files: FileStore,
        index: VectorIndex,
        model: Embedder,
        counter: TokenCounter,
        sparse: SparseEncoder,
        settings: IngestSettings,
        make: MakeEmbedder = load_for_bulk,
    ) -> None:
        self._catalog = catalog
        self._files = files
        self._given = GivenVectors(model)
        self._counter = counter
        self._settings = settings
        self._make = make
        self._pipeline = Pipeline(catalog, files, index, self._given, sparse, settings.chunk_tokens)

    def ingest(
        self, kb: KnowledgeBase, uploads: Iterable[Upload], workers: int, progress: Progress, cluster: str | None = None
    ) -> Iterator[Ingested]:
        """Bring files into a knowledge base; yields what became of each.

        workers: sandboxes, and as many models.
        cluster: address of a running Ray cluster; None starts one on this machine, for this job.

        Raises:
            SettingsError: Ray is not installed.
            FrontdeskError: the job failed; what it had begun is put back, and is taken up by the next ingestion.
        """
        ray = started(workers, cluster)
        try:
            self._pipeline.check_index(kb)
            accepted = [(self._pipeline.accept(kb, upload), upload.title) for upload in uploads]
            yield from (result for result, _ in accepted if isinstance(result, Ingested))
            waiting = [(version, title) for version, title in accepted if isinstance(version, Version)]
            while waiting:
                found: list[Version] = []
                mine = [(version, title) for version, title in waiting if self._catalog.claim(version)]
                yield from self._job(kb, mine, workers, progress, found)
                # Files found inside files.
                waiting = [(version, "") for version in found]
        finally:
            if cluster is None:
                ray.shutdown()

    def _job(
        self,
        kb: KnowledgeBase,
        versions: Sequence[tuple[Version, str]],
        workers: int,
        progress: Progress,
        found: list[Version],
    ) -> Iterator[Ingested]:
        arriving = {_writing(version): _Arriving(version) for version, _ in versions}
        total = len(arriving)
        try:
            for row in self._rows(versions, workers):
                document = arriving[row["writing"]]
                if row["failed"]:
                    yield self._pipeline.stages.fail(arriving.pop(row["writing"]).version, row["line"])
                    continue
                _arrived(document, row)
                if document.whole:
                    # Struck off once it is through: whatever ends the job before puts it back.
                    result = self._through(kb, document, found)
                    del arriving[row["writing"]]
                    yield result
                    progress(document.version.document, "written", total - len(arriving), total)
        except FrontdeskError:
            raise
        except Exception as exc:
            raise FrontdeskError(
                f"the Ray job failed ({type(exc).__name__}: {str(exc).strip().splitlines()[-1][:300]}); run it again"
            ) from exc
        finally:
            for document in arriving.values():
                self._catalog.requeue(document.version, counted=False)
            self._pipeline.purge()

    def _rows(self, versions: Sequence[tuple[Version, str]], workers: int) -> Iterator[Row]:
        import ray.data
        from ray.data import ActorPoolStrategy

        # Large files first: the job lasts as long as its last file.
        ordered = sorted(versions, key=lambda entry: -entry[0].size_bytes)
        items = [self._item(version, title) for version, title in ordered]
        pool = ActorPoolStrategy(size=workers)
        dataset = (
            ray.data.from_items(items, override_num_blocks=max(1, min(len(items), workers * 8)))
            .flat_map(ReadFiles, fn_constructor_args=(self._counter, self._settings), compute=pool, num_cpus=1)
            .map_batches(
                EmbedTexts,
                fn_constructor_args=(self._settings, self._make),
                batch_size=EMBED_AT_ONCE,
                compute=ActorPoolStrategy(size=workers),
                num_cpus=1,
            )
        )
        yield from dataset.iter_rows()

    def _item(self, version: Version, title: str) -> Row:
        return {
            "writing": _writing(version),
            "path": str(self._files.path(version.content_hash).resolve()),
            "document": version.document,
            "title": title,
            "scratch": str(self._pipeline.stages.staging.scratch(version).resolve()),
            "depth": self._catalog.depth(version.document_id),
        }

    def _through(self, kb: KnowledgeBase, document: _Arriving, found: list[Version]) -> Ingested:
        """Write a whole document hidden, count it, and make it live."""
        version, head = document.version, document.head
        if head is None:
            raise AssertionError("a document is whole once its first line is there")
        stages = self._pipeline.stages
        chunks = [document.chunks[ordinal] for ordinal in sorted(document.chunks)]
        try:
            self._catalog.set_state([version], State.EMBEDDING)
            for start in range(0, len(chunks), WINDOW):
                part = chunks[start : start + WINDOW]
                self._given.given = {chunk.indexed_text(head.title): document.vectors[chunk.ordinal] for chunk in part}
                stages.write(kb, [(version, head.title, chunk) for chunk in part])
            self._catalog.set_state([version], State.INDEXING)
            found += stages.adopt(kb, version, head.attachments, self._pipeline.fingerprint)
            return stages.publish(kb, version, head, len(chunks))
        except (FrontdeskError, OSError) as exc:
            return stages.fail(version, str(exc))


def check_installed() -> None:
    """See that the extra is there, before anything slow.

    Raises:
        SettingsError: it is not.
    """
    if importlib.util.find_spec("ray") is None:
        raise SettingsError(MISSING)


def started(workers: int, cluster: str | None) -> Any:
    """Ray, connected to a cluster or started on this machine.

    Raises:
        SettingsError: it is not installed, or the cluster does not answer.
    """
    check_installed()
    import ray

    quiet: dict[str, Any] = {"ignore_reinit_error": True, "log_to_driver": False, "logging_level": "ERROR"}
    try:
        if cluster is None:
            # One for each reader and each model: the pools wait for all their places.
            ray.init(address="local", num_cpus=2 * workers + 1, include_dashboard=False, **quiet)
        else:
            ray.init(address=cluster, **quiet)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as exc:
        raise SettingsError(f"Ray cannot be started or reached ({cluster or 'on this machine'}): {exc}") from exc
    return ray


def _arrived(document: _Arriving, row: Row) -> None:
    if row["text"]:
        chunk = chunk_of(row["line"])
        document.chunks[chunk.ordinal] = chunk
        document.vectors[chunk.ordinal] = np.asarray(row["vector"], dtype=np.float32)
        return
    document.head = document_of(row["line"])
    document.expected = int(json.loads(row["line"])["chunks"])


def _row(writing: str, *, line: str, failed: bool = False, text: str = "", language: str = "") -> Row:
    return {"writing": writing, "failed": failed, "line": line, "text": text, "language": language}


def _writing(version: Version) -> str:
    return f"{version.id}.{version.generation}"


def _embedded(model: Embedder, language: str) -> bool:
    return language == "und" or model.knows(language)
