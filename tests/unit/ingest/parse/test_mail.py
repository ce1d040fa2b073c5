"""Mails of every kind: headers in any encoding, the right body, attachments as documents of their own."""

from __future__ import annotations

import email.policy
from email.message import EmailMessage
from pathlib import Path

import pytest
from compressed_rtf import compress

from ingest.errors import DamagedFile, LimitExceeded, PasswordProtected
from ingest.parse import ArchiveLimits, parse
from ingest.parse.mail import header_text
from ingest.schema import ParsedDocument
from tests.ole import message, write_ole

PNG = b"\x89PNG\r\n\x1a\n"


def read(tmp_path: Path, data: bytes | EmailMessage, name: str = "a.eml", depth: int = 0) -> ParsedDocument:
    path = tmp_path / "upload"
    path.write_bytes(bytes(data) if isinstance(data, EmailMessage) else data)
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    return parse(path, name=name, scratch=scratch, depth=depth)


def mail(text: str = "Dear Bob,\n\nit costs 5 €.\n", subject: str = "Offer") -> EmailMessage:
    found = EmailMessage()
    found["From"], found["To"], found["Subject"] = "Ada <ada@example.com>", "bob@example.com", subject
    found["Date"] = "Mon, 01 Jul 2024 09:30:00 +0800"
    found.set_content(text)
    return found


def texts(document: ParsedDocument) -> list[str]:
    return [e.text for e in document.elements]


def test_a_mail_is_its_header_lines_and_its_text(tmp_path: Path) -> None:
    document = read(tmp_path, mail())
    assert (document.format, document.title) == ("eml", "Offer")
    assert texts(document) == [
        "From: Ada <ada@example.com>\nTo: bob@example.com\nDate: 2024-07-01 09:30 +0800\nSubject: Offer",
        "Dear Bob,",
        "it costs 5 €.",
    ]


@pytest.mark.parametrize("charset", ["gb18030", "big5", "utf-8"])
@pytest.mark.parametrize("transfer", ["base64", "quoted-printable", "8bit"])
def test_bodies_in_any_encoding(tmp_path: Path, charset: str, transfer: str) -> None:
    text = "退货政策：七天内可以退货。" if charset != "big5" else "退貨政策：七天內可以退貨。"
    found = EmailMessage(policy=email.policy.SMTP)
    found["From"], found["Subject"] = "a@example.com", "x"
    found.set_content(text + "\n", charset=charset, cte=transfer)
    assert texts(read(tmp_path, bytes(found)))[1:] == [text]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("=?gb18030?b?u9i4tKO6?=", "回复："),
        ("=?GB2312?Q?=BB=D8=B8=B4?= <a@example.com>", "回复 <a@example.com>"),
        # A character cut in two by the line length, as many programs do.
        ("=?utf-8?b?5Zue5Q==?= =?utf-8?b?pI0=?=", "回复"),
        ("=?big5?b?pl7C0A==?=", "回覆"),
        ("=?utf-8?q?caf=C3=A9?= au lait", "café au lait"),
        ("=?nonsense?b?aGVsbG8=?=", "hello"),
        (b"raw \xb7\xd6\xc0\xe0 bytes".decode("ascii", "surrogateescape"), "raw 分类 bytes"),
        ("folded\r\n  line", "folded line"),
        (None, ""),
    ],
)
def test_headers_are_decoded(value: str | None, expected: str) -> None:
    assert header_text(value) == expected


def test_the_plain_text_is_preferred(tmp_path: Path) -> None:
    found = mail()
    found.add_alternative("<p>Dear Bob,</p><p>it costs <b>5 €</b>.</p>", subtype="html")
    assert texts(read(tmp_path, found))[1:] == ["Dear Bob,", "it costs 5 €."]


def test_a_plain_text_that_says_nothing_gives_way_to_the_page(tmp_path: Path) -> None:
    found = mail("Your program cannot show this mail.\n")
    page = "<h1>Prices</h1><table><tr><th>Plan</th><th>Price</th></tr><tr><td>Pro</td><td>5</td></tr></table>"
    found.add_alternative(page + "<p>" + "They hold until the end of the year. " * 4 + "</p>", subtype="html")
    kinds = [e.kind.value for e in read(tmp_path, found).elements]
    assert kinds == ["paragraph", "heading", "table", "paragraph"]


