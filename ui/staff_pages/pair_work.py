"""Long work on pairs as staff see it: begun, watched, stopped, and what came of it; files in and out."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any, Literal

import streamlit as st

from ui.client import ApiError
from ui.pairs import PairSummary, PairWork
from ui.rendering import escaped
from ui.staff_pages import actions, formats
from ui.staff_pages.desk import Desk
from ui.texts import Translate

POLL_S = 1.0
FORMATS = ("messages", "sharegpt", "alpaca")
# What an import tells of rows by number, and what of all by count.
ROWS = ("missing", "duplicates", "odd", "dropped")
COUNTS = ("kept", "changed", "known", *ROWS)


def show(desk: Desk, kb: str, summary: PairSummary) -> None:
    """What there is, the work that goes on or was done last, and the buttons that begin some."""
    t = desk.t
    if summary.total:
        counted = formats.counted("pair_total", summary.total, t)
        facts = [counted, t("pair_usable", n=f"{summary.usable:,}")]
        sides = {side: summary.sides.get(side, 0) for side in ("train", "test")}
        if summary.split is not None:
            facts.append(t("pair_sides", **{side: f"{count:,}" for side, count in sides.items()}))
        if summary.split is not None and (unsplit := summary.sides.get("none", 0)):
            facts.append(t("pair_unsplit", n=f"{unsplit:,}"))
        st.caption(" · ".join(facts))
    work = desk.client.pair_work(kb)
    running = work is not None and work.state == "running"
    with st.container(horizontal=True, key="pair-begin"):
        kind: Literal["primary", "secondary"] = "secondary" if summary.total else "primary"
        if st.button(t("pair_make"), type=kind, icon=":material/auto_awesome:", key="pair-make", disabled=running):
            desk.client.make_pairs(kb)
            st.rerun()
        if summary.total and st.button(
            t("pair_split"), icon=":material/call_split:", key="pair-split", disabled=running, help=t("pair_split_help")
        ):
            desk.client.split_pairs(kb)
            st.rerun()
    st.fragment(partial(_watched, desk, kb, running), run_every=POLL_S if running else None)()


def dropped(desk: Desk, summary: PairSummary) -> None:
    """By writer: how much was written and kept, and what was dropped for what; of the last runs together."""
    t = desk.t
    written: Counter[str] = Counter()
    kept: Counter[str] = Counter()
    reasons: dict[str, Counter[str]] = {}
    for run in summary.runs:
        for name, counts in run.writers.items():
            written[name] += counts["written"]
            kept[name] += counts["kept"]
            reasons.setdefault(name, Counter()).update(counts["dropped"])
    if not written:
        return
    with st.expander(t("pair_writers"), icon=":material/filter_alt:", key="pair-writers"):
        head = "|".join((t("pair_writer"), t("pair_written"), t("pair_kept"), t("pair_dropped")))
        lines = [f"|{head}|", "|---|--:|--:|---|"]
        for name in sorted(written):
            said = ", ".join(f"{escaped(reason)} {count:,}" for reason, count in reasons[name].most_common())
            lines.append(f"|{escaped(name)}|{written[name]:,}|{kept[name]:,}|{said or '–'}|")
        st.markdown("\n".join(lines))


def files(desk: Desk, kb: str, summary: PairSummary) -> None:
    """Files for trainers and evaluation out, files of pairs in."""
    t = desk.t
    with st.expander(t("pair_files"), icon=":material/swap_vert:", key="pair-files"):
        if summary.total:
            _export(desk, kb, summary)
        st.caption(t("pair_import_lead"))
        turn = st.session_state.get(f"pair-round-{kb}", 0)
        given = st.file_uploader(t("pair_import"), type=["jsonl", "json", "csv", "tsv"], key=f"pair-import-{kb}-{turn}")
        if given is None:
            return
        try:
            desk.client.import_pairs(kb, given.name, given.getvalue())
        except ApiError as exc:
            st.error(actions.problem(desk, exc))
            return
        st.session_state[f"pair-round-{kb}"] = turn + 1
        st.rerun()


def _export(desk: Desk, kb: str, summary: PairSummary) -> None:
    t = desk.t
    with st.container(horizontal=True, vertical_alignment="bottom"):
        shape = st.selectbox(t("pair_format"), FORMATS, format_func=lambda name: t(f"pair_format_{name}"))
        sides = ["", "train", "test"] if summary.split is not None else [""]
        side = st.selectbox(t("pair_side"), sides, format_func=lambda s: t(f"pair_side_{s}") if s else t("pair_any"))
    passages = st.checkbox(t("pair_with_passages"), key="pair-with-passages")
    reviewed = st.checkbox(t("pair_only_reviewed"), key="pair-only-reviewed")
    with st.container(horizontal=True):
        st.download_button(
            t("pair_export"),
            lambda: desk.client.export_pairs(kb, shape, passages=passages, reviewed=reviewed, side=side),
            f"pairs-{shape}.jsonl",
            "application/x-ndjson",
            icon=":material/download:",
            key="pair-export",
        )
        if summary.split is not None:
            st.download_button(
                t("pair_evalset"),
                lambda: desk.client.export_evalset(kb),
                "evalset.zip",
                "application/zip",
                icon=":material/quiz:",
                help=t("pair_evalset_help"),
                key="pair-evalset",
            )


def _watched(desk: Desk, kb: str, running: bool) -> None:
    with desk.telling("watched"):
        work = desk.client.pair_work(kb)
        if work is None:
            return
        if running and work.state != "running":
            # The whole page once more: it stops the clock, and there is more to show.
            st.rerun()
        with st.container(key="pair-work"):
            if work.state == "running":
                _progress(desk, kb, work)
            elif work.state == "failed":
                why = desk.t("server_says", message=formats.one_line(work.problem, 300))
                st.error(f"**{desk.t(f'pair_failed_{work.kind}')}**  \n{why}", icon=":material/error:")
            else:
                _outcome(work, desk.t)


def _progress(desk: Desk, kb: str, work: PairWork) -> None:
    t = desk.t
    share = min(work.done / work.total, 1.0) if work.total else 0.0
    of = f" {work.done:,} / {work.total:,}" if work.total else f" {work.done:,}"
    st.progress(share, f"{t(f'pair_running_{work.kind}')}{of} {formats.one_line(work.document, 60)}")
    # One that cannot be stopped in the middle takes seconds.
    if work.kind != "split" and st.button(t("pair_stop"), icon=":material/stop_circle:", key="pair-stop"):
        desk.client.stop_pair_work(kb)


def _outcome(work: PairWork, t: Translate) -> None:
    result = work.result
    if work.kind == "make":
        counts = {name: f"{int(result.get(name, 0)):,}" for name in ("kept", "asked", "skipped")}
        said = t("pair_made", **counts)
        if result.get("state") == "stopped":
            st.warning(f"{said} {t('pair_stopped')}", icon=":material/stop_circle:")
        else:
            st.success(said, icon=":material/check_circle:")
    elif work.kind == "split":
        _split(result, t)
    else:
        _imported(result, t)


def _split(result: dict[str, Any], t: Translate) -> None:
    pairs = result.get("pairs")
    if isinstance(pairs, dict):
        said = t("pair_sides", **{side: f"{int(pairs.get(side, 0)):,}" for side in ("train", "test")})
        st.success(f"{said}. {t('pair_no_leak') if not result.get('leaks') else ''}", icon=":material/call_split:")
    if leaks := int(result.get("leaks", 0)):
        st.error(formats.counted("pair_leaks", leaks, t), icon=":material/error:")


def _imported(result: dict[str, Any], t: Translate) -> None:
    counts = result.get("counts", {})
    said = [t(f"pair_rows_{name}", n=f"{counts[name]:,}") for name in COUNTS if counts.get(name)]
    read = f"{int(counts.get('read', 0)):,}"
    st.success(f"{t('pair_imported', n=read)} {' · '.join(said)}", icon=":material/upload_file:")
    if not any(result.get(name) for name in ROWS):
        return
    with st.expander(t("pair_rows"), key="pair-report"):
        for name in ROWS:
            rows = result.get(name) or []
            if rows:
                lines = [_row(row, t) for row in rows]
                st.markdown(f"**{t(f'pair_kind_{name}')}**\n\n" + "\n".join(lines))


def _row(row: dict[str, Any], t: Translate) -> str:
    number = f"{int(row['row']):,}"
    return f"- {t('pair_row', n=number)}: {formats.one_line(str(row['reason']), 200)}"
