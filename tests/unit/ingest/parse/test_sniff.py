"""The content decides what a file is; the name is a hint where the content does not tell."""

from __future__ import annotations

import zipfile
from email.message import EmailMessage
from io import BytesIO
from pathlib import Path

import docx
import msoffcrypto.format.ooxml
import openpyxl
import pptx
import pytest

from ingest.errors import DamagedFile, PasswordProtected, UnsupportedFormat
from ingest.parse import is_readable, parse
from ingest.parse.formats import FORMATS, SUPPORTED_SUFFIXES
from ingest.parse.legacy import find_office
from ingest.parse.sniff import detect
from tests.ole import message, write_ole


def word() -> bytes:
    document = docx.Document()
    document.add_heading("Returns", 1)
    document.add_paragraph("Within 30 days.")
    saved = BytesIO()
    document.save(saved)
    return saved.getvalue()


def excel() -> bytes:
    book = openpyxl.Workbook()
    book.active.append(["Plan", "Price"])
    book.active.append(["Basic", 5])
    saved = BytesIO()
    book.save(saved)
    return saved.getvalue()


def slides() -> bytes:
    deck = pptx.Presentation()
    deck.slides.add_slide(deck.slide_layouts[0]).shapes.title.text = "Welcome"
    saved = BytesIO()
    deck.save(saved)
    return saved.getvalue()


def zipped(parts: dict[str, str]) -> bytes:
    saved = BytesIO()
    with zipfile.ZipFile(saved, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return saved.getvalue()


def mail() -> bytes:
    found = EmailMessage()
    found["From"], found["To"], found["Subject"], found["Date"] = "a@example.com", "b@example.com", "Hi", "today"
    found["Message-ID"] = "<1@example.com>"
    found.set_content("The text.")
    return bytes(found)


RTF = b"{\\rtf1\\ansi Hello there.\\par}"
PAGE = b"<!DOCTYPE html><html><body><p>Hello there.</p></body></html>"


@pytest.mark.parametrize(
    ("content", "name", "expected"),
    [
        (word(), "a.pdf", "docx"),
        (word(), "a", "docx"),
        (excel(), "a.docx", "xlsx"),
        (slides(), "report 2026.11", "pptx"),
        (RTF, "a.doc", "rtf"),
        (RTF, "a.txt", "rtf"),
        (PAGE, "a.xls", "html"),
        (PAGE, "a.md", "html"),
        (PAGE, "page.aspx", "html"),
        (PAGE.decode().encode("utf-16"), "a.txt", "html"),
        (mail(), "a.txt", "eml"),
        (mail(), "a", "eml"),
        (b'{"a": [1]}', "a", "json"),
        (b'{"a": 1}\n{"a": 2}\n', "a.txt", "json"),
        (b"{not json}", "a.txt", "txt"),
        (b"plain text", "README", "txt"),
        (b"plain text", "a.md", "md"),
        (b"a,b", "a.csv", "csv"),
        (b"%PDF-1.7", "a.docx", "pdf"),
        (b"junk\n%PDF-1.7", "a.pdf", "pdf"),
        # A text about PDF files is a text.
        (b"A file that begins with %PDF-1.7 is a PDF.", "a.md", "md"),
        (b"\x89PNG\r\n\x1a\n", "a.jpg", "image"),
        (b"BM\x40\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", "a.bmp", "image"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "a", "image"),
        (zipped({"a.txt": "x"}), "a.zip", "zip"),
        (zipped({"word/a.txt": "a folder that is called word"}), "a", "zip"),
        (zipped({"mimetype": "application/epub+zip"}), "a.zip", "epub"),
        (zipped({"mimetype": "application/vnd.oasis.opendocument.text"}), "a.doc", "odt"),
        (zipped({"mimetype": "application/vnd.oasis.opendocument.spreadsheet-template"}), "a", "ods"),
    ],
)
def test_the_content_decides(tmp_path: Path, content: bytes, name: str, expected: str) -> None:
    path = tmp_path / "upload"
    path.write_bytes(content)
    assert detect(path, name) == expected


@pytest.mark.parametrize(
    ("streams", "expected"),
    [({"WordDocument": b"x"}, "doc"), ({"Workbook": b"x"}, "xls"), ({"PowerPoint Document": b"x"}, "ppt"),
     (message({0x37: "Hi"}), "msg")],
)  # fmt: skip
def test_streams_tell_the_files_of_old_office_apart(tmp_path: Path, streams: dict[str, bytes], expected: str) -> None:
    assert detect(write_ole(tmp_path / "a", streams), "a.doc") == expected


def test_another_format_than_the_name_says_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(word())
    document = parse(path)
    assert document.format == "docx"
    assert document.title == "Returns"
    assert document.warnings == ("The file is named .pdf but is a Word file; it was read as that.",)


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (zipped({"AndroidManifest.xml": "x"}), "a.apk", "this kind of file is not read"),
        (zipped({"[Content_Types].xml": "x", "xl/workbook.bin": "x"}), "a.xlsb", "save it as .xlsx"),
        (zipped({"Index/Document.iwa": "x"}), "a.pages", "Apple iWork"),
        (b"\x1f\x8b\x08\0" + bytes(90), "a.csv.gz", "pack its files as .zip"),
        (b"\0\0\0\x18ftypmp42" + bytes(90), "a.mp4", "transcript"),
        (b"[settings]\na = 1\n", "a.ini", "not read"),
        (b'<?xml version="1.0"?><a/>', "a.xml", "export it as .html"),
    ],
)
def test_what_is_not_read_says_what_to_do(tmp_path: Path, content: bytes, name: str, words: str) -> None:
    path = tmp_path / "upload"
    path.write_bytes(content)
    with pytest.raises(UnsupportedFormat, match="Supported: ") as caught:
        parse(path, name=name)
    assert words in str(caught.value)


