"""Questions with their answers for training and evaluation: made, looked at one after the other, split, moved."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st

from ui.pairs import Pair, PairSummary
from ui.staff_pages import formats, pair_card, pair_work, parts
from ui.staff_pages.desk import Desk
from ui.texts import Translate

EACH_PAGE = 10
# What is shown, in the order in which it is offered, and how the API is asked for it.
SHOWN: dict[str, dict[str, Any]] = {
    "pending": {"state": ["pending"], "stale": False},
    "all": {},
    "kept": {"state": ["approved", "edited"]},
    "rejected": {"state": ["rejected"]},
    "stale": {"stale": True},
}


def show(desk: Desk) -> None:
    """Those of one knowledge base."""
    t = desk.t
    parts.head(t("nav_pairs"), t("pair_lead"))
    with desk.telling():
        bases = desk.client.knowledge_bases()
        if not bases:
            parts.no_base(desk)
            return
        kb = parts.pick_base(desk, bases).name
        summary = desk.client.pair_summary(kb)
        pair_work.show(desk, kb, summary)
        if summary.total:
            _review(desk, kb, summary)
            pair_work.dropped(desk, summary)
        else:
            parts.empty(t("pair_none_title"), t("pair_none"), "model_training")
        pair_work.files(desk, kb, summary)


def _review(desk: Desk, kb: str, summary: PairSummary) -> None:
    t = desk.t
    asked = _asked(desk, kb, summary)
    key = f"pair-page-{kb}-{sorted(asked.items())}"
    found = parts.page_of(lambda offset: desk.client.pairs(kb, asked, limit=EACH_PAGE, offset=offset), EACH_PAGE, key)
    if not found.pairs:
        parts.empty(t("pair_no_such_title"), t("pair_no_such"), "task_alt")
        return
    chosen = _chosen(kb, found.pairs)
    ids = [each.id for each in found.pairs]
    after = ids[(ids.index(chosen) + 1) % len(ids)]
    pair_card.show(desk, kb, desk.client.pair(kb, chosen), partial(_choose, kb, after))
    for each in found.pairs:
        pair_card.row(desk, each, chosen=each.id == chosen, choose=partial(_choose, kb, each.id))
    parts.paging(found.total, EACH_PAGE, key, t)


def _asked(desk: Desk, kb: str, summary: PairSummary) -> dict[str, Any]:
    t = desk.t
    counts = {
        "pending": None,
        "all": summary.total,
        "kept": summary.review.get("approved", 0) + summary.review.get("edited", 0),
        "rejected": summary.review.get("rejected", 0),
        "stale": summary.stale,
    }
    shown = st.segmented_control(
        t("pair_shown"),
        list(SHOWN),
        default="pending",
        required=True,
        format_func=lambda name: _label(name, counts[name], t),
        label_visibility="collapsed",
        key=f"pair-shown-{kb}",
    )
    asked = dict(SHOWN[shown or "pending"])
    with st.container(horizontal=True, vertical_alignment="bottom", key="pair-filters"):
        search = st.text_input(t("pair_search"), key=f"pair-search-{kb}", autocomplete="off")
        writer = _pick(t("pair_writer"), summary.writers, f"pair-writer-{kb}", t)
        language = _pick(t("pair_language"), summary.languages, f"pair-language-{kb}", t)
        side = _pick(t("pair_side"), {s: n for s, n in summary.sides.items() if s != "none"}, f"pair-side-{kb}", t)
    given = {"search": search.strip(), "writer": writer, "language": language, "side": side}
    return asked | {name: value for name, value in given.items() if value}


def _label(name: str, count: int | None, t: Translate) -> str:
    return t(f"pair_shown_{name}") if count is None else f"{t(f'pair_shown_{name}')} {count:,}"


def _pick(label: str, counts: dict[str, int], key: str, t: Translate) -> str | None:
    """One of some values, with how many pairs have it; nothing to pick where all have the same."""
    if len(counts) < 2:
        return None
    names = [None, *sorted(counts)]
    return st.selectbox(
        label,
        names,
        format_func=lambda name: t("pair_any") if name is None else f"{formats.one_line(name, 40)} ({counts[name]:,})",
        key=key,
    )


def _chosen(kb: str, found: list[Pair]) -> str:
    """The pair that is looked at: the chosen one where it is on this page, else the first."""
    chosen = str(st.session_state.get(f"pair-chosen-{kb}", ""))
    return chosen if chosen in {each.id for each in found} else found[0].id


def _choose(kb: str, pair_id: str) -> None:
    st.session_state[f"pair-chosen-{kb}"] = pair_id
