"""What both apps share: page set-up, style, language switch, the client."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from ui.client import Client
from ui.settings import UiSettings
from ui.texts import LANGUAGES, Translate, language_of, translator

_STYLE = Path(__file__).parent / "style.css"
# Drawn here: Streamlit would fetch an emoji or a material icon for the browser's tab from the internet.
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><rect width="24" height="24" rx="6" fill="#1b6653"/>'
    '<path d="M6 7h12v8h-7l-3 3v-3H6z" fill="#fbfaf7"/></svg>'
)


def begin(title: str, icon: str, layout: str = "centered") -> None:
    """Set the page up; the first call of each app."""
    wide = layout == "wide"
    st.set_page_config(page_title=title, page_icon=icon, layout="wide" if wide else "centered")
    st.html(_STYLE)


def language() -> str:
    """The language in use: chosen, in the address, or the browser's."""
    if "language" not in st.session_state:
        asked = st.query_params.get("lang", "")
        st.session_state.language = asked if asked in LANGUAGES else language_of(st.context.locale)
    chosen: str = st.session_state.language
    return chosen


def language_switch(t: Translate) -> None:
    """Both languages, each in its own letters."""

    def remember() -> None:
        # A second click on the chosen language would choose none.
        chosen = st.session_state.language_switch or st.session_state.language
        st.session_state.language = st.query_params["lang"] = chosen

    st.session_state.language_switch = language()
    st.segmented_control(
        t("language"),
        list(LANGUAGES),
        format_func=LANGUAGES.__getitem__,
        key="language_switch",
        label_visibility="collapsed",
        on_change=remember,
    )


def current() -> Translate:
    """The translator of the language in use."""
    return translator(language())


@st.cache_resource(show_spinner=False)
def client(url: str, api_key: str | None) -> Client:
    """One client for all sessions of an app: its connections are shared."""
    return Client(url, api_key)


@st.cache_resource(show_spinner=False)
def settings() -> UiSettings:
    """The app's settings, read once."""
    return UiSettings.load()