def test_flowed_lines_are_joined(tmp_path: Path) -> None:
    data = (
        b"From: a@example.com\nMIME-Version: 1.0\nContent-Type: text/plain; format=flowed\n\n"
        b"One sentence that was \nbroken by the program.\n\n-- \nAda\n"
    )
    assert texts(read(tmp_path, data))[1:] == ["One sentence that was broken by the program.", "--\nAda"]


def test_attachments_are_documents_of_their_own(tmp_path: Path) -> None:
    found = mail()
    found.add_attachment(b"a,b\n1,2\n", maintype="text", subtype="csv", filename="价格表.csv")
    found.add_attachment(b"MZ\x90\0" + bytes(99), maintype="application", subtype="octet-stream", filename="a.exe")
    found.add_attachment(mail("The first question.\n", "Question"))
    document = read(tmp_path, found)
    assert [a.name for a in document.attachments] == ["价格表.csv", "Question.eml"]
    assert document.warnings == ("Left out, this kind of file is not read: a.exe.",)
    assert document.attachments[0].path.read_bytes() == b"a,b\n1,2\n"
    inner = parse(document.attachments[1].path, name="Question.eml")
    assert [e.text for e in inner.elements][1:] == ["The first question."]


@pytest.mark.parametrize(("size", "names"), [(2000, []), (200_000, ["screen.png"])])
def test_pictures_inside_the_text_count_when_they_are_large(tmp_path: Path, size: int, names: list[str]) -> None:
    found = mail()
    found.add_alternative("<p>Dear Bob, it costs 5 €. <img src='cid:logo'></p>", subtype="html")
    found.get_payload()[1].add_related(PNG + bytes(size), "image", "png", cid="<logo>", filename="screen.png")
    assert [a.name for a in read(tmp_path, found).attachments] == names


def test_names_of_attachments_are_made_harmless(tmp_path: Path) -> None:
    found = mail()
    for name in ("../../etc/a.txt", "a.txt", "a.txt"):
        found.add_attachment(b"text", maintype="text", subtype="plain", filename=name)
    assert [a.name for a in read(tmp_path, found).attachments] == ["etc/a.txt", "a.txt", "a (2).txt"]


def test_at_the_deepest_level_attachments_are_only_named(tmp_path: Path) -> None:
    found = mail()
    found.add_attachment(b"text", maintype="text", subtype="plain", filename="a.txt")
    document = read(tmp_path, found, depth=3)
    assert document.attachments == ()
    assert document.warnings == ("Files inside were not read: a.txt.",)


def test_too_many_attachments_are_refused(tmp_path: Path) -> None:
    found = mail()
    for number in range(5):
        found.add_attachment(b"text", maintype="text", subtype="plain", filename=f"{number}.txt")
    path = tmp_path / "a.eml"
    path.write_bytes(bytes(found))
    with pytest.raises(LimitExceeded, match="more than 3 files"):
        parse(path, limits=ArchiveLimits(entries=3))


@pytest.mark.parametrize("kind", ["multipart/encrypted", "application/pkcs7-mime; smime-type=enveloped-data"])
def test_encrypted_mails_say_so(tmp_path: Path, kind: str) -> None:
    data = f"From: a@example.com\nMIME-Version: 1.0\nContent-Type: {kind}\n\nxyz\n".encode()
    with pytest.raises(PasswordProtected, match="the mail is encrypted"):
        read(tmp_path, data)


def test_a_saved_web_page_is_read(tmp_path: Path) -> None:
    data = (
        b"From: <Saved by Blink>\nSubject: Returns\nMIME-Version: 1.0\n"
        b'Content-Type: multipart/related; boundary="b"\n\n'
        b"--b\nContent-Type: text/html\nContent-Transfer-Encoding: quoted-printable\n\n"
        b"<html><body><h1>Returns</h1><p>Within 30 days =E2=82=AC.</p></body></html>\n"
        b"--b\nContent-Type: text/css\nContent-Location: a.css\n\nbody {}\n--b--\n"
    )
    document = read(tmp_path, data, "page.mhtml")
    assert texts(document)[1:] == ["Returns", "Within 30 days €."]
    assert document.attachments == ()


