"""Terms that mean the same: list, write, change, remove, import and export."""

from __future__ import annotations

import streamlit as st

from ui.glossary import Entry
from ui.rendering import escaped
from ui.staff_pages import actions, exchange, parts
from ui.staff_pages.desk import Desk

EACH_PAGE = 50
NEW = "new"


def show(desk: Desk) -> None:
    """That of one knowledge base."""
    t = desk.t
    parts.head(t("nav_glossary"), t("glo_lead"))
    with desk.telling():
        bases = desk.client.knowledge_bases()
        if not bases:
            parts.no_base(desk)
            return
        kb = parts.pick_base(desk, bases).name
        with st.container(horizontal=True, vertical_alignment="bottom"):
            search = st.text_input(t("glo_search"), key=f"glo-search-{kb}", autocomplete="off")
            if st.button(t("glo_add"), type="primary", icon=":material/add:", key="glo-add"):
                parts.ask("glossary", NEW)
                st.rerun()
        key = f"glo-page-{kb}-{search}"
        found = parts.page_of(
            lambda offset: desk.client.glossary(kb, search, limit=EACH_PAGE, offset=offset), EACH_PAGE, key
        )
        if not found.total:
            title, text = (
                (t("cur_not_found_title"), t("glo_not_found")) if search else (t("glo_none_title"), t("glo_none"))
            )
            parts.empty(title, text, "translate")
        for entry in found.entries:
            _row(desk, kb, entry)
        parts.paging(found.total, EACH_PAGE, key, t)
        exchange.show(
            desk,
            f"glo-{kb}",
            "glossary.csv",
            t("glo_exchange_lead"),
            lambda: desk.client.export_glossary(kb),
            lambda table: desk.client.import_glossary(kb, table),
        )
        _dialog(desk, kb, {entry.id: entry for entry in found.entries})


def _row(desk: Desk, kb: str, entry: Entry) -> None:
    t = desk.t
    with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"glossary-{entry.id}"):
        first, *others = (escaped(term) for term in entry.terms)
        st.markdown(f"**{first}** → {', '.join(others)}" if entry.one_way else " = ".join((f"**{first}**", *others)))
        if st.button(t("cur_change"), icon=":material/edit:", type="tertiary", key=f"glo-change-{entry.id}"):
            parts.ask("glossary", entry.id)
            st.rerun()
        if st.button(t("cur_remove"), icon=":material/delete:", type="tertiary", key=f"glo-remove-{entry.id}"):
            # One line that is quickly written again: nobody is asked twice.
            desk.client.remove_entry(kb, entry.id)
            parts.notice(t("cur_removed"))
            st.rerun()


def _dialog(desk: Desk, kb: str, found: dict[str, Entry]) -> None:
    t = desk.t
    what, entry_id = parts.question()
    entry = found.get(entry_id)
    if what != "glossary" or (entry is None and entry_id != NEW):
        return
    key = entry.id if entry is not None else NEW

    @st.dialog(t("glo_edit_title") if entry else t("glo_add_title"), on_dismiss=parts.forget_question)
    def shown() -> None:
        before = "\n".join(entry.terms) if entry else ""
        terms = st.text_area(t("glo_terms"), before, help=t("glo_terms_help"), key=f"glo-terms-{key}")
        one_way = st.toggle(
            t("glo_one_way"), entry.one_way if entry else False, help=t("glo_one_way_help"), key=f"glo-one-way-{key}"
        )
        if not parts.save_or_cancel("glo", t):
            return
        lines = [line.strip() for line in terms.splitlines() if line.strip()]
        if len(lines) < 2:
            st.error(t("glo_missing"), icon=":material/error:")
            return
        entry_id = entry.id if entry else None
        actions.close_after(
            desk, lambda: desk.client.keep_entry(kb, lines, one_way=one_way, entry_id=entry_id), t("cur_saved")
        )

    shown()
