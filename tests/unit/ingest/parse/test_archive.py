"""Zip archives: their files become attachments; bombs, lies and odd names do no harm."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import pytest

from ingest.errors import DamagedFile, LimitExceeded, NoText, ParseError, PasswordProtected
from ingest.parse import ArchiveLimits, parse
from ingest.parse.archive import check_zip, clean_name


def archive(path: Path, parts: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as target:
        for name, content in parts.items():
            target.writestr(name, content)
    return path


def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def patched(path: Path, offset_in_directory: int, offset_in_entry: int, value: int, size: str = "<L") -> Path:
    """Write a field of every entry anew, in the directory and before the entry itself."""
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x01\x02", offset_in_directory), (b"PK\x03\x04", offset_in_entry)):
        at = data.find(mark)
        while at >= 0:
            struct.pack_into(size, data, at + offset, value)
            at = data.find(mark, at + 4)
    path.write_bytes(data)
    return path


def test_each_file_becomes_an_attachment(tmp_path: Path) -> None:
    parts = {
        "faq/returns.md": b"# Returns",
        "faq/": b"",
        "__MACOSX/faq/._returns.md": b"x",
        ".DS_Store": b"x",
        "faq/Thumbs.db": b"x",
        "faq/.git/config": b"x",
        "empty.txt": b"",
        "README": b"plain",
    }
    document = parse(archive(tmp_path / "a.zip", parts), scratch=scratch(tmp_path))
    assert (document.format, document.elements) == ("zip", ())
    assert [(a.name, a.path.read_bytes()) for a in document.attachments] == [
        ("faq/returns.md", b"# Returns"),
        ("README", b"plain"),
    ]
    # Names on disk are the server's, not the archive's.
    assert {a.path.parent for a in document.attachments} == {tmp_path / "scratch"}
    assert [a.path.name for a in document.attachments] == ["a0001", "a0002"]


def test_what_is_not_read_is_left_out_and_said(tmp_path: Path) -> None:
    parts = {"setup.exe": b"MZ\x90\0" + bytes(99), "a.txt": b"text", "x.py": b"import os"}
    document = parse(archive(tmp_path / "a.zip", parts), scratch=scratch(tmp_path))
    assert [a.name for a in document.attachments] == ["a.txt"]
    assert document.warnings == ("Left out, this kind of file is not read: setup.exe, x.py.",)
    assert len(list((tmp_path / "scratch").iterdir())) == 1


def test_without_a_folder_files_are_only_named(tmp_path: Path) -> None:
    with pytest.raises(NoText, match=r"Files inside were not read: a\.txt, b\.txt\."):
        parse(archive(tmp_path / "a.zip", {"a.txt": b"x", "b.txt": b"y"}))


def test_an_archive_of_nothing_has_no_text(tmp_path: Path) -> None:
    with pytest.raises(NoText, match="no file in the archive"):
        parse(archive(tmp_path / "a.zip", {"folder/": b""}), scratch=scratch(tmp_path))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("../../etc/passwd", "etc/passwd"),
        ("/abs/a.txt", "abs/a.txt"),
        ("C:\\temp\\..\\a.txt", "temp/a.txt"),
        ("a/./b//c.txt", "a/b/c.txt"),
        ("..", "file"),
        ("a\x00\x1b\u202eb.txt", "ab.txt"),
        ("x" * 300 + ".pdf", "x" * 196 + ".pdf"),
        ("退货 政策.docx", "退货 政策.docx"),
    ],
)
def test_names_are_made_harmless(name: str, expected: str) -> None:
    assert clean_name(name, set()) == expected


def test_equal_names_are_told_apart() -> None:
    taken: set[str] = set()
    names = ["a/x.pdf", "a\\x.pdf", "../a/X.PDF", "a/x"]
    assert [clean_name(n, taken) for n in names] == ["a/x.pdf", "a/x (2).pdf", "a/X (3).PDF", "a/x"]


def test_names_of_chinese_windows_are_read(tmp_path: Path) -> None:
    name = "退货政策说明.txt".encode("gbk")
    path = archive(tmp_path / "a.zip", {"p" * len(name): "内容".encode()})
    path.write_bytes(path.read_bytes().replace(b"p" * len(name), name))
    assert [a.name for a in parse(path, scratch=scratch(tmp_path)).attachments] == ["退货政策说明.txt"]


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_bomb_stops_while_it_is_read(tmp_path: Path, method: int) -> None:
    path = archive(tmp_path / "a.zip", {"a.txt": bytes(40 << 20)}, method)
    folder = scratch(tmp_path)
    with pytest.raises(LimitExceeded, match="unpacks to"):
        parse(path, scratch=folder)
    assert sum(f.stat().st_size for f in folder.iterdir()) < 12 << 20


def test_all_files_together_count(tmp_path: Path) -> None:
    parts = {f"{n}.txt": bytes(range(256)) * 40 for n in range(10)}
    limits = ArchiveLimits(total_bytes=50_000)
    with pytest.raises(LimitExceeded, match="unpacks to"):
        parse(archive(tmp_path / "a.zip", parts, zipfile.ZIP_STORED), scratch=scratch(tmp_path), limits=limits)


def test_too_many_files_are_refused_before_any_is_read(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", {f"{n}.txt": b"x" for n in range(1001)})
    folder = scratch(tmp_path)
    with pytest.raises(LimitExceeded, match="more than 1000 files"):
        parse(path, scratch=folder)
    assert not list(folder.iterdir())


@pytest.mark.parametrize(("name", "part"), [("a.docx", "word/document.xml"), ("a.xlsx", "xl/workbook.xml")])
def test_a_part_that_lies_about_its_size_is_found_out(tmp_path: Path, name: str, part: str) -> None:
    # 9 MiB stay below what is refused by its ratio; python-docx would read them all at once.
    path = archive(tmp_path / name, {part: b"0" * (9 << 20), "[Content_Types].xml": b"<Types/>"})
    with pytest.raises(DamagedFile, match="holds more than it says"):
        parse(patched(path, 24, 22, 10))


def test_a_file_in_an_archive_that_lies_about_its_size_is_found_out(tmp_path: Path) -> None:
    path = patched(archive(tmp_path / "a.zip", {"a.txt": b"0" * 100_000}), 24, 22, 10)
    with pytest.raises(DamagedFile, match="is damaged"):
        parse(path, scratch=scratch(tmp_path))


def test_encrypted_entries_are_named(tmp_path: Path) -> None:
    path = patched(archive(tmp_path / "a.zip", {"salary.txt": b"secret"}), 8, 6, 1, "<H")
    with pytest.raises(PasswordProtected, match=r"'salary\.txt' needs a password"):
        parse(path, scratch=scratch(tmp_path))


def test_archives_within_archives_end_somewhere(tmp_path: Path) -> None:
    path = archive(tmp_path / "0.zip", {"a.txt": b"deep"})
    for depth in range(1, 4):
        path = archive(tmp_path / f"{depth}.zip", {"inner.zip": path.read_bytes()})
    for depth in range(3):
        folder = tmp_path / f"s{depth}"
        folder.mkdir()
        (inner,) = parse(path, name="a.zip", scratch=folder, depth=depth).attachments
        path = inner.path
    with pytest.raises(LimitExceeded, match="an archive within 3 others"):
        parse(path, name="a.zip", scratch=tmp_path, depth=3)


ENTITIES = (
    '<?xml version="1.0" encoding="{}"?><!DOCTYPE a [<!ENTITY b "c"><!ENTITY d SYSTEM "file:///etc/passwd">]><a>&d;</a>'
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize(
    ("mime", "part"),
    [
        ("", "word/document.xml"),
        ("application/vnd.oasis.opendocument.text", "content.xml"),
        ("application/epub+zip", "META-INF/container.xml"),
    ],
)
def test_xml_entities_are_refused(tmp_path: Path, mime: str, part: str, encoding: str) -> None:
    parts = {
        "mimetype": mime.encode(),
        "[Content_Types].xml": b"<Types/>",
        part: ENTITIES.format(encoding).encode(encoding),
    }
    if mime:
        del parts["[Content_Types].xml"]
    with pytest.raises(DamagedFile, match="XML entities"):
        parse(archive(tmp_path / "a", parts))


def test_a_mark_cut_by_a_block_is_still_seen(tmp_path: Path) -> None:
    content = b" " * ((1 << 20) - 4) + b'<!ENTITY a "b">'
    path = archive(tmp_path / "a", {"content.xml": content}, zipfile.ZIP_STORED)
    with pytest.raises(DamagedFile, match="XML entities"):
        check_zip(path, "a")


@pytest.mark.parametrize("cut", [10, 100, 400])
def test_a_truncated_archive_is_damaged(tmp_path: Path, cut: int) -> None:
    path = archive(tmp_path / "a.zip", {"a.txt": bytes(range(256)) * 9}, zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(ParseError, match="cut off or damaged"):
        parse(path, scratch=scratch(tmp_path))
