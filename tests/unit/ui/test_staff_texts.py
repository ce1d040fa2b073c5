"""The staff's texts: every key that the pages use is there, and every key that is there is used."""

from __future__ import annotations

import ast
import json
from pathlib import Path

from ui.staff_pages import curated, flags, pair_card, pair_work, pairs, training
from ui.texts import FOLDER, texts

UI = Path(__file__).parents[3] / "ui"
PAGES = [UI / "staff.py", *sorted((UI / "staff_pages").glob("*.py"))]
# What the pages put together from parts: the start of a key, and what may follow.
FAMILIES = {
    "nav_": {"documents", "sources", "review", "curated", "glossary", "pairs", "training", "bases", "retrieval", "waiting", "system"},
    "err_": {
        "invalid_request", "unauthorized", "not_found", "conflict", "too_large",
        "timeout", "rate_limited", "unavailable", "internal",
    },
    "state_": {"received", "parsing", "embedding", "indexing", "ready", "failed"},
    "doc_": {"all", "ready", "failed", "waiting"},
    "up_": {"ready_n", "failed_n", "waiting_n"},
    "try_": {f"{kind}{lead}" for kind in ("sure", "unsure", "asked", "refused") for lead in ("", "_lead")},
    "stage_": {"condense", "embed", "search", "judge"},
    "wait_": {"waiting", "closed", "refused", "handed_off"},
    "view_": {"page", "list"},
    "which_": {"live", "draft"},
    "cur_": {
        "state_all", *(f"state_{state}" for state in curated.STATES),
        *(f"do_{state}" for state in ("stale", "source_gone", "source_hidden")),
    },
    "flag_": {f"{prefix}{kind}" for prefix in ("", "do_") for kind in flags.KINDS},
    "personal_": set(flags.PERSONAL),
    "pair_": {
        *(f"shown_{name}" for name in pairs.SHOWN), *(f"review_{name}" for name in pair_card.REVIEWS),
        *(f"style_{name}" for name in pair_card.STYLES if name != "plain"), "side_train", "side_test",
        *(f"{what}_{kind}" for what in ("running", "failed") for kind in ("make", "import", "split")),
        *(f"format_{name}" for name in pair_work.FORMATS), *(f"rows_{name}" for name in pair_work.COUNTS),
        *(f"kind_{name}" for name in pair_work.ROWS),
    },
    "train_": {
        *(f"state_{state}" for state in training.STATES),
        *(f"stage_{stage}" for stage in (*training.STAGES.values(), training.READING)),
    },
    "sys_": {
        *("ready", "degraded", "unavailable", "ready_lead", "degraded_lead", "unavailable_lead"),
        *(
            f"{prefix}{name}"
            for prefix in ("", "about_", "do_")
            for name in ("database", "index", "ingestion", "endpoint", "packaged")
        ),
        *("extractive", "about_extractive"),
    },
}  # fmt: skip


def constants() -> set[str]:
    return {
        node.value
        for page in PAGES
        for node in ast.walk(ast.parse(page.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def used() -> set[str]:
    staff, named = set(json.loads((FOLDER / "en" / "staff.json").read_text("utf-8"))), constants()
    found = {f"{prefix}{rest}" for prefix, rests in FAMILIES.items() for rest in rests} | (named & staff)
    # Counted texts are named without their ending.
    return found | {key for key in staff if key.removesuffix("_one").removesuffix("_many") in named}


def test_every_text_is_used_and_every_used_one_is_there() -> None:
    staff = set(json.loads((FOLDER / "en" / "staff.json").read_text("utf-8")))
    assert used() - set(texts("en")) == set()
    assert staff - used() == set()


def test_a_counted_text_has_both_forms() -> None:
    known = set(texts("en"))
    for key in known:
        if key.endswith("_one"):
            assert f"{key.removesuffix('_one')}_many" in known, key
