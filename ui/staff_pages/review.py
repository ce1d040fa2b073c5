"""What a person should look at before customers do: drafts, wordings that lost their passage, odd passages."""

from __future__ import annotations

import streamlit as st

from ui.rendering import escaped
from ui.staff_pages import flags, parts, passages, publication
from ui.staff_pages.desk import Desk

EACH_PAGE = 20


def show(desk: Desk) -> None:
    """Everything of one knowledge base that waits for a person."""
    t = desk.t
    parts.head(t("nav_review"), t("rev_lead"))
    with desk.telling():
        bases = desk.client.knowledge_bases()
        if not bases:
            parts.no_base(desk)
            return
        base = parts.pick_base(desk, bases)
        waiting = desk.client.review(base.name)
        counts = flags.by_kind(desk.client.search_chunks(base.name, limit=1).flags)
        if not waiting.drafts and not waiting.moved and not counts:
            parts.empty(t("rev_none_title"), t("rev_none"), "task_alt")
            return
        if waiting.drafts:
            st.subheader(t("rev_drafts"), anchor=False)
            for each in waiting.drafts:
                _open(desk, each.id, each.document, "draft")
                publication.draft(desk, each)
        if waiting.moved:
            st.subheader(t("moved_title"), anchor=False)
            st.caption(t("moved_lead"))
            for each in waiting.moved:
                _open(desk, each.id, each.document, "moved")
        if counts:
            _flagged(desk, base.name, counts)
    publication.dialog(desk)


def _open(desk: Desk, document_id: str, name: str, where: str) -> None:
    if st.button(escaped(name), type="tertiary", icon=":material/description:", key=f"rev-{where}-{document_id}"):
        st.switch_page(desk.pages["documents"], query_params={"document": document_id})


def _flagged(desk: Desk, kb: str, counts: dict[str, int]) -> None:
    t = desk.t
    st.subheader(t("rev_flagged"), anchor=False)
    chosen = st.selectbox(
        t("rev_kind"),
        list(counts),
        format_func=lambda kind: f"{flags.name(kind, t)} ({counts[kind]:,})",
        key=f"rev-kind-{kb}",
    )
    if do := flags.remedy(chosen, t):
        st.caption(do)
    key = f"rev-page-{kb}-{chosen}"
    found = parts.page_of(
        lambda offset: desk.client.search_chunks(kb, flag=chosen, limit=EACH_PAGE, offset=offset), EACH_PAGE, key
    )
    for chunk in found.chunks:
        passages.card(desk, chunk.document_id, chunk, document=chunk.document, key=f"rev-chunk-{chunk.id}")
    parts.paging(found.total, EACH_PAGE, key, t)
