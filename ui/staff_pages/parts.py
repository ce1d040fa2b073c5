"""Pieces that several pages share: page heads, the picker of knowledge bases, empty states, paging, confirmations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

import streamlit as st

from ui.rendering import escaped
from ui.staff_pages import formats
from ui.staff_pages.desk import Desk
from ui.texts import Translate
from ui.wire import Document, KnowledgeBase

# The chosen knowledge base outlives a change of the page; a widget's own state would not.
CHOSEN = "chosen_base"
_PICKED = "picked_base"
_STATES = {
    "received": ("gray", "schedule"),
    "parsing": ("blue", "menu_book"),
    "embedding": ("blue", "memory"),
    "indexing": ("blue", "database"),
    "ready": ("green", "check_circle"),
    "failed": ("red", "error"),
}


class _Page(Protocol):
    """Some of many, and how many there are in all."""

    @property
    def total(self) -> int: ...


PageT = TypeVar("PageT", bound=_Page)


def head(title: str, lead: str) -> None:
    """A page's title and what it is for."""
    st.header(title, anchor=False)
    st.markdown(f":gray[{lead}]")


def empty(title: str, text: str, icon: str) -> None:
    """A calm state where nothing is there yet."""
    with st.container(border=True, horizontal_alignment="center", key=f"empty-{icon}"):
        st.markdown(f":gray[:material/{icon}:] **{title}**  \n:gray[{text}]", text_alignment="center")


def state_badge(state: str, t: Translate, *, stalled: bool = False) -> None:
    """A document's state as word, colour and icon."""
    if stalled:
        st.markdown(f":orange-badge[:material/hourglass_disabled: {t('state_stalled')}]")
        return
    colour, icon = _STATES.get(state, ("gray", "help"))
    known = state in _STATES
    st.markdown(f":{colour}-badge[:material/{icon}: {t(f'state_{state}') if known else escaped(state)}]")


def failure(desk: Desk, each: Document) -> None:
    """Why a document failed, what to do, and what customers are answered from meanwhile."""
    why = formats.one_line(formats.reason(each.document, each.reason), 400)
    lines = [why, formats.remedy(each.reason, desk.t), *([desk.t("old_answers")] if each.live else [])]
    with st.container(key=f"doc-why-{each.id}"):
        st.markdown("  \n".join(line for line in lines if line))


def pick_base(desk: Desk, bases: list[KnowledgeBase]) -> KnowledgeBase:
    """The knowledge base to work in: the one chosen before, or the customers'."""

    def remember() -> None:
        # A callback, and one key for good: the page below stays the same page, and a file that is just being
        # chosen there is not lost to a second run.
        st.session_state[CHOSEN] = st.session_state[_PICKED]

    names = [base.name for base in bases]
    wanted = st.session_state.get(CHOSEN, desk.system.default_kb)
    wanted = wanted if wanted in names else names[0]
    st.session_state[CHOSEN] = st.session_state[_PICKED] = wanted
    with st.container(key="pick-base"):
        st.selectbox(desk.t("base"), names, key=_PICKED, on_change=remember)
    return bases[names.index(wanted)]


def no_base(desk: Desk) -> None:
    """What to do where there is no knowledge base at all."""
    empty(desk.t("base_none_title"), desk.t("base_none"), "library_books")
    st.page_link(desk.pages["bases"], label=desk.t("nav_bases"), icon=":material/arrow_forward:")


def paging(total: int, each: int, key: str, t: Translate) -> None:
    """Which of many are shown, with the way to the others; ``page_offset`` tells where the shown ones begin."""
    if total <= each:
        return
    first = page_offset(total, each, key)
    last = min(first + each, total)
    st.caption(t("doc_range", first=f"{first + 1:,}", last=f"{last:,}", total=f"{total:,}"))
    # Across the whole width: beside something else it has room for one number only.
    st.pagination(-(-total // each), key=key, width="stretch")


def page_offset(total: int | None, each: int, key: str) -> int:
    """Where the chosen page begins; within what is there, where that is known."""
    page = int(st.session_state.get(key) or 1)
    if total is not None and page > max(1, -(-total // each)):
        # Deleting emptied the last page.
        page = st.session_state[key] = max(1, -(-total // each))
    return (page - 1) * each


def page_of(fetch: Callable[[int], PageT], each: int, key: str) -> PageT:
    """The chosen page, as ``fetch`` gives it from an offset; the last one there is, where deleting emptied it."""
    offset = page_offset(None, each, key)
    page = fetch(offset)
    last = page_offset(page.total, each, key)
    return page if last == offset else fetch(last)


def save_or_cancel(key: str, t: Translate) -> bool:
    """The buttons at the end of a dialog; ``key`` begins their keys. Returns whether to save."""
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button(t("cancel"), key=f"{key}-cancel"):
            forget_question()
            st.rerun()
        return st.button(t("pub_save"), type="primary", icon=":material/check:", key=f"{key}-save")


def confirm(
    title: str,
    text: str,
    action: str,
    do: Callable[[], None],
    t: Translate,
    *,
    typed: str = "",
    icon: str = "delete",
    stay: str = "",
    more: Callable[[], None] | None = None,
) -> None:
    """A dialog before something that cannot be undone; it stays open until it is answered.

    typed: a name to be typed first, for what takes much with it.
    stay:  the word on the button that changes nothing; "Cancel" when not given.
    more:  draws what is to be chosen before.
    """

    @st.dialog(title, on_dismiss=forget_question)
    def dialog() -> None:
        st.markdown(text)
        if more is not None:
            more()
        given = ""
        if typed:
            label = t("base_delete_type", name=escaped(typed))
            given = st.text_input(label, key="confirm-name", autocomplete="off")
        with st.container(horizontal=True, horizontal_alignment="right"):
            cancelled = st.button(stay or t("cancel"), key="confirm-cancel")
            confirmed = st.button(action, type="primary", icon=f":material/{icon}:", key="confirm-do")
        if cancelled:
            forget_question()
            st.rerun()
        if confirmed and typed and given.strip() != typed:
            st.error(t("base_delete_wrong"), icon=":material/error:")
        elif confirmed:
            do()

    dialog()


def ask(what: str, subject: str) -> None:
    """Open a dialog at the next run, and keep it open over reruns that polling causes."""
    st.session_state["question"] = (what, subject)


def question() -> tuple[str, str]:
    """The dialog that is open, and what it is about."""
    found: tuple[str, str] = st.session_state.get("question", ("", ""))
    return found


def forget_question() -> None:
    """Close the dialog."""
    st.session_state.pop("question", None)


def notice(text: str) -> None:
    """Say something briefly after the next run."""
    st.session_state["notice"] = text


def show_notice() -> None:
    """Say what the last run left to be said."""
    text = st.session_state.pop("notice", "")
    if text:
        st.toast(text, icon=":material/check:")
