"""Keep a knowledge base in step with a source: list, compare, receive what is new or changed, delete what is gone.

Each file is settled by itself: claimed, its bytes stored, received like any upload, then written down as seen. Whoever
is killed in between finds the file unsettled at the next look and goes on there; nothing is lost, nothing is doubled.
Nothing is deleted before the whole listing is there.
"""

from __future__ import annotations

import errno
import hashlib
import io
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from ingest.errors import NotFound, SourceError
from ingest.files import FileStore
from ingest.records import KnowledgeBase
from ingest.sources.base import Found, Listing, Note, NotRead, Reading, Store, document_name
from ingest.sources.rows import Seen, Source, Sources, is_replaced, taken_by

_BLOCK = 1 << 20
# Files in a row that a store did not give: it is away, and asking for ten thousand more helps nobody.
MOST_AWAY = 10
# Names kept of each kind in what is written down of a look.
MOST_KEPT = 10_000
Report = Callable[[str, str, int, int], None]


class Receiving(Protocol):
    """The way that uploads take."""

    def accept(self, kb: KnowledgeBase, name: str, content_hash: str, size: int) -> bool:
        """Put stored bytes into the queue; whether they were live already."""
        ...

    def delete(self, kb: KnowledgeBase, name: str) -> None:
        """Delete a document."""
        ...

    @property
    def turn(self) -> AbstractContextManager[object]:
        """Held while a name is claimed, so that no upload claims it too."""
        ...


class Stopped(Exception):
    """The program ends; what is unfinished is taken up by the next look."""


@dataclass(slots=True)
class Outcome:
    """What a look at a source found; entries are the files' paths within the source.

    documents: names of the documents that were received with their files, for whoever waits for their ingestion.
    """

    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    unchanged: int = 0
    skipped: list[Note] = field(default_factory=list)
    failed: list[Note] = field(default_factory=list)
    seconds: float = 0.0
    documents: dict[str, str] = field(default_factory=dict)

    def as_json(self, most: int | None = None) -> dict[str, Any]:
        """As one JSON object.

        most: entries of a kind that are kept, for writing down; ``left_off`` counts the others, ``documents`` is there.
        """
        kinds: dict[str, Sequence[Any]] = {
            "new": self.new,
            "changed": self.changed,
            "gone": self.gone,
            "skipped": [note._asdict() for note in self.skipped],
            "failed": [note._asdict() for note in self.failed],
        }
        left_off = sum(max(0, len(entries) - most) for entries in kinds.values()) if most is not None else 0
        shown = {kind: list(entries[:most]) for kind, entries in kinds.items()}
        documents = {"documents": dict(list(self.documents.items())[:most])} if most is not None else {}
        return {
            "new": shown["new"],
            "changed": shown["changed"],
            "gone": shown["gone"],
            "unchanged": self.unchanged,
            "skipped": shown["skipped"],
            "failed": shown["failed"],
            "seconds": round(self.seconds, 2),
            **documents,
            **({"left_off": left_off} if left_off else {}),
        }


@dataclass(frozen=True, slots=True)
class Look:
    """How to look at a source.

    dry_run:     only say what would be done.
    allow_empty: a source that shows nothing any more is believed.
    stopping:    asked between blocks and files.
    """

    dry_run: bool = False
    allow_empty: bool = False
    report: Report = lambda file, stage, done, total: None
    stopping: Callable[[], bool] = lambda: False


