"""Sources of a knowledge base: what each is, what the last look found, look now, change, remove."""

from __future__ import annotations

from functools import partial

import streamlit as st

from ui.client import ApiError
from ui.rendering import escaped
from ui.sources import Outcome, Source
from ui.staff_pages import actions, formats, parts, source_form
from ui.staff_pages import source_words as words
from ui.staff_pages.desk import Desk

POLL_S = 2.0
# The server looks at sources by itself, too.
CALM_S = 15.0
SHOWN = 50
_DOCUMENTS = "src-documents"


def show(desk: Desk) -> None:
    """All of them, and a form for a new one."""
    t = desk.t
    parts.head(t("nav_sources"), t("src_lead"))
    with desk.telling():
        bases = desk.client.knowledge_bases()
        if not bases:
            parts.no_base(desk)
            return
        kb = parts.pick_base(desk, bases).name
        found = desk.client.sources(kb)
        busy = _busy(found)
        every = POLL_S if busy else CALM_S if found else None
        st.fragment(partial(_watched, desk, kb, busy), run_every=every)()
        source_form.add(desk, kb, found)
        _dialogs(desk, kb, {source.id: source for source in found})


def _busy(found: list[Source]) -> bool:
    """Whether a look goes on or is about to begin: one that is timed is looked at as soon as it is added."""
    return any(source.state != "idle" or (source.every_s and source.checked_at is None) for source in found)


def _watched(desk: Desk, kb: str, busy: bool) -> None:
    with desk.telling("watched"):
        found = desk.client.sources(kb)
        if _busy(found) != busy:
            # The whole page anew: it sets the clock.
            st.rerun()
        if not found:
            parts.empty(desk.t("src_none_title"), desk.t("src_none"), "cloud_sync")
        for source in found:
            _card(desk, kb, source)


def _card(desk: Desk, kb: str, source: Source) -> None:
    t = desk.t
    with st.container(border=True, key=f"source-{source.id}"):
        with st.container(gap=None):
            with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
                name = formats.one_line(words.address(source), 300)
                st.markdown(f"**:gray[:material/{words.icon(source)}:] {name}**", width="content")
                st.markdown(words.badge(source, t), width="content")
            facts = [words.interval(source.every_s, t)]
            if source.prefix:
                facts.insert(0, t("src_prefix_is", prefix=source.prefix))
            if source.checked_at:
                facts.append(t("src_checked", when=desk.when(source.checked_at)))
            st.caption(escaped(" · ".join(facts)))
        # Places of their own, empty or not: the buttons stay where they are while the page is drawn anew.
        problem, found = st.container(), st.container()
        # While it is looked at anew, the problem of before is no news.
        if source.problem and source.state == "idle":
            with problem:
                _problem(desk, source)
        if source.outcome is not None:
            with found:
                _outcome(desk, source.id, source.outcome, before=bool(source.problem))
        _buttons(desk, kb, source)


def _problem(desk: Desk, source: Source) -> None:
    t = desk.t
    with st.container(key=f"source-why-{source.id}"):
        said = t("server_says", message=words.problem(source.problem))
        st.markdown(f"{t('src_why')}  \n{said}  \n{words.remedy(source.problem, t)}")
        if words.is_empty(source.problem) and st.button(
            t("src_empty"), icon=":material/folder_off:", key=f"source-empty-{source.id}"
        ):
            parts.ask("empty_source", source.id)
            st.rerun()


def _outcome(desk: Desk, source_id: str, outcome: Outcome, *, before: bool) -> None:
    t = desk.t
    st.markdown(t("src_found_before" if before else "src_found", counts=words.counts(outcome, t)))
    lists = (
        ("src_kind_failed", words.notes(outcome, "failed", SHOWN, t)),
        ("src_kind_skipped", words.notes(outcome, "skipped", SHOWN, t)),
        ("src_kind_new", words.files(outcome.new, SHOWN, t)),
        ("src_kind_changed", words.files(outcome.changed, SHOWN, t)),
        ("src_kind_gone", words.files(outcome.gone, SHOWN, t)),
    )
    if not any(text for _, text in lists):
        return
    with st.expander(t("src_files"), key=f"source-files-{source_id}"):
        for key, text in lists:
            if text:
                st.markdown(f"**{t(key)}**\n\n{text}")
        if outcome.left_off:
            st.caption(t("src_left_off", n=f"{outcome.left_off:,}"))


def _buttons(desk: Desk, kb: str, source: Source) -> None:
    t, key, idle = desk.t, source.id, source.state == "idle"
    with st.container(horizontal=True):
        if st.button(t("src_look"), icon=":material/sync:", key=f"source-look-{key}", disabled=not idle):
            desk.client.sync_source(kb, source.id)
            st.rerun()
        if st.button(t("src_change"), icon=":material/edit:", type="tertiary", key=f"source-change-{key}"):
            parts.ask("change_source", source.id)
            st.rerun()
        # The server refuses it in the middle of a look.
        running = source.state == "running"
        if st.button(
            t("src_remove"), icon=":material/delete:", type="tertiary", key=f"source-remove-{key}", disabled=running
        ):
            st.session_state.pop(_DOCUMENTS, None)
            parts.ask("remove_source", source.id)
            st.rerun()


def _dialogs(desk: Desk, kb: str, found: dict[str, Source]) -> None:
    what, source_id = parts.question()
    source = found.get(source_id)
    if source is None:
        return
    if what == "remove_source":
        _remove(desk, kb, source)
    elif what == "empty_source":
        _believe(desk, kb, source)
    elif what == "change_source":
        source_form.change(desk, kb, source)


def _remove(desk: Desk, kb: str, source: Source) -> None:
    t = desk.t
    name = formats.one_line(words.address(source))

    def choice() -> None:
        counted = _counted(desk, kb, source)
        label = t("src_remove_documents_n", documents=counted) if counted else t("src_remove_documents")
        st.checkbox(label, key=_DOCUMENTS)

    def remove() -> None:
        documents = bool(st.session_state.get(_DOCUMENTS))
        try:
            desk.client.remove_source(kb, source.id, documents=documents)
        except ApiError as exc:
            st.error(actions.problem(desk, exc))
            return
        parts.forget_question()
        parts.notice(t("src_removed_all" if documents else "src_removed", name=name))
        st.rerun()

    parts.confirm(t("src_remove_title"), t("src_remove_sure", name=name), t("src_remove"), remove, t, more=choice)


def _believe(desk: Desk, kb: str, source: Source) -> None:
    t = desk.t

    def believe() -> None:
        try:
            desk.client.sync_source(kb, source.id, allow_empty=True)
        except ApiError as exc:
            st.error(actions.problem(desk, exc))
            return
        parts.forget_question()
        st.rerun()

    text = t("src_empty_sure", name=formats.one_line(words.address(source)))
    parts.confirm(t("src_empty_title"), text, t("src_empty_do"), believe, t)


def _counted(desk: Desk, kb: str, source: Source) -> str:
    """How many documents came from there; "" where that cannot be told."""
    begin = words.below(source)
    try:
        count = desk.client.documents(kb, source=begin, limit=1).total if begin else 0
    except ApiError:
        # Only a help to decide; whatever is wrong is told when it is decided.
        return ""
    return formats.counted("documents", count, desk.t) if count else ""
