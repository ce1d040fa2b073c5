"""Outlook mails (.msg): the MAPI properties that matter, read from the OLE container with olefile.

python-oxmsg was tried: it decodes strictly, so that a mail with one stray byte fails, and gives no way to a mail
attached to a mail. Such a mail is handed on as .eml, since a part of a container is no file.
"""

from __future__ import annotations

import email
import re
import struct
from datetime import UTC, datetime, timedelta
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

from ingest.errors import DamagedFile, PasswordProtected
from ingest.parse.archive import LIMITS, ArchiveLimits
from ingest.parse.encodings import decode
from ingest.parse.mail import Mail, MailFile, date_text, header_text, read_message, to_document
from ingest.parse.rtf import read_rtf
from ingest.parse.rtf_model import Paragraph, Row
from ingest.schema import ParsedDocument

_CLASS, _SUBJECT, _SUBMITTED, _DELIVERED, _HEADERS = 0x001A, 0x0037, 0x0039, 0x0E06, 0x007D
_SENDERS = ((0x0C1A, (0x5D01, 0x0C1F)), (0x0042, (0x5D02, 0x0065)))
_TO, _CC = 0x0E04, 0x0E03
_BODY, _HTML, _RTF = 0x1000, 0x1013, 0x1009
_INTERNET_CODEPAGE, _MESSAGE_CODEPAGE = 0x3FDE, 0x3FFD
_DATA, _LONG_NAME, _SHORT_NAME, _SHOWN_NAME = 0x3701, 0x3707, 0x3704, 0x3001
_MIME, _CONTENT_ID, _ATTACH_FLAGS, _HIDDEN = 0x370E, 0x3712, 0x3714, 0x7FFE
_RENDERED_IN_BODY = 4
_DEEPEST = 10
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_CODEPAGES = {65001: "utf-8", 20127: "ascii", 28591: "iso-8859-1", 936: "gb18030", 54936: "gb18030", 52936: "hz",
              20866: "koi8_r", 50220: "iso2022_jp", 51932: "euc_jp", 51949: "euc_kr", 20932: "euc_jp"}  # fmt: skip


