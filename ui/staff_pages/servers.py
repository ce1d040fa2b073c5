"""Model servers on the system page: how each is, how fast it writes, what its prefix cache spares."""

from __future__ import annotations

import streamlit as st

from ui.rendering import escaped
from ui.staff_pages.desk import Desk
from ui.texts import Translate
from ui.wire import ModelServer, ServerFigures

_STATE = {
    "ok": ("green", "check_circle", "sys_ok"),
    "left_alone": ("orange", "warning", "srv_left_alone"),
    "away": ("red", "error", "sys_away"),
    "gone": ("red", "error", "srv_gone"),
}


def show(desk: Desk, servers: list[ModelServer]) -> None:
    """One row a server; where there is none, that in a line."""
    t = desk.t
    st.subheader(t("srv_title"), anchor=False)
    with st.container(key="sys-servers", gap=None):
        if not servers:
            st.markdown(f":gray[{t('srv_none')}]")
        for number, server in enumerate(servers):
            _server(t, number, server)


def _server(t: Translate, number: int, server: ModelServer) -> None:
    colour, icon, word = _STATE.get(server.state, _STATE["away"])
    with st.container(key=f"sys-server-{number}", horizontal=True, vertical_alignment="top"):
        with st.container(gap=None):
            lines = [f"**{escaped(server.release)}**", f":gray[{escaped(server.url)}]"]
            if server.state == "ok" and server.figures is None:
                lines.append(f":gray[{t('srv_no_figures')}]")
            if server.state == "left_alone":
                lines.append(t("srv_left_alone_lead"))
            if server.state == "gone":
                lines.append(t("srv_gone_lead"))
            st.markdown("  \n".join(lines))
            if server.figures is not None:
                # Figures in one line that wraps: a table of seven columns would not fit a phone.
                st.markdown(" · ".join(facts(server.figures, t)))
        st.markdown(f":{colour}-badge[:material/{icon}: {t(word)}]", width="content")


def facts(figures: ServerFigures, t: Translate) -> list[str]:
    """Its figures in words."""
    said = [t("srv_running", n=figures.running), t("srv_waiting", n=figures.waiting)]
    if figures.written_per_s is not None:
        said.append(t("srv_written", n=f"{figures.written_per_s:,.1f}"))
    if figures.read_per_s is not None:
        said.append(t("srv_read", n=f"{figures.read_per_s:,.0f}"))
    said.append(t("srv_hits", n=_percent(figures.hit_rate, t), all=_percent(figures.hit_rate_since_start, t)))
    said.append(t("srv_cache_full", n=_percent(figures.cache_full, t)))
    return said


def _percent(share: float | None, t: Translate) -> str:
    return t("srv_nothing_asked") if share is None else f"{share:.0%}"
