"""The staff's pages: documents, sources, knowledge bases, retrieval, customers who wait, the system's state."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import streamlit as st

from ui import frame
from ui.client import ApiError
from ui.rendering import escaped
from ui.staff_pages import (
    bases,
    curated,
    desk,
    documents,
    glossary,
    pairs,
    retrieval,
    review,
    sources,
    system,
    training,
    waiting,
)
from ui.staff_pages.desk import Desk
from ui.staff_pages.parts import show_notice
from ui.texts import Translate
from ui.wire import System

_STYLE = Path(__file__).parent / "staff.css"
# In the order of the menu: address, icon, page.
_PAGES: tuple[tuple[str, str, Callable[[Desk], None]], ...] = (
    ("documents", "description", documents.show),
    ("sources", "cloud_sync", sources.show),
    ("review", "fact_check", review.show),
    ("curated", "edit_note", curated.show),
    ("glossary", "translate", glossary.show),
    ("pairs", "model_training", pairs.show),
    ("training", "exercise", training.show),
    ("bases", "library_books", bases.show),
    ("retrieval", "manage_search", retrieval.show),
    ("waiting", "support_agent", waiting.show),
    ("system", "monitor_heart", system.show),
)


def main() -> None:
    """Menu, sign-in where the API wants a key, then the page."""
    settings = frame.settings()
    t = frame.current()
    frame.begin(f"{settings.company or 'frontdesk'} · {t('desk_title')}", frame.ICON, "wide")
    st.html(_STYLE)
    found: System | ApiError
    try:
        found = desk.client_of_session(settings.api_url).system()
    except ApiError as exc:
        found = exc
    if isinstance(found, ApiError) and found.type == "unauthorized":
        # The menu stays away, but the address is kept for after the sign-in.
        _menu(None, t).run()
        _sign_in(found, settings.company, t)
        return
    the_desk = (
        Desk(desk.client_of_session(settings.api_url), found, settings.api_url, t, frame.language())
        if isinstance(found, System)
        else None
    )
    page = _menu(the_desk, t, settings.company or "frontdesk", hidden=False)
    with st.sidebar:
        _foot(t)
    show_notice()
    if isinstance(found, ApiError):
        desk.tell(found, settings.api_url, t)
        return
    page.run()


def _menu(the_desk: Desk | None, t: Translate, head: str = "", *, hidden: bool = True) -> st.Page:
    pages = {}
    for number, (name, icon, show) in enumerate(_PAGES):
        body: Callable[[], None] = partial(show, the_desk) if the_desk is not None else _nothing
        pages[name] = st.Page(
            body, title=t(f"nav_{name}"), icon=f":material/{icon}:", url_path=name, default=number == 0
        )
    if the_desk is not None:
        the_desk.pages.update(pages)
    return st.navigation({head: list(pages.values())}, position="hidden" if hidden else "sidebar")


def _nothing() -> None:
    """A page while nothing can be shown."""


def _foot(t: Translate) -> None:
    with st.container(key="staff-foot"):
        frame.language_switch(t)
        if desk.signed_in() and st.button(t("sign_out"), icon=":material/logout:", type="tertiary", key="sign-out"):
            desk.sign_out()
            st.rerun()


def _sign_in(refused: ApiError, company: str, t: Translate) -> None:
    given_before = desk.signed_in()
    with st.container(horizontal_alignment="center"), st.container(key="sign-in", width=420):
        st.header(escaped(company) or t("sign_in"), anchor=False)
        st.markdown(f":gray[{t('sign_in_lead')}]")
        with st.form("sign-in-form", border=False):
            key = st.text_input(t("sign_in_key"), type="password", autocomplete="off")
            sent = st.form_submit_button(t("sign_in"), type="primary", width="stretch")
        if sent and key.strip():
            desk.sign_in(key.strip())
            st.rerun()
        if sent:
            st.error(t("sign_in_missing"), icon=":material/key:")
        elif given_before:
            st.error(f"**{t('sign_in_wrong')}**  \n{desk.detail(refused, t)}", icon=":material/key_off:")
        elif desk.was_signed_out():
            st.warning(t("sign_in_retry"), icon=":material/key_off:")
        st.caption(t("sign_in_forgotten"))
        frame.language_switch(t)


main()
