"""Uploading: sending the files, then watching what becomes of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import streamlit as st

from ui.client import ApiAway, ApiError
from ui.rendering import escaped
from ui.staff_pages import desk as desks
from ui.staff_pages import formats, parts
from ui.staff_pages.desk import Desk
from ui.wire import Document, KnowledgeBase

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

WORKING = ("indexing", "embedding", "parsing", "received")
SHOWN = 6
# More than anybody looks at; the list below has them all.
MOST_IN_PROGRESS = 1000
_ROUND, _LATEST = "upload_round", "latest_upload"


@dataclass(slots=True)
class Latest:
    """The last upload of this session.

    sent:     documents by id, as they were last seen.
    problems: lines about files that were not received.
    """

    kb: str
    sent: dict[str, Document] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def receive(desk: Desk, kb: str) -> None:
    """The field to drop files on, and the sending."""
    t = desk.t
    turn = int(st.session_state.get(_ROUND, 0))
    most = desk.system.limits.upload_bytes
    with st.container(key="upload"):
        st.html(_words(t("up_choose"), t("up_drop")))
        files = st.file_uploader(t("up_label"), accept_multiple_files=True, key=f"upload-{turn}")
        if not files:
            st.caption(t("up_hint", size=formats.size(most, t)))
            return
        draft = st.checkbox(t("up_draft"), key="upload-draft", help=t("up_draft_help"))
        label = formats.counted("up_button", len(files), t)
        if st.button(label, type="primary", icon=":material/upload:", key="upload-send"):
            st.session_state[_LATEST] = _send(desk, kb, files, draft=draft)
            st.session_state[_ROUND] = turn + 1
            st.rerun()


def _words(choose: str, drop: str) -> str:
    """Style that gives Streamlit's field, which knows English only, words of our own."""
    field, label = ".st-key-upload [data-testid=stFileUploaderDropzone]", "[data-testid=stMarkdownContainer]"
    hint = f"{field} [data-testid=stFileUploaderDropzoneInstructions] span"
    return (
        f"<style>{field} button {label} p {{ display: none; }}"
        f"{field} button {label}::after {{ content: {json.dumps(choose, ensure_ascii=False)}; }}"
        f"{hint} {{ font-size: 0; }}"
        f"{hint}::after {{ font-size: 0.875rem; content: {json.dumps(drop, ensure_ascii=False)}; }}</style>"
    )


def _send(desk: Desk, kb: str, files: Sequence[UploadedFile], *, draft: bool) -> Latest:
    """One request a file: each has its own end, and one that is refused holds none of the others up."""
    t = desk.t
    latest = Latest(kb)
    most = desk.system.limits.upload_bytes
    bar = st.progress(0.0)
    seen: set[str] = set()
    away = False
    for number, file in enumerate(files):
        name = escaped(file.name)
        bar.progress(number / len(files), t("up_sending", name=name, n=number + 1, total=len(files)))
        if file.name in seen:
            latest.problems.append(t("up_same_name", name=name))
            continue
        seen.add(file.name)
        if file.size > most:
            latest.problems.append(t("up_too_large", name=name, size=formats.size(most, t)))
            continue
        if away:
            latest.problems.append(t("up_stopped", name=name))
            continue
        try:
            latest.sent.update({each.id: each for each in desk.client.upload(kb, [(file.name, file)], draft=draft)})
        except ApiError as exc:
            away = isinstance(exc, ApiAway)
            problem = desks.in_short(exc, desk.url, t)
            latest.problems.append(t("up_not_sent", name=name, problem=problem))
    bar.empty()
    return latest


def undecided(kb: str) -> bool:
    """Whether a document of the last upload has not come to its end, as far as was seen."""
    latest = _latest(kb)
    return latest is not None and any(not each.finished for each in latest.sent.values())


def in_progress(desk: Desk, kb: str) -> list[Document]:
    """Documents that wait or are worked on, those nearest their end first."""
    pages = [desk.client.documents(kb, state=state, limit=MOST_IN_PROGRESS) for state in WORKING]
    return [each for page in pages for each in page.documents]