def test_mails_within_mails_end_somewhere(tmp_path: Path) -> None:
    data = b"From: a@example.com\nTo: b@example.com\nMIME-Version: 1.0\n" + b"".join(
        b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (n, n) for n in range(3000)
    )
    with pytest.raises(LimitExceeded, match="mails within mails"):
        read(tmp_path, data)


# Outlook ---------------------------------------------------------------------------------------------------------------

SUBJECT, BODY, HTML, SENDER, ADDRESS, TO = 0x37, 0x1000, 0x1013, 0x0C1A, 0x5D01, 0x0E04
DATA, NAME, MIME, CONTENT_ID = 0x3701, 0x3707, 0x370E, 0x3712


def test_an_outlook_mail(tmp_path: Path) -> None:
    tree = message(
        {
            SUBJECT: "Offer 报价",
            BODY: "Dear Bob,\r\n\r\nit costs 5 €.",
            SENDER: "Ada",
            ADDRESS: "ada@example.com",
            TO: "Bob",
        },
        attachments=[
            message({NAME: "prices.csv"}, binary={DATA: b"a,b\n1,2\n" * 700}, header=8),
            {
                **message({NAME: "x.msg"}, header=8),
                "__substg1.0_3701000D": message({SUBJECT: "内层", BODY: "Inner text.", TO: "Eve"}, header=24),
            },
            message({NAME: "logo.png", MIME: "image/png", CONTENT_ID: "1"}, binary={DATA: PNG}, header=8),
        ],
    )
    document = read(tmp_path, write_ole(tmp_path / "m", tree).read_bytes(), "a.msg")
    assert (document.format, document.title) == ("msg", "Offer 报价")
    assert texts(document) == [
        "From: Ada <ada@example.com>\nTo: Bob\nSubject: Offer 报价",
        "Dear Bob,",
        "it costs 5 €.",
    ]
    assert [a.name for a in document.attachments] == ["prices.csv", "内层.eml"]
    assert document.attachments[0].path.read_bytes() == b"a,b\n1,2\n" * 700
    inner = parse(document.attachments[1].path, name="内层.eml")
    assert [e.text for e in inner.elements] == ["To: Eve\nSubject: 内层", "Inner text."]


@pytest.mark.parametrize(
    ("texts_", "binary"),
    [({}, {HTML: b"<p>It costs 5.</p>"}), ({HTML: "<p>It costs 5.</p>"}, {}), ({}, {0x1009: compress(b"{\\rtf1 It costs 5.\\par}")})],
)  # fmt: skip
def test_an_outlook_mail_without_plain_text(tmp_path: Path, texts_: dict[int, str], binary: dict[int, bytes]) -> None:
    tree = message({SUBJECT: "x", **texts_}, binary=binary)
    assert texts(read(tmp_path, write_ole(tmp_path / "m", tree).read_bytes(), "a.msg")) == ["It costs 5."]


def test_an_encrypted_outlook_mail_says_so(tmp_path: Path) -> None:
    tree = message({SUBJECT: "x", 0x001A: "IPM.Note.SMIME"})
    with pytest.raises(PasswordProtected, match="the mail is encrypted"):
        read(tmp_path, write_ole(tmp_path / "m", tree).read_bytes(), "a.msg")


@pytest.mark.parametrize("keep", [600, 1500, 2500])
def test_a_truncated_outlook_mail_is_damaged(tmp_path: Path, keep: int) -> None:
    data = write_ole(tmp_path / "m", message({SUBJECT: "x", BODY: "text " * 900})).read_bytes()
    with pytest.raises(DamagedFile, match=r"damaged|cannot be read"):
        read(tmp_path, data[:keep], "a.msg")
