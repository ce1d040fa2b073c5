"""Retrieval test: what a question finds, in which order, and whether it would be answered."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ui.rendering import escaped, passage_markdown
from ui.staff_pages import formats, parts
from ui.staff_pages.desk import Desk
from ui.texts import Translate
from ui.wire import FusedHit, LegHit, Retrieval, Verdict

_COUNTS = (5, 10, 20, 50)
# Evidence beyond the best few says nothing more.
SHOWN = 3
_TRIED = "tried"


def show(desk: Desk) -> None:
    """The question, and what came of it."""
    t = desk.t
    parts.head(t("nav_retrieval"), t("try_lead"))
    with desk.telling():
        bases = desk.client.knowledge_bases()
        if not bases:
            parts.no_base(desk)
            return
        base = parts.pick_base(desk, bases)
        with st.form("try", border=False):
            most = desk.system.limits.question_chars
            with st.container(horizontal=True, vertical_alignment="bottom"):
                question = st.text_input(
                    t("try_question"), key="try-question", placeholder=t("try_placeholder"), max_chars=most
                ).strip()
                count = st.selectbox(t("try_count"), _COUNTS, index=1, key="try-count", width=150)
                sent = st.form_submit_button(t("try_button"), type="primary", icon=":material/manage_search:")
            before = st.text_input(
                t("try_before"), key="try-before", placeholder=t("try_before_placeholder"), max_chars=most
            ).strip()
        if sent and not question:
            st.session_state.pop(_TRIED, None)
            st.info(t("try_empty"), icon=":material/info:")
        elif sent:
            st.session_state.pop(_TRIED, None)
            with st.spinner(t("try_working")):
                st.session_state[_TRIED] = desk.client.retrieve(
                    question, kb=base.name, limit=count, history=[("user", before)] if before else ()
                )
        found: Retrieval | None = st.session_state.get(_TRIED)
        if found is not None and found.kb == base.name:
            _result(found, t)


def _result(found: Retrieval, t: Translate) -> None:
    if found.standalone_by != "asked":
        st.caption(t("try_standalone", question=formats.one_line(found.standalone_question, 400)))
    _verdict(found.verdict, t)
    if not found.fused:
        st.info(t("try_none"), icon=":material/info:")
    else:
        st.subheader(t("try_fused"), anchor=False)
        for hit in found.fused:
            _passage(hit, t)
    st.subheader(t("try_legs"), anchor=False)
    left, right = st.columns(2, gap="medium")
    with left:
        _leg(t("try_dense"), found.legs.dense, t("try_dense_none"), t)
    with right:
        _leg(t("try_sparse"), found.legs.sparse, t("try_sparse_none"), t)
    st.subheader(t("try_times"), anchor=False)
    st.markdown(" · ".join(f"{_stage(stage, t)} **{_ms(ms, t)}**" for stage, ms in found.timings_ms.items()))


def _verdict(verdict: Verdict, t: Translate) -> None:
    kind = "sure" if verdict.sure else "unsure" if verdict.answerable else "refused"
    icon, colour = {
        "sure": ("check_circle", "green"),
        "unsure": ("rule", "orange"),
        "refused": ("support_agent", "red"),
    }[kind]
    with st.container(border=True, key="verdict"):
        st.markdown(f"#### :{colour}[:material/{icon}:] {t(f'try_{kind}')}")
        lines = [t(f"try_{kind}_lead")]
        if verdict.reason:
            lines.append(f":gray[{t('try_reason', reason=formats.one_line(verdict.reason, 300))}]")
        st.markdown("  \n".join(lines))
        if verdict.evidence:
            quotes = [
                f"- {formats.one_line(each.text, 400)} "
                f":gray[:small[{t('try_evidence_in', n=each.n, score=f'{each.score:.2f}')}]]"
                for each in verdict.evidence[:SHOWN]
            ]
            st.markdown("\n".join([f"**{t('try_evidence')}**", "", *quotes]))


def _passage(hit: FusedHit, t: Translate) -> None:
    where = [hit.document]
    if hit.page is not None:
        where.append(t("page_n", n=hit.page))
    if hit.sheet:
        where.append(t("sheet_n", name=hit.sheet))
    if hit.heading and hit.heading != hit.sheet:
        where.append(hit.heading)
    with st.expander(f":small[:primary-badge[{hit.n}]] {escaped(' · '.join(where))}"):
        scores = t("try_scores", score=f"{hit.score:.3f}", dense=_score(hit.dense), sparse=_score(hit.sparse))
        st.caption(scores)
        st.markdown(passage_markdown(hit.text))


def _leg(title: str, hits: Sequence[LegHit], none: str, t: Translate) -> None:
    st.markdown(f"**{title}**")
    if not hits:
        st.markdown(f":gray[{none}]")
        return
    rows = [f"| {t('try_col_score')} | {t('try_col_document')} | {t('try_col_where')} |", "|--:|---|---|"]
    for hit in hits:
        page = [t("page_n", n=hit.page)] if hit.page is not None else []
        where = " · ".join([*page, *([hit.heading] if hit.heading else [])])
        rows.append(f"| {hit.score:.3f} | {formats.one_line(hit.document)} | {formats.one_line(where)} |")
    st.markdown("\n".join(rows))


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _stage(stage: str, t: Translate) -> str:
    known = {"condense", "embed", "search", "judge"}
    return t(f"stage_{stage}") if stage in known else escaped(stage)


def _ms(value: float, t: Translate) -> str:
    return t("try_ms", ms=f"{value:.1f}" if value < 10 else f"{value:,.0f}")
