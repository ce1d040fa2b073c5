"""Pages of PDF files as pictures: for OCR, and for a person who looks at a passage on its page."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.errors import DamagedFile, LimitExceeded, NotFound, PasswordProtected
from ingest.limits import LIMITS
from ingest.parse.pdf_frame import Frame, shown_frame

if TYPE_CHECKING:
    from PIL.Image import Image

# OCR sees 10-point letters at this size, and more only costs time.
_OCR_SIDE = 1800
_MOST_SIDE = 6000
_MOST_PIXELS = 16_000_000
_DEEPEST_FORM = 3


def render_page(path: Path, page: int, *, width: int = 1200) -> bytes:
    """A page (1-based) of a PDF file as PNG, as viewers show it, ``width`` pixels wide.

    A page that is very high gets fewer pixels, 16 million at most.

    Raises:
        NotFound: there is no such page.
        DamagedFile, PasswordProtected: the file cannot be opened.
        LimitExceeded: a picture on the page has more pixels than is allowed.
    """
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(str(path))
    except pypdfium2.PdfiumError as exc:
        if "password" in str(exc).lower():
            raise PasswordProtected("the PDF needs a password; save a copy without one.") from exc
        raise DamagedFile(f"the PDF cannot be opened ({exc}); save it again from its program.") from exc
    try:
        if not 1 <= page <= len(document):
            raise NotFound(f"there is no page {page}: the PDF has {len(document)} pages.")
        pdf_page = document[page - 1]
        try:
            frame = shown_frame(pdf_page)
            image = _render(pdf_page, frame, min(max(width, 16), _MOST_SIDE) / max(frame.width, 1.0))
        finally:
            pdf_page.close()
    except pypdfium2.PdfiumError as exc:
        raise DamagedFile(f"page {page} of the PDF cannot be drawn ({exc}); save it again from its program.") from exc
    finally:
        document.close()
    saved = BytesIO()
    image.save(saved, "PNG")
    return saved.getvalue()


def render(pdf_page: Any, frame: Frame) -> Image:
    """A pypdfium2 page as OCR wants it; raises LimitExceeded when a picture on it is too large."""
    return _render(pdf_page, frame, _OCR_SIDE / max(frame.width, frame.height, 1.0))


def _render(pdf_page: Any, frame: Frame, scale: float) -> Image:
    _check_pictures(pdf_page)
    area = max(frame.width * frame.height, 1.0)
    # A page may be a metre wide and say so in points; what counts is what has to be held.
    scale = min(scale, (_MOST_PIXELS / area) ** 0.5, _MOST_SIDE / max(frame.width, frame.height, 1.0))
    bitmap = pdf_page.render(scale=scale, rev_byteorder=True, limit_image_cache=True)
    try:
        image: Image = bitmap.to_pil().convert("RGB")
        return image
    finally:
        bitmap.close()


def _check_pictures(pdf_page: Any) -> None:
    import ctypes

    import pypdfium2.raw as pdfium

    width, height = ctypes.c_uint(), ctypes.c_uint()
    for picture in pdf_page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE], max_depth=_DEEPEST_FORM):
        pdfium.FPDFImageObj_GetImagePixelSize(picture.raw, ctypes.byref(width), ctypes.byref(height))
        if width.value * height.value > LIMITS.pixels:
            raise LimitExceeded(
                f"a picture on the page has {width.value} x {height.value} pixels, {LIMITS.pixels // 10**6} million are "
                "read; scan it again with less."
            )
