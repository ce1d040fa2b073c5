"""A customer's conversation in a session: what is shown, asked and kept. Streamlit holds the state, the API the truth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import streamlit as st

from ui.client import ApiAway, ApiError, Client
from ui.texts import Translate
from ui.wire import Citation, Transcript

Outcome = Literal["answered", "asked_back", "refused", "handed_off", ""]


@dataclass(slots=True)
class Shown:
    """A message as it is shown.

    state: complete; pending, while it is being written, or when that was cut off; failed, with ``problem`` for people.
    """

    role: str
    text: str = ""
    state: str = "complete"
    outcome: str = ""
    citations: list[Citation] = field(default_factory=list)
    engine: str = ""
    problem: str = ""


def messages() -> list[Shown]:
    """The messages of this session, oldest first."""
    if "messages" not in st.session_state:
        st.session_state.messages = []
    found: list[Shown] = st.session_state.messages
    return found


def conversation_id() -> str | None:
    """The conversation of this session; it stands in the address, so that a reload finds it again."""
    return st.query_params.get("c") or None


def keep(identity: str) -> None:
    """Put the conversation into the address."""
    if st.query_params.get("c") != identity:
        st.query_params["c"] = identity


def forget() -> None:
    """Begin a new conversation."""
    st.query_params.pop("c", None)
    for key in ("messages", "loaded", "status", "contact"):
        st.session_state.pop(key, None)


def load(client: Client) -> str:
    """Read the conversation of the address, once a session; returns "gone" when it is not there any more.

    Raises:
        ApiError: the service cannot be asked.
    """
    identity = conversation_id()
    if identity is None or st.session_state.get("loaded") == identity:
        return ""
    if messages():
        # This session asked in it: it knows more than the store.
        st.session_state.loaded = identity
        return ""
    try:
        transcript = client.conversation(identity)
    except ApiError as exc:
        if exc.type != "not_found":
            raise
        forget()
        return "gone"
    st.session_state.loaded = identity
    take(transcript)
    return ""


def take(transcript: Transcript) -> None:
    """Show what the API has of the conversation."""
    st.session_state.status, st.session_state.contact = transcript.status, transcript.contact
    st.session_state.messages = [
        Shown(
            role=message.role,
            text=message.text,
            state="complete" if message.state == "complete" else "pending",
            outcome=message.outcome or "",
            citations=message.citations,
            engine=message.engine or "",
        )
        for message in transcript.messages
    ]


def problem(exc: ApiError, t: Translate) -> str:
    """What an error means to a customer."""
    if isinstance(exc, ApiAway) or exc.type == "unavailable":
        return t("away")
    if exc.type in ("timeout", "rate_limited"):
        return t("error_timeout")
    return t("error_setup") if exc.type == "unauthorized" else t("error_other")
