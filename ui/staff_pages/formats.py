"""Figures, times and reasons in words. Pure: no Streamlit in here."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo

from ui.rendering import escaped
from ui.texts import Translate
from ui.wire import Document

# Kinds of failures by the words of their reasons; the first that fits names the remedy.
_REMEDIES = (
    (re.compile(r"cancelled on request", re.I), "mend_cancelled"),
    (re.compile(r"\bDRM\b", re.I), "mend_protected"),
    (re.compile(r"password|encrypted", re.I), "mend_password"),
    (re.compile(r"\bOCR\b|\bscan\b", re.I), "mend_scan"),
    (re.compile(r"no room left|disk is full|free space|make room", re.I), "mend_room"),
    (
        re.compile(r"upload what is inside|unpack it|more than [\d,]+ (?:files|entries)|within mails", re.I),
        "mend_unpack",
    ),
    (
        re.compile(r"split it|longer than|of memory|more than [\d,.]+ (?:MiB|GiB|pages|slides|pixels)", re.I),
        "mend_split",
    ),
    (re.compile(r"kind of file|old Office format", re.I), "mend_kind"),
    (re.compile(r"\bJSON\b|quotation marks|mend it there", re.I), "mend_text"),
    (re.compile(r"no text|is empty", re.I), "mend_empty"),
    (
        re.compile(r"although its name says so|damaged|cut off|cannot be (?:read|opened)|crashed|not readable", re.I),
        "mend_damaged",
    ),
)


def size(count: int, t: Translate) -> str:
    """Bytes in the unit that reads best; one decimal below ten."""
    value, unit = float(count), "bytes_b"
    for bigger in ("bytes_kb", "bytes_mb", "bytes_gb"):
        if value < 1024:
            break
        value, unit = value / 1024, bigger
    number = f"{value:.1f}" if value < 10 and unit != "bytes_b" else f"{value:,.0f}"
    return t(unit, n=number.removesuffix(".0"))


def counted(key: str, count: int, t: Translate) -> str:
    """``1 page`` or ``3 pages``: the texts KEY_one and KEY_many."""
    return t(f"{key}_one") if count == 1 else t(f"{key}_many", n=f"{count:,}")


def when(moment: str, t: Translate, language: str, zone: tzinfo = UTC, now: datetime | None = None) -> str:
    """An ISO 8601 time for people: minutes and hours ago on the same day, else the date in their time zone."""
    then = datetime.fromisoformat(moment)
    then = (then if then.tzinfo else then.replace(tzinfo=UTC)).astimezone(zone)
    now = (now or datetime.now(UTC)).astimezone(zone)
    minutes = int((now - then).total_seconds() // 60)
    if minutes < 1:
        return t("ago_now")
    if minutes < 60:
        return counted("ago_minutes", minutes, t)
    if minutes < 60 * 24 and now.date() == then.date():
        return counted("ago_hours", minutes // 60, t)
    return date_and_time(then, language)


def date_and_time(moment: datetime, language: str) -> str:
    """21 Nov 2026, 07:13; or 2026年11月21日 07:13. The locale of the server's machine plays no part."""
    if language == "zh":
        return f"{moment.year}年{moment.month}月{moment.day}日 {moment:%H:%M}"
    months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    return f"{moment.day} {months[moment.month - 1]} {moment.year}, {moment:%H:%M}"


def document_facts(document: Document, t: Translate) -> list[str]:
    """Format, pages, passages and size, as far as they are known."""
    facts = [document.format.upper()] if document.format else []
    if document.pages:
        facts.append(counted("pages", document.pages, t))
    if document.chunks:
        facts.append(counted("passages", document.chunks, t))
    facts.append(size(document.bytes, t))
    return facts


def reason(document: str, text: str) -> str:
    """A failure's reason without the document's name before it: it stands beside the name anyway."""
    stripped = text.removeprefix(f"{document}: ").removeprefix(f"{document.rsplit('/', 1)[-1]}: ").strip()
    return stripped[:1].upper() + stripped[1:]


def remedy(text: str, t: Translate) -> str:
    """What to do about a failure, by its reason."""
    return t(next((key for pattern, key in _REMEDIES if pattern.search(text)), "mend_again"))


def step(document: Document, t: Translate) -> str:
    """Where the work on it is: ``Reading, page 12 of 80``; ``Waiting``."""
    state = t(f"state_{document.state}")
    progress = document.progress
    if progress is None or progress.total <= 1:
        return state
    unit = "step_page" if document.state == "parsing" else "step_passage"
    return t(unit, stage=state, done=f"{progress.done:,}", total=f"{progress.total:,}")


def one_line(text: str, most: int = 160) -> str:
    """A stranger's text on one line of markdown, cut where it is too long."""
    flat = " ".join(text.split())
    return escaped(flat if len(flat) <= most else flat[: most - 1].rstrip() + "…")
