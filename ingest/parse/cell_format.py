"""A spreadsheet cell as a person sees it: its value through its number format."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import Any

_LITERAL = re.compile(r'"([^"]*)"|\\(.)|_.|\*.|\[\$([^\]-]*)(?:-[^\]]*)?\]|\[[^\]]*\]')
_DATE_TOKEN = re.compile(r"am/pm|上午/下午|y+|m+|d+|h+|s+(?:\.0+)?|e+", re.IGNORECASE)
_DIGITS = re.compile(r"[0#?](?:[0#?,.]*[0#?])?,*")
_CURRENCY = re.compile(r"[$€£¥￥₹₩₽]")


def render(value: Any, number_format: str) -> str:
    """The text of a cell value under an Excel number format.

    >>> render(0.125, "0.0%")
    '12.5%'
    >>> render(1234.5, '"$"#,##0.00')
    '$1,234.50'
    """
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime | date | time):
        return _render_date(value, number_format)
    if isinstance(value, timedelta):
        return str(value)
    if isinstance(value, int | float):
        return _render_number(value, number_format or "General")
    return str(value).replace("_x000D_", "")


def _render_number(value: float, number_format: str) -> str:
    section = _section(value, number_format)
    pattern, quoted = _take_literals(section)
    if "general" in section.lower() or section == "@" or "E+" in pattern or "/" in pattern:
        return _plain(value)
    digits = _DIGITS.search(pattern)
    if not digits:
        # A section of mere text, such as "-" for zero.
        return _restore(pattern, quoted).strip() or _plain(value)
    body = digits.group()
    # Each comma after the last digit divides by a thousand.
    scaled = abs(value) / 1000 ** (len(body) - len(body.rstrip(",")))
    scaled *= 100 ** pattern.count("%")
    body = body.rstrip(",")
    _, _, fraction = body.partition(".")
    least, most = fraction.count("0"), len(fraction)
    text = f"{scaled:,.{most}f}" if "," in body else f"{scaled:.{most}f}"
    while most > least and text.endswith("0"):
        text, most = text[:-1], most - 1
    text = _padded(text.rstrip(".") if not least else text, body)
    text = _restore(pattern[: digits.start()] + text + pattern[digits.end() :], quoted).strip()
    # Of several sections the one for negative numbers draws its own sign or brackets.
    negative = value < 0 and any(c in "123456789" for c in text)
    return f"-{text}" if negative and section == number_format.split(";")[0] else text


def _padded(text: str, body: str) -> str:
    """Leading zeros as in 00123."""
    whole = body.split(".")[0]
    if "," in whole or whole.count("0") < 2:
        return text
    integer, dot, fraction = text.partition(".")
    return integer.zfill(whole.count("0")) + dot + fraction


def _section(value: float, number_format: str) -> str:
    sections = number_format.split(";")
    if any("[<" in s or "[>" in s or "[=" in s for s in sections):
        # Conditions of their own are rare; the plain number is never wrong.
        return "General"
    if value < 0 and len(sections) > 1 and sections[1]:
        return sections[1]
    if value == 0 and len(sections) > 2 and sections[2]:
        return sections[2]
    return sections[0]


def _take_literals(section: str) -> tuple[str, list[str]]:
    """The pattern with quoted text replaced by private characters, so that its digits are not read as places."""
    quoted: list[str] = []

    def keep(match: re.Match[str]) -> str:
        literal = match[1] or match[2] or match[3]
        if not literal:
            return ""
        quoted.append(literal)
        return chr(0xF0000 + len(quoted) - 1)

    return _LITERAL.sub(keep, section), quoted


def _restore(text: str, quoted: list[str]) -> str:
    return "".join(quoted[ord(c) - 0xF0000] if ord(c) >= 0xF0000 else c for c in text)


def _plain(value: float) -> str:
    if isinstance(value, int) or value.is_integer():
        return str(int(value)) if abs(value) < 1e15 else f"{value:.10g}"
    # Fifteen digits are what Excel stores; more shows binary noise such as 0.30000000000000004.
    return f"{value:.11g}" if abs(value) < 1e11 else f"{value:.15g}"


def _render_date(value: datetime | date | time, number_format: str) -> str:
    pattern, quoted = _take_literals(number_format.split(";")[0])
    tokens = [match.group().lower() for match in _DATE_TOKEN.finditer(pattern)]
    if not tokens or "general" in pattern.lower() or not _fits(value, tokens):
        return _iso(value)
    twelve = "am/pm" in tokens or "上午/下午" in tokens
    previous = ""

    def replace(match: re.Match[str]) -> str:
        nonlocal previous
        token = match.group().lower()
        after = pattern[match.end() :].lstrip(":. \u3000")
        # "m" means minutes beside hours or seconds, else months.
        minutes = token in ("m", "mm") and (previous.startswith("h") or after[:1].lower() == "s")
        previous = token
        return _date_token(value, token, minutes, twelve)

    return _restore(_DATE_TOKEN.sub(replace, pattern), quoted).strip()


def _fits(value: datetime | date | time, tokens: list[str]) -> bool:
    return not (isinstance(value, time) and any(token[0] in "ydbe" for token in tokens))


def _iso(value: datetime | date | time) -> str:
    if isinstance(value, datetime) and (value.hour, value.minute, value.second) == (0, 0, 0):
        return value.date().isoformat()
    return value.isoformat(" ", "seconds") if isinstance(value, datetime) else value.isoformat()


def _date_token(value: Any, token: str, minutes: bool, twelve: bool) -> str:
    hour = getattr(value, "hour", 0)
    if token in ("am/pm", "上午/下午"):
        return token.split("/")[hour >= 12].upper()
    if minutes:
        return f"{getattr(value, 'minute', 0):0{len(token)}d}"
    if token[0] == "h":
        return f"{(hour % 12 or 12) if twelve else hour:0{min(len(token), 2)}d}"
    if token[0] == "s":
        return f"{getattr(value, 'second', 0):02d}"
    if token[0] in "ye":
        return f"{value.year % 100:02d}" if len(token) == 2 and token[0] == "y" else f"{value.year:04d}"
    if len(token) >= 3:
        names = {"m": ("%b", "%B"), "d": ("%a", "%A")}[token[0]]
        return str(value.strftime(names[len(token) > 3]))
    number = value.month if token[0] == "m" else value.day
    return f"{number:0{len(token)}d}"
