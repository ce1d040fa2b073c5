"""The customers' page: ask, read the answer with its sources, be passed on to a person."""

from __future__ import annotations

from contextlib import closing

import streamlit as st

from ui import conversation, frame
from ui.client import ApiError, Client
from ui.conversation import Shown
from ui.rendering import escaped, joined, passage_markdown, place, shown_answer, source_name
from ui.texts import Translate
from ui.wire import Citation, Done, Retracted, Sentence, Sources

# Until the API has told its own.
QUESTION_CHARS = 2000
OFFERS_PERSON = ("refused", "handed_off")


def main() -> None:
    """The page, top to bottom."""
    settings = frame.settings()
    t = frame.current()
    company = settings.company or t("company_default")
    frame.begin(company, frame.ICON)
    client = frame.client(settings.api_url, settings.api_key)
    notice, failed = "", None
    try:
        notice = conversation.load(client)
    except ApiError as exc:
        failed = exc
    _header(company, t)
    if failed is not None:
        st.error(conversation.problem(failed, t), icon=":material/cloud_off:")
        if st.button(t("try_again"), icon=":material/refresh:"):
            st.rerun()
        return
    if notice:
        st.info(t("gone"), icon=":material/info:")
    question = st.chat_input(t("chat_placeholder"), max_chars=_most(client), key="question")
    question = question or st.session_state.pop("again", None)
    shown = conversation.messages()
    if not shown and not question:
        st.title(t("chat_title"), anchor=False)
        st.markdown(t("chat_lead"))
    for number, message in enumerate(shown):
        _message(message, number, t, last=number == len(shown) - 1 and not question)
    _waiting(t)
    if question and question.strip():
        _ask(client, question.strip(), settings.kb, t)


def _header(company: str, t: Translate) -> None:
    with st.container(key="top"):
        with st.container(horizontal=True, vertical_alignment="center", key="header"):
            st.markdown(f"**{escaped(company)}**", width="stretch")
            frame.language_switch(t)
        with st.container(horizontal=True, vertical_alignment="center", key="actions"):
            if conversation.messages() and st.button(
                t("new_conversation"), icon=":material/add_comment:", type="tertiary", key="new"
            ):
                conversation.forget()
                st.rerun()
            if st.button(t("person"), icon=":material/support_agent:", type="tertiary", key="person"):
                _person(t)


def _message(message: Shown, number: int, t: Translate, *, last: bool) -> None:
    if message.role == "user":
        # The key lets the style tell questions from answers.
        with st.container(key=f"asked-{number}"), st.chat_message("user", avatar=":material/person:"):
            st.markdown(escaped(message.text).replace("\n", "  \n"))
        return
    with st.chat_message("assistant", avatar=":material/forum:"):
        if message.text:
            st.markdown(shown_answer(message.text, message.engine))
        _sources(message.citations, t)
        if message.state != "complete":
            st.warning(message.problem or t("broke_off"), icon=":material/error:")
        if last:
            with st.container(horizontal=True):
                _offers(message, number, t)


def _offers(message: Shown, number: int, t: Translate) -> None:
    """What the customer can do about the last answer."""
    if message.state != "complete" and st.button(t("ask_again"), icon=":material/refresh:", key=f"again-{number}"):
        asked = [m.text for m in conversation.messages()[:number] if m.role == "user"]
        st.session_state.again = asked[-1] if asked else None
        del conversation.messages()[number - 1 :]
        st.rerun()
    waits = st.session_state.get("status") == "waiting"
    offered = (message.outcome in OFFERS_PERSON or message.state == "failed") and not waits
    if offered and st.button(t("person"), icon=":material/support_agent:", key=f"person-{number}"):
        _person(t)


def _sources(citations: list[Citation], t: Translate) -> None:
    for citation in citations:
        name = source_name(citation)
        where = place(citation, t)
        label = f":small[:primary-badge[{citation.n}]] {escaped(name)}"
        with st.expander(f"{label} :gray[· {escaped(where)}]" if where else label):
            st.markdown(passage_markdown(citation.text))


