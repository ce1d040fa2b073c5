"""Pairs at the terminal: one shown with its passages, and the pending ones gone through by keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer
from rich.panel import Panel
from rich.text import Text

from app.commands.common import err, out
from ingest.pairs.records import ReviewState

if TYPE_CHECKING:
    from app.commands.pairs_desk import PairsDesk

_PAGE = 20


def go_through(pairs: PairsDesk, by: str) -> None:
    """Show each fresh pending pair and ask what to do with it."""
    from ingest.pairs.store import Wanted

    wanted = Wanted(review=(ReviewState.PENDING,), stale=False)
    passed = said = 0
    while True:
        # What was reviewed is pending no more; what was passed over still is.
        found, total = pairs.page(wanted, _PAGE, passed)
        if not found:
            err.print(f"{said} reviewed, {total} left." if said or total else "No pair waits for a review.")
            return
        for each in found:
            print_pair(pairs.show(each["id"]))
            answer = _key()
            if answer == "q":
                err.print(f"{said} reviewed, {total} were pending.")
                return
            if answer == "s":
                passed += 1
            else:
                _do(pairs, each, answer, by)
                said += 1


def print_pair(pair: dict[str, Any]) -> None:
    """A pair, then its passages with the evidence marked."""
    for turn in pair["history"]:
        out.print(Text(f"{turn['role']}: {turn['text']}", style="dim"))
    out.print(Text(pair["question"], style="bold"))
    out.print(Text(pair["answer"] or "(no passage holds the answer)"))
    facts = [pair["id"], pair["review"], pair["writer"], pair["style"], pair["language"], pair["side"] or "on no side"]
    if pair["stale"]:
        facts.append("stale: its text has changed or is gone")
    out.print(Text(" · ".join(facts), style="dim"))
    for passage in pair["passages"]:
        text = Text(passage["text"])
        if pair["evidence"]:
            text.highlight_words([pair["evidence"]], "bold green")
        title = " > ".join((passage["document"], *passage["heading_path"]))
        out.print(Panel(text, title=Text(title), title_align="left"))


def _key() -> str:
    while True:
        key = typer.prompt("[a]pprove [e]dit [r]eject [s]kip [q]uit", err=True).strip().lower()[:1]
        if key in set("aersq"):
            return str(key)


def _do(pairs: PairsDesk, pair: dict[str, Any], key: str, by: str) -> None:
    from ingest.errors import UnusableValue

    state = {"a": ReviewState.APPROVED, "r": ReviewState.REJECTED}.get(key, ReviewState.EDITED)
    wording: dict[str, str] = {}
    if key == "e":
        wording["question"] = typer.prompt("question", default=pair["question"], err=True)
        if pair["answer"]:
            wording["answer"] = typer.prompt("answer", default=pair["answer"], err=True)
    try:
        pairs.review(pair["id"], state, by, wording)
    except UnusableValue as exc:
        err.print(str(exc), markup=False, emoji=False)
