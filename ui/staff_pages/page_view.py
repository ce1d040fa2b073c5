"""A page of the file as a picture, with the places of its passages drawn over it."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import streamlit as st

from ui.client import ApiAway, ApiError
from ui.rendering import html_text
from ui.staff_pages import passages
from ui.staff_pages.desk import Desk
from ui.wire import Chunk, DocumentDetail

_FORMATS = frozenset(["pdf", "png", "jpg", "jpeg", "tif", "tiff", "bmp", "gif", "webp", "image"])
# More than a page of fine print has.
MOST = 200


def has_pages(found: DocumentDetail) -> bool:
    """Whether its pages can be shown."""
    return found.format in _FORMATS


def show(desk: Desk, found: DocumentDetail, version: str | None) -> None:
    """The page chosen, its picture at the left, its passages at the right; one below the other on a phone."""
    t = desk.t
    pages = max(found.pages or 1, 1)
    key = f"page-view-{found.id}"
    page = min(int(st.session_state.get(key) or 1), pages)
    if pages > 1:
        st.pagination(pages, key=key, width="stretch")
    chunks = desk.client.chunks(found.id, version=version, page=page, limit=MOST).chunks
    left, right = st.columns([1, 1], gap="medium")
    with left, st.container(key="page-picture"):
        _picture(desk, found, version, page, chunks)
    with right:
        if not chunks:
            st.markdown(f":gray[{t('page_no_passages')}]")
        for chunk in chunks:
            passages.card(desk, found.id, chunk)


def _picture(desk: Desk, found: DocumentDetail, version: str | None, page: int, chunks: Sequence[Chunk]) -> None:
    t = desk.t
    try:
        picture = desk.client.page_image(found.id, page, version=version)
    except ApiAway:
        raise
    except ApiError:
        # Without its picture the passages are still worth a look.
        st.caption(t("page_no_picture"))
        return
    st.html(picture_html(picture, page, chunks, t("page_n", n=page)))
    if any(box.page == page for chunk in chunks for box in chunk.boxes):
        st.caption(t("page_boxes"))


def picture_html(picture: bytes, page: int, chunks: Sequence[Chunk], name: str) -> str:
    """The picture with a numbered frame around each place of a passage; numbers are those of the list."""
    frames = []
    for chunk in chunks:
        for number, box in enumerate(box for box in chunk.boxes if box.page == page):
            x0, y0, x1, y1 = (min(max(edge, 0.0), 1.0) * 100 for edge in (box.x0, box.y0, box.x1, box.y1))
            place = f"left:{x0:.2f}%;top:{y0:.2f}%;width:{max(x1 - x0, 0):.2f}%;height:{max(y1 - y0, 0):.2f}%"
            label = f"<span>{chunk.ordinal + 1}</span>" if number == 0 else ""
            marked = " page-box-flagged" if any(flag != "contact" for flag in chunk.flags) else ""
            frames.append(f'<div class="page-box{marked}" style="{place}">{label}</div>')
    data = base64.b64encode(picture).decode()
    image = f'<img alt="{html_text(name)}" src="data:image/png;base64,{data}">'
    return f'<div class="page-picture">{image}{"".join(frames)}</div>'
