"""Hostile containers: zips that unpack to gigabytes, that lie, that name files where they must not go, and mails."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

_MIB = 1 << 20
_MIXED = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"


def deflated_zeros(mib: int) -> bytes:
    """Raw deflate data of so many MiB of zeros, 1 KiB each: blocks end at a flush, so that they repeat."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(_MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    return block * mib + b"\x03\x00"


def raw_zip(entries: list[tuple[bytes, bytes, int, int]]) -> bytes:
    """A zip of (name, deflated data, declared size, entries' mode) whose directory says what it is told to say."""
    out, directory = io.BytesIO(), b""
    for name, data, size, mode in entries:
        # Right for what is small, so that its reader gets to the end.
        checksum = zlib.crc32(zlib.decompressobj(-15).decompress(data, _MIB))
        fields = (20, 0x800, 8, 0, 0, checksum, len(data), min(size, 2**32 - 1), len(name))
        directory += struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\1\2", 0x031E, *fields, 0, 0, 0, 0, mode << 16, out.tell())
        directory += name
        out.write(struct.pack("<4sHHHHHIIIHH", b"PK\3\4", *fields, 0) + name + data)
    start = out.tell()
    out.write(directory)
    count = len(entries)
    out.write(struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, count, count, len(directory), start, 0))
    return out.getvalue()


def zipped(parts: dict[str, bytes | str]) -> bytes:
    """An ordinary zip."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


def parts_of(package: bytes) -> dict[str, bytes]:
    """What is in a zip."""
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def replaced(package: bytes, parts: dict[str, bytes]) -> bytes:
    """A package with these parts in place of its own."""
    return zipped({**parts_of(package), **parts})


def flat_bomb() -> bytes:
    """11.7 GiB of zeros in 12 MiB."""
    zeros = deflated_zeros(3999)
    return raw_zip([(f"{n}.txt".encode(), zeros, 3999 * _MIB, 0) for n in range(3)])


def lying_bomb() -> bytes:
    """2 GiB of zeros that claim to be ten bytes."""
    return raw_zip([(b"small.txt", deflated_zeros(2048), 10, 0)])


def lying_package(package: bytes, part: str) -> bytes:
    """A package one of whose parts unpacks to 2 GiB and claims ten bytes."""
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        entries = []
        for name in archive.namelist():
            packer = zlib.compressobj(9, zlib.DEFLATED, -15)
            content = archive.read(name)
            data = packer.compress(content) + packer.flush()
            entries.append((name.encode(), data, len(content), 0))
    entries = [entry for entry in entries if entry[0] != part.encode()]
    return raw_zip([*entries, (part.encode(), deflated_zeros(2048), 10, 0)])


def nested_bomb(levels: int = 5, copies: int = 16) -> bytes:
    """A zip of zips of zips, 4 GiB at the bottom, a million times over."""
    inner = raw_zip([(b"zeros.txt", deflated_zeros(4000), 4000 * _MIB, 0)])
    for _ in range(levels):
        inner = zipped({f"{n}.zip": inner for n in range(copies)})
    return inner


def deep_zip(depth: int = 100) -> bytes:
    """A zip in a zip in a zip, as a quine would unpack."""
    inner = zipped({"end.txt": "The end is reached."})
    for _ in range(depth):
        inner = zipped({"again.zip": inner})
    return inner


def many_entries(count: int = 200_000) -> bytes:
    """A zip of very many files."""
    return zipped({f"{n}.txt": "x" for n in range(count)})


BAD_NAMES = (
    "../../etc/frontdesk-escape.txt",
    "/etc/frontdesk-escape.txt",
    "..\\..\\frontdesk-escape.txt",
    "C:\\frontdesk-escape.txt",
    "\\\\server\\share\\frontdesk-escape.txt",
    "CON.txt",
    "aux.txt",
    "line\nbreak.txt",
    "a" * 5000 + ".txt",
    "....//....//frontdesk-escape.txt",
    "\u202etxt.exe.txt",
    " .txt",
)


def bad_names() -> bytes:
    """A zip whose files want to go elsewhere, one of them with a NUL, one a symbolic link."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = packer.compress(b"Escaped from the archive.") + packer.flush()
    names = [name.encode() for name in BAD_NAMES] + [b"nul\0byte.txt", b"same.txt", b"same.txt"]
    link = zlib.compressobj(9, zlib.DEFLATED, -15)
    target = link.compress(b"/etc/passwd") + link.flush()
    return raw_zip([(name, data, 25, 0o100644) for name in names] + [(b"link.txt", target, 11, 0o120777)])


def mail_with_bad_names() -> bytes:
    """A mail whose attachments want to go elsewhere."""
    parts = "".join(
        f'--b\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename="{name}"\r\n\r\nEscaped.\r\n'
        for name in (*BAD_NAMES, "nul\0byte.txt")
        if "\n" not in name
    )
    head = f"From: a@example.com\r\nSubject: names\r\n{_MIXED}"
    body = "--b\r\nContent-Type: text/plain\r\n\r\nSee the attached files.\r\n"
    return (head + body + parts + "--b--\r\n").encode()


def mail_of_parts(count: int = 10_000) -> bytes:
    """A mail of very many parts."""
    part = "--b\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename=x.txt\r\n\r\nx\r\n"
    head = f"From: a@example.com\r\nSubject: parts\r\n{_MIXED}"
    return (head + part * count + "--b--\r\n").encode()


def mail_in_mail(depth: int = 100, kind: str = "message/rfc822") -> bytes:
    """A mail in a mail in a mail."""
    mail = "From: a@example.com\r\nSubject: the innermost\r\n\r\nHello.\r\n"
    for n in range(depth):
        head = f"From: a@example.com\r\nSubject: {n}\r\nMIME-Version: 1.0\r\n"
        mail = (
            f"{head}Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n"
            f"--b{n}\r\nContent-Type: {kind}\r\n\r\n{mail}\r\n--b{n}--\r\n"
        )
    return mail.encode()
