"""Mails (.eml, .mht): who wrote to whom, the text, and the attached files, each a document of its own.

Read with the standard library's `email` under its old policy: the new one decodes each encoded word by itself, and
Chinese programs cut words in the middle of a character.
"""

from __future__ import annotations

import email
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from email.header import decode_header
from email.message import Message
from email.utils import collapse_rfc2231_value, parsedate_to_datetime
from pathlib import Path

from ingest.errors import DamagedFile, LimitExceeded, PasswordProtected
from ingest.parse.archive import LIMITS, ArchiveLimits, Unpacked
from ingest.parse.blocks import Blocks
from ingest.parse.encodings import decode
from ingest.parse.html import read_html
from ingest.parse.text import read_text
from ingest.schema import Element, ElementKind, ParsedDocument

# A picture inside the text is a logo or a smiley up to this size, a screenshot or a scanned page beyond it.
_LARGE_PICTURE = 100 * 1024
_FIELDS = ("From", "To", "Cc", "Date", "Subject")
_IGNORED_TYPES = {"text/calendar", "application/pgp-signature", "application/pkcs7-signature",
                  "application/x-pkcs7-signature", "message/delivery-status", "text/rfc822-headers"}  # fmt: skip
_ENCRYPTED = {"application/pgp-encrypted", "multipart/encrypted"}
_BLOCK = 1 << 20


@dataclass(slots=True)
class MailFile:
    """A file in a mail.

    inline:     shown inside the text, as a logo is.
    content_id: by what the page refers to it, if it has such a name.
    """

    name: str
    content: bytes
    inline: bool = False
    content_id: str = ""


@dataclass(slots=True)
class Mail:
    """A mail in the parts that matter; header values are decoded, bodies are text."""

    headers: dict[str, str] = field(default_factory=dict)
    plain: str = ""
    html: str = ""
    files: list[MailFile] = field(default_factory=list)


def parse_eml(
    path: Path, name: str, scratch: Path | None = None, depth: int = 0, limits: ArchiveLimits = LIMITS
) -> ParsedDocument:
    """A mail as a mail program stores it; raises DamagedFile when there is no mail header in the file."""
    try:
        message = email.message_from_bytes(_without_junk(path.read_bytes()))
        mail = read_message(message, name)
    except RecursionError as exc:
        raise LimitExceeded(f"{name}: it holds mails within mails, deeper than is read; save them one by one.") from exc
    if not any(message.get(header) for header in ("From", "Subject", "MIME-Version", "Content-Type", "Date", "To")):
        raise DamagedFile(f"{name}: the file is not a mail although its name says so; save the mail as .eml again.")
    return to_document("eml", mail, path.stat().st_size, name, scratch, depth, limits)


def to_document(
    file_format: str,
    mail: Mail,
    packed: int,
    name: str,
    scratch: Path | None,
    depth: int,
    limits: ArchiveLimits,
) -> ParsedDocument:
    """A mail as elements and attachments: its header lines as one paragraph, then the plain text, else the HTML."""
    if depth >= limits.depth:
        scratch = None
    unpacked = Unpacked(scratch, name, packed, limits)
    for file in mail.files:
        if not file.inline or len(file.content) >= _LARGE_PICTURE:
            unpacked.add(file.name, _blocks(file.content))
    blocks = Blocks()
    lines = [f"{header}: {mail.headers[header]}" for header in _FIELDS if mail.headers.get(header)]
    # A web page saved by a browser is a mail too, without anybody who sent it.
    if "From" in mail.headers or "To" in mail.headers:
        blocks.paragraph("\n".join(lines))
    elements = (*blocks.elements(), *_body(mail))
    return ParsedDocument(
        file_format,
        elements,
        mail.headers.get("Subject", ""),
        warnings=unpacked.warnings,
        attachments=tuple(unpacked.attachments),
    )


def read_message(message: Message, name: str) -> Mail:
    """The parts of a message; raises PasswordProtected when it is encrypted."""
    mail = Mail()
    for header in _FIELDS:
        if value := header_text(message.get(header)):
            mail.headers[header] = _date(value) if header == "Date" else value
    for part in _leaves(message):
        _read_part(part, mail, name)
    for file in mail.files:
        # Some programs call the pictures of their pages attachments.
        file.inline = file.inline or bool(file.content_id and f"cid:{file.content_id}" in mail.html)
    return mail


def header_text(value: object) -> str:
    """A header's value as a person reads it: encoded words decoded, foldings gone.

    >>> header_text("=?utf-8?b?5Zue5aSN?= <help@example.com>")
    '回复 <help@example.com>'
    """
    if value is None:
        return ""
    # A header with raw 8-bit text comes as surrogates, one a byte.
    text = " ".join(str(value).split()) if isinstance(value, str) else str(value)
    if not isinstance(value, str) or any("\udc80" <= c <= "\udcff" for c in text):
        text = _raw(text.encode("utf-8", errors="surrogateescape"))
    try:
        parts = decode_header(text)
    except (email.errors.HeaderParseError, ValueError):
        return text
    decoded = "".join(part if isinstance(part, str) else _raw(part, charset) for part, charset in parts)
    return " ".join(decoded.split())