def test_a_container_of_old_office_that_nobody_knows(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFormat, match="export it as PDF"):
        parse(write_ole(tmp_path / "a.pub", {"Quill": b"x"}))


@pytest.mark.parametrize("content", [word(), excel(), slides()])
def test_encrypted_office_files_ask_for_a_copy_without_password(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "secret.docx"
    with path.open("wb") as file:
        msoffcrypto.format.ooxml.OOXMLFile(BytesIO(content)).encrypt("secret", file)
    with pytest.raises(PasswordProtected, match=r"secret\.docx: the file needs a password"):
        parse(path)


def test_an_encrypted_file_of_old_word(tmp_path: Path) -> None:
    # The head of a Word document with the mark "encrypted", and the table that goes with it.
    head = b"\xec\xa5\xc1\x00" + bytes(6) + (0x0100 | 0x0200).to_bytes(2, "little") + bytes(900)
    path = write_ole(tmp_path / "a.doc", {"WordDocument": head, "1Table": bytes(900)})
    with pytest.raises(PasswordProtected, match="password"):
        parse(path)


def test_old_word_without_libreoffice_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_office() is None
    path = write_ole(tmp_path / "a.doc", {"WordDocument": bytes(900), "1Table": b"x"})
    with pytest.raises(UnsupportedFormat, match=r"save it as \.docx, or have LibreOffice installed"):
        parse(path)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [("a.pdf", b"", True), ("a.DOCX", b"", True), ("a.exe", b"MZ", False), ("README", b"text", True),
     ("core", bytes(99), False), ("broken", b"PK\x03\x04", True)],
)  # fmt: skip
def test_files_of_a_folder_are_chosen_by_suffix_else_by_content(
    tmp_path: Path, name: str, content: bytes, expected: bool
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert is_readable(path) is expected


def test_no_suffix_belongs_to_two_formats() -> None:
    assert len(SUPPORTED_SUFFIXES) == sum(len(suffixes) for suffixes, _ in FORMATS.values())


@pytest.mark.parametrize(
    ("content", "main", "other"),
    [
        (
            word(),
            b"openxmlformats-officedocument.wordprocessingml.document.main",
            b"ms-word.document.macroEnabled.main",
        ),
        (word(), b"wordprocessingml.document.main", b"wordprocessingml.template.main"),
        (slides(), b"presentationml.presentation.main", b"presentationml.slideshow.main"),
        (excel(), b"openxmlformats-officedocument.spreadsheetml.sheet.main", b"ms-excel.sheet.macroEnabled.main"),
    ],
)
def test_macros_and_templates_are_read_like_documents(
    tmp_path: Path, content: bytes, main: bytes, other: bytes
) -> None:
    path = tmp_path / "a"
    with zipfile.ZipFile(BytesIO(content)) as source, zipfile.ZipFile(path, "w") as target:
        for entry in source.infolist():
            data = source.read(entry)
            if entry.filename == "[Content_Types].xml":
                assert main in data
                data = data.replace(main, other)
            target.writestr(entry, data)
    assert parse(path).elements


def test_a_reference_to_a_missing_part_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.docx"
    with zipfile.ZipFile(BytesIO(word())) as source, zipfile.ZipFile(path, "w") as target:
        for entry in source.infolist():
            data = source.read(entry)
            if entry.filename == "word/_rels/document.xml.rels":
                picture = b"http://schemas.openxmlformats.org/officeDocument/2006/relationships/image"
                data = data.replace(
                    b"</Relationships>",
                    b'<Relationship Id="rId99" Type="' + picture + b'" Target="../NULL"/></Relationships>',
                )
            target.writestr(entry, data)
    assert [e.text for e in parse(path).elements] == ["Returns", "Within 30 days."]


def test_a_truncated_office_file_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.docx"
    path.write_bytes(word()[:-400])
    with pytest.raises(DamagedFile, match="cut off or damaged"):
        parse(path)
