"""A corpus of files that want to do harm, made when needed: none is kept, and none is a copy of another's.

    python -m tests.hostile.make_corpus FOLDER [SECRET_FILE [ADDRESS]]

SECRET_FILE is what external entities point to, ADDRESS what files would fetch from; nothing may reach either.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.hostile import archives, markup, pdfs, pictures
from tests.hostile.honest import docx, honest_files, pptx, xlsx

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_SEED = 20261121
_CUTS = (10, 50, 99)


@dataclass(frozen=True, slots=True)
class Hostile:
    """A file of the corpus.

    outcome: "failed" where a reader that finds text has been fooled, "ready" where there is text that a customer could
             be told, "" where both are right.
    heavy:   making or reading it takes seconds.
    """

    name: str
    make: Callable[[], bytes]
    outcome: str = ""
    heavy: bool = False


def corpus(secret: str = "/etc/passwd", address: str = "http://127.0.0.1:9/") -> Iterator[Hostile]:
    """All files, in an order that stays."""
    yield from _containers()
    yield from _entities(f"file://{secret}", address)
    yield from _pictures()
    yield from _pdfs(address, secret)
    yield from _office()
    for name, content in markup.texts().items():
        yield Hostile(f"text-{name}", lambda content=content: content)
    # What takes the square of its length, long enough to be stopped.
    yield Hostile("text-slow.html", lambda: b"<!--" * 200_000 + b"<a " * 200_000, heavy=True)
    yield from _damaged()


def _containers() -> Iterator[Hostile]:
    yield Hostile("bomb-flat.zip", archives.flat_bomb, "failed", heavy=True)
    yield Hostile("bomb-lying.zip", archives.lying_bomb, "failed")
    # What is inside is read one by one, and stops at the depth that is allowed.
    yield Hostile("bomb-nested.zip", archives.nested_bomb)
    yield Hostile("deep.zip", archives.deep_zip)
    yield Hostile("entries.zip", archives.many_entries, "failed", heavy=True)
    yield Hostile("names.zip", archives.bad_names, "ready")
    yield Hostile("names.eml", archives.mail_with_bad_names, "ready")
    yield Hostile("parts.eml", archives.mail_of_parts)
    yield Hostile("deep-attached.eml", archives.mail_in_mail)
    yield Hostile("deep-parts.eml", lambda: archives.mail_in_mail(2000, "multipart/mixed; boundary=c"))
    yield Hostile("bomb.docx", lambda: archives.lying_package(docx(), "word/document.xml"), "failed")
    yield Hostile("bomb.xlsx", lambda: archives.lying_package(xlsx(), "xl/worksheets/sheet1.xml"), "failed")
    yield Hostile("bomb.pptx", lambda: archives.lying_package(pptx(), "ppt/slides/slide1.xml"), "failed")


def _entities(file_address: str, address: str) -> Iterator[Hostile]:
    for kind in ("docx", "xlsx", "odt", "epub", "html"):
        types = {
            "laughs": (markup.billion_laughs(), 1),
            "quadratic": (markup.quadratic(), 50_000),
            "file": (markup.outside(file_address), 1),
            "network": (markup.outside(address), 1),
        }
        for what, (declared, uses) in types.items():
            yield Hostile(
                f"entities-{what}.{kind}",
                lambda kind=kind, declared=declared, uses=uses: markup.with_entities(kind, declared, uses),
            )
    yield Hostile("fetching.docx", lambda: markup.fetching_docx(address))
    yield Hostile("fetching.html", lambda: markup.fetching_page(address), "ready")


def _pictures() -> Iterator[Hostile]:
    yield Hostile("bomb.png", pictures.png_bomb, "failed")
    yield Hostile("lying.png", pictures.png_lie, "failed")
    yield Hostile("bomb.tiff", pictures.tiff_bomb, "failed")
    yield Hostile("loop.tiff", lambda: pictures.tiff_bomb(100, pages=3), "failed")
    yield Hostile("frames.gif", pictures.gif_of_frames)
    yield Hostile("lying.bmp", pictures.bmp_lie, "failed")
    yield Hostile("lying.webp", pictures.webp_junk, "failed")


def _pdfs(address: str, secret: str) -> Iterator[Hostile]:
    yield Hostile("page-tree-loop.pdf", pdfs.page_tree_loop, "failed")
    yield Hostile("outline-loop.pdf", pdfs.outline_loop, "ready")
    yield Hostile("page-count-lie.pdf", pdfs.page_count_lie, "failed")
    yield Hostile("same-page-often.pdf", pdfs.same_page_often, heavy=True)
    yield Hostile("deep-arrays.pdf", pdfs.deep_arrays, "failed")
    yield Hostile("wide-page.pdf", pdfs.wide_page)
    yield Hostile("content-bomb.pdf", pdfs.content_bomb, heavy=True)
    yield Hostile("content-bomb-twice.pdf", pdfs.content_bomb_twice, heavy=True)
    yield Hostile("picture-bomb.pdf", pdfs.picture_bomb, "failed")
    yield Hostile("form-loop.pdf", pdfs.form_loop, "failed")
    yield Hostile("line-bomb.pdf", pdfs.line_bomb, heavy=True)
    yield Hostile("actions.pdf", lambda: pdfs.actions(address, secret), "ready")


def _office() -> Iterator[Hostile]:
    word = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    sheet = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
    # Read for their text; nothing here runs a macro.
    yield Hostile(
        "macros.docm", lambda: markup.macros(docx(), word, "application/vnd.ms-word.document.macroEnabled.main+xml")
    )
    yield Hostile(
        "macros.xlsm", lambda: markup.macros(xlsx(), sheet, "application/vnd.ms-excel.sheet.macroEnabled.main+xml")
    )
    yield Hostile("content-types.docx", lambda: archives.replaced(docx(), {"[Content_Types].xml": b"<Types/>"}))
    yield Hostile("not-word.docx", lambda: archives.zipped({"word/document.xml": "not XML at all"}), "failed")
    yield Hostile("sheet-as.docx", xlsx)
    yield Hostile("merge.xlsx", markup.huge_merge, heavy=True)
    yield Hostile("spans.docx", markup.huge_spans)
    yield Hostile("repeats.ods", markup.huge_repeats)
    yield Hostile("spaces.odt", markup.huge_spaces)
    yield Hostile("deep.docx", markup.deep_docx)
    yield Hostile("ole-junk.doc", lambda: _OLE + _noise(40_000), "failed")
    yield Hostile("ole-junk.msg", lambda: _OLE + _noise(40_000), "failed")
    yield Hostile("ole-empty.xls", lambda: _OLE + bytes(504), "failed")


def _damaged() -> Iterator[Hostile]:
    """Every format cut off three times, made of noise, and with noise in its middle."""
    for name, content in honest_files().items():
        stem, _, suffix = name.partition(".")
        for percent in _CUTS:
            length = len(content) * percent // 100
            yield Hostile(f"cut-{percent}.{suffix}", lambda content=content, length=length: content[:length])
        yield Hostile(f"noise.{suffix}", lambda: _noise(20_000))
        half, middle = len(content) // 2, _noise(64)
        yield Hostile(f"{stem}-overwritten.{suffix}", lambda c=content, h=half, m=middle: c[:h] + m + c[h + len(m) :])


def _noise(size: int) -> bytes:
    return random.Random(_SEED + size).randbytes(size)


def main() -> None:
    """Write the corpus into a folder."""
    folder, *lures = sys.argv[1:]
    Path(folder).mkdir(parents=True, exist_ok=True)
    for hostile in corpus(*lures):
        (Path(folder) / hostile.name).write_bytes(hostile.make())


if __name__ == "__main__":
    main()
