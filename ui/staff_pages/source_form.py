"""The forms of a source: a new address, and another prefix or interval for one that is kept."""

from __future__ import annotations

import streamlit as st

from ui.client import ApiError
from ui.sources import Source
from ui.staff_pages import actions, formats, parts
from ui.staff_pages import source_words as words
from ui.staff_pages.desk import Desk

_ROUND = "source_round"


def add(desk: Desk, kb: str, found: list[Source]) -> None:
    """The form for a new source; what the server has against an address is said below it."""
    t = desk.t
    turn = int(st.session_state.get(_ROUND, 0))
    st.subheader(t("src_add_title"), anchor=False)
    with st.form("source-add", border=False):
        address = st.text_input(t("src_address"), max_chars=2000, key=f"source-address-{turn}").strip()
        refused = st.container(key="source-refused")
        st.caption(t("src_address_help"))
        left, right = st.columns(2)
        with left:
            prefix = _prefix(desk, "", f"source-prefix-{turn}")
        with right:
            every = _every(desk, words.USUAL, f"source-every-{turn}")
        sent = st.form_submit_button(t("src_add"), icon=":material/add:", type="primary")
    if not sent:
        return
    if not address:
        refused.error(t("src_address_missing"), icon=":material/error:")
        return
    try:
        # Left empty, the prefix of an address that is here already stays.
        made = desk.client.keep_source(kb, address, prefix=prefix or None, every_s=every)
    except ApiError as exc:
        if exc.type != "invalid_request":
            raise
        refused.error(_told(desk, exc), icon=":material/error:")
        return
    st.session_state[_ROUND] = turn + 1
    known = made.id in {source.id for source in found}
    parts.notice(t("src_changed" if known else "src_added", name=formats.one_line(words.address(made))))
    st.rerun()


def change(desk: Desk, kb: str, source: Source) -> None:
    """A dialog for another prefix or interval."""
    t = desk.t

    @st.dialog(t("src_change_title"), on_dismiss=parts.forget_question)
    def dialog() -> None:
        name = formats.one_line(words.address(source))
        st.markdown(f"**{name}**")
        with st.form("source-change", border=False):
            prefix = _prefix(desk, source.prefix, "source-prefix")
            every = _every(desk, source.every_s, "source-every")
            sent = st.form_submit_button(t("pub_save"), type="primary", width="stretch")
        if not sent:
            return
        try:
            desk.client.keep_source(kb, source.address, prefix=prefix, every_s=every)
        except ApiError as exc:
            st.error(_told(desk, exc) if exc.type == "invalid_request" else actions.problem(desk, exc))
            return
        parts.forget_question()
        parts.notice(t("src_changed", name=name))
        st.rerun()

    dialog()


def _prefix(desk: Desk, value: str, key: str) -> str:
    text = st.text_input(desk.t("src_prefix"), value, max_chars=200, key=key, help=desk.t("src_prefix_help"))
    return text.strip()


def _every(desk: Desk, value: int, key: str) -> int:
    # One that was set by the command line may be none of those that are offered.
    offered = sorted({*words.INTERVALS, value})
    chosen = st.selectbox(
        desk.t("src_every"),
        offered,
        offered.index(value),
        format_func=lambda seconds: words.interval(seconds, desk.t),
        key=key,
    )
    return int(chosen)


def _told(desk: Desk, exc: ApiError) -> str:
    """Why an address was refused, and what to do."""
    said = desk.t("server_says", message=words.problem(str(exc)))
    return f"{said}  \n{words.remedy(str(exc), desk.t)}"
