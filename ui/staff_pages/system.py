"""The system's state in words, and what to do where something is missing."""

from __future__ import annotations

from functools import partial

import streamlit as st

from ui.rendering import escaped
from ui.staff_pages import formats, parts, servers
from ui.staff_pages.desk import Desk
from ui.wire import Component, System

POLL_S = 15.0
SHOWN = 5
_STATUS = {
    "ready": ("green", "check_circle"),
    "degraded": ("orange", "warning"),
    "unavailable": ("red", "error"),
}
_PART = {
    "ok": ("green", "check_circle", "sys_ok"),
    "degraded": ("orange", "warning", "sys_part_degraded"),
    "away": ("red", "error", "sys_away"),
    "off": ("gray", "do_not_disturb_on", "sys_off"),
}
_NAMES = ("database", "index", "ingestion", "endpoint", "packaged", "extractive")


def show(desk: Desk) -> None:
    """State, parts, model servers, queue, settings; looked at again every few seconds."""
    parts.head(desk.t("nav_system"), desk.t("sys_checked"))
    st.fragment(partial(_state, desk), run_every=POLL_S)()


def _state(desk: Desk) -> None:
    t = desk.t
    with desk.telling("watched"):
        found = desk.client.system()
        _summary(desk, found)
        st.subheader(t("sys_parts"), anchor=False)
        with st.container(key="sys-parts", gap=None):
            for part in found.components:
                _part(desk, part)
        servers.show(desk, found.model_servers)
        left, right = st.columns(2, gap="large")
        with left:
            _queue(desk, found)
        with right:
            _settings(desk, found)


def _summary(desk: Desk, found: System) -> None:
    t = desk.t
    status = found.status if found.status in _STATUS else "degraded"
    colour, icon = _STATUS[status]
    with (
        st.container(border=True, key="sys-summary"),
        st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"),
    ):
        said = f"**:{colour}[:material/{icon}:] {t(f'sys_{status}')}**  \n:gray[{t(f'sys_{status}_lead')}]"
        st.markdown(said, width="content")
        st.button(t("sys_check"), icon=":material/refresh:", key="sys-check")


def _part(desk: Desk, part: Component) -> None:
    t = desk.t
    colour, icon, word = _PART.get(part.status, _PART["degraded"])
    known = part.name in _NAMES
    with st.container(key=f"sys-part-{part.name}", horizontal=True, vertical_alignment="top"):
        with st.container(gap=None):
            lines = [f"**{t(f'sys_{part.name}') if known else escaped(part.name)}**"]
            if known:
                lines.append(f":gray[{t(f'sys_about_{part.name}')}]")
            # Of a part that works only the model's name is news.
            if part.detail and (part.status in ("degraded", "away") or (part.name, part.status) == ("endpoint", "ok")):
                lines.append(f":gray[:small[{formats.one_line(part.detail, 400)}]]")
            if part.status in ("degraded", "away") and known and part.name != "extractive":
                lines.append(t(f"sys_do_{part.name}"))
            if part.status == "off" and part.name == "endpoint":
                lines.append(f":gray[{t('sys_off_endpoint')}]")
            st.markdown("  \n".join(lines))
        st.markdown(f":{colour}-badge[:material/{icon}: {t(word)}]", width="content")


def _queue(desk: Desk, found: System) -> None:
    t = desk.t
    st.subheader(t("sys_queue"), anchor=False)
    queued = found.ingestion.queued
    st.markdown(formats.counted("sys_queue_n", queued, t) if queued else f":gray[{t('sys_queue_idle')}]")
    for name in found.ingestion.running[:SHOWN]:
        st.markdown(f":blue[:material/sync:] {t('sys_queue_running', name=escaped(name))}")
    for name in found.ingestion.stalled[:SHOWN]:
        said = t("sys_queue_stalled", name=escaped(name))
        st.markdown(f":orange[:material/hourglass_disabled:] {said}  \n:gray[:small[{t('stalled_lead')}]]")


def _settings(desk: Desk, found: System) -> None:
    t = desk.t
    st.subheader(t("sys_settings"), anchor=False)
    rows = (
        ("sys_version", found.version),
        ("sys_default_kb", found.default_kb),
        ("sys_embedding", found.embedding_model),
        ("sys_vectors", found.vector_engine),
        ("sys_question_limit", t("sys_question_chars", n=f"{found.limits.question_chars:,}")),
        ("sys_upload_limit", formats.size(found.limits.upload_bytes, t)),
        ("sys_files_limit", str(found.limits.files_per_upload)),
        ("sys_address", desk.url),
    )
    st.markdown("  \n".join(f":gray[{t(key)}] {escaped(value)}" for key, value in rows))
