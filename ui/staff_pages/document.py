"""One document: its state, its versions, and the passages that are searched and quoted."""

from __future__ import annotations

from functools import partial

import streamlit as st

from ui.client import ApiError
from ui.rendering import escaped, passage_markdown
from ui.staff_pages import actions, formats, parts
from ui.staff_pages.desk import Desk
from ui.wire import Chunk, Document, DocumentDetail

EACH_PAGE = 20
POLL_S = 1.0


def show(desk: Desk, identity: str) -> None:
    """Everything about it, with the way back to the list."""
    t = desk.t
    if st.button(t("doc_back"), icon=":material/arrow_back:", type="tertiary", key="doc-back"):
        st.query_params.pop("document", None)
        st.rerun()
    with desk.telling():
        try:
            found = desk.client.document(identity)
        except ApiError as exc:
            if exc.type != "not_found":
                raise
            parts.empty(t("doc_gone"), "", "search_off")
            return
        st.header(escaped(found.document.rsplit("/", 1)[-1]), anchor=False)
        st.fragment(partial(_state, desk, found), run_every=None if found.finished else POLL_S)()
        _buttons(desk, found)
        _warnings(desk, found)
        _passages(desk, found)
        if len(found.versions) > 1:
            _versions(desk, found)
    actions.confirm(desk)


def _state(desk: Desk, found: DocumentDetail) -> None:
    t = desk.t
    with desk.telling("watched"):
        now: Document = found
        if not found.finished:
            now = desk.client.document(found.id)
            if now.finished:
                st.rerun()
        with st.container(horizontal=True, vertical_alignment="center"):
            parts.state_badge(now.state, t)
            facts = [found.kb, *formats.document_facts(now, t), t("doc_updated", when=desk.when(now.updated_at))]
            st.caption(escaped(" · ".join(facts)), width="content")
        # The heading above is the file's own name: its folder, and the title in the file, where there are any.
        known = [now.document] if "/" in now.document else []
        known += [now.title] if now.title not in ("", now.document) else []
        if known:
            st.caption(escaped(" · ".join(known)))
        if now.progress is not None and now.progress.total > 1:
            st.progress(now.progress.done / now.progress.total)
        if now.state == "failed":
            parts.failure(desk, now)


def _buttons(desk: Desk, found: DocumentDetail) -> None:
    t = desk.t
    with st.container(horizontal=True):
        st.download_button(
            t("doc_download"),
            partial(desk.client.file, found.id),
            file_name=found.document.rsplit("/", 1)[-1],
            mime="application/octet-stream",
            icon=":material/download:",
            on_click="ignore",
            key="doc-download",
        )
        if st.button(t("doc_reprocess"), icon=":material/refresh:", key="doc-again", disabled=not found.finished):
            actions.reprocess(desk, found)
            st.rerun()
        if st.button(t("doc_delete"), icon=":material/delete:", key="doc-delete"):
            parts.ask("delete_document", found.id)
            st.rerun()


def _warnings(desk: Desk, found: DocumentDetail) -> None:
    if found.warnings:
        lines = "\n".join(f"- {formats.one_line(formats.reason(found.document, each), 400)}" for each in found.warnings)
        st.warning(f"**{desk.t('doc_warnings')}**\n\n{lines}", icon=":material/info:")


def _passages(desk: Desk, found: DocumentDetail) -> None:
    t = desk.t
    st.subheader(t("doc_passages"), anchor=False)
    key = f"chunk-page-{found.id}"
    page = desk.client.chunks(found.id, limit=EACH_PAGE, offset=parts.page_offset(None, EACH_PAGE, key))
    if not page.chunks and page.total:
        page = desk.client.chunks(found.id, limit=EACH_PAGE, offset=parts.page_offset(page.total, EACH_PAGE, key))
    if not page.chunks:
        st.markdown(f":gray[{t('doc_passages_none')}]")
        return
    st.caption(t("doc_passages_lead"))
    for chunk in page.chunks:
        _passage(desk, chunk)
    parts.paging(page.total, EACH_PAGE, key, t)


def _passage(desk: Desk, chunk: Chunk) -> None:
    t = desk.t
    with st.container(border=True, key=f"chunk-{chunk.ordinal}"):
        where = [t("doc_passage_n", n=chunk.ordinal + 1)]
        if chunk.pages:
            where.append(t("page_n", n=_span(chunk.pages)))
        if chunk.sheet:
            where.append(t("sheet_n", name=chunk.sheet))
        where += [counted for counted in (formats.counted("tokens", chunk.tokens, t), chunk.language) if counted]
        st.caption(escaped(" · ".join(where)))
        if chunk.heading_path:
            st.markdown(f"**{escaped(' › '.join(chunk.heading_path))}**")
        st.markdown(passage_markdown(chunk.text))


def _span(pages: list[int]) -> str:
    return str(pages[0]) if len(set(pages)) == 1 else f"{min(pages)}–{max(pages)}"


def _versions(desk: Desk, found: DocumentDetail) -> None:
    t = desk.t
    st.subheader(t("doc_versions"), anchor=False)
    with st.container(key="versions", gap=None):
        for number, version in reversed(list(enumerate(found.versions, 1))):
            with st.container(horizontal=True, vertical_alignment="center"):
                parts.state_badge(version.state, t)
                facts = [t("doc_version_n", n=number), formats.size(version.bytes, t), desk.when(version.updated_at)]
                live = f" :green-badge[{t('doc_version_live')}]" if version.live else ""
                st.markdown(escaped(" · ".join(facts)) + live, width="content")
