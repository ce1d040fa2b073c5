"""What every staff page is given, and how errors are told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from ui.client import ApiAway, ApiError, Client
from ui.rendering import escaped
from ui.staff_pages import formats
from ui.texts import Translate
from ui.wire import System

if TYPE_CHECKING:
    from streamlit.navigation.page import StreamlitPage

_KNOWN = frozenset(
    [
        "invalid_request",
        "unauthorized",
        "not_found",
        "conflict",
        "too_large",
        "timeout",
        "rate_limited",
        "unavailable",
        "internal",
    ]
)
_KEY, _CLIENT, _RETRY = "api_key", "api_client", "sign_in_retry"


@dataclass(slots=True)
class Desk:
    """The API as this session may use it, the language, and the pages to go to."""

    client: Client
    system: System
    url: str
    t: Translate
    language: str
    pages: dict[str, StreamlitPage] = field(default_factory=dict)

    def when(self, moment: str) -> str:
        """A time for people, in their own time zone."""
        return formats.when(moment, self.t, self.language, zone())

    @contextmanager
    def telling(self, place: str = "page") -> Iterator[None]:
        """Errors of the API end the block and are told in words; a key that is refused leads back to the sign-in.

        place: tells apart what may fail in the same run.
        """
        try:
            yield
        except ApiError as exc:
            if exc.type == "unauthorized":
                sign_out()
                st.session_state[_RETRY] = True
                st.rerun()
            tell(exc, self.url, self.t, place)


def client_of_session(url: str) -> Client:
    """This session's client; it carries the key that was entered, and never the environment's."""
    if _CLIENT not in st.session_state:
        st.session_state[_CLIENT] = Client(url, st.session_state.get(_KEY))
    found: Client = st.session_state[_CLIENT]
    return found


def signed_in() -> bool:
    """Whether a key was entered in this session."""
    return _KEY in st.session_state


def sign_in(key: str) -> None:
    """Use a key from now on."""
    sign_out()
    st.session_state[_KEY] = key


def sign_out() -> None:
    """Forget the key and everything that was asked with it."""
    for name in (_KEY, _CLIENT, _RETRY):
        st.session_state.pop(name, None)


def was_signed_out() -> bool:
    """Whether the key was refused in the middle; told once."""
    return bool(st.session_state.pop(_RETRY, False))


def tell(exc: ApiError, url: str, t: Translate, place: str = "page") -> None:
    """An error in words: what happened, what to do, and the server's own line."""
    if isinstance(exc, ApiAway):
        st.error(f"**{t('server_away', url=escaped(url))}**  \n{t('server_away_do')}", icon=":material/cloud_off:")
        if st.button(t("try_again"), icon=":material/refresh:", key=f"try-again-{place}"):
            st.rerun()
        return
    st.error(f"**{t(lead(exc))}**  \n{detail(exc, t)}", icon=":material/error:")


def lead(exc: ApiError) -> str:
    """The text's key for a kind of error."""
    return f"err_{exc.type if exc.type in _KNOWN else 'internal'}"


def detail(exc: ApiError, t: Translate) -> str:
    """The server's line, escaped, with the request's number."""
    said = t("server_says", message=formats.one_line(str(exc), 300))
    return f"{said}  \n:small[{t('request_id', id=escaped(exc.request_id))}]" if exc.request_id else said


def in_short(exc: ApiError, url: str, t: Translate) -> str:
    """An error on one line, for lists."""
    if isinstance(exc, ApiAway):
        return t("server_away", url=escaped(url))
    return f"{t(lead(exc))} {t('server_says', message=formats.one_line(str(exc), 300))}"


def zone() -> tzinfo:
    """The reader's time zone, as the browser says it."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return UTC
