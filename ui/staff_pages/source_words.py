"""Addresses, intervals, states and problems of sources in words. Pure: no Streamlit in here."""

from __future__ import annotations

import re
from urllib.parse import unquote

from ui.rendering import escaped
from ui.sources import Outcome, Source
from ui.staff_pages import formats
from ui.texts import Translate

# Seconds between two looks that are offered; 0 stands for "only when asked for".
INTERVALS = (0, 15 * 60, 3600, 6 * 3600, 24 * 3600, 7 * 24 * 3600)
USUAL = 3600
_UNITS = (
    (7 * 24 * 3600, "src_every_week"),
    (24 * 3600, "src_every_day"),
    (3600, "src_every_hour"),
    (60, "src_every_minute"),
    (1, "src_every_second"),
)
_FILE = "file://"
_EMPTY = re.compile(r"shows no file")
# The command line's way out of an empty source; here there is a button for it.
_COMMAND = re.compile(r"\s*If it is meant to be empty: .*", re.S)
# Kinds of problems by their words; the first that fits names the remedy. Refused addresses first: they quote others.
_REMEDIES = (
    (re.compile(r"FRONTDESK_SOURCE_FOLDERS"), "src_mend_folders"),
    (re.compile(r"FRONTDESK_URL_ALLOW|is not an address of the internet"), "src_mend_hosts"),
    (re.compile(r"FRONTDESK_S3_"), "src_mend_s3"),
    (re.compile(r"cannot be kept in step with|is named (?:as|by)|no map of a site|not a web address"), "src_mend_form"),
    (_EMPTY, "src_mend_empty"),
    (re.compile(r"data folder is full"), "src_mend_room"),
    (re.compile(r"^the folder "), "src_mend_folder"),
    (re.compile(r"^the bucket "), "src_mend_bucket"),
    (re.compile(r"cannot be fetched|does not give its files"), "src_mend_away"),
    (re.compile(r"names more than|characters, [\d,]+ are allowed"), "src_mend_parts"),
)


def address(source: Source) -> str:
    """An address as people write it: a folder as its path."""
    text = source.address
    return unquote(text.removeprefix(_FILE)) if text.startswith(_FILE) else text


def icon(source: Source) -> str:
    """What kind of place it is."""
    if source.address.startswith(_FILE):
        return "folder"
    return "cloud" if source.address.startswith("s3://") else "public"


def interval(seconds: int, t: Translate) -> str:
    """``every 6 hours``, in the largest unit that fits evenly; ``only when asked``."""
    if seconds <= 0:
        return t("src_every_never")
    size, key = next((size, key) for size, key in _UNITS if seconds % size == 0)
    return formats.counted(key, seconds // size, t)


def badge(source: Source, t: Translate) -> str:
    """Its state as word, colour and icon."""
    if source.state == "running":
        colour, shape, key = "blue", "sync", "src_running"
    elif source.state == "waiting":
        colour, shape, key = "gray", "schedule", "src_waiting"
    elif source.problem:
        colour, shape, key = "red", "error", "src_problem"
    elif source.outcome is None:
        colour, shape, key = "gray", "schedule", "src_never"
    elif source.outcome.failed:
        colour, shape, key = "orange", "warning", "src_partly"
    else:
        colour, shape, key = "green", "check_circle", "src_in_step"
    return f":{colour}-badge[:material/{shape}: {t(key)}]"


def counts(outcome: Outcome, t: Translate) -> str:
    """``3 new · 1 gone · 40 unchanged``; what is zero is left out."""
    found = (
        ("src_n_new", len(outcome.new)),
        ("src_n_changed", len(outcome.changed)),
        ("src_n_gone", len(outcome.gone)),
        ("src_n_unchanged", outcome.unchanged),
        ("src_n_skipped", len(outcome.skipped)),
        ("src_n_failed", len(outcome.failed)),
    )
    return " · ".join(t(key, n=f"{count:,}") for key, count in found if count) or t("src_n_none")


def problem(text: str) -> str:
    """The server's line without what only helps at the command line, safe as markdown."""
    return formats.one_line(_COMMAND.sub("", text), 600)


def is_empty(text: str) -> bool:
    """Whether a look was given up because a source that held files shows none."""
    return _EMPTY.search(text) is not None


def remedy(text: str, t: Translate) -> str:
    """What to do about a problem, or about an address that was refused."""
    return t(next((key for pattern, key in _REMEDIES if pattern.search(text)), "src_mend_again"))


def files(names: list[str], most: int, t: Translate) -> str:
    """File names as a list in markdown."""
    return _list([escaped(name) for name in names], most, t)


def notes(outcome: Outcome, kind: str, most: int, t: Translate) -> str:
    """Skipped or failed files with their reasons, as a list in markdown."""
    found = outcome.failed if kind == "failed" else outcome.skipped
    return _list([f"{escaped(each.file)}: :gray[{formats.one_line(each.reason, 300)}]" for each in found], most, t)


def below(source: Source) -> str:
    """What the addresses of its documents begin with; "" where that cannot be told from the address alone."""
    whole = source.address.startswith((_FILE, "s3://")) and not source.address.endswith(".urls")
    return f"{source.address.rstrip('/')}/" if whole else ""


def _list(lines: list[str], most: int, t: Translate) -> str:
    rest = [f":gray[{t('work_more', n=f'{len(lines) - most:,}')}]"] if len(lines) > most else []
    return "\n".join(f"- {line}" for line in [*lines[:most], *rest])
