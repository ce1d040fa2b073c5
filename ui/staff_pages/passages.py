"""A passage as staff see it: where it stands, what is odd about it, its text, and a person's wording of it."""

from __future__ import annotations

import streamlit as st

from ui.client import ApiError
from ui.curation import OfferedEdit
from ui.rendering import escaped, passage_markdown
from ui.staff_pages import actions, flags, formats, parts
from ui.staff_pages.desk import Desk
from ui.wire import Chunk

_EDITING = "edited_passage"


def card(desk: Desk, document_id: str, chunk: Chunk, *, document: str = "", key: str = "") -> None:
    """One passage.

    document: its document's name, where passages of several stand together.
    key:      tells apart what is shown twice.
    """
    t = desk.t
    key = key or f"chunk-{chunk.ordinal}"
    with st.container(border=True, key=key):
        where = [*([document] if document else []), t("doc_passage_n", n=chunk.ordinal + 1)]
        if chunk.pages:
            where.append(t("page_n", n=_span(chunk.pages)))
        if chunk.sheet:
            where.append(t("sheet_n", name=chunk.sheet))
        where += [counted for counted in (formats.counted("tokens", chunk.tokens, t), chunk.language) if counted]
        st.caption(escaped(" · ".join(where)))
        for flag in chunk.flags:
            _flag(desk, flag)
        if chunk.edited:
            st.markdown(f":blue-badge[:material/edit: {t('edit_badge')}]")
        if chunk.heading_path:
            st.markdown(f"**{escaped(' › '.join(chunk.heading_path))}**")
        if st.session_state.get(_EDITING) == (document_id, chunk.id):
            _editor(desk, document_id, chunk, key)
            return
        st.markdown(passage_markdown(chunk.text))
        if chunk.edited and chunk.original:
            with st.expander(t("edit_original")):
                st.markdown(passage_markdown(chunk.original))
        if chunk.id:
            _buttons(desk, document_id, chunk, key)


def moved(desk: Desk, document_id: str) -> None:
    """Wordings whose passage is gone, each with the passages it might be put onto."""
    t = desk.t
    waiting = [edit for edit in desk.client.edits(document_id) if edit.state == "moved"]
    if not waiting:
        return
    st.subheader(t("moved_title"), anchor=False)
    st.caption(t("moved_lead"))
    for edit in waiting:
        _offer(desk, document_id, edit)


def _flag(desk: Desk, flag: str) -> None:
    colour = "gray" if flag == "contact" else "orange"
    do = flags.remedy(flag, desk.t)
    st.markdown(f":{colour}-badge[:material/flag: {flags.name(flag, desk.t)}]" + (f"  \n:small[{do}]" if do else ""))


def _buttons(desk: Desk, document_id: str, chunk: Chunk, key: str) -> None:
    t = desk.t
    with st.container(horizontal=True, key=f"{key}-actions"):
        if st.button(t("edit_begin"), icon=":material/edit:", type="tertiary", key=f"{key}-edit"):
            st.session_state[_EDITING] = (document_id, chunk.id)
            st.rerun()
        if chunk.edited and st.button(t("edit_undo"), icon=":material/undo:", type="tertiary", key=f"{key}-undo"):
            _undo(desk, document_id, chunk)


def _undo(desk: Desk, document_id: str, chunk: Chunk) -> None:
    edits = desk.client.edits(document_id)
    standing = next((edit for edit in edits if edit.text_hash == chunk.text_hash), None)
    if standing is not None:
        desk.client.undo_edit(document_id, standing.id)
    parts.notice(desk.t("edit_undone"))
    st.rerun()


def _editor(desk: Desk, document_id: str, chunk: Chunk, key: str) -> None:
    t = desk.t
    text = st.text_area(t("edit_label"), chunk.text, height=260, key=f"{key}-text")
    st.caption(t("edit_lead"))
    with st.container(horizontal=True):
        if st.button(t("edit_save"), type="primary", icon=":material/check:", key=f"{key}-save"):
            try:
                if text.strip() != chunk.text.strip():
                    desk.client.edit_chunk(document_id, chunk.id, text)
                    parts.notice(t("edit_saved"))
            except ApiError as exc:
                st.error(actions.problem(desk, exc))
                return
            st.session_state.pop(_EDITING, None)
            st.rerun()
        if st.button(t("cancel"), key=f"{key}-stop"):
            st.session_state.pop(_EDITING, None)
            st.rerun()


def _offer(desk: Desk, document_id: str, edit: OfferedEdit) -> None:
    t = desk.t
    with st.container(border=True, key=f"moved-{edit.id}"):
        st.markdown(f":gray[{t('moved_original')}]")
        st.markdown(passage_markdown(edit.original))
        st.markdown(f":gray[{t('moved_wording')}]")
        st.markdown(passage_markdown(edit.text))
        if not edit.suggestions:
            st.caption(t("moved_nowhere"))
        for number, each in enumerate(edit.suggestions):
            label = t("moved_to", n=each.chunk.ordinal + 1, share=f"{each.likeness * 100:.0f}")
            with st.expander(label):
                st.markdown(passage_markdown(each.chunk.text))
                if st.button(t("moved_apply"), icon=":material/check:", key=f"moved-{edit.id}-{number}"):
                    desk.client.apply_edit(document_id, edit.id, each.chunk.id)
                    parts.notice(t("edit_saved"))
                    st.rerun()
        if st.button(t("moved_drop"), icon=":material/delete:", type="tertiary", key=f"moved-drop-{edit.id}"):
            desk.client.undo_edit(document_id, edit.id)
            parts.notice(t("moved_dropped"))
            st.rerun()


def _span(pages: list[int]) -> str:
    return str(pages[0]) if len(set(pages)) == 1 else f"{min(pages)}–{max(pages)}"
