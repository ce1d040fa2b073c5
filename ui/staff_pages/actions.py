"""What can be done to a document, from the list and from its own page."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from ui.client import ApiError
from ui.rendering import escaped
from ui.staff_pages import desk as desks
from ui.staff_pages import parts
from ui.staff_pages.desk import Desk
from ui.wire import Document


def reprocess(desk: Desk, document: Document) -> None:
    """Have it read anew; said in a notice.

    Raises:
        ApiError: the server refused, or is away.
    """
    after = desk.client.reprocess(document.id)
    key = "doc_reprocess_none" if after.finished else "doc_reprocessing"
    parts.notice(desk.t(key, name=escaped(document.document)))


def confirm(desk: Desk) -> None:
    """The dialog before a document is deleted or its ingestion ended, where one is open."""
    what, document_id = parts.question()
    if what not in ("delete_document", "cancel_document"):
        return
    t = desk.t
    try:
        document = desk.client.document(document_id)
    except ApiError as exc:
        parts.forget_question()
        st.error(problem(desk, exc))
        return
    name = escaped(document.document)
    if what == "cancel_document":
        _confirm_cancel(desk, document)
        return

    def delete() -> None:
        try:
            desk.client.delete_document(document_id)
        except ApiError as exc:
            st.error(problem(desk, exc))
            return
        parts.forget_question()
        parts.notice(t("doc_deleted", name=name))
        st.query_params.pop("document", None)
        st.rerun()

    text = "\n\n".join([t("doc_delete_sure", name=name), *_takes(desk, document)])
    parts.confirm(t("doc_delete_title"), text, t("doc_delete"), delete, t)


def _takes(desk: Desk, document: Document) -> list[str]:
    """What else a person should know before a document is deleted: what goes with it, and what knows it afterwards."""
    try:
        takes = desk.client.deletion(document.id).documents
    except ApiError:
        # Whether it can be deleted is said when it is.
        return []
    said = []
    if inside := len(takes) - 1:
        said.append(desk.t("doc_delete_inside", count=inside))
    if learnt := sorted({name for each in takes for name in (*each.releases, *each.embedders)}):
        said.append(desk.t("doc_delete_learnt", names=", ".join(map(escaped, learnt))))
    return said


def _confirm_cancel(desk: Desk, document: Document) -> None:
    t = desk.t
    name = escaped(document.document)

    def cancel() -> None:
        try:
            desk.client.cancel(document.id)
            parts.notice(t("doc_cancelled", name=name))
        except ApiError as exc:
            # It came to its end while the question stood open.
            parts.notice(t("doc_cancel_late", name=name) if exc.type == "conflict" else problem(desk, exc))
        parts.forget_question()
        st.rerun()

    text = t("doc_cancel_sure", name=name) + (f" {t('old_answers')}" if document.live else "")
    parts.confirm(t("doc_cancel_title"), text, t("doc_cancel"), cancel, t, icon="stop_circle", stay=t("doc_cancel_not"))


def close_after(desk: Desk, do: Callable[[], object], said: str) -> None:
    """Do what a dialog is open for, close it and say so; or say why it cannot be done."""
    try:
        do()
    except ApiError as exc:
        st.error(problem(desk, exc))
        return
    parts.forget_question()
    parts.notice(said)
    st.rerun()


def problem(desk: Desk, exc: ApiError) -> str:
    """An error on one line."""
    return desks.in_short(exc, desk.url, desk.t)
