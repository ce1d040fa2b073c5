"""frontdesk pairs: questions with their answers, made of the passages, for training and evaluation."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.common import JsonOption, KbOption, err, out, print_json, progress_bar, reported
from ingest.pairs.formats import Format
from ingest.pairs.records import PairKind, ReviewState, Side, Style

if TYPE_CHECKING:
    from ingest.pairs.store import Wanted

app = typer.Typer(
    no_args_is_help=True,
    help="Questions with their answers, made of the passages, for training and evaluation.",
)
PairArgument = Annotated[str, typer.Argument(help="Its id, as `pairs list` shows it.")]
StateOption = Annotated[list[ReviewState] | None, typer.Option("--state", help="Said of them; may be given again.")]
WriterOption = Annotated[str, typer.Option(help='Who wrote them: "rule:faq", "model:base", "import:NAME".')]
LanguageOption = Annotated[str, typer.Option(help="Their language: en, zh.")]
KindOption = Annotated[PairKind | None, typer.Option(help="Whether the sources hold the answer.")]
StyleOption = Annotated[Style | None, typer.Option(help="How the question is put.")]
SideOption = Annotated[Side | None, typer.Option(help="Their side of the split.")]
OfDocumentOption = Annotated[str, typer.Option("--document", help="Those of this document.")]
ReviewedOption = Annotated[bool, typer.Option("--reviewed", help="Only those that a person approved or edited.")]


@app.command("make")
@reported
def make(
    kb: KbOption = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Passages to ask about at most; all when not given.")] = None,
    model: Annotated[
        bool, typer.Option("--model", help="Ask the model that answers customers, too; it takes seconds a passage.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make pairs of all passages that were not asked about yet, and keep those that pass the filters.

    A run that was cut off goes on where it stood; a second one asks about changed texts only.
    Ctrl-C keeps what is done.
    """
    from app.commands.desk import open_desk

    with open_desk() as desk, progress_bar("pairs") as report:
        run = desk.pairs(kb).make(limit, report, model=model)
        name = kb or desk.default_kb
    if as_json:
        print_json({"kb": name, **run})
        return
    out.print(f"{run['kept']} pairs of {run['asked']} passages; {run['skipped']} passages were done before.")
    _print_writers(run["writers"])
    if run["problem"]:
        err.print(run["problem"], markup=False, emoji=False)