def _raw(data: bytes, charset: str | None = None) -> str:
    try:
        return decode(data, "header", charset)
    except DamagedFile:
        return data.decode("ascii", errors="ignore")


def _date(value: str) -> str:
    try:
        return date_text(parsedate_to_datetime(value))
    except (ValueError, TypeError, OverflowError):
        return value


def date_text(moment: datetime) -> str:
    """A date as it is read and searched for: 2024-07-01 09:30 +0800."""
    return moment.strftime("%Y-%m-%d %H:%M %z").strip()


def _leaves(message: Message) -> Iterator[Message]:
    """Parts in order; an attached mail is a leaf, since it is a document of its own."""
    stack = [message]
    while stack:
        part = stack.pop()
        payload = part.get_payload()
        if part.get_content_type() in _ENCRYPTED:
            yield part
        elif part.get_content_maintype() == "multipart" and isinstance(payload, list):
            stack.extend(reversed([p for p in payload if isinstance(p, Message)]))
        else:
            yield part


def _read_part(part: Message, mail: Mail, name: str) -> None:
    kind = part.get_content_type()
    if kind in _ENCRYPTED or (kind in ("application/pkcs7-mime", "application/x-pkcs7-mime") and _is_enveloped(part)):
        raise PasswordProtected(f"{name}: the mail is encrypted; save its text in a file that is not.")
    if kind in _IGNORED_TYPES:
        return
    disposition = str(part.get("Content-Disposition", "")).lower()
    file_name = _file_name(part)
    attached = disposition.startswith("attachment") or (bool(file_name) and kind not in ("text/plain", "text/html"))
    if kind == "message/rfc822":
        _attach_mail(part, mail, file_name)
        return
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return
    if not attached and kind == "text/plain":
        mail.plain += ("\n\n" if mail.plain else "") + _unflowed(part, _text(part, content, name))
    elif not attached and kind == "text/html":
        mail.html += _text(part, content, name)
    elif content:
        # A picture that the page refers to by its id or address is a part of the page.
        shown = bool(part.get("Content-ID") or part.get("Content-Location")) and not disposition.startswith("attach")
        inline = (disposition.startswith("inline") or shown) and part.get_content_maintype() == "image"
        # Styles and scripts of a saved web page are no documents.
        if not (shown and kind in ("text/css", "application/javascript", "text/javascript")):
            picture_id = str(part.get("Content-ID", "")).strip("<> ") if part.get_content_maintype() == "image" else ""
            mail.files.append(MailFile(file_name or _default_name(kind), content, inline, picture_id))


def _attach_mail(part: Message, mail: Mail, file_name: str) -> None:
    payload = part.get_payload()
    inner = payload[0] if isinstance(payload, list) and payload else None
    if isinstance(inner, Message):
        name = file_name or f"{header_text(inner.get('Subject')).replace('/', '-') or 'mail'}.eml"
        name = name if name.lower().endswith(".eml") else f"{name}.eml"
        mail.files.append(MailFile(name, inner.as_bytes()))


def _is_enveloped(part: Message) -> bool:
    return str(part.get_param("smime-type", "enveloped-data")).lower() != "signed-data"


def _text(part: Message, content: bytes, name: str) -> str:
    charset = part.get_content_charset()
    return decode(content, name, charset)


def _unflowed(part: Message, text: str) -> str:
    """Join the lines that a mail program broke (RFC 3676): a space at the end says that the line goes on."""
    if str(part.get_param("format", "")).lower() != "flowed":
        return text
    delete_space = str(part.get_param("delsp", "")).lower() == "yes"
    return re.sub(r"(?m)(?<!^--)( )\n(?![>\n])", "" if delete_space else r"\1", text)


def _file_name(part: Message) -> str:
    name = part.get_param("filename", None, "content-disposition") or part.get_param("name", None, "content-type")
    if name is None:
        return ""
    return header_text(collapse_rfc2231_value(name)).strip("\"' ")


def _default_name(kind: str) -> str:
    endings = {"text/plain": ".txt", "text/html": ".html", "image/jpeg": ".jpg", "image/png": ".png",
               "application/pdf": ".pdf", "image/gif": ".gif", "text/csv": ".csv"}  # fmt: skip
    return "attachment" + endings.get(kind, "")


def _body(mail: Mail) -> tuple[Element, ...]:
    plain = Blocks()
    read_text(mail.plain, plain)
    elements = plain.elements()
    if not mail.html.strip():
        return elements
    # "Your program cannot show this mail": then the text is in the HTML.
    if len(mail.plain.strip()) * 3 < len(re.sub(r"(?s)<style.*?</style>|<[^>]*>|\s+", "", mail.html)) or not elements:
        _, page = read_html(mail.html)
        if sum(_length(e) for e in page) > 2 * sum(_length(e) for e in elements):
            return page
    return elements


def _length(element: Element) -> int:
    if element.kind is ElementKind.TABLE and element.table is not None:
        rows = (element.table.header, *element.table.rows)
        return len(element.text) + sum(len(cell) for row in rows for cell in row)
    return len(element.text)


def _blocks(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), _BLOCK):
        yield content[start : start + _BLOCK]


def _without_junk(data: bytes) -> bytes:
    # A byte order mark or an empty line before the header would make all of it the body.
    return data.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")