def _waiting(t: Translate) -> None:
    status, contact = st.session_state.get("status"), escaped(st.session_state.get("contact", ""))
    if status == "waiting":
        st.success(t("person_waiting", contact=contact), icon=":material/schedule:")
    elif status == "closed":
        st.info(t("person_closed"), icon=":material/check:")


def _ask(client: Client, question: str, kb: str, t: Translate) -> None:
    """Show the answer as it comes; a click in the middle ends this run, and with it the answer."""
    shown = conversation.messages()
    asked, answer = Shown("user", question), Shown("assistant", state="pending")
    shown += [asked, answer]
    _message(asked, len(shown) - 2, t, last=False)
    with st.chat_message("assistant", avatar=":material/forum:"):
        text, sources = st.empty(), st.container()
        with sources:
            _bring_into_view(len(shown) - 2)
        text.markdown(f":shimmer[{t('looking')}]")
        sentences: list[str] = []
        try:
            with closing(client.chat(question, kb=kb, conversation_id=conversation.conversation_id())) as events:
                for event in events:
                    if isinstance(event, Sources):
                        conversation.keep(event.conversation_id)
                        answer.citations = event.sources
                    elif isinstance(event, Sentence):
                        sentences.append(event.text)
                    elif isinstance(event, Retracted):
                        sentences.clear()
                        answer.citations = []
                    elif isinstance(event, Done):
                        whole = event.answer
                        sentences = [whole.answer]
                        answer.citations, answer.outcome = whole.citations, whole.outcome
                        answer.engine, answer.state = whole.engine or "", "complete"
                    answer.text = joined(sentences)
                    text.markdown(
                        shown_answer(answer.text, answer.engine) if answer.text else f":shimmer[{t('looking')}]"
                    )
        except ApiError as exc:
            if exc.type == "not_found" and conversation.conversation_id():
                # Deleted while it was open here; the question goes into a new one.
                conversation.forget()
                st.session_state.again = question
                st.rerun()
            answer.state, answer.problem = "failed", conversation.problem(exc, t)
        with sources:
            _sources(answer.citations, t)
    # Once more from the top, so that the buttons belong to what is there now.
    st.rerun()


def _bring_into_view(number: int) -> None:
    """Scroll to a question; who has read further up would not see that it is being answered."""
    # The one place with JavaScript, and nothing of a stranger is in it: Streamlit follows the end of the page only
    # where it was in sight already.
    script = (
        f'document.querySelector(".st-key-asked-{number:d}")?.scrollIntoView({{block: "start", behavior: "smooth"}})'
    )
    st.html(f"<script>requestAnimationFrame(() => {script})</script>", unsafe_allow_javascript=True)


def _person(t: Translate) -> None:
    @st.dialog(t("person_title"))
    def ask_for_person() -> None:
        settings = frame.settings()
        client = frame.client(settings.api_url, settings.api_key)
        st.markdown(t("person_lead"))
        with st.form("person_form", border=False):
            contact = st.text_input(t("person_contact"), max_chars=300)
            note = st.text_area(t("person_note"), max_chars=5000, height=96)
            sent = st.form_submit_button(t("person_send"), type="primary", width="stretch")
        if settings.contact:
            st.caption(t("person_direct", contact=escaped(settings.contact)))
        if not sent:
            return
        if len(contact.strip()) < 3:
            st.error(t("person_contact_missing"))
            return
        try:
            identity = conversation.conversation_id() or client.start_conversation(settings.kb).id
            client.hand_off(identity, contact.strip(), note.strip())
        except ApiError as exc:
            st.error(conversation.problem(exc, t))
            return
        conversation.keep(identity)
        st.session_state.loaded = identity
        st.session_state.status, st.session_state.contact = "waiting", contact.strip()
        st.rerun()

    ask_for_person()


def _most(client: Client) -> int:
    """Characters that a question may have, as the API says; asked once a session."""
    if "question_chars" not in st.session_state:
        try:
            st.session_state.question_chars = client.system().limits.question_chars
        except ApiError:
            return QUESTION_CHARS
    most: int = st.session_state.question_chars
    return most


main()
