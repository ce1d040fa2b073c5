"""One pair beside the passage that it was made of, and what a person says of it; the next one follows by itself."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from ui.client import ApiError
from ui.pairs import Pair, PairDetail, PairPassage
from ui.rendering import escaped, passage_markdown
from ui.staff_pages import actions, formats, parts
from ui.staff_pages.desk import Desk

# Colour and icon of what was said of a pair.
REVIEWS = {
    "pending": ("gray", "pending"),
    "approved": ("green", "check_circle"),
    "edited": ("green", "edit"),
    "rejected": ("red", "cancel"),
}
STYLES = ("plain", "keyword", "colloquial", "slip", "follow_up", "comparison", "withheld", "swapped", "out_of_scope")
_EDITING = "edited_pair"
# Characters that no text has: they mark the evidence through the escaping of the passage.
_BEGIN, _END = "\ue000", "\ue001"


def show(desk: Desk, kb: str, pair: PairDetail, then: Callable[[], None]) -> None:
    """The pair, its passages beside it, and the buttons; ``then`` is called before the next one is shown."""
    t = desk.t
    with st.container(border=True, key=f"pair-card-{pair.id}"):
        left, right = st.columns([5, 6], gap="medium")
        with left:
            st.markdown(" ".join(badges(desk, pair)))
            if st.session_state.get(_EDITING) == pair.id:
                _editor(desk, kb, pair, then)
            else:
                _said(desk, pair)
                _buttons(desk, kb, pair, then)
        with right:
            if not pair.passages:
                st.caption(t("pair_passage_gone" if pair.sources else "pair_no_passage"))
            for passage in pair.passages:
                _passage(passage, pair.evidence)


def row(desk: Desk, pair: Pair, *, chosen: bool, choose: Callable[[], None]) -> None:
    """A pair in the list."""
    with st.container(key=f"pair-row-{pair.id}", gap=None):
        icon = ":material/arrow_right:" if chosen else None
        label = formats.one_line(pair.question, 140)
        st.button(label, type="tertiary", icon=icon, key=f"pair-open-{pair.id}", on_click=choose)
        answer = formats.one_line(pair.answer, 160) if pair.answer else f"*{desk.t('pair_no_answer')}*"
        st.markdown(f":gray[{answer}] {' '.join(badges(desk, pair))}")


def badges(desk: Desk, pair: Pair) -> list[str]:
    """What is said of a pair, in words and colours."""
    t = desk.t
    colour, icon = REVIEWS.get(pair.review, ("gray", "help"))
    name = t(f"pair_review_{pair.review}") if pair.review in REVIEWS else escaped(pair.review)
    found = [f":{colour}-badge[:material/{icon}: {name}]"]
    if pair.stale:
        found.append(f":orange-badge[:material/history: {t('pair_stale')}]")
    if pair.kind == "unanswerable":
        found.append(f":violet-badge[{t('pair_unanswerable')}]")
    if pair.style != "plain" and pair.style in STYLES:
        found.append(f":gray-badge[{t(f'pair_style_{pair.style}')}]")
    if pair.side in ("train", "test"):
        found.append(f":blue-badge[{t(f'pair_side_{pair.side}')}]")
    return found


def marked(text: str, evidence: str) -> str:
    """A passage with the evidence in green; as it is where the evidence is a part of a table or not in it."""
    lines = [line.strip() for line in evidence.splitlines() if line.strip()]
    if not lines or any("|" in line or line not in text for line in lines):
        return passage_markdown(text)
    for line in lines:
        text = text.replace(line, f"{_BEGIN}{line}{_END}", 1)
    shown = passage_markdown(text)
    return shown.replace(_BEGIN, ":green-background[").replace(_END, "]")


def _said(desk: Desk, pair: PairDetail) -> None:
    t = desk.t
    for turn in pair.history:
        st.caption(f"{t('pair_user' if turn.role == 'user' else 'pair_assistant')}: {escaped(turn.text)}")
    st.markdown(f"**{escaped(pair.question)}**")
    st.markdown(passage_markdown(pair.answer) if pair.answer else f"*{t('pair_no_answer')}*")
    facts = [pair.writer, pair.language, *([t("pair_short", short=pair.short)] if pair.short else [])]
    facts += [t("pair_by", name=pair.reviewer)] if pair.reviewer else []
    st.caption(escaped(" · ".join(facts)))
    if pair.filters:
        with st.popover(t("pair_filters"), icon=":material/filter_alt:", type="tertiary"):
            st.markdown("\n".join(f"- **{escaped(name)}**: {escaped(said)}" for name, said in pair.filters.items()))


def _buttons(desk: Desk, kb: str, pair: PairDetail, then: Callable[[], None]) -> None:
    t = desk.t
    with st.container(horizontal=True, key="pair-actions"):
        # Streamlit keeps C and R for itself. Keys of the pair's own: a second press while the next one is drawn is not for it.
        if st.button(
            t("pair_approve"), type="primary", icon=":material/check:", key=f"pair-approve-{pair.id}", shortcut="A"
        ):
            _do(desk, lambda: desk.client.review_pair(kb, pair.id, "approved"), then)
        if st.button(t("pair_edit"), icon=":material/edit:", key=f"pair-edit-{pair.id}", shortcut="E"):
            st.session_state[_EDITING] = pair.id
            st.rerun()
        if st.button(t("pair_reject"), icon=":material/close:", key=f"pair-reject-{pair.id}", shortcut="X"):
            _do(desk, lambda: desk.client.review_pair(kb, pair.id, "rejected"), then)
        if st.button(
            t("pair_next"), icon=":material/skip_next:", key=f"pair-next-{pair.id}", type="tertiary", shortcut="N"
        ):
            then()
            st.rerun()


def _editor(desk: Desk, kb: str, pair: PairDetail, then: Callable[[], None]) -> None:
    t = desk.t
    question = st.text_area(t("pair_question"), pair.question, key=f"pair-question-{pair.id}")
    answer = st.text_area(t("pair_answer"), pair.answer, key=f"pair-answer-{pair.id}") if pair.answer else ""
    short = st.text_input(t("pair_short_label"), pair.short, key=f"pair-short-{pair.id}") if pair.short else ""
    with st.container(horizontal=True):
        if st.button(t("pub_save"), type="primary", icon=":material/check:", key=f"pair-save-{pair.id}"):
            given = {"question": question, "answer": answer, "short": short}
            before = {"question": pair.question, "answer": pair.answer, "short": pair.short}
            wording = {name: text.strip() for name, text in given.items() if text.strip() != before[name]}
            state = "edited" if wording else "approved"
            if not question.strip() or (pair.answer and not answer.strip()):
                st.error(t("pair_missing"), icon=":material/error:")
                return
            _do(desk, lambda: desk.client.review_pair(kb, pair.id, state, **wording), then)
        if st.button(t("cancel"), key=f"pair-cancel-{pair.id}"):
            st.session_state.pop(_EDITING, None)
            st.rerun()


def _do(desk: Desk, do: Callable[[], object], then: Callable[[], None]) -> None:
    try:
        do()
    except ApiError as exc:
        st.error(actions.problem(desk, exc))
        return
    st.session_state.pop(_EDITING, None)
    then()
    parts.notice(desk.t("pair_saved"))
    st.rerun()


def _passage(passage: PairPassage, evidence: str) -> None:
    where = " › ".join(dict.fromkeys((passage.document, *passage.heading_path)))
    st.caption(f":material/description: {escaped(where)}")
    with st.container(border=True):
        st.markdown(marked(passage.text, evidence))
        if "|" in evidence and evidence in passage.text:
            st.markdown(f":green-background[{formats.one_line(evidence.replace('|', ' '), 300)}]")
