"""What a file is, by its content: a name is a claim, and only a hint where the content does not tell.

Markdown, plain text and tables of values look alike, so there the suffix decides. A text under the name of a PDF or an
office file is an error and not a text: likelier than a wrong name is an export that failed.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from pathlib import Path

from ingest.errors import DamagedFile, PasswordProtected, UnsupportedFormat
from ingest.parse.archive import LIMITS, ArchiveLimits, open_zip, refuse_encrypted
from ingest.parse.encodings import decode, text_sample
from ingest.parse.formats import FOREIGN, FORMAT_OF_SUFFIX, FORMATS, TEXT_FORMATS, suffix_of, unsupported

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_HEAD = 64 * 1024
# Readers look for %PDF within the first kilobyte, since mail gateways put things before it.
_PDF_WINDOW = 1024
_IMAGES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_BMP_HEADERS = {12, 40, 52, 56, 64, 108, 124}
_OFFICE_FOLDERS = {"docx": "word/", "pptx": "ppt/", "xlsx": "xl/"}
_OPEN_DOCUMENT = {"text": "odt", "spreadsheet": "ods", "presentation": "odp"}
_OLE_STREAMS = {
    "encryptedpackage": "encrypted",
    "__properties_version1.0": "msg",
    "worddocument": "doc",
    "workbook": "xls",
    "book": "xls",
    "powerpoint document": "ppt",
}
_PACKAGES = frozenset(("docx", "pptx", "xlsx", "odt", "ods", "odp", "epub"))
_HTML = re.compile(r"(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html)\b", re.I | re.S)
_HEADER = re.compile(r"([A-Za-z][A-Za-z0-9-]{1,60}):(?:\s|$)")
_SENT = {"received", "mime-version", "message-id", "return-path", "delivered-to", "dkim-signature", "x-mailer"}
_WRITTEN = {"from", "to", "subject", "date", "content-type", "cc", "reply-to"}
# Programs that "export to Word or Excel" often write a web page under that name, which Office opens.
_WEB_PAGE_UNDER = frozenset(("doc", "xls", "ppt"))
_LARGEST_JSON_TRIED = 64 << 20


def detect(path: Path, name: str, limits: ArchiveLimits = LIMITS) -> str:
    """The format of a file (a key of formats.FORMATS) by its content; ``name`` only where the content does not tell.

    Raises:
        UnsupportedFormat: it is something that is not read.
        DamagedFile: it claims by its name or its first bytes to be something that it is not.
        PasswordProtected: its container is encrypted.
        LimitExceeded: it is a zip of too many files.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    claimed = FORMAT_OF_SUFFIX.get(suffix_of(name), "")
    if head.startswith(_OLE):
        return _in_ole(path, name, claimed)
    if head.startswith(_ZIP):
        return _in_zip(path, name, claimed, limits)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{\\rtf"):
        return "rtf"
    if head.startswith(_IMAGES) or (head.startswith(b"RIFF") and head[8:12] == b"WEBP") or _is_bmp(head):
        return "image"
    text = text_sample(head)
    at = head[:_PDF_WINDOW].find(b"%PDF-")
    if at == 0 or (at > 0 and (claimed == "pdf" or text is None)):
        return "pdf"
    if text is None or text.startswith("%!PS"):
        return _binary(head, name, claimed)
    return _text(path, text, name, claimed)


def mismatch(name: str, file_format: str) -> str:
    """The warning for a file whose name claims another format than the one it has; "" where they agree."""
    suffix = suffix_of(name)
    suffixes, noun = FORMATS[file_format]
    return (
        f"The file is named {suffix} but is {noun}; it was read as that." if suffix and suffix not in suffixes else ""
    )


def _is_bmp(head: bytes) -> bool:
    return head.startswith(b"BM") and head[6:10] == b"\0" * 4 and len(head) > 17 and head[14] in _BMP_HEADERS


def _in_ole(path: Path, name: str, claimed: str) -> str:
    import olefile

    try:
        with olefile.OleFileIO(str(path)) as ole:
            roots = {entry[0].lower() for entry in ole.listdir(streams=True, storages=False) if len(entry) == 1}
    except Exception as exc:  # a damaged container makes olefile raise anything
        _refuse_encrypted_marker(path, name)
        suffix = FORMATS[claimed][0][0] if claimed in _OFFICE_FOLDERS else ".docx, .xlsx or .pptx"
        raise DamagedFile(
            f"{name}: this is a damaged file of an old Office format; open it and save it as {suffix}."
        ) from exc
    found = next((format_ for stream, format_ in _OLE_STREAMS.items() if stream in roots), "")
    if found == "encrypted":
        raise PasswordProtected(f"{name}: the file needs a password; save a copy without one.")
    if not found:
        raise UnsupportedFormat(unsupported(name, "a file of an old Office format", "export it as PDF"))
    return found


def _refuse_encrypted_marker(path: Path, name: str) -> None:
    # Office wraps an encrypted file into the container of the old formats; the name may survive a damage.
    with path.open("rb") as file:
        if "EncryptedPackage".encode("utf-16-le") in file.read(_LARGEST_JSON_TRIED):
            raise PasswordProtected(f"{name}: the file needs a password; save a copy without one.")


def _in_zip(path: Path, name: str, claimed: str, limits: ArchiveLimits) -> str:
    with open_zip(path, name, limits) as archive:
        refuse_encrypted(archive, name)
        names = archive.namelist()
        kind = "".join(_beginning(archive, part) for part in ("mimetype", "META-INF/manifest.xml") if part in names)
    folders = {n for n in _OFFICE_FOLDERS if any(part.startswith(_OFFICE_FOLDERS[n]) for part in names)}
    if claimed in folders:
        return claimed
    if any(part.lower() == "[content_types].xml" for part in names):
        if "xl/workbook.bin" in names:
            raise UnsupportedFormat(unsupported(name, "a binary Excel file (.xlsb)", "open it and save it as .xlsx"))
        if folders:
            return min(folders)
        raise UnsupportedFormat(unsupported(name, "a package of another program", "export it as PDF"))
    if "epub+zip" in kind or "META-INF/container.xml" in names:
        return "epub"
    if match := re.search(r"opendocument\.(\w+)", kind):
        if match[1] in _OPEN_DOCUMENT:
            return _OPEN_DOCUMENT[match[1]]
        raise UnsupportedFormat(unsupported(name, "an OpenDocument drawing or formula", "export it as PDF"))
    if any(part.startswith("Index/") and part.endswith(".iwa") for part in names) or "Index.zip" in names:
        raise UnsupportedFormat(unsupported(name, "an Apple iWork file", "export it as PDF or an Office format"))
    if claimed in _PACKAGES:
        noun = FORMATS[claimed][1].split(" ", 1)[1]
        what = noun.replace(" file", " document")
        raise DamagedFile(
            f"{name}: the file holds no {what} although its name says so; save it as {suffix_of(name)} again."
        )
    if not claimed and suffix_of(name):
        raise UnsupportedFormat(unsupported(name))
    return "zip"


def _beginning(archive: zipfile.ZipFile, part: str) -> str:
    try:
        with archive.open(part) as file:
            return file.read(_HEAD).decode("latin-1")
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError):
        return ""


