"""Hostile pictures: small files that claim, or are, very many pixels."""

from __future__ import annotations

import struct
import zlib

from tests.hostile.archives import deflated_zeros


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, data: bytes) -> bytes:
    """A one-bit PNG with this header and these compressed lines."""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def png_bomb(side: int = 60_000) -> bytes:
    """3.6 thousand million white pixels that are all there."""
    mib = (side * (side // 8 + 1) >> 20) + 1
    length = mib << 20
    return png(side, side, b"\x78\x9c" + deflated_zeros(mib) + struct.pack(">HH", length % 65521, 1))


def png_lie() -> bytes:
    """A header of 100,000 x 100,000 before one line of data."""
    return png(100_000, 100_000, zlib.compress(bytes(100)))


def tiff_bomb(side: int = 60_000, pages: int = 1) -> bytes:
    """TIFF pages of one strip each that is not there, one linked to the next; the last to the first."""
    out = b"II*\0" + struct.pack("<I", 8)
    for page in range(pages):
        tags = (
            (256, 4, 1, side), (257, 4, 1, side), (258, 3, 1, 1), (259, 3, 1, 1), (262, 3, 1, 1),
            (273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, side), (279, 4, 1, side * side // 8),
        )  # fmt: skip
        out += struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
        out += struct.pack("<I", 8 if page == pages - 1 else len(out) + 4)
    return out


def gif_of_frames(frames: int = 50_000) -> bytes:
    """An animation of very many frames of 2,000 x 2,000 that cost 20 bytes each."""
    head = b"GIF89a" + struct.pack("<HH", 2000, 2000) + b"\x80\0\0\0\0\0\xff\xff\xff"
    frame = b"\x2c" + struct.pack("<HHHH", 0, 0, 1, 1) + b"\0\x02\x02\x44\x01\0"
    return head + frame * frames + b";"


def bmp_lie() -> bytes:
    """A bitmap of two thousand million columns."""
    return (
        b"BM"
        + struct.pack("<IHHI", 100, 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, 2**31 - 1, 2**31 - 1, 1, 24, *[0] * 6)
    )


def webp_junk() -> bytes:
    """A WebP whose chunk is longer than the file."""
    return (
        b"RIFF" + struct.pack("<I", 2**32 - 10) + b"WEBPVP8L" + struct.pack("<I", 2**31) + b"\x2f\xff\xff\xff\xff" * 4
    )
