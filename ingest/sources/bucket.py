"""An S3-compatible bucket, through fsspec and s3fs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ingest.errors import SourceError
from ingest.settings import IngestSettings
from ingest.sources.base import LATER, Found, Listing, NotRead, hidden, taken

# Read by ranges of this size; an object is never whole in memory.
_BLOCK = 8 << 20
_CONNECT_S = 10
_READ_S = 60
_TRIES = 3


class BucketStore:
    """All objects of a bucket below a prefix."""

    def __init__(self, bucket: str, prefix: str, settings: IngestSettings) -> None:
        self._place = f"{bucket}/{prefix}" if prefix else bucket
        self._settings = settings
        self._opened: Any = None

    @property
    def _files(self) -> Any:
        if self._opened is None:
            import fsspec

            settings = self._settings
            key, secret = settings.s3_access_key, settings.s3_secret_key
            self._opened = fsspec.filesystem(
                "s3",
                key=key.get_secret_value() if key else None,
                secret=secret.get_secret_value() if secret else None,
                # Never the keys of the machine: whoever may name a bucket would read with them.
                anon=key is None,
                endpoint_url=settings.s3_endpoint_url,
                client_kwargs={"region_name": settings.s3_region} if settings.s3_region else {},
                config_kwargs={
                    "connect_timeout": _CONNECT_S,
                    "read_timeout": _READ_S,
                    "retries": {"max_attempts": _TRIES},
                    # Names below an address of one's own are seldom set up as host names.
                    **({"s3": {"addressing_style": "path"}} if settings.s3_endpoint_url else {}),
                },
                default_block_size=_BLOCK,
                use_listings_cache=False,
                skip_instance_cache=True,
            )
            self._opened.retries = _TRIES
        return self._opened

    def list(self) -> Listing:
        """Every object, by key.

        Raises:
            SourceError: the bucket does not exist, may not be listed, or does not answer.
        """
        try:
            objects = self._files.find(self._place, detail=True)
        except Exception as exc:
            raise SourceError(f"the bucket at s3://{self._place} cannot be listed: {_said(exc)}") from exc
        listing = Listing()
        for address, entry in sorted(objects.items()):
            path = address.removeprefix(self._place).lstrip("/")
            # Names that end with a slash are how consoles show folders.
            if not path or address.endswith("/") or entry.get("type") != "file" or hidden(path):
                continue
            found = taken(address.removeprefix(f"{self._place}/"), _mark(entry))
            if isinstance(found, Found):
                listing.files.append(found)
            else:
                listing.skipped.append(found)
        return listing

    @contextmanager
    def open(self, found: Found, known_mark: str) -> Iterator[_Object]:
        """Open an object that was listed; every range is asked of the same state of it.

        Raises:
            NotRead: it is gone, may not be read, or the server does not answer.
        """
        address = f"{self._place}/{found.path}"
        with _translated():
            file = self._files.open(address, "rb", block_size=_BLOCK, cache_type="readahead")
        with file:
            yield _Object(found.name, f"s3://{address}", file)


class _Object:
    """An object that is being read."""

    def __init__(self, name: str, address: str, file: Any) -> None:
        self.name = name
        self.address = address
        self._file = file

    def read(self, size: int = -1, /) -> bytes:
        """Some bytes; b"" at the end."""
        with _translated():
            return bytes(self._file.read(size))

    def mark(self) -> str:
        """The state that every range was asked of."""
        return _mark(self._file.details)


@contextmanager
def _translated() -> Iterator[None]:
    from s3fs.utils import FileExpired

    try:
        yield
    except FileExpired as exc:
        raise NotRead(LATER, skip=True) from exc
    except FileNotFoundError as exc:
        # It was listed a moment ago: whether it is gone is for the next listing to say.
        raise NotRead(LATER, skip=True) from exc
    except PermissionError as exc:
        raise NotRead(f"it may not be read: {_said(exc)}") from exc
    except Exception as exc:
        raise NotRead(f"it cannot be read: {_said(exc)}", away=True) from exc


def _mark(entry: dict[str, Any]) -> str:
    etag = str(entry.get("ETag") or "").strip('"')
    state = etag or str(entry.get("LastModified") or "")
    return f"{entry.get('size')}-{state}"[:200] if state else ""


def _said(exc: Exception) -> str:
    """The library's word in one line; it names no secret."""
    text = " ".join(str(exc).split()) or type(exc).__name__
    return text if len(text) <= 300 else text[:300] + "…"
