"""Documents of a knowledge base: upload, watch, find, and act on each."""

from __future__ import annotations

from functools import partial

import streamlit as st

from ui.client import ApiError
from ui.rendering import escaped
from ui.staff_pages import actions, document, formats, parts, publication, uploads
from ui.staff_pages.desk import Desk
from ui.wire import Document, KnowledgeBase

EACH_PAGE = 25
POLL_S = 1.0
_FILTERS = ("all", "ready", "failed", "waiting")


def show(desk: Desk) -> None:
    """The list, or the document of the address."""
    chosen = st.query_params.get("document", "")
    if chosen:
        document.show(desk, chosen)
        return
    t = desk.t
    parts.head(t("nav_documents"), t("doc_lead"))
    with desk.telling():
        bases = desk.client.knowledge_bases()
        if not bases:
            parts.no_base(desk)
            return
        base = parts.pick_base(desk, bases)
        uploads.receive(desk, base.name)
        # Polled only while something is in progress; the last tick calls the whole page, which stops the clock.
        busy = base.in_progress > 0 or uploads.undecided(base.name)
        st.fragment(partial(_watched, desk, base.name, busy), run_every=POLL_S if busy else None)()
    actions.confirm(desk)
    publication.dialog(desk)


def _watched(desk: Desk, name: str, busy: bool) -> None:
    with desk.telling("watched"):
        base = next((base for base in desk.client.knowledge_bases() if base.name == name), None)
        if base is None:
            st.rerun()
        uploads.progress(desk, base)
        if busy and base.in_progress == 0 and not uploads.undecided(name):
            st.rerun()
        _list(desk, base)


def _list(desk: Desk, base: KnowledgeBase) -> None:
    t = desk.t
    if base.documents == 0:
        parts.empty(t("doc_none_title"), t("doc_none"), "upload_file")
        return
    counts = {"all": base.documents, "ready": base.ready, "failed": base.failed, "waiting": base.in_progress}
    with st.container(horizontal=True, vertical_alignment="bottom", key="doc-filter"):
        search = st.text_input(t("doc_search"), key="doc-search", icon=":material/search:")
        tag = st.text_input(t("doc_tag"), key="doc-tag", icon=":material/sell:").strip()
        wanted = st.segmented_control(
            t("doc_state"),
            _FILTERS,
            default="all",
            format_func=lambda state: t(f"doc_{state}", n=f"{counts[state]:,}"),
            key="doc-state",
            required=True,
        )
    state = wanted or "all"
    # A page of its own for each search: the third page of one is not that of another.
    key = f"doc-page-{base.name}-{state}-{search}" + (f"-{tag}" if tag else "")
    found, total = _found(desk, base.name, state, search.strip(), tag, key)
    if not found:
        parts.empty(t("doc_no_match"), "", "search_off")
        return
    with st.container(key="doc-rows", gap=None):
        for each in found:
            _row(desk, each)
    parts.paging(total, EACH_PAGE, key, t)


def _found(desk: Desk, kb: str, state: str, search: str, tag: str, key: str) -> tuple[list[Document], int]:
    if state == "waiting":
        working = uploads.in_progress(desk, kb)
        fitting = [
            each for each in working if search.casefold() in each.document.casefold() and (not tag or tag in each.tags)
        ]
        offset = parts.page_offset(len(fitting), EACH_PAGE, key)
        return fitting[offset : offset + EACH_PAGE], len(fitting)
    only = None if state == "all" else state
    tags = [tag] if tag else []
    page = parts.page_of(
        lambda offset: desk.client.documents(kb, state=only, search=search, tags=tags, limit=EACH_PAGE, offset=offset),
        EACH_PAGE,
        key,
    )
    return page.documents, page.total


def _row(desk: Desk, each: Document) -> None:
    t = desk.t
    with (
        st.container(key=f"doc-row-{each.id}", gap=None),
        st.container(horizontal=True, vertical_alignment="center", gap="small"),
    ):
        with st.container(gap=None, key=f"doc-main-{each.id}"):
            if st.button(escaped(each.document), type="tertiary", key=f"doc-open-{each.id}"):
                st.query_params["document"] = each.id
                st.rerun()
            facts = [*formats.document_facts(each, t), t("doc_updated", when=desk.when(each.updated_at))]
            st.caption(escaped(" · ".join(facts)))
            if said := publication.badges(each, t):
                st.markdown(said)
        parts.state_badge(each.state, t, stalled=each.progress is not None and each.progress.stalled)
        _menu(desk, each)
    if each.state == "failed":
        parts.failure(desk, each)


def _menu(desk: Desk, each: Document) -> None:
    t = desk.t
    names = {"open": "doc_open", "publication": "pub_title", "reprocess": "doc_reprocess", "delete": "doc_delete"}
    icons = {"open": "visibility", "publication": "event", "reprocess": "refresh", "delete": "delete"}
    if not each.finished:
        names["cancel"], icons["cancel"] = "doc_cancel", "stop_circle"
        del names["reprocess"]
    chosen = st.menu_button(
        t("doc_actions"),
        list(names),
        format_func=lambda action: f":material/{icons[action]}: {t(names[action])}",
        key=f"doc-menu-{each.id}",
        type="tertiary",
        icon=":material/more_horiz:",
    )
    if chosen == "open":
        st.query_params["document"] = each.id
        st.rerun()
    elif chosen == "delete":
        parts.ask("delete_document", each.id)
        st.rerun()
    elif chosen == "cancel":
        parts.ask("cancel_document", each.id)
        st.rerun()
    elif chosen == "publication":
        parts.ask("publication", each.id)
        st.rerun()
    elif chosen == "reprocess":
        try:
            actions.reprocess(desk, each)
        except ApiError as exc:
            parts.notice(actions.problem(desk, exc))
        st.rerun()
