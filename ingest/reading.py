"""From a stored file to the chunks that the index will hold: parse, title, chunk. No database, no index."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ingest import cleaning
from ingest.chunk import CHUNKER_VERSION, chunk_document
from ingest.cleaning import CLEANING_VERSION
from ingest.embed import Embedder
from ingest.errors import CANCELLED, Cancelled, NoText
from ingest.limits import LIMITS, SandboxLimits
from ingest.parse import PARSER_VERSION, ArchiveLimits, PageProgress, parse
from ingest.schema import Attachment, Chunk
from ingest.sparse import SPARSE_VERSION
from ingest.tokens import CountsTokens


def title_of_name(name: str) -> str:
    """A file's name as a title: "returns-policy_2026.pdf" is "returns policy 2026"; "0000123.txt" says nothing."""
    words = re.sub(r"[\s_\-]+", " ", Path(name).stem).strip()
    return words if re.search(r"[^\W\d_]{3}|[\u4e00-\u9fff]", words) else ""


def pipeline_fingerprint(embedder: Embedder, chunk_tokens: int) -> str:
    """Hash of everything that decides what a document's points look like."""
    budget = chunk_budget(embedder, chunk_tokens)
    versions = (PARSER_VERSION, CHUNKER_VERSION, CLEANING_VERSION, SPARSE_VERSION)
    parts = (*versions, embedder.name, str(embedder.size), str(budget))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def chunk_budget(embedder: CountsTokens, chunk_tokens: int) -> int:
    """Tokens a chunk may have: the setting, and no more than the model reads (two are its own marks)."""
    return min(chunk_tokens, embedder.max_tokens) - 2


@dataclass(frozen=True, slots=True)
class Read:
    """A document as the index will hold it; a container of nothing but files has attachments and no chunks."""

    title: str
    format: str
    pages: int | None
    warnings: tuple[str, ...]
    chunks: list[Chunk]
    attachments: tuple[Attachment, ...] = ()


class Reader(Protocol):
    """Turns a stored file into a read document, in this process or in another."""

    def __call__(
        self,
        path: Path,
        name: str,
        title: str,
        *,
        scratch: Path,
        depth: int = 0,
        progress: PageProgress | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Read:
        """Read a file.

        name, title: the document's name, and the title given with the upload ("" for none).
        scratch:     an empty folder for files found inside; the caller moves them away.
        depth:       how many files this one was found inside of.
        progress:    called with (pages done, pages).
        cancelled:   asked now and then; once true, the reading is given up.

        Raises:
            ParseError: the file cannot be read; the message is the reason on the document.
            Cancelled: ``cancelled`` said so.
        """
        ...


def read_document(
    path: Path,
    name: str,
    given_title: str,
    *,
    embedder: CountsTokens,
    chunk_tokens: int,
    scratch: Path | None = None,
    depth: int = 0,
    progress: PageProgress | None = None,
    cancelled: Callable[[], bool] | None = None,
    limits: SandboxLimits = LIMITS,
) -> Read:
    """Parse a stored file and cut it into chunks, in this process; see Reader for the parameters.

    limits: what the parsers themselves keep within; memory and time are the sandbox's.

    Raises:
        ParseError: the file cannot be read; the message is the reason on the document.
        Cancelled: ``cancelled`` said so.
    """

    def report(done: int, total: int) -> None:
        if cancelled is not None and cancelled():
            raise Cancelled(CANCELLED)
        if progress is not None:
            progress(done, total)

    archives = ArchiveLimits(limits.entries, limits.unpacked_bytes, limits.ratio, limits.depth)
    parsed = parse(path, name=name, scratch=scratch, depth=depth, progress=report, limits=archives)
    document, warnings = cleaning.clean(parsed)
    title = given_title or document.title or title_of_name(name)
    chunks = chunk_document(document, title, chunk_budget(embedder, chunk_tokens), embedder.count_tokens)
    if not chunks and not document.attachments:
        raise NoText(f"{name} holds no text")
    chunks = cleaning.flag(document, chunks)
    warnings = (*document.warnings, *warnings, *cleaning.warnings_of(chunks))
    return Read(title, document.format, document.page_count, warnings, chunks, document.attachments)
