"""Tables out of a page and into it: what curated answers and glossaries share."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from ui.client import ApiError
from ui.curated import Imported
from ui.staff_pages import actions, parts
from ui.staff_pages.desk import Desk


def show(
    desk: Desk, key: str, file: str, lead: str, export: Callable[[], bytes], bring_in: Callable[[bytes], Imported]
) -> None:
    """A fold with a download and an upload; ``key`` begins the keys of its elements."""
    t = desk.t
    with st.expander(t("cur_exchange"), icon=":material/swap_vert:", key=f"{key}-exchange"):
        st.caption(lead)
        st.download_button(t("cur_export"), export, file, "text/csv", icon=":material/download:", key=f"{key}-export")
        turn = st.session_state.get(f"{key}-round", 0)
        table = st.file_uploader(t("cur_import"), type="csv", key=f"{key}-import-{turn}")
        if table is None:
            return
        try:
            done = bring_in(table.getvalue())
        except ApiError as exc:
            st.error(actions.problem(desk, exc))
            return
        st.session_state[f"{key}-round"] = turn + 1
        parts.notice(t("cur_imported", new=done.new, replaced=done.replaced))
        st.rerun()
