"""Knowledge bases: create, look at the counts, rename, delete."""

from __future__ import annotations

import streamlit as st

from ui.client import ApiError
from ui.rendering import escaped
from ui.staff_pages import desk as desks
from ui.staff_pages import formats, parts
from ui.staff_pages.desk import Desk
from ui.wire import KnowledgeBase


def show(desk: Desk) -> None:
    """All of them, and a form for a new one."""
    t = desk.t
    parts.head(t("nav_bases"), t("base_lead"))
    with desk.telling():
        found = desk.client.knowledge_bases()
        if not found:
            parts.empty(t("base_none_title"), t("base_none"), "library_books")
        for base in found:
            _card(desk, base)
        _create(desk)
        _dialogs(desk, {base.name: base for base in found})


def _card(desk: Desk, base: KnowledgeBase) -> None:
    t = desk.t
    with st.container(border=True, key=f"base-{base.name}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            mark = f" :primary-badge[{t('base_default')}]" if base.name == desk.system.default_kb else ""
            st.markdown(f"#### {escaped(base.name)}{mark}", width="content")
        counts = [
            formats.counted("documents", base.documents, t),
            formats.counted("passages", base.chunks, t),
        ]
        line = escaped(" · ".join(counts))
        if base.in_progress:
            line += f" · :blue[:material/schedule: {t('base_working_n', n=base.in_progress)}]"
        if base.failed:
            line += f" · :red[:material/error: {t('base_failed_n', n=base.failed)}]"
        st.markdown(line)
        # The model is settled with the first document.
        model = [t("base_model", model=base.embedding_model)] if base.embedding_model else []
        st.caption(escaped(" · ".join([*model, t("base_created_at", when=desk.when(base.created_at))])))
        with st.container(horizontal=True):
            if st.button(t("base_documents"), icon=":material/description:", key=f"base-open-{base.name}"):
                st.session_state[parts.CHOSEN] = base.name
                st.switch_page(desk.pages["documents"])
            if st.button(t("base_rename"), icon=":material/edit:", type="tertiary", key=f"base-rename-{base.name}"):
                parts.ask("rename_base", base.name)
                st.rerun()
            if st.button(t("base_delete"), icon=":material/delete:", type="tertiary", key=f"base-delete-{base.name}"):
                parts.ask("delete_base", base.name)
                st.rerun()


def _create(desk: Desk) -> None:
    t = desk.t
    st.subheader(t("base_create_title"), anchor=False)
    with st.form("base-create", border=False, clear_on_submit=False):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            turn = st.session_state.get("base_round", 0)
            name = st.text_input(t("base_name"), max_chars=100, key=f"new-base-{turn}")
            sent = st.form_submit_button(t("base_create"), icon=":material/add:", type="primary")
        st.caption(t("base_name_help"))
    if sent and name.strip():
        made = desk.client.create_knowledge_base(name.strip())
        st.session_state["base_round"] = turn + 1
        parts.notice(t("base_created", name=escaped(made.name)))
        st.rerun()


def _dialogs(desk: Desk, found: dict[str, KnowledgeBase]) -> None:
    what, name = parts.question()
    base = found.get(name)
    if base is None:
        return
    if what == "rename_base":
        _rename(desk, base)
    elif what == "delete_base":
        _delete(desk, base)


def _delete(desk: Desk, base: KnowledgeBase) -> None:
    t = desk.t

    def delete() -> None:
        try:
            desk.client.delete_knowledge_base(base.name)
        except ApiError as exc:
            st.error(desks.in_short(exc, desk.url, t))
            return
        parts.forget_question()
        parts.notice(t("base_deleted", name=escaped(base.name)))
        st.rerun()

    documents = formats.counted("documents", base.documents, t)
    text = t("base_delete_sure", name=escaped(base.name), documents=documents)
    if base.name == desk.system.default_kb:
        text += f"\n\n:red[:material/warning: {t('base_delete_default')}]"
    parts.confirm(t("base_delete_title"), text, t("base_delete"), delete, t, typed=base.name)


def _rename(desk: Desk, base: KnowledgeBase) -> None:
    t = desk.t

    @st.dialog(t("base_rename_title"), on_dismiss=parts.forget_question)
    def dialog() -> None:
        if base.name == desk.system.default_kb:
            st.warning(t("base_rename_default"), icon=":material/warning:")
        with st.form("base-rename", border=False):
            new = st.text_input(t("base_rename_new"), base.name, max_chars=100, help=t("base_name_help")).strip()
            sent = st.form_submit_button(t("base_rename"), type="primary", width="stretch")
        if not sent or not new:
            return
        try:
            desk.client.rename_knowledge_base(base.name, new)
        except ApiError as exc:
            st.error(desks.in_short(exc, desk.url, t))
            return
        parts.forget_question()
        if st.session_state.get(parts.CHOSEN) == base.name:
            st.session_state[parts.CHOSEN] = new
        parts.notice(t("base_renamed", old=escaped(base.name), new=escaped(new)))
        st.rerun()

    dialog()