class _Storage:
    """A message, an attachment or a recipient: a folder of the container that holds properties."""

    def __init__(self, ole: Any, prefix: tuple[str, ...], header: int, codec: str | None = None) -> None:
        self.ole, self.prefix = ole, prefix
        self._fixed = self._fixed_properties(header)
        page = self.integer(_MESSAGE_CODEPAGE) or self.integer(_INTERNET_CODEPAGE)
        self.codec = (_CODEPAGES.get(page, f"cp{page}") if page else None) or codec

    def _fixed_properties(self, header: int) -> dict[int, bytes]:
        data = self._stream("__properties_version1.0") or b""
        found = {}
        for at in range(header, len(data) - 15, 16):
            (tag,) = struct.unpack_from("<L", data, at)
            found[tag >> 16] = data[at + 8 : at + 16]
        return found

    def _stream(self, name: str) -> bytes | None:
        path = [*self.prefix, name]
        if not self.ole.exists(path):
            return None
        with self.ole.openstream(path) as stream:
            return bytes(stream.read())

    def integer(self, tag: int) -> int:
        """A number, 0 when it is not there."""
        return int.from_bytes(self._fixed.get(tag, b"")[:4], "little")

    def time(self, tag: int) -> datetime | None:
        """A moment in UTC."""
        ticks = int.from_bytes(self._fixed.get(tag, b""), "little")
        try:
            return _EPOCH + timedelta(microseconds=ticks // 10) if ticks else None
        except OverflowError:
            return None

    def binary(self, tag: int) -> bytes | None:
        """Bytes."""
        return self._stream(f"__substg1.0_{tag:04X}0102")

    def text(self, tag: int, codec: str | None = None) -> str:
        """A text, "" when it is not there."""
        data = self._stream(f"__substg1.0_{tag:04X}001F")
        if data is not None:
            return data.decode("utf-16-le", errors="ignore").replace("\r\n", "\n").rstrip("\0")
        data = self._stream(f"__substg1.0_{tag:04X}001E")
        return _decoded(data.rstrip(b"\0"), codec or self.codec) if data else ""

    def storages(self, start: str) -> list[tuple[str, ...]]:
        """Folders in this one whose names begin like this."""
        depth = len(self.prefix)
        paths = self.ole.listdir(streams=False, storages=True)
        return [
            tuple(path)
            for path in paths
            if len(path) == depth + 1 and tuple(path[:depth]) == self.prefix and path[depth].startswith(start)
        ]


def parse_msg(
    path: Path, name: str, scratch: Path | None = None, depth: int = 0, limits: ArchiveLimits = LIMITS
) -> ParsedDocument:
    """A mail, an appointment or a task that Outlook saved; raises PasswordProtected when it is encrypted."""
    import olefile

    with olefile.OleFileIO(str(path)) as ole:
        mail = _read(_Storage(ole, (), 32), name)
    return to_document("msg", mail, path.stat().st_size, name, scratch, depth, limits)


def _read(message: _Storage, name: str, depth: int = 0) -> Mail:
    kind = message.text(_CLASS).lower()
    signed = kind.endswith("smime.multipartsigned")
    if "smime" in kind and not signed:
        raise PasswordProtected(f"{name}: the mail is encrypted; save its text in a file that is not.")
    mail = Mail(_headers(message), message.text(_BODY), _html(message))
    if not mail.plain.strip() and not mail.html.strip() and (packed := message.binary(_RTF)):
        mail.plain = _rtf_text(packed, name)
    for prefix in message.storages("__attach_version1.0_"):
        file = _attached(_Storage(message.ole, prefix, 8, message.codec), name, depth)
        if file is None:
            continue
        if signed and file.content[:2000].lower().find(b"multipart/signed") >= 0:
            inner = read_message(email.message_from_bytes(file.content), name)
            mail.plain, mail.html = mail.plain.strip() or inner.plain, mail.html or inner.html
            mail.files += inner.files
        else:
            mail.files.append(file)
    return mail


def _headers(message: _Storage) -> dict[str, str]:
    sent = email.message_from_string(message.text(_HEADERS))
    found = {key: header_text(sent.get(key)) for key in ("From", "To", "Cc")}
    found["From"] = found["From"] or _sender(message)
    found["To"] = found["To"] or "; ".join(message.text(_TO).split(";"))
    found["Cc"] = found["Cc"] or message.text(_CC)
    moment = message.time(_SUBMITTED) or message.time(_DELIVERED)
    found["Date"] = date_text(moment) if moment else header_text(sent.get("Date"))
    found["Subject"] = " ".join(message.text(_SUBJECT).split()) or header_text(sent.get("Subject"))
    return {key: " ".join(value.split()) for key, value in found.items() if value.strip()}


def _sender(message: _Storage) -> str:
    for name_tag, address_tags in _SENDERS:
        name = message.text(name_tag)
        address = next((a for tag in address_tags if "@" in (a := message.text(tag))), "")
        if name or address:
            return f"{name} <{address}>" if name and address and name != address else name or address
    return ""


def _html(message: _Storage) -> str:
    data = message.binary(_HTML)
    if data is None:
        return message.text(_HTML)
    page = message.integer(_INTERNET_CODEPAGE)
    return _decoded(data, _CODEPAGES.get(page, f"cp{page}") if page else message.codec)


def _decoded(data: bytes, codec: str | None) -> str:
    try:
        return decode(data, "mail", codec)
    except DamagedFile:
        # Better the mail without its odd bytes than no mail; letters beyond ASCII may be lost, none is invented.
        return data.decode("ascii", errors="ignore")


def _rtf_text(packed: bytes, name: str) -> str:
    from compressed_rtf import decompress

    lines = []
    try:
        items = read_rtf(decompress(packed), name).items
    except (ValueError, IndexError, struct.error) as exc:
        raise DamagedFile(f"{name}: the text of the mail is damaged; save the mail as .eml or .msg again.") from exc
    for item in items:
        if isinstance(item, Paragraph):
            lines.append(f"{item.mark or ''} {item.text}".strip())
        elif isinstance(item, Row):
            lines.append(" | ".join(cell.text.replace("\n", " ") for cell in item.cells))
    return "\n\n".join(lines)


def _attached(attachment: _Storage, name: str, depth: int) -> MailFile | None:
    title = attachment.text(_LONG_NAME) or attachment.text(_SHORT_NAME) or attachment.text(_SHOWN_NAME)
    if nested := attachment.storages(f"__substg1.0_{_DATA:04X}000D"):
        inner = _Storage(attachment.ole, nested[0], 24, attachment.codec)
        # An embedded drawing or chart is a folder too, but no message.
        if depth >= _DEEPEST or not attachment.ole.exists([*nested[0], "__properties_version1.0"]):
            return None
        mail = _read(inner, name, depth + 1)
        title = mail.headers.get("Subject") or re.sub(r"\.msg$", "", title, flags=re.I) or "mail"
        return MailFile(f"{title.replace('/', '-')}.eml", as_eml(mail))
    content = attachment.binary(_DATA)
    if not content:
        return None
    inline = bool(attachment.integer(_ATTACH_FLAGS) & _RENDERED_IN_BODY) or bool(attachment.integer(_HIDDEN))
    is_picture = attachment.text(_MIME).startswith("image/") or title.lower().endswith(
        (".png", ".jpg", ".jpeg", ".gif")
    )
    inline = is_picture and (inline or bool(attachment.text(_CONTENT_ID)))
    return MailFile(title or "attachment", content, inline)


def as_eml(mail: Mail) -> bytes:
    """A mail in the form that mail programs exchange."""
    message = EmailMessage(policy=SMTP)
    message.set_content(mail.plain or "")
    if mail.html:
        message.add_alternative(mail.html, subtype="html")
    for file in mail.files:
        message.add_attachment(
            file.content,
            maintype="application",
            subtype="octet-stream",
            filename=file.name,
            disposition="inline" if file.inline else "attachment",
        )
    # EmailMessage takes well-formed addresses only, and Outlook's are often mere names.
    lines = [f"{key}: {Header(value, 'utf-8').encode()}\r\n" for key, value in mail.headers.items()]
    return "".join(lines).encode("ascii") + bytes(message)