@app.command("list")
@reported
def list_(
    kb: KbOption = None,
    state: StateOption = None,
    writer: WriterOption = "",
    language: LanguageOption = "",
    kind: KindOption = None,
    style: StyleOption = None,
    stale: Annotated[bool | None, typer.Option("--stale/--fresh", help="Whether their text is gone.")] = None,
    side: SideOption = None,
    document: OfDocumentOption = "",
    search: Annotated[str, typer.Option(help="Words of question or answer.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Pairs to show.")] = 50,
    offset: Annotated[int, typer.Option(min=0, help="Pairs to leave out before.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """List pairs, oldest first."""
    from rich.table import Column, Table
    from rich.text import Text

    from app.commands.desk import open_desk
    from ingest.pairs.store import Wanted

    wanted = Wanted(
        review=tuple(state or ()), stale=stale, side=side, writer=writer, language=language, kind=kind, style=style,
        document=document, search=search,
    )  # fmt: skip
    with open_desk() as desk:
        found, total = desk.pairs(kb).page(wanted, limit, offset)
        name = kb or desk.default_kb
    if as_json:
        print_json({"kb": name, "total": total, "pairs": found})
        return
    if not found:
        out.print("No pairs: `frontdesk pairs make` makes them." if wanted == Wanted() else "No such pairs.")
        return
    table = Table(Column("id", min_width=32), "state", "side", "writer", "question", "answer", box=None)
    for pair in found:
        said = f"{pair['review']}{' (stale)' if pair['stale'] else ''}"
        cells = (said, pair["side"] or "", pair["writer"], pair["question"], pair["answer"] or "-")
        # As text: "rule:label:" is no emoji.
        table.add_row(pair["id"], *(Text(cell) for cell in cells))
    out.print(table)
    err.print(f"{offset + 1}-{offset + len(found)} of {total}")


@app.command("status")
@reported
def status(kb: KbOption = None, as_json: JsonOption = False) -> None:
    """Say how many pairs there are, what was dropped for what, and how they are split."""
    from app.commands.desk import open_desk

    with open_desk() as desk:
        found = desk.pairs(kb).summary()
        name = kb or desk.default_kb
    if as_json:
        print_json({"kb": name, **found})
        return
    out.print(f"{found['total']} pairs, {found['usable']} of them fresh and not rejected, {found['stale']} stale.")
    for title in ("review", "kinds", "styles", "languages", "writers", "sides"):
        said = ", ".join(f"{key} {count}" for key, count in found[title].items())
        out.print(f"{title}: {said or 'none'}", markup=False, emoji=False)
    if found["runs"]:
        last = found["runs"][0]
        out.print(f"last run: {last['state']}, {last['asked']} passages asked about, {last['kept']} pairs kept")
        _print_writers(last["writers"])


@app.command("show")
@reported
def show(pair: PairArgument, kb: KbOption = None, as_json: JsonOption = False) -> None:
    """Show a pair with the passages that it was made of."""
    from app.commands.desk import open_desk

    with open_desk() as desk:
        found = desk.pairs(kb).show(pair)
        name = kb or desk.default_kb
    if as_json:
        print_json({"kb": name, **found})
    else:
        _print_pair(found)


@app.command("review")
@reported
def review(
    pair: Annotated[str | None, typer.Argument(help="Its id; without one, the pending ones are gone through.")] = None,
    approve: Annotated[bool, typer.Option("--approve", help="It is right as it stands.")] = False,
    reject: Annotated[bool, typer.Option("--reject", help="It is not to be used.")] = False,
    question: Annotated[str | None, typer.Option(help="Another question in its place.")] = None,
    answer: Annotated[str | None, typer.Option(help="Another answer in its place.")] = None,
    short: Annotated[str | None, typer.Option(help="Another bare answer in its place.")] = None,
    by: Annotated[str, typer.Option(help="Who says so.")] = "",
    kb: KbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Approve, edit or reject a pair, its passage beside it.

    Without an id the pending pairs are shown one after the other, to be answered by a key.
    """
    from app.commands.desk import open_desk
    from app.commands.pairs_review import go_through
    from app.errors import UsageError

    wording = {
        name: text for name, text in (("question", question), ("answer", answer), ("short", short)) if text is not None
    }
    if pair is None:
        if as_json or approve or reject or wording:
            raise UsageError("name the pair: `frontdesk pairs list --state pending` shows their ids")
        with open_desk() as desk:
            go_through(desk.pairs(kb), by)
        return
    if approve + reject + bool(wording) != 1:
        raise UsageError("say one of --approve, --reject, or another wording (--question, --answer, --short)")
    state = ReviewState.APPROVED if approve else ReviewState.REJECTED if reject else ReviewState.EDITED
    with open_desk() as desk:
        found = desk.pairs(kb).review(pair, state, by, wording)
        name = kb or desk.default_kb
    if as_json:
        print_json({"kb": name, **found})
    else:
        out.print(f"Pair {found['id']} is {found['review']}.", markup=False, emoji=False)


@app.command("export")
@reported
def export(
    file: Annotated[
        Path, typer.Argument(help="A file to write, `.json` for one array, else JSON Lines; `-` for stdout.")
    ],
    kb: KbOption = None,
    format_: Annotated[Format, typer.Option("--format", help="How trainers read it.")] = Format.MESSAGES,
    with_passages: Annotated[bool, typer.Option("--with-passages", help="With the passages in the prompt.")] = False,
    reviewed: ReviewedOption = False,
    side: SideOption = None,
    kind: KindOption = None,
    language: LanguageOption = "",
    writer: WriterOption = "",
    as_json: JsonOption = False,
) -> None:
    """Write fresh pairs that nobody rejected; the target of those without an answer is the refusal."""
    from app.commands.desk import open_desk
    from app.errors import UsageError
    from ingest.pairs.store import REVIEWED, Wanted

    if as_json and str(file) == "-":
        raise UsageError("with --json the pairs need a file of their own: stdout holds one JSON object")
    wanted = Wanted(
        review=REVIEWED if reviewed else (), kept=True, stale=False, side=side, kind=kind, language=language, writer=writer
    )  # fmt: skip
    with open_desk() as desk:
        count = _export(desk.pairs(kb), file, format_, wanted, with_passages=with_passages)
        name = kb or desk.default_kb
    if as_json:
        print_json({"kb": name, "file": str(file), "format": format_.value, "pairs": count})
    else:
        err.print(f"{count} pairs written to {file}.", markup=False, emoji=False)


@app.command("import")
@reported
def import_(
    file: Annotated[Path, typer.Argument(help="Alpaca, ShareGPT or messages (JSON, JSON Lines), or CSV.")],
    kb: KbOption = None,
    format_: Annotated[
        Format | None, typer.Option("--format", help="The only format of its rows; told from each when not given.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Bring in pairs; each needs a passage that holds its answer.

    Tells of rows that are missing something, duplicates and odd ones; a bad row costs no other row.
    A CSV has the columns question and answer, and may have document, language, short and evidence.
    """
    from app.commands.desk import open_desk
    from app.errors import UsageError

    try:
        data = file.read_bytes()
    except OSError as exc:
        raise UsageError(f"{file} cannot be read: {exc.strerror}") from exc
    with open_desk() as desk, progress_bar("rows") as report:
        found = desk.pairs(kb).bring_in(data, file.name, format_, report)
        name = kb or desk.default_kb
    if as_json:
        print_json({"kb": name, **found})
        return
    out.print(", ".join(f"{count} {kind}" for kind, count in found["counts"].items()))
    for kind in ("missing", "duplicates", "odd", "dropped"):
        for row in found[kind]:
            out.print(f"row {row['row']}: {row['reason']}", markup=False, emoji=False)


@app.command("split")
@reported
def split(
    kb: KbOption = None,
    seed: Annotated[int | None, typer.Option(help="That of the last split when not given; 0 at first.")] = None,
    share: Annotated[
        float | None, typer.Option(min=0.01, max=0.9, help="Of the test side, about; 0.2 at first.")
    ] = None,
    anew: Annotated[bool, typer.Option("--anew", help="Whatever side pairs stand on now.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Change nothing: look for what stands on both sides.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Put pairs on a training and a test side: sections and near-duplicates are never parted.

    Pairs that were split before stay where they are; another seed or share splits from scratch.
    Exits with 1 if anything stands on both sides.
    """
    from app.commands.desk import open_desk

    with open_desk() as desk, progress_bar("pairs") as report:
        pairs = desk.pairs(kb)
        found = pairs.check(report) if check else pairs.split(seed, share, anew=anew, report=report)
        name = kb or desk.default_kb
    if as_json:
        print_json({"kb": name, **found})
    else:
        if not check:
            sides = ", ".join(f"{count} {side}" for side, count in found["pairs"].items())
            out.print(f"{sides}; {found['joined']} clusters over several sections, {found['moved']} pairs moved.")
        out.print(f"{found['leaks']} leaks.")
        for leak in found["leaking"]:
            out.print(f"{leak['what']}: {leak['train']} (train), {leak['test']} (test)", markup=False, emoji=False)
    if found["leaks"]:
        raise typer.Exit(1)


@app.command("evalset")
@reported
def evalset(
    folder: Annotated[Path, typer.Argument(help="A folder to write documents.jsonl and questions.jsonl to.")],
    kb: KbOption = None,
    reviewed: ReviewedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write the test side as a dataset for `frontdesk eval`; its documents are the sections of the live ones."""
    from app.commands.desk import open_desk

    with open_desk() as desk:
        found = desk.pairs(kb).evalset(folder, reviewed=reviewed)
    if as_json:
        print_json(found)
    else:
        said = f"{found['questions']} questions ({found['impossible']} impossible) over {found['documents']} sections"
        out.print(f"{said} written to {folder}.", markup=False, emoji=False)


def _export(pairs: Any, file: Path, shape: Format, wanted: Wanted, *, with_passages: bool) -> int:
    from app.errors import UsageError

    array = file.suffix.lower() == ".json"
    pieces = pairs.export(shape, wanted, with_passages=with_passages, array=array)
    # Each pair is one line; an array has a line of its own at both ends.
    if str(file) == "-":
        return sum(sys.stdout.write(piece) and piece.count("\n") for piece in pieces)
    try:
        with file.open("w", encoding="utf-8") as target:
            count = sum(target.write(piece) and piece.count("\n") for piece in pieces)
    except OSError as exc:
        raise UsageError(f"{file} cannot be written: {exc.strerror}") from exc
    return max(count - 2, 0) if array else count


def _print_writers(writers: dict[str, Any]) -> None:
    for name, counts in writers.items():
        dropped = ", ".join(f"{reason} {count}" for reason, count in counts["dropped"].items())
        out.print(
            f"  {name}: {counts['kept']} of {counts['written']} kept; dropped: {dropped or 'none'}",
            markup=False,
            emoji=False,
        )


def _print_pair(pair: dict[str, Any]) -> None:
    from app.commands.pairs_review import print_pair

    print_pair(pair)
