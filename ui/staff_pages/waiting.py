"""Customers who asked for a person: how to reach them, and what was said."""

from __future__ import annotations

from functools import partial

import streamlit as st

from ui.client import ApiError
from ui.rendering import escaped, passage_markdown, place, shown_answer
from ui.staff_pages import formats, parts
from ui.staff_pages.desk import Desk
from ui.wire import Conversation, Message

EACH_PAGE = 20
# A customer who asks for a person is seen without a reload.
POLL_S = 15.0
_STATUSES = ("waiting", "closed")


def show(desk: Desk) -> None:
    """The list, or the conversation of the address."""
    chosen = st.query_params.get("conversation", "")
    if chosen:
        _conversation(desk, chosen)
        return
    parts.head(desk.t("nav_waiting"), desk.t("wait_lead"))
    st.fragment(partial(_list, desk), run_every=POLL_S)()


def _list(desk: Desk) -> None:
    t = desk.t
    with desk.telling("watched"):
        counts = {status: desk.client.conversations(status=status, limit=1).total for status in _STATUSES}
        status = st.segmented_control(
            t("wait_show"),
            _STATUSES,
            default="waiting",
            format_func=lambda each: t(f"wait_{each}", n=f"{counts[each]:,}"),
            key="wait-status",
            label_visibility="collapsed",
            required=True,
        )
        status = status or "waiting"
        key = f"wait-page-{status}"
        offset = parts.page_offset(counts[status], EACH_PAGE, key)
        page = desk.client.conversations(status=status, limit=EACH_PAGE, offset=offset)
        if not page.conversations:
            if status == "waiting":
                parts.empty(t("wait_none_title"), t("wait_none"), "mark_chat_read")
            else:
                parts.empty(t("wait_closed_none"), "", "inbox")
        for each in page.conversations:
            _card(desk, each)
        parts.paging(page.total, EACH_PAGE, key, t)


def _card(desk: Desk, each: Conversation) -> None:
    t = desk.t
    with st.container(border=True, key=f"wait-{each.id}"):
        st.markdown(f"**{formats.one_line(each.title) or t('wait_untitled')}**")
        _facts(desk, each)
        with st.container(horizontal=True):
            if st.button(t("wait_read"), icon=":material/forum:", key=f"wait-read-{each.id}"):
                st.query_params["conversation"] = each.id
                st.rerun()
            _done(desk, each)


def _facts(desk: Desk, each: Conversation) -> None:
    """How to reach the customer, what was added, and since when."""
    t = desk.t
    if each.contact:
        # As code: it is copied by a click, exactly as the customer wrote it.
        with st.container(horizontal=True, vertical_alignment="center", key=f"wait-contact-{each.id}"):
            st.markdown(f":gray[{t('wait_contact')}]", width="content")
            st.code(each.contact, language=None, wrap_lines=True, width="content")
    if each.note:
        st.markdown(f":gray[{t('wait_note')}] {formats.one_line(each.note, 5000)}")
    moment = desk.when(each.updated_at)
    time = {"waiting": "wait_since", "closed": "wait_closed_at"}.get(each.status)
    facts = [t(time, when=moment) if time else moment, formats.counted("wait_messages", each.messages_count, t)]
    st.caption(escaped(" · ".join([*facts, *([each.kb] if each.kb else [])])))


def _done(desk: Desk, each: Conversation) -> None:
    t = desk.t
    if each.status == "waiting" and st.button(
        t("wait_done"), type="primary", icon=":material/check:", key=f"wait-done-{each.id}"
    ):
        desk.client.close_conversation(each.id)
        parts.notice(t("wait_done_toast"))
        st.query_params.pop("conversation", None)
        st.rerun()


def _conversation(desk: Desk, identity: str) -> None:
    t = desk.t
    if st.button(t("wait_back"), icon=":material/arrow_back:", type="tertiary", key="wait-back"):
        st.query_params.pop("conversation", None)
        st.rerun()
    with desk.telling():
        try:
            found = desk.client.conversation(identity)
        except ApiError as exc:
            if exc.type != "not_found":
                raise
            parts.empty(t("wait_gone"), "", "search_off")
            return
        with st.container(border=True, key="wait-facts"):
            st.markdown(f"#### {formats.one_line(found.title) or t('wait_untitled')}")
            _facts(desk, found)
            _done(desk, found)
        if not found.messages:
            st.markdown(f":gray[{t('wait_no_messages')}]")
        for message in found.messages:
            _message(desk, message)


def _message(desk: Desk, message: Message) -> None:
    t = desk.t
    customer = message.role == "user"
    with st.chat_message(
        t("wait_customer") if customer else t("wait_frontdesk"),
        avatar=":material/person:" if customer else ":material/forum:",
    ):
        facts = [t("wait_customer") if customer else t("wait_frontdesk"), desk.when(message.created_at)]
        if message.outcome in ("refused", "handed_off"):
            facts.append(t(f"wait_{message.outcome}"))
        st.caption(escaped(" · ".join(facts)))
        if message.text:
            st.markdown(
                escaped(message.text).replace("\n", "  \n") if customer else shown_answer(message.text, message.engine)
            )
        if message.state == "interrupted":
            st.caption(f":orange[:material/error:] {t('wait_broken')}")
        for citation in message.citations:
            where = [citation.document, *([found] if (found := place(citation, t)) else [])]
            with st.expander(f":small[:primary-badge[{citation.n}]] {escaped(' · '.join(where))}"):
                st.markdown(passage_markdown(citation.text))
