"""What a reading process says is believed only where it is exactly what an honest one says."""

from __future__ import annotations

import json
import os
import struct
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ingest.reading import Read
from ingest.sandbox import wire
from ingest.schema import Attachment, Box, Chunk

MOST = 1 << 20
CHUNK = Chunk(
    0, "Text", ("Fees", "Visits"), (1, 2), "Sheet", "zh", 7, "mixed", (Box(1, 0.1, 0.2, 0.3, 0.4),), ("personal_data:email",)
)  # fmt: skip


@pytest.fixture
def read(tmp_path: Path) -> Read:
    (tmp_path / "a0001").write_text("inside")
    files = (Attachment("folder/a.txt", tmp_path / "a0001"),)
    return Read("Title", "docx", 3, ("A warning",), [CHUNK, Chunk(1, "More")], files)


def payload_of(frame: bytes) -> bytes:
    ((_, payload),) = wire.Frames(MOST).feed(frame)
    return payload


def test_what_was_read_comes_through_whole(read: Read, tmp_path: Path) -> None:
    assert wire.read_result(payload_of(wire.result_frame(read, tmp_path)), tmp_path, MOST, 10) == read


def test_no_field_is_forgotten() -> None:
    """A field that is added to what is read must be added to the wire."""
    frame = json.loads(payload_of(wire.result_frame(Read("", "txt", None, (), []), Path("/"))))
    assert list(frame) == [field.name for field in fields(Read)]
    assert [field.name for field in fields(Chunk)] == [
        "ordinal", "text", "heading_path", "pages", "sheet", "language", "tokens", "kind", "boxes", "flags",
    ]  # fmt: skip


def test_frames_arrive_in_pieces() -> None:
    data = wire.progress_frame(1, 9) + wire.error_frame("NoText", "nothing") + wire.progress_frame(5, 3)
    frames = wire.Frames(MOST)
    seen = [frame for byte in data for frame in frames.feed(bytes([byte]))]
    assert [kind for kind, _ in seen] == [wire.PROGRESS, wire.ERROR, wire.PROGRESS]
    assert [wire.read_progress(seen[place][1]) for place in (0, 2)] == [(1, 9), (3, 3)]
    assert wire.read_error(seen[1][1]) == ("NoText", "nothing", "")


def test_more_than_allowed_is_told() -> None:
    frames = wire.Frames(100)
    list(frames.feed(wire.progress_frame(1, 2) * 8))
    assert frames.overrun
    with pytest.raises(wire.Garbled):
        list(wire.Frames(100).feed(struct.pack(">cI", b"R", 2**31) + b"{"))


def test_a_message_is_one_line() -> None:
    _, message, _ = wire.read_error(payload_of(wire.error_frame("NoText", "one\ntwo\x1b[31m three\r\n" + "x" * 9000)))
    assert message.startswith("one two [31m three x")
    assert len(message) <= 4000


def test_what_cannot_be_stored_is_left_out(tmp_path: Path) -> None:
    odd = Read("a\0b", "txt", None, (), [Chunk(0, "x\ud800y\0z", boxes=(Box(1, np.float32(0.5), 0, 1, 1),))])  # type: ignore[arg-type]
    back = wire.read_result(payload_of(wire.result_frame(odd, tmp_path)), tmp_path, MOST, 10)
    assert (back.title, back.chunks[0].text, back.chunks[0].boxes[0].x0) == ("ab", "xyz", 0.5)


def set_at(path: tuple[Any, ...], value: Any) -> Any:
    def change(document: Any) -> None:
        for step in path[:-1]:
            document = document[step]
        document[path[-1]] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        set_at(("title",), 5),
        set_at(("title",), None),
        set_at(("format",), "x" * 201),
        set_at(("pages",), -1),
        set_at(("pages",), True),
        set_at(("pages",), 2**40),
        set_at(("unknown",), 1),
        set_at(("warnings",), "text"),
        set_at(("warnings",), [1]),
        set_at(("chunks",), {}),
        set_at(("chunks", 0), []),
        set_at(("chunks", 1, 0), 0),
        set_at(("chunks", 0, 1), ["text"]),
        set_at(("chunks", 0, 2), "Fees"),
        set_at(("chunks", 0, 3), ["1"]),
        set_at(("chunks", 0, 5), "zh; drop"),
        set_at(("chunks", 0, 6), 1.5),
        set_at(("chunks", 0, 8), [[1, 0, 0, 1]]),
        set_at(("chunks", 0, 8), [[1, 0, 0, 1, float("inf")]]),
        set_at(("chunks", 0, 8), [[1, 0, 0, 1, "1"]]),
        set_at(("chunks", 0, 8), [[]]),
        set_at(("attachments", 0, 1), "../secret"),
        set_at(("attachments", 0, 1), "/etc/passwd"),
        set_at(("attachments", 0, 1), "not-there"),
        set_at(("attachments", 0, 1), "."),
        set_at(("attachments", 0, 1), "link"),
        set_at(("attachments", 0, 1), "hard"),
        set_at(("attachments", 0, 1), "linked-folder/secret"),
        set_at(("attachments", 0, 1), "pipe"),
        set_at(("attachments", 0, 1), "large"),
        set_at(("attachments", 0, 1), "a\0b"),
        set_at(("attachments", 0, 0), "../a.txt"),
        set_at(("attachments", 0, 0), "/a.txt"),
        set_at(("attachments", 0, 0), "..\\a.txt"),
        set_at(("attachments", 0, 0), "a\nb.txt"),
        set_at(("attachments", 0, 0), ""),
        set_at(("attachments",), [["a", "a0001"]] * 11),
    ],
)
def test_what_no_honest_process_sends_is_refused(change: Any, read: Read, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    scratch = tmp_path
    (scratch / "link").symlink_to(outside / "secret")
    os.link(outside / "secret", scratch / "hard")
    (scratch / "linked-folder").symlink_to(outside)
    os.mkfifo(scratch / "pipe")
    (scratch / "large").write_bytes(bytes(MOST + 1))
    document = json.loads(payload_of(wire.result_frame(read, scratch)))
    change(document)
    with pytest.raises(wire.Garbled):
        wire.read_result(json.dumps(document).encode(), scratch, MOST, 10)


@pytest.mark.parametrize("payload", [b"", b"[", b"\xff", b"[" * 100_000, b"null", b"[]", b'"text"', b"\x80\x04."])
def test_what_is_no_document_is_refused(payload: bytes, tmp_path: Path) -> None:
    with pytest.raises(wire.Garbled):
        wire.read_result(payload, tmp_path, MOST, 10)
    with pytest.raises(wire.Garbled):
        wire.read_error(payload)
    with pytest.raises(wire.Garbled):
        wire.read_progress(payload + b"123456789")
