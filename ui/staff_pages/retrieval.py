"""Retrieval test: what a question finds, in which order, and whether it would be answered."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ui.rendering import escaped, passage_markdown
from ui.retrieval import Expected, FusedHit, LegHit, Retrieval, Standing, Verdict
from ui.staff_pages import formats, parts
from ui.staff_pages.desk import Desk
from ui.texts import Translate

_COUNTS = (5, 10, 20, 50)
# Evidence beyond the best few says nothing more.
SHOWN = 3
# Names offered in the select box, as many as the API gives at once; in larger bases any other may be typed.
OFFERED = 1000
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
            before = st.text_input(
                t("try_before"), key="try-before", placeholder=t("try_before_placeholder"), max_chars=most
            ).strip()
            with st.container(horizontal=True, vertical_alignment="bottom"):
                expected = _pick_expected(desk, base.name)
                sent = st.form_submit_button(t("try_button"), type="primary", icon=":material/manage_search:")
        if sent and not question:
            st.session_state.pop(_TRIED, None)
            st.info(t("try_empty"), icon=":material/info:")
        elif sent:
            st.session_state.pop(_TRIED, None)
            with st.spinner(t("try_working")):
                st.session_state[_TRIED] = desk.client.retrieve(
                    question,
                    kb=base.name,
                    limit=count,
                    expected=expected,
                    history=[("user", before)] if before else (),
                )
        found: Retrieval | None = st.session_state.get(_TRIED)
        if found is not None and found.kb == base.name:
            _result(found, t)


def _pick_expected(desk: Desk, base: str) -> str | None:
    """The document that should be found, if somebody has one in mind.

    The key names the base: another has other documents.
    """
    page = desk.client.documents(base, limit=OFFERED)
    names = [each.document for each in page.documents]
    picked = st.selectbox(
        desk.t("try_expected"),
        names,
        index=None,
        key=f"try-expected-{base}",
        placeholder=desk.t("try_expected_any"),
        # Only where names are missing from the list: elsewhere a part of a name that was typed would be taken for one.
        accept_new_options=page.total > len(names),
    )
    return picked.strip() or None if picked else None


def _result(found: Retrieval, t: Translate) -> None:
    if found.standalone_by != "asked":
        st.caption(t("try_standalone", question=formats.one_line(found.standalone_question, 400)))
    _verdict(found.verdict, t)
    if found.expected:
        _expected(found.expected, t)
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
    kind = "sure" if verdict.sure else "unsure" if verdict.answerable else "asked" if verdict.meant else "refused"
    icon, colour = {
        "sure": ("check_circle", "green"),
        "unsure": ("rule", "orange"),
        "asked": ("contact_support", "orange"),
        "refused": ("support_agent", "red"),
    }[kind]
    with st.container(border=True, key="verdict"):
        st.markdown(f"#### :{colour}[:material/{icon}:] {t(f'try_{kind}')}")
        lines = [t(f"try_{kind}_lead")]
        if verdict.meant:
            lines.append(" · ".join(formats.one_line(subject, 100) for subject in verdict.meant))
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


def _expected(expected: Expected, t: Translate) -> None:
    with st.container(border=True, key="expected"):
        st.markdown(f"**{t('try_expected_title', document=formats.one_line(expected.document))}**")
        if not expected.visible:
            st.markdown(f":orange[:material/visibility_off: {t('try_expected_hidden')}]")
        lines = [
            f"| {t('try_col_search')} | {t('try_col_rank')} | {t('try_col_score')} |",
            "|---|--:|--:|",
            *(
                f"| {t(label)} | {_rank(standing, t)} | {_score(standing.score)} |"
                for label, standing in (
                    ("try_dense", expected.dense),
                    ("try_sparse", expected.sparse),
                    ("try_together", expected.fused),
                )
            ),
        ]
        st.markdown("\n".join(lines))


def _rank(standing: Standing, t: Translate) -> str:
    if standing.rank is not None:
        return t("try_rank_of", rank=standing.rank, among=standing.among)
    return t("try_absent", among=standing.among) if standing.among else t("try_not_asked")


def _passage(hit: FusedHit, t: Translate) -> None:
    where = [hit.document]
    if hit.page is not None:
        where.append(t("page_n", n=hit.page))
    if hit.sheet:
        where.append(t("sheet_n", name=hit.sheet))
    if hit.heading and hit.heading != hit.sheet:
        where.append(hit.heading)
    with st.expander(f":small[:primary-badge[{hit.n}]] {escaped(' · '.join(where))}"):
        scores = t(
            "try_scores",
            score=f"{hit.score:.3f}",
            dense=_ranked_score(hit.dense, hit.dense_rank, t),
            sparse=_ranked_score(hit.sparse, hit.sparse_rank, t),
        )
        st.caption(scores)
        if hit.also:
            st.caption(t("try_also", documents=", ".join(map(formats.one_line, hit.also))))
        st.markdown(passage_markdown(hit.text))


def _leg(title: str, hits: Sequence[LegHit], none: str, t: Translate) -> None:
    st.markdown(f"**{title}**")
    if not hits:
        st.markdown(f":gray[{none}]")
        return
    rows = [f"| {t('try_col_rank')} | {t('try_col_score')} | {t('try_col_document')} |", "|--:|--:|---|"]
    for rank, hit in enumerate(hits, start=1):
        page = [t("page_n", n=hit.page)] if hit.page is not None else []
        where = formats.one_line(" · ".join([*page, *([hit.heading] if hit.heading else [])]))
        # In one cell: a column of its own would be a word wide beside the other leg.
        place = f"{formats.one_line(hit.document)} :gray[:small[{where}]]" if where else formats.one_line(hit.document)
        rows.append(f"| {rank} | {hit.score:.3f} | {place} |")
    st.markdown("\n".join(rows))


def _ranked_score(value: float | None, rank: int | None, t: Translate) -> str:
    return t("try_ranked", score=_score(value), rank=rank) if rank is not None else _score(value)


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _stage(stage: str, t: Translate) -> str:
    known = {"condense", "embed", "search", "judge"}
    return t(f"stage_{stage}") if stage in known else escaped(stage)


def _ms(value: float, t: Translate) -> str:
    return t("try_ms", ms=f"{value:.1f}" if value < 10 else f"{value:,.0f}")
