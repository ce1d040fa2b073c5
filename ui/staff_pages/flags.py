"""What the flags of passages say, in words with what to do. Pure: no Streamlit in here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from ui.rendering import escaped
from ui.texts import Translate

# In the order in which they are worth a look.
KINDS = (
    "instructions",
    "personal_data",
    "conflict",
    "garbled",
    "near_duplicate",
    "duplicate_page",
    "boilerplate",
    "low_information",
    "contact",
)
PERSONAL = frozenset(
    [
        "identity_card", "bank_card", "iban", "mobile", "phone", "email", "order_number", "passport", "licence",
        "ip_address", "ssn", "nino", "tax_number", "health_number", "identity_number",
    ]
)  # fmt: skip


def kind_of(flag: str) -> str:
    """``personal_data`` of ``personal_data:email``."""
    return flag.partition(":")[0]


def name(flag: str, t: Translate) -> str:
    """A flag in words, safe as markdown; one that a newer server sends as it is."""
    kind, _, about = flag.partition(":")
    if kind not in KINDS:
        return escaped(flag.replace("_", " "))
    if kind == "personal_data":
        about = t(f"personal_{about}") if about in PERSONAL else about
    if kind in ("near_duplicate", "conflict"):
        document, _, place = about.rpartition("#")
        about = t("flag_where", document=document, n=int(place) + 1) if document and place.isdecimal() else about
    said = t(f"flag_{kind}")
    if kind == "duplicate_page" and about.isdecimal():
        about = t("page_n", n=about)
    return f"{said}{t('flag_colon')}{escaped(about)}" if about else said


def remedy(flag: str, t: Translate) -> str:
    """What to do about it; "" where nothing is known of it."""
    kind = kind_of(flag)
    return t(f"flag_do_{kind}") if kind in KINDS else ""


def by_kind(counts: Mapping[str, int]) -> dict[str, int]:
    """Counts by flag as counts by kind: those worth a look first, then what is not known here."""
    found: Counter[str] = Counter()
    for flag, count in counts.items():
        found[kind_of(flag)] += count
    order = [kind for kind in KINDS if kind in found] + sorted(kind for kind in found if kind not in KINDS)
    return {kind: found[kind] for kind in order}
