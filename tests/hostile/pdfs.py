"""Hostile PDFs, written object by object."""

from __future__ import annotations

import zlib

from tests.hostile.archives import deflated_zeros

_FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
_PAGE = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << %s >> >>"
_TEXT = b"BT /F1 12 Tf 72 720 Td (A line of honest text in a strange file.) Tj ET"


def stream(data: bytes, entries: bytes = b"") -> bytes:
    """A stream object."""
    return b"<< /Length %d %s >>\nstream\n" % (len(data), entries) + data + b"\nendstream"


def pdf(objects: list[bytes], extra: bytes = b"") -> bytes:
    """A file of these objects, the first of which is the catalog."""
    out, places = b"%PDF-1.7\n", []
    for number, content in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n" % number + content + b"\nendobj\n"
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    start, size = len(out), len(objects) + 1
    out += b"xref\n0 %d\n0000000000 65535 f \n" % size + table
    return out + b"trailer\n<< /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n" % (size, extra, start)


def one_page(
    content: bytes = _TEXT, box: bytes = b"0 0 612 792", resources: bytes = b"", entries: bytes = b""
) -> bytes:
    """An ordinary file of one page, but for what is handed in."""
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [%s] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> %s >> >>"
    return pdf([
        b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>", page % (box, resources),
        stream(content, entries), _FONT,
    ])  # fmt: skip


def page_tree_loop() -> bytes:
    """The pages' parent is among its own children."""
    return pdf([b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 2 /Parent 2 0 R >>"])


def outline_loop() -> bytes:
    """An outline whose entries follow themselves."""
    return pdf([
        b"<< /Type /Catalog /Pages 2 0 R /Outlines 6 0 R >>", b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        _PAGE % b"/Font << /F1 5 0 R >>",
        stream(_TEXT), _FONT, b"<< /Type /Outlines /First 7 0 R /Last 7 0 R /Count 1 >>",
        b"<< /Title (Again) /Parent 7 0 R /First 7 0 R /Next 7 0 R /Prev 7 0 R /Dest [3 0 R /Fit] >>",
    ])  # fmt: skip


def page_count_lie() -> bytes:
    """Two thousand million pages, none of which is there."""
    return pdf([b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [3 0 R] /Count 2000000000 >>", b"null"])


def same_page_often(times: int = 200_000) -> bytes:
    """One page listed very many times."""
    kids = b"3 0 R " * times
    page = _PAGE % b"/Font << /F1 5 0 R >>"
    pages = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, times)
    return pdf([b"<< /Type /Catalog /Pages 2 0 R >>", pages, page, stream(_TEXT), _FONT])


def deep_arrays(depth: int = 200_000) -> bytes:
    """Brackets within brackets, where the catalog and the page's content are."""
    nested = b"[" * depth + b"]" * depth
    return pdf([
        b"<< /Type /Catalog /Pages 2 0 R /Names %s >>" % nested, b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R >>", stream(nested + b" TJ"),
    ])  # fmt: skip


def wide_page() -> bytes:
    """A page a thousand million points wide."""
    return one_page(box=b"0 0 1000000000 1000000000")


def content_bomb() -> bytes:
    """A page whose content unpacks to 4 GiB."""
    return one_page(b"\x78\x9c" + deflated_zeros(4000), entries=b"/Filter /FlateDecode")


def content_bomb_twice() -> bytes:
    """The same behind a second compression."""
    inner = b"\x78\x9c" + deflated_zeros(4000)
    return one_page(zlib.compress(inner), entries=b"/Filter [/FlateDecode /FlateDecode]")


def picture_bomb() -> bytes:
    """A page that is one picture of 60,000 x 60,000 pixels."""
    image = stream(
        b"\x78\x9c" + deflated_zeros(430),
        b"/Type /XObject /Subtype /Image /Width 60000 /Height 60000 /ColorSpace /DeviceGray /BitsPerComponent 1 "
        b"/Filter /FlateDecode",
    )
    page = _PAGE % b"/XObject << /I 5 0 R >>"
    return pdf([
        b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>", page,
        stream(b"q 612 0 0 792 0 0 cm /I Do Q"), image,
    ])  # fmt: skip


def form_loop() -> bytes:
    """A page that draws a form that draws itself, eight times at each level."""
    form = stream(
        b"/X Do " * 8, b"/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X 5 0 R >> >>"
    )
    page = _PAGE % b"/XObject << /X 5 0 R >>"
    return pdf([
        b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>", page, stream(b"/X Do"), form,
    ])  # fmt: skip


def line_bomb(lines: int = 300_000) -> bytes:
    """A page of very many ruled lines, which a table finder may compare each with each."""
    content = b"".join(b"%d %d m %d %d l S\n" % (n % 600, n // 600, n % 600 + 9, n // 600) for n in range(lines))
    return one_page(zlib.compress(_TEXT + b"\n" + content), entries=b"/Filter /FlateDecode")


def actions(address: str, secret: str) -> bytes:
    """Scripts, launches and addresses that a viewer might follow on opening."""
    action = (
        b"<< /S /JavaScript /JS (this.submitForm\\('%s'\\)) /Next << /S /URI /URI (%s) /Next "
        b"<< /S /Launch /F (%s) >> >> >>" % (address.encode(), address.encode(), secret.encode())
    )
    return pdf([
        b"<< /Type /Catalog /Pages 2 0 R /OpenAction %s >>" % action, b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        _PAGE % b"/Font << /F1 5 0 R >>",
        stream(_TEXT), _FONT,
    ])  # fmt: skip