def progress(desk: Desk, base: KnowledgeBase) -> None:
    """What is being worked on, and what became of the last upload."""
    working = in_progress(desk, base.name) if base.in_progress or undecided(base.name) else []
    latest = _latest(base.name)
    if latest is not None:
        _refresh(desk, latest, {each.id: each for each in working})
    if working:
        with st.container(border=True, key="working"):
            st.markdown(f"**{desk.t('work_title')}**")
            for each in working[:SHOWN]:
                _bar(desk, each)
            if len(working) > SHOWN:
                st.caption(desk.t("work_more", n=f"{len(working) - SHOWN:,}"))
    if latest is not None and (latest.problems or any(each.finished for each in latest.sent.values())):
        _outcome(desk, latest)


def _latest(kb: str) -> Latest | None:
    found: Latest | None = st.session_state.get(_LATEST)
    return found if found is not None and found.kb == kb else None


def _refresh(desk: Desk, latest: Latest, working: dict[str, Document]) -> None:
    """Bring what was sent up to date; each document is asked for once when it has come to its end."""
    for identity, known in list(latest.sent.items()):
        if known.finished:
            continue
        if identity in working:
            latest.sent[identity] = working[identity]
            continue
        try:
            latest.sent[identity] = desk.client.document(identity)
        except ApiError as exc:
            if exc.type != "not_found":
                raise
            del latest.sent[identity]
            latest.problems.append(desk.t("up_replaced", name=escaped(known.document)))


def _bar(desk: Desk, each: Document) -> None:
    t = desk.t
    name, stage = escaped(each.document), formats.step(each, t)
    if each.progress is None or each.progress.total <= 1:
        # Waiting is no progress; reading has no steps that could be counted.
        share = 0.0 if each.state == "received" else 0.1
    else:
        share = 0.1 + 0.9 * each.progress.done / each.progress.total
    with st.container(horizontal=True, vertical_alignment="center", key=f"work-{each.id}"):
        st.progress(min(share, 1.0), t("work_step", name=name, stage=stage))
        if st.button(t("doc_cancel"), icon=":material/stop_circle:", type="tertiary", key=f"work-cancel-{each.id}"):
            parts.ask("cancel_document", each.id)
            st.rerun()
    if each.progress is not None and each.progress.stalled:
        st.caption(f":orange[:material/hourglass_disabled:] {t('stalled_lead')}")


def _outcome(desk: Desk, latest: Latest) -> None:
    t = desk.t
    sent = list(latest.sent.values())
    ready = [each for each in sent if each.state == "ready"]
    failed = [each for each in sent if each.state == "failed"]
    with st.container(border=True, key="latest-upload"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            counts = " · ".join(
                t(f"up_{name}_n", n=count)
                for name, count in (
                    ("ready", len(ready)),
                    ("failed", len(failed)),
                    ("waiting", len(sent) - len(ready) - len(failed)),
                )
                if count
            )
            st.markdown(f"**{t('up_latest')}** :gray[{counts}]", width="content")
            if st.button(t("up_clear"), type="tertiary", icon=":material/close:", key="upload-hide"):
                st.session_state.pop(_LATEST, None)
                st.rerun()
        for problem in latest.problems:
            st.markdown(f":red[:material/error:] {problem}")
        for each in failed:
            why = formats.one_line(formats.reason(each.document, each.reason), 400)
            said = t("up_failed", name=escaped(each.document))
            st.markdown(f":red[:material/error:] **{said}**  \n{why}  \n{formats.remedy(each.reason, t)}")
        for each in ready[:SHOWN]:
            key = "up_unchanged" if each.unchanged else "up_drafted" if each.draft else "up_ready"
            passages = formats.counted("passages", each.chunks, t)
            st.markdown(f":green[:material/check_circle:] {t(key, name=escaped(each.document), passages=passages)}")