class Sync:
    """One look at one source."""

    def __init__(
        self, kb: KnowledgeBase, source: Source, rows: Sources, files: FileStore, receiving: Receiving, look: Look
    ) -> None:
        self._kb = kb
        self._source = source
        self._rows = rows
        self._files = files
        self._receiving = receiving
        self._look = look
        self._outcome = Outcome()
        self._names: dict[str, str] = {}
        self._seen = rows.seen(source.id)
        self._origins = rows.origins(kb.id)

    def run(self, store: Store) -> Outcome:
        """Bring the knowledge base in step.

        Raises:
            SourceError: the source cannot be listed, shows nothing although it did before, or went away in the middle;
                what was received until then stays, and nothing was deleted.
            Stopped: the program ends.
        """
        started = time.perf_counter()
        self._look.report("", "listing", 0, 0)
        listing = store.list()
        self._not_empty(len(listing.files) + len(listing.unread))
        outcome = self._outcome
        outcome.skipped += listing.skipped
        outcome.failed += listing.unread
        missing = self._take_all(store, listing)
        self._not_empty(len(listing.files) - len(missing) + len(listing.unread))
        # What is there and not taken (a host that is not allowed any more, say) is not gone either.
        present = {found.path for found in listing.files} | {note.file for note in listing.skipped}
        self._drop_gone(present - missing, [note.file for note in listing.unread])
        outcome.seconds = time.perf_counter() - started
        return outcome

    def _not_empty(self, shown: int) -> None:
        held = sum(not is_replaced(path) for path in self._seen)
        if held and not shown and not self._look.allow_empty:
            raise SourceError(
                f"{self._source.address} shows no file, although {held} came from there; nothing was deleted. Is it "
                "reachable, its share mounted? If it is meant to be empty: frontdesk sync ADDRESS --allow-empty"
            )

    def _take_all(self, store: Store, listing: Listing) -> set[str]:
        """Receive what is new or changed; returns the listed files that do not exist after all."""
        missing, away = set[str](), 0
        for number, found in enumerate(listing.files):
            self._go_on()
            self._look.report(found.path, "reading", number, len(listing.files))
            try:
                self._take(store, found)
            except NotRead as exc:
                away = away + 1 if exc.away else 0
                if exc.gone and found.path in self._seen:
                    missing.add(found.path)
                else:
                    notes = self._outcome.skipped if exc.skip else self._outcome.failed
                    notes.append(Note(found.path, str(exc)))
                if away >= MOST_AWAY:
                    raise SourceError(
                        f"{self._source.address} does not give its files ({exc}); stopped after {MOST_AWAY}, the next "
                        "look goes on"
                    ) from exc
            except OSError as exc:
                if exc.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise SourceError(
                        f"the data folder is full ({exc.strerror}): make room; the next look goes on"
                    ) from exc
                self._outcome.failed.append(Note(found.path, f"it cannot be copied into the data folder: {exc}"))
            else:
                away = 0
        return missing

    def _take(self, store: Store, found: Found) -> None:
        seen = self._seen.get(found.path)
        if seen is not None and seen.document not in self._origins:
            # Deleted by hand: the source still holds it, so it comes back.
            seen = None
        document = self._named(found.name, found.path) if found.name else ""
        if seen is not None and found.mark and (seen.mark, seen.document) == (found.mark, document):
            self._outcome.unchanged += 1
            return
        with store.open(found, seen.mark if seen is not None else "") as reading:
            if reading is None:
                self._outcome.unchanged += 1
                return
            document = document or self._named(reading.name, found.path)
            own = seen is not None and seen.document == document
            if document in self._origins and (
                reason := taken_by(document, self._origins[document], reading.address, own)
            ):
                raise NotRead(reason, skip=True)
            with self._stored(reading) as (content_hash, size):
                self._receive(found, Seen(reading.mark(), content_hash, document), size, reading.address)

    @contextmanager
    def _stored(self, reading: Reading) -> Iterator[tuple[str, int]]:
        raw = io.BufferedReader(_Raw(reading, self._go_on), _BLOCK)
        if not self._look.dry_run:
            with self._files.adding(raw) as stored:
                yield stored
            return
        digest, size = hashlib.sha256(), 0
        while block := raw.read(_BLOCK):
            digest.update(block)
            size += len(block)
        yield digest.hexdigest(), size

    def _receive(self, found: Found, now: Seen, size: int, address: str) -> None:
        before, outcome = self._seen.get(found.path), self._outcome
        known = before is not None and before.document == now.document and now.document in self._origins
        same = known and before is not None and before.content_hash == now.content_hash
        if not self._look.dry_run:
            with self._receiving.turn:
                reason = self._rows.claim(self._source, found.path, now.document, address)
            if reason:
                raise NotRead(reason, skip=True)
            # The second is what a look that was killed had received already.
            if not same and self._rows.newest_hash(self._kb.id, now.document) != now.content_hash:
                self._receiving.accept(self._kb, now.document, now.content_hash, size)
            self._rows.settle(self._source, found.path, now, address)
        self._origins[now.document] = address
        if same:
            outcome.unchanged += 1
            return
        (outcome.changed if known and before is not None and before.content_hash else outcome.new).append(found.path)
        outcome.documents[now.document] = found.path

    def _named(self, name: str, path: str) -> str:
        """The document's name; each is used once in a look."""
        prefix = self._source.prefix.strip("/")
        try:
            document = document_name(f"{prefix}/{name}" if prefix else name)
        except ValueError as exc:
            raise NotRead(str(exc), skip=True) from exc
        first = self._names.setdefault(document, path)
        if first != path:
            raise NotRead(f"{first!r} has the same name as a document, {document!r}; rename one of them", skip=True)
        return document

    def _drop_gone(self, present: set[str], unread: Sequence[str]) -> None:
        """Delete the documents of files that are not there any more; only those that came from here."""
        below = tuple(f"{path.rstrip('/')}/" for path in unread)
        # Read again: taking files has added to it.
        seen = self._seen if self._look.dry_run else self._rows.seen(self._source.id)
        origins = self._origins if self._look.dry_run else self._rows.origins(self._kb.id)
        kept = {file.document for path, file in seen.items() if path in present}
        for path, file in seen.items():
            if path in present or path in unread or path.startswith(below):
                continue
            self._go_on()
            ours = bool(origins.get(file.document)) and file.document not in kept
            if not self._look.dry_run:
                if ours:
                    self._delete(file.document)
                self._rows.forget(self._source.id, path)
            if ours:
                self._outcome.gone.append(file.document if is_replaced(path) else path)

    def _delete(self, document: str) -> None:
        try:
            self._receiving.delete(self._kb, document)
        except NotFound:
            # Claimed, and never received.
            self._rows.discard(self._kb.id, document)

    def _go_on(self) -> None:
        if self._look.stopping():
            raise Stopped


class _Raw(io.RawIOBase):
    """A reading as a file object."""

    def __init__(self, reading: Reading, between: Callable[[], None]) -> None:
        self._reading = reading
        self._between = between
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        if not self._rest:
            self._between()
            self._rest = memoryview(self._reading.read(_BLOCK))
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
