"""What a file is by its first bytes: a name is a claim, the content decides."""

from __future__ import annotations

import zipfile
from pathlib import Path

from ingest.errors import DamagedFile, PasswordProtected

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_MAIN_PARTS = {".docx": "word/", ".pptx": "ppt/", ".xlsx": "xl/"}
_NAMES = {".docx": "Word", ".pptx": "PowerPoint", ".xlsx": "Excel"}
_LARGEST_CONTENT = 512 * 1024 * 1024
_MOST_COMPRESSED = 200
# Tiny parts compress well and do no harm.
_HARMLESS_CONTENT = 16 * 1024 * 1024
# Readers look for %PDF within the first kilobyte, since mail gateways put things before it.
_PDF_WINDOW = 1024


def check_pdf(path: Path, name: str) -> None:
    """Raise DamagedFile unless the file begins as a PDF does."""
    with path.open("rb") as file:
        if b"%PDF" not in file.read(_PDF_WINDOW):
            raise DamagedFile(f"{name}: the file is not a PDF although its name says so; export it as PDF again.")


def check_office(path: Path, name: str, suffix: str) -> None:
    """Raise unless the file is a zip with the parts of its format, not encrypted, and no zip bomb."""
    kind = _NAMES[suffix]
    with path.open("rb") as file:
        head = file.read(8)
    if head == _OLE:
        _refuse_ole(path, name, suffix)
    if not head.startswith(_ZIP):
        raise DamagedFile(f"{name}: the file is not a {kind} file although its name says so; save it as {suffix}.")
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError) as exc:
        raise DamagedFile(f"{name}: the {kind} file is cut off or damaged; save it again.") from exc
    if any(entry.flag_bits & 1 for entry in entries):
        raise PasswordProtected(f"{name}: the file is encrypted; save a copy without a password.")
    if not any(entry.filename.startswith(_MAIN_PARTS[suffix]) for entry in entries):
        raise DamagedFile(f"{name}: the file holds no {kind} document although its name says so; save it as {suffix}.")
    content = sum(entry.file_size for entry in entries)
    packed = sum(entry.compress_size for entry in entries)
    if content > _LARGEST_CONTENT or (content > _HARMLESS_CONTENT and content > _MOST_COMPRESSED * max(packed, 1)):
        raise DamagedFile(
            f"{name}: the file unpacks to {content >> 20} MiB, which is refused; split it or save it again."
        )


def _refuse_ole(path: Path, name: str, suffix: str) -> None:
    # Office wraps an encrypted file into the container of the old formats.
    marker = "EncryptedPackage".encode("utf-16-le")
    with path.open("rb") as file:
        # The directory of the container is small and may stand anywhere; files beyond this are not Office's.
        if marker in file.read(_LARGEST_CONTENT):
            raise PasswordProtected(f"{name}: the file needs a password; save a copy without one.")
    raise DamagedFile(f"{name}: this is a file of an old Office format; open it and save it as {suffix}.")
