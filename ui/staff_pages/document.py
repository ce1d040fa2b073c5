"""One document: its state, its versions, and the passages that are searched and quoted."""

from __future__ import annotations

from functools import partial

import streamlit as st

from ui.client import ApiError
from ui.rendering import escaped
from ui.staff_pages import actions, formats, page_view, parts, passages, publication
from ui.staff_pages.desk import Desk
from ui.wire import Document, DocumentDetail

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
        publication.draft(desk, found)
        _warnings(desk, found)
        passages.moved(desk, found.id)
        _passages(desk, found)
        if len(found.versions) > 1:
            _versions(desk, found)
    actions.confirm(desk)
    publication.dialog(desk)


def _state(desk: Desk, found: DocumentDetail) -> None:
    t = desk.t
    with desk.telling("watched"):
        now: Document = found
        if not found.finished:
            now = desk.client.document(found.id)
            if now.finished:
                st.rerun()
        with st.container(horizontal=True, vertical_alignment="center"):
            stalled = now.progress is not None and now.progress.stalled
            parts.state_badge(now.state, t, stalled=stalled)
            facts = [found.kb, *formats.document_facts(now, t), t("doc_updated", when=desk.when(now.updated_at))]
            st.caption(escaped(" · ".join(facts)), width="content")
        # The heading above is the file's own name: its folder, and the title in the file, where there are any.
        known = [now.document] if "/" in now.document else []
        known += [now.title] if now.title not in ("", now.document) else []
        if known:
            st.caption(escaped(" · ".join(known)))
        if said := publication.badges(now, t):
            st.markdown(said)
        if now.progress is not None and now.progress.total > 1:
            st.progress(min(now.progress.done / now.progress.total, 1.0), formats.step(now, t))
        if stalled:
            st.caption(t("stalled_lead"))
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
        if st.button(t("pub_title"), icon=":material/event:", key="doc-publication"):
            parts.ask("publication", found.id)
            st.rerun()
        if not found.finished:
            if st.button(t("doc_cancel"), icon=":material/stop_circle:", key="doc-cancel"):
                parts.ask("cancel_document", found.id)
                st.rerun()
        elif st.button(t("doc_reprocess"), icon=":material/refresh:", key="doc-again"):
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
    version = _version(desk, found)
    with st.container(horizontal=True, vertical_alignment="bottom", key="passage-filter"):
        # Drafts are not searched: they are looked through page by page.
        search = "" if version or not found.live else st.text_input(
            t("doc_passage_search"), key=f"passage-search-{found.id}", icon=":material/search:"
        ).strip()  # fmt: skip
        views = ("page", "list")
        view = "list"
        if not search and page_view.has_pages(found) and (found.live or version):
            view = st.segmented_control(
                t("doc_view"), views, default="page", format_func=lambda each: t(f"view_{each}"), required=True,
                key=f"view-{found.id}",
            ) or "page"  # fmt: skip
    if search:
        _searched(desk, found, search)
    elif view == "page":
        page_view.show(desk, found, version)
    else:
        _listed(desk, found, version)


def _version(desk: Desk, found: DocumentDetail) -> str | None:
    """The draft's version where its passages are wanted; None for what is live."""
    if found.draft is None:
        return None
    if not found.live:
        return found.draft
    t = desk.t
    which = st.segmented_control(
        t("doc_which"), ("live", "draft"), default="live", format_func=lambda each: t(f"which_{each}"), required=True,
        key=f"which-{found.id}",
    )  # fmt: skip
    return found.draft if which == "draft" else None


def _searched(desk: Desk, found: DocumentDetail, search: str) -> None:
    key = f"search-page-{found.id}-{search}"
    offset = parts.page_offset(None, EACH_PAGE, key)
    page = desk.client.search_chunks(found.kb, search, document=found.document, limit=EACH_PAGE, offset=offset)
    if not page.chunks:
        st.markdown(f":gray[{desk.t('doc_passage_no_match')}]")
    for chunk in page.chunks:
        passages.card(desk, found.id, chunk)
    parts.paging(page.total, EACH_PAGE, key, desk.t)


def _listed(desk: Desk, found: DocumentDetail, version: str | None) -> None:
    t = desk.t
    key = f"chunk-page-{found.id}"
    page = parts.page_of(
        lambda offset: desk.client.chunks(found.id, version=version, limit=EACH_PAGE, offset=offset), EACH_PAGE, key
    )
    if not page.chunks:
        st.markdown(f":gray[{t('doc_passages_none')}]")
        return
    st.caption(t("doc_passages_lead"))
    for chunk in page.chunks:
        passages.card(desk, found.id, chunk)
    parts.paging(page.total, EACH_PAGE, key, t)


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
