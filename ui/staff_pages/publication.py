"""Whether and when customers are answered from a document: badges, the dialog, drafts."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Protocol

import streamlit as st

from ui.client import ApiError
from ui.rendering import escaped
from ui.staff_pages import actions, parts
from ui.staff_pages import desk as desks
from ui.staff_pages.desk import Desk
from ui.texts import Translate
from ui.wire import Document


def badges(document: Document, t: Translate, now: datetime | None = None) -> str:
    """What keeps customers from it, and its tags, as markdown; "" where there is nothing to say."""
    now = now or datetime.now(UTC)
    found = []
    if document.draft is not None:
        found.append(f":violet-badge[:material/edit_note: {t('pub_draft')}]")
    if not document.enabled:
        found.append(f":orange-badge[:material/visibility_off: {t('pub_disabled')}]")
    if document.valid_from and moment(document.valid_from) > now:
        found.append(f":orange-badge[:material/event: {t('pub_not_yet')}]")
    if document.valid_until and moment(document.valid_until) <= now:
        found.append(f":orange-badge[:material/event_busy: {t('pub_over')}]")
    found += [f":gray-badge[:material/sell: {escaped(tag)}]" for tag in document.tags]
    return " ".join(found)


def draft(desk: Desk, document: Document) -> None:
    """A draft that waits: publish it, or forget it."""
    t = desk.t
    if document.draft is None:
        return
    with st.container(border=True, key=f"draft-{document.id}"):
        lead = t("pub_draft_over") if document.live else t("pub_draft_first")
        st.markdown(f"**:violet[:material/edit_note:] {t('pub_draft_title')}**  \n:gray[{lead}]")
        with st.container(horizontal=True):
            if st.button(t("pub_publish"), type="primary", icon=":material/publish:", key=f"publish-{document.id}"):
                desk.client.publish(document.id)
                parts.notice(t("pub_published", name=escaped(document.document)))
                st.rerun()
            if st.button(t("pub_discard"), icon=":material/delete:", key=f"discard-{document.id}"):
                parts.ask("discard_draft", document.id)
                st.rerun()


def dialog(desk: Desk) -> None:
    """The dialogs of this module, where one is open."""
    what, document_id = parts.question()
    if what not in ("publication", "discard_draft"):
        return
    try:
        document = desk.client.document(document_id)
    except ApiError as exc:
        parts.forget_question()
        st.error(actions.problem(desk, exc))
        return
    if what == "publication":
        _publication(desk, document)
    else:
        _discard(desk, document)


def _discard(desk: Desk, document: Document) -> None:
    t = desk.t
    name = escaped(document.document)

    def discard() -> None:
        try:
            desk.client.discard_draft(document.id)
        except ApiError as exc:
            st.error(actions.problem(desk, exc))
            return
        parts.forget_question()
        parts.notice(t("pub_discarded", name=name))
        if not document.live:
            st.query_params.pop("document", None)
        st.rerun()

    text = t("pub_discard_sure" if document.live else "pub_discard_all", name=name)
    parts.confirm(t("pub_discard_title"), text, t("pub_discard"), discard, t)


def _publication(desk: Desk, document: Document) -> None:
    t, zone = desk.t, desks.zone()

    @st.dialog(t("pub_title"), on_dismiss=parts.forget_question)
    def shown() -> None:
        st.markdown(f"**{escaped(document.document)}**")
        enabled = st.toggle(t("pub_enabled"), document.enabled, key="pub-enabled")
        first, last = days(document, zone)
        begins = st.date_input(t("pub_from"), first, format="YYYY-MM-DD", key="pub-from")
        ends = st.date_input(t("pub_until"), last, format="YYYY-MM-DD", key="pub-until")
        st.caption(t("pub_days"))
        tags = st.multiselect(
            t("pub_tags"), document.tags, document.tags, accept_new_options=True, placeholder=t("pub_tags_hint"),
            key="pub-tags",
        )  # fmt: skip
        with st.container(horizontal=True, horizontal_alignment="right"):
            if st.button(t("cancel"), key="pub-cancel"):
                parts.forget_question()
                st.rerun()
            saved = st.button(t("pub_save"), type="primary", icon=":material/check:", key="pub-save")
        if not saved:
            return
        # A day that was not touched keeps its hour.
        since = document.valid_from if begins == first else start(begins, zone)
        until = document.valid_until if ends == last else end(ends, zone)
        try:
            desk.client.curate(document.id, enabled=enabled, valid_from=since, valid_until=until, tags=tags)
        except ApiError as exc:
            st.error(actions.problem(desk, exc))
            return
        parts.forget_question()
        parts.notice(t("pub_saved"))
        st.rerun()

    shown()


def moment(text: str) -> datetime:
    """An ISO 8601 moment; without a zone it is UTC."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


class Dated(Protocol):
    """What holds within a time, ISO 8601."""

    @property
    def valid_from(self) -> str | None:
        """The first moment; None for an open end."""

    @property
    def valid_until(self) -> str | None:
        """The first moment that is too late."""


def days(document: Dated, zone: tzinfo) -> tuple[date | None, date | None]:
    """The first and the last day on which it is valid, as people in a time zone call them."""
    first = moment(document.valid_from).astimezone(zone).date() if document.valid_from else None
    # The bound is the first moment that is too late.
    late = moment(document.valid_until) - timedelta(microseconds=1) if document.valid_until else None
    return first, late.astimezone(zone).date() if late else None


def start(day: date | None, zone: tzinfo) -> datetime | None:
    """The first moment of a day."""
    return datetime.combine(day, time(), zone) if day else None


def end(day: date | None, zone: tzinfo) -> datetime | None:
    """The first moment after a day."""
    return datetime.combine(day + timedelta(days=1), time(), zone) if day else None
