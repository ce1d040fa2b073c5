"""What an address means: a folder, a bucket, pages; and the store that reads it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote

from ingest.errors import AddressRefused, SourceError
from ingest.settings import IngestSettings
from ingest.sources.base import LONGEST_ADDRESS, Store
from ingest.sources.bucket import BucketStore
from ingest.sources.fetch import Fetcher, Limits
from ingest.sources.folder import FolderStore, folder_address
from ingest.sources.guard import Guard, WebAddress
from ingest.sources.web import LIST_SUFFIX, WebStore, read_list

_FILE = "file://"
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]{2,254}")
_KINDS = "a folder, s3://BUCKET/PREFIX, or https:// addresses"


def normal_address(text: str, base: Path | None = None) -> str:
    """An address in the one form in which it is kept: paths absolute, web addresses as they are asked.

    base: the folder that a relative path starts from; without one, only whole paths are taken.

    Raises:
        SourceError: it is none of the kinds that can be kept in step with.
    """
    text = text.strip()
    if is_web(text):
        normal = " ".join(str(WebAddress.parse(url)) for url in text.split())
    elif text.lower().startswith("s3://"):
        bucket, _, prefix = text[5:].partition("/")
        if not _BUCKET.fullmatch(bucket):
            raise SourceError(f"{text}: a bucket is named as s3://BUCKET/PREFIX")
        normal = f"s3://{bucket}/{prefix.strip('/')}".rstrip("/")
    elif text.lower().startswith(_FILE):
        normal = folder_address(_path(text))
    elif not text or "://" in text or "\x00" in text:
        raise SourceError(f"{text!r} cannot be kept in step with: name {_KINDS}")
    elif base is None and not text.startswith("/"):
        raise SourceError(f"{text!r}: a folder is named by its whole path, from / on")
    else:
        normal = folder_address(Path(os.path.normpath((base or Path("/")) / text)))
    if len(normal) > LONGEST_ADDRESS:
        raise SourceError(
            f"the address has {len(normal)} characters, {LONGEST_ADDRESS} are allowed: use a {LIST_SUFFIX} file"
        )
    return normal


def is_web(address: str) -> bool:
    """Whether an address is one of the web, or several."""
    return address.lower().startswith(("http://", "https://"))


def check_for_strangers(address: str, settings: IngestSettings) -> None:
    """See that somebody who has a key of the API, but no account on this machine, may name a normal address.

    Raises:
        AddressRefused: a folder that the settings do not offer, or a host that they do not allow.
    """
    if is_web(address):
        for url in address.split():
            _guard(settings).check(url)
    if address.startswith("s3://") and settings.s3_endpoint_url is None and settings.s3_access_key is None:
        raise AddressRefused("no bucket may be named yet: set FRONTDESK_S3_ENDPOINT_URL or FRONTDESK_S3_ACCESS_KEY")
    if not address.startswith(_FILE):
        return
    if not settings.source_folders:
        raise AddressRefused("no folder of the server may be named yet: set FRONTDESK_SOURCE_FOLDERS to those that may")
    real = os.path.realpath(_path(address))
    roots = [os.path.realpath(root) for root in settings.source_folders]
    if not any(os.path.commonpath([real, root]) == root for root in roots):
        raise AddressRefused(f"{address} lies in none of the folders that FRONTDESK_SOURCE_FOLDERS names")


def open_store(address: str, settings: IngestSettings) -> Store:
    """The store of a normal address; nothing is read yet but a list of addresses on this machine.

    Raises:
        SourceError: the list cannot be read.
    """
    if is_web(address):
        return WebStore(address.split(), _fetcher(settings))
    if address.startswith("s3://"):
        bucket, _, prefix = address[5:].partition("/")
        return BucketStore(bucket, prefix, settings)
    path = _path(address)
    if path.suffix == LIST_SUFFIX:
        return WebStore(read_list(path), _fetcher(settings))
    return FolderStore(path)


def _path(address: str) -> Path:
    rest = address[len(_FILE) :].removeprefix("localhost")
    if not rest.startswith("/") or "\x00" in unquote(rest):
        raise SourceError(f"{address}: a folder of this machine is named as file:///PATH")
    return Path(os.path.normpath(unquote(rest)))


def _guard(settings: IngestSettings) -> Guard:
    return Guard(settings.url_allow, settings.url_allow_private)


def _fetcher(settings: IngestSettings) -> Fetcher:
    return Fetcher(_guard(settings), Limits(settings.url_max_mb * 1_000_000, settings.url_timeout_s))
