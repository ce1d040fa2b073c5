"""Pages of PDF files as pictures for OCR."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ingest.errors import LimitExceeded
from ingest.limits import LIMITS
from ingest.parse.pdf_frame import Frame

if TYPE_CHECKING:
    from PIL.Image import Image

# OCR sees 10-point letters at this size, and more only costs time.
_OCR_SIDE = 1800
# The models need about 250 bytes for each pixel, beside 300 MiB of their own.
_MOST_PIXELS = 2_400_000
_DEEPEST_FORM = 3


def render(pdf_page: Any, frame: Frame) -> Image:
    """A pypdfium2 page as OCR wants it; raises LimitExceeded when a picture on it is too large."""
    _check_pictures(pdf_page)
    area = max(frame.width * frame.height, 1.0)
    # A page may be a metre wide and say so in points; what counts is what has to be held.
    scale = min(_OCR_SIDE / max(frame.width, frame.height, 1.0), (_MOST_PIXELS / area) ** 0.5)
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
