"""Writes the container of old Office and of Outlook: a folder tree as one file (MS-CFB, version 3)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

Tree = Mapping[str, "bytes | Tree"]
_FREE, _END, _FAT, _NONE = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFF
_SECTOR, _MINI, _CUTOFF = 512, 64, 4096


def write_ole(path: Path, tree: Tree) -> Path:
    """Write streams (bytes) and storages (mappings) and return the path."""
    entries: list[dict[str, object]] = [{"name": "Root Entry", "kind": 5, "child": _NONE, "right": _NONE}]
    mini, sectors, fat = bytearray(), bytearray(), []
    mini_fat: list[int] = []

    def chain(table: list[int], count: int) -> int:
        if not count:
            return _END
        start = len(table)
        table += [*range(start + 1, start + count), _END]
        return start

    def store(data: bytes) -> int:
        padded = data + bytes(-len(data) % _SECTOR)
        start = chain(fat, len(padded) // _SECTOR)
        sectors.extend(padded)
        return start

    def add(folder: Tree) -> int:
        first = previous = _NONE
        # The order that the format wants: shorter names first, then by letters.
        for name, content in sorted(folder.items(), key=lambda item: (len(item[0]), item[0].upper())):
            entry: dict[str, object] = {
                "name": name,
                "kind": 2,
                "child": _NONE,
                "right": _NONE,
                "start": _END,
                "size": 0,
            }
            number = len(entries)
            entries.append(entry)
            if previous != _NONE:
                entries[previous]["right"] = number
            first = number if first == _NONE else first
            previous = number
            if not isinstance(content, bytes):
                entry["kind"] = 1
                entry["start"] = 0
                entry["child"] = add(content)
            elif len(content) < _CUTOFF:
                padded = content + bytes(-len(content) % _MINI)
                entry["start"], entry["size"] = chain(mini_fat, len(padded) // _MINI), len(content)
                mini.extend(padded)
            else:
                entry["start"], entry["size"] = store(content), len(content)
        return first

    entries[0]["child"] = add(tree)
    entries[0]["start"], entries[0]["size"] = store(bytes(mini)), len(mini)
    directory = store(b"".join(map(_entry, entries)))
    mini_table = b"".join(struct.pack("<L", n) for n in mini_fat)
    mini_start = store(mini_table + b"\xff" * (-len(mini_table) % _SECTOR)) if mini_table else _END
    mini_sectors = -(-len(mini_table) // _SECTOR)
    # The table of sectors lists its own sectors, too.
    own = 1
    while (len(fat) + own) * 4 > own * _SECTOR:
        own += 1
    fat_start = len(fat)
    table = fat + [_FAT] * own
    table += [_FREE] * (own * _SECTOR // 4 - len(table))
    header = struct.pack(
        "<8s16sHHHHH6xLLLLLLLLL", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", bytes(16), 0x3E, 3, 0xFFFE, 9, 6, 0, own, directory,
        0, _CUTOFF, mini_start, mini_sectors, _END, 0,
    )  # fmt: skip
    difat = [*range(fat_start, fat_start + own)]
    header += b"".join(struct.pack("<L", n) for n in [*difat, *[_FREE] * (109 - len(difat))])
    path.write_bytes(header + bytes(sectors) + b"".join(struct.pack("<L", n) for n in table))
    return path


def _entry(entry: dict[str, object]) -> bytes:
    name = str(entry["name"]).encode("utf-16-le") + b"\0\0"
    return struct.pack(
        "<64sHBBLLL16sLQQLQ", name, len(name), entry["kind"], 1, _NONE, entry["right"], entry["child"], bytes(16), 0, 0, 0,
        entry.get("start", _END), entry.get("size", 0),
    )  # fmt: skip


def message(
    texts: Mapping[int, str],
    *,
    attachments: list[Tree] | None = None,
    binary: Mapping[int, bytes] | None = None,
    header: int = 32,
) -> dict[str, bytes | Tree]:
    """The folder of an Outlook message or of an attachment: MAPI properties by their tag."""
    folder: dict[str, bytes | Tree] = {"__properties_version1.0": bytes(header)}
    for tag, text in texts.items():
        folder[f"__substg1.0_{tag:04X}001F"] = text.encode("utf-16-le")
    for tag, data in (binary or {}).items():
        folder[f"__substg1.0_{tag:04X}0102"] = data
    for number, attachment in enumerate(attachments or []):
        folder[f"__attach_version1.0_#{number:08X}"] = attachment
    return folder