def _binary(head: bytes, name: str, claimed: str) -> str:
    for magic, offset, what, advice in FOREIGN:
        if head[offset : offset + len(magic)] == magic:
            raise UnsupportedFormat(unsupported(name, what, advice))
    if head.startswith(b"%!PS"):
        raise UnsupportedFormat(unsupported(name, "PostScript", "export it as PDF"))
    if not claimed:
        raise UnsupportedFormat(unsupported(name))
    if claimed in TEXT_FORMATS:
        # Its parser says why the bytes are no text.
        return claimed
    raise _not_what_it_says(name, claimed)


def _not_what_it_says(name: str, claimed: str, instead: str = "") -> DamagedFile:
    remedy = "export it as PDF again" if claimed == "pdf" else f"save it as {suffix_of(name)}"
    instead = f" but {instead}" if instead else ""
    return DamagedFile(
        f"{name}: the file is not {FORMATS[claimed][1]} although its name says so{instead}; {remedy}"
        f"{' again' if claimed != 'pdf' else ''}."
    )


def _text(path: Path, text: str, name: str, claimed: str) -> str:
    suffix = suffix_of(name)
    start = text.lstrip("\ufeff \t\r\n")
    is_page, is_mail = bool(_HTML.match(start)), _is_mail(start)
    if claimed and claimed not in TEXT_FORMATS:
        if is_mail and claimed in ("msg", "doc"):
            return "eml"
        if is_page and claimed in _WEB_PAGE_UNDER:
            return "html"
        raise _not_what_it_says(name, claimed, "a web page, often an error or sign-in page" if is_page else "")
    if claimed in ("eml", "json"):
        return "html" if is_page and claimed == "eml" else claimed
    if is_mail:
        return "eml"
    if is_page:
        return "html"
    if suffix and not claimed:
        # Source code and settings are texts as well, and no documents.
        raise UnsupportedFormat(unsupported(name))
    if claimed in ("", "txt") and _is_json(path, start):
        return "json"
    return claimed or "txt"


def _is_mail(start: str) -> bool:
    """Whether a text begins with the header of a mail that went through a mail program."""
    names = set()
    for number, line in enumerate(start.splitlines()[:200]):
        if not line.strip():
            break
        if number == 0 and line.startswith("From "):
            continue
        match = _HEADER.match(line)
        if match:
            names.add(match[1].lower())
        elif not line[0].isspace():
            return False
    return bool(names & _SENT) and len(names & _WRITTEN) >= 2


def _is_json(path: Path, start: str) -> bool:
    if not start.startswith(("{", "[")) or path.stat().st_size > _LARGEST_JSON_TRIED:
        return False
    from ingest.parse.json_records import load

    try:
        return isinstance(load(decode(path.read_bytes(), ""), ""), dict | list)
    except DamagedFile:
        return False
