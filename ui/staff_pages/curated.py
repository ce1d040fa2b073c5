"""Answers that a person wrote: list, write, change, look again at those whose source changed, import and export."""

from __future__ import annotations

from typing import Any

import streamlit as st

from ui.curated import Curated
from ui.rendering import escaped
from ui.staff_pages import actions, exchange, formats, parts, publication
from ui.staff_pages import desk as desks
from ui.staff_pages.desk import Desk

EACH_PAGE = 20
NEW = "new"
# States in the order in which they are offered, with colour and icon.
STATES = {
    "live": ("green", "check_circle"),
    "stale": ("orange", "history"),
    "source_gone": ("red", "link_off"),
    "source_hidden": ("orange", "visibility_off"),
    "disabled": ("gray", "toggle_off"),
    "not_yet": ("gray", "event"),
    "over": ("gray", "event_busy"),
}
_SHOWN = 600


def show(desk: Desk) -> None:
    """Those of one knowledge base."""
    t = desk.t
    parts.head(t("nav_curated"), t("cur_lead"))
    with desk.telling():
        bases = desk.client.knowledge_bases()
        if not bases:
            parts.no_base(desk)
            return
        kb = parts.pick_base(desk, bases).name
        with st.container(horizontal=True, vertical_alignment="bottom"):
            search = st.text_input(t("cur_search"), key=f"cur-search-{kb}", autocomplete="off")
            names = [None, *STATES]
            state = st.selectbox(
                t("cur_state"), names, format_func=lambda s: t(f"cur_state_{s or 'all'}"), key=f"cur-state-{kb}"
            )
            if st.button(t("cur_add"), type="primary", icon=":material/add:", key="cur-add"):
                parts.ask("curated", NEW)
                st.rerun()
        key = f"cur-page-{kb}-{search}-{state}"
        found = parts.page_of(
            lambda offset: desk.client.curated(kb, search, state=state, limit=EACH_PAGE, offset=offset), EACH_PAGE, key
        )
        if found.stale:
            st.warning(formats.counted("cur_stale", found.stale, t), icon=":material/history:")
        if not found.total:
            asked = bool(search or state)
            title, text = ("cur_not_found_title", "cur_not_found") if asked else ("cur_none_title", "cur_none")
            parts.empty(t(title), t(text), "edit_note")
        for each in found.curated:
            _card(desk, kb, each)
        parts.paging(found.total, EACH_PAGE, key, t)
        exchange.show(
            desk,
            f"cur-{kb}",
            "curated.csv",
            t("cur_exchange_lead"),
            lambda: desk.client.export_curated(kb),
            lambda table: desk.client.import_curated(kb, table),
        )
        _dialogs(desk, kb, {each.id: each for each in found.curated})


def _card(desk: Desk, kb: str, each: Curated) -> None:
    t = desk.t
    with st.container(border=True, key=f"curated-{each.id}"):
        colour, icon = STATES.get(each.state, ("gray", "help"))
        name = t(f"cur_state_{each.state}") if each.state in STATES else escaped(each.state)
        st.markdown(f"**{escaped(each.questions[0])}** :{colour}-badge[:material/{icon}: {name}]")
        if others := each.questions[1:]:
            st.caption("  \n".join(escaped(question) for question in others))
        st.markdown(formats.one_line(each.answer, _SHOWN))
        about = [t("cur_source", source=each.source)] if each.source else []
        about += [t("cur_by", name=each.written_by)] if each.written_by else []
        st.caption(escaped(" · ".join([*about, t("cur_updated", when=desk.when(each.updated_at))])))
        if each.state in ("stale", "source_gone", "source_hidden"):
            st.markdown(f":orange[{t(f'cur_do_{each.state}')}]")
        with st.container(horizontal=True):
            if each.state == "stale" and st.button(
                t("cur_holds"), icon=":material/task_alt:", key=f"cur-holds-{each.id}"
            ):
                desk.client.change_curated(kb, each.id)
                parts.notice(t("cur_saved"))
                st.rerun()
            if st.button(t("cur_change"), icon=":material/edit:", type="tertiary", key=f"cur-change-{each.id}"):
                parts.ask("curated", each.id)
                st.rerun()
            if st.button(t("cur_remove"), icon=":material/delete:", type="tertiary", key=f"cur-remove-{each.id}"):
                parts.ask("remove_curated", each.id)
                st.rerun()


def _dialogs(desk: Desk, kb: str, found: dict[str, Curated]) -> None:
    what, curated_id = parts.question()
    each = found.get(curated_id)
    if what == "curated" and (each is not None or curated_id == NEW):
        _edit(desk, kb, each)
    elif what == "remove_curated" and each is not None:
        _remove(desk, kb, each)


def _remove(desk: Desk, kb: str, each: Curated) -> None:
    t = desk.t

    def remove() -> None:
        actions.close_after(desk, lambda: desk.client.remove_curated(kb, each.id), t("cur_removed"))

    text = t("cur_remove_sure", question=escaped(each.questions[0]))
    parts.confirm(t("cur_remove_title"), text, t("cur_remove"), remove, t)


def _edit(desk: Desk, kb: str, each: Curated | None) -> None:
    t, zone = desk.t, desks.zone()
    key = each.id if each is not None else NEW

    @st.dialog(t("cur_edit_title") if each else t("cur_add_title"), width="large", on_dismiss=parts.forget_question)
    def shown() -> None:
        before = "\n".join(each.questions) if each else ""
        questions = st.text_area(t("cur_questions"), before, help=t("cur_questions_help"), key=f"cur-questions-{key}")
        answer = st.text_area(
            t("cur_answer"), each.answer if each else "", height=200, help=t("cur_answer_help"), key=f"cur-answer-{key}"
        )
        source = st.text_input(
            t("cur_source_field"), each.source if each else "", help=t("cur_source_help"), key=f"cur-source-{key}"
        )
        first, last = publication.days(each, zone) if each else (None, None)
        with st.container(horizontal=True):
            begins = st.date_input(t("pub_from"), first, format="YYYY-MM-DD", key=f"cur-from-{key}")
            ends = st.date_input(t("pub_until"), last, format="YYYY-MM-DD", key=f"cur-until-{key}")
        enabled = st.toggle(t("cur_enabled"), each.enabled if each else True, key=f"cur-enabled-{key}")
        if not parts.save_or_cancel("cur", t):
            return
        values: dict[str, Any] = {
            "questions": [line for line in questions.splitlines() if line.strip()],
            "answer": answer.strip(),
            "source": source.strip(),
            "enabled": enabled,
            # A day that was not touched keeps its hour.
            "valid_from": each.valid_from if each and begins == first else publication.start(begins, zone),
            "valid_until": each.valid_until if each and ends == last else publication.end(ends, zone),
        }
        if not values["questions"] or not values["answer"]:
            st.error(t("cur_missing"), icon=":material/error:")
            return

        def keep() -> None:
            if each is None:
                desk.client.add_curated(kb, **values)
            else:
                desk.client.change_curated(kb, each.id, **values)

        actions.close_after(desk, keep, t("cur_saved"))

    shown()
