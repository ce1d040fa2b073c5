"""The public entry: formats by name and content, one error of ours for everything that can go wrong."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import docx
import pytest

from ingest.errors import DamagedFile, LimitExceeded, NoText, ParseError, PasswordProtected, UnsupportedFormat
from ingest.parse import SUPPORTED_SUFFIXES, parse

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600


def zipped(path: Path, parts: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, content in parts.items():
            archive.writestr(part, content)
    return path


@pytest.mark.parametrize(
    ("name", "content", "error", "words"),
    [
        ("a.xyz", b"text", UnsupportedFormat, "Supported: .bmp"),
        ("a.py", b"import sys\n", UnsupportedFormat, "Supported"),
        ("a", bytes(range(256)) * 20, UnsupportedFormat, "Supported"),
        ("a.exe", b"MZ\x90\0" + bytes(600), UnsupportedFormat, "a program"),
        ("a.docx", b"MZ\x90\0" + bytes(600), UnsupportedFormat, "a program"),
        ("a.txt", b"7z\xbc\xaf\x27\x1c\0\0\0", UnsupportedFormat, "pack its files as .zip"),
        ("a.pages", b"no zip", UnsupportedFormat, "export it as .docx"),
        ("a.txt", b"", NoText, "empty"),
        ("a.txt", b" \n\n ", NoText, "no text"),
        # The content decides: this is a PDF, and a broken one.
        ("a.txt", b"%PDF-1.7 binary", DamagedFile, "cannot be opened"),
        ("a.txt", bytes(range(256)) * 20, DamagedFile, "UTF-8"),
        ("a.html", b"no markup at all", DamagedFile, "no HTML"),
        ("a.html", b"<html><body></body></html>", NoText, "no text"),
        ("a.csv", b"\x00\x01\x02\x03" * 50, DamagedFile, "UTF-8"),
        ("a.pdf", b"this is not a pdf", DamagedFile, "not a PDF"),
        ("a.pdf", b"%PDF-1.7\nand nothing more", DamagedFile, "cannot be opened"),
        ("a.pdf", b"<!DOCTYPE html><html><p>Sign in</p></html>", DamagedFile, "a web page"),
        ("a.docx", b"just text", DamagedFile, "not a Word file"),
        ("a.zip", b"just text", DamagedFile, "not a zip archive"),
        ("a.png", b"just text", DamagedFile, "not a picture"),
        ("a.rtf", b"just text", DamagedFile, "not an RTF file"),
        ("a.eml", b"just text\n", DamagedFile, "not a mail"),
        ("a.json", b"just text", DamagedFile, "line 1"),
        ("a.epub", b"PK\x03\x04 cut off", DamagedFile, "damaged"),
        ("a.docx", b"PK\x03\x04 cut off", DamagedFile, "damaged"),
        ("a.docx", OLE, DamagedFile, "save it as .docx"),
        ("a.xlsx", OLE, DamagedFile, "save it as .xlsx"),
        ("a.docx", OLE + "EncryptedPackage".encode("utf-16-le"), PasswordProtected, "password"),
    ],
)
def test_a_bad_file_has_a_reason_in_one_line(
    tmp_path: Path, name: str, content: bytes, error: type[ParseError], words: str
) -> None:
    path = tmp_path / "upload"
    path.write_bytes(content)
    with pytest.raises(error) as caught:
        parse(path, name=name)
    message = str(caught.value)
    assert words in message
    assert message.startswith(f"{name}: ")
    assert "\n" not in message


@pytest.mark.parametrize("suffix", [".docx", ".pptx", ".xlsx"])
@pytest.mark.parametrize(
    "parts",
    [
        {"readme.txt": b"a zip, but no document"},
        {"word/document.xml": b"<broken", "ppt/presentation.xml": b"<broken", "xl/workbook.xml": b"<broken"},
    ],
)
def test_a_zip_that_is_no_document_is_damaged(tmp_path: Path, suffix: str, parts: dict[str, bytes]) -> None:
    with pytest.raises(DamagedFile, match="save it"):
        parse(zipped(tmp_path / f"a{suffix}", parts))


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = zipped(tmp_path / "bomb.docx", {"word/document.xml": b"\0" * (32 << 20)})
    with pytest.raises(LimitExceeded, match="unpacks to 32 MiB"):
        parse(path)


def test_the_users_name_decides_between_texts(tmp_path: Path) -> None:
    path = tmp_path / "3f2a"
    path.write_text("# Returns\n\nWithin 30 days.", encoding="utf-8")
    assert parse(path, name="Returns.MD").format == "md"
    assert parse(path, name="Returns.md").title == "Returns"


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ("Warranty terms", "Warranty terms"),
        ("Microsoft Word - draft7.doc", "The first heading"),
        ("untitled", "The first heading"),
        ("", "The first heading"),
    ],
)
def test_a_title_comes_from_the_metadata_or_the_first_heading(tmp_path: Path, metadata: str, expected: str) -> None:
    document = docx.Document()
    document.core_properties.title = metadata
    document.add_heading("The first heading", 1)
    document.add_paragraph("Text.")
    document.save(str(tmp_path / "a.docx"))
    assert parse(tmp_path / "a.docx").title == expected


def test_importing_the_package_loads_no_heavy_library() -> None:
    code = (
        "import sys, ingest.parse; "
        "sys.exit(any(m in sys.modules for m in ('unstructured','torch','pandas','lxml','pypdf','docx','spacy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_supported_suffix_has_a_parser(tmp_path: Path) -> None:
    for suffix in SUPPORTED_SUFFIXES:
        path = tmp_path / f"a{suffix}"
        path.write_bytes(b"")
        with pytest.raises(NoText):
            parse(path)
