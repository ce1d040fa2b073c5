"""frontdesk documents ...: what an admin says of documents and passages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from app.commands.common import DocumentArgument, JsonOption, KbOption, out, print_json, reported

Moment = Annotated[str | None, typer.Option(help="ISO 8601, UTC when it names no zone; `never` takes it away.")]
EditArgument = Annotated[str, typer.Argument(help="An edit's id, as `documents edits` shows it.")]
PassageArgument = Annotated[str, typer.Argument(help="A passage's id or text_hash, as `documents show --chunks` does.")]


def add_to(app: typer.Typer) -> None:
    """The commands as part of `frontdesk documents`."""
    app.command("enable")(enable)
    app.command("disable")(disable)
    app.command("set")(set_)
    app.command("publish")(publish)
    app.command("discard")(discard)
    app.command("edits")(edits)
    app.command("edit")(edit)
    app.command("apply-edit")(apply_edit)
    app.command("undo-edit")(undo_edit)


@reported
def enable(document: DocumentArgument, kb: KbOption = None, as_json: JsonOption = False) -> None:
    """Answer from a document again."""
    _say(document, kb, {"enabled": True}, as_json)


@reported
def disable(document: DocumentArgument, kb: KbOption = None, as_json: JsonOption = False) -> None:
    """Answer from a document no more, without deleting it."""
    _say(document, kb, {"enabled": False}, as_json)


@reported
def set_(
    document: DocumentArgument,
    kb: KbOption = None,
    valid_from: Moment = None,
    valid_until: Moment = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="A tag; given again, several. Replaces all.")] = None,
    no_tags: Annotated[bool, typer.Option("--no-tags", help="Take all tags away.")] = False,
    source: Annotated[str | None, typer.Option(help="The address that it comes from.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Say from when and until when a document holds, its tags, and where it comes from; the rest stays.

    `--valid-until` is the first moment that is too late.
    """
    from app.errors import UsageError

    what: dict[str, Any] = {}
    for name, given in (("valid_from", valid_from), ("valid_until", valid_until)):
        if given is not None:
            what[name] = None if given == "never" else moment_of(name, given)
    if tag or no_tags:
        what["tags"] = tuple(tag or ())
    if source is not None:
        what["source"] = source
    if not what:
        raise UsageError("nothing to set: give --valid-from, --valid-until, --tag, --no-tags or --source")
    _say(document, kb, what, as_json)


@reported
def publish(document: DocumentArgument, kb: KbOption = None, as_json: JsonOption = False) -> None:
    """Make a document's draft its live version."""
    from app.commands.desk import open_desk

    with open_desk() as desk:
        desk.publish(kb, document)
    _done(as_json, {"kb": kb or desk.default_kb, "published": document}, f"Published {document!r}.")


@reported
def discard(document: DocumentArgument, kb: KbOption = None, as_json: JsonOption = False) -> None:
    """Forget a document's draft, and the document, if it has no other version."""
    from app.commands.desk import open_desk

    with open_desk() as desk:
        desk.discard(kb, document)
    _done(as_json, {"kb": kb or desk.default_kb, "discarded": document}, f"Discarded the draft of {document!r}.")


@reported
def edits(document: DocumentArgument, kb: KbOption = None, as_json: JsonOption = False) -> None:
    """List persons' wordings of a document's passages; where a text has gone, the passages that come nearest."""
    from app.commands.desk import open_desk

    with open_desk() as desk:
        found = desk.edits(kb, document)
    if as_json:
        print_json({"kb": kb or desk.default_kb, "document": document, "edits": found})
        return
    for each in found:
        out.print(f"{each['id']} {each['state']}", markup=False, style="bold")
        out.print(f"  was: {each['original']}\n  is:  {each['text']}", markup=False)
        for near in each["suggestions"]:
            out.print(f"  near ({near['likeness']:.0%}) {near['text_hash']}: {near['text']}", markup=False)
    if not found:
        out.print(f"{document!r} has no edits.", markup=False)


@reported
def edit(
    document: DocumentArgument,
    passage: PassageArgument,
    text: Annotated[str, typer.Option(help="What the passage shall say.")],
    kb: KbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a wording in a passage's place, now and in later versions that have the same text."""
    from app.commands.desk import open_desk

    with open_desk() as desk:
        made = desk.edit(kb, document, passage, text)
    _done(as_json, {"kb": kb or desk.default_kb, "document": document, "edit": made}, f"Applied as edit {made}.")


@reported
def apply_edit(
    document: DocumentArgument,
    edit: EditArgument,
    passage: PassageArgument,
    kb: KbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a wording in the place of another passage, one that its text has moved to."""
    from app.commands.desk import open_desk

    with open_desk() as desk:
        desk.apply_edit(kb, document, edit, passage)
    _done(as_json, {"kb": kb or desk.default_kb, "document": document, "edit": edit}, f"Applied edit {edit}.")


@reported
def undo_edit(document: DocumentArgument, edit: EditArgument, kb: KbOption = None, as_json: JsonOption = False) -> None:
    """Forget a wording; the passage's own text comes back."""
    from app.commands.desk import open_desk

    with open_desk() as desk:
        desk.undo_edit(kb, document, edit)
    _done(as_json, {"kb": kb or desk.default_kb, "document": document, "undone": edit}, f"Undid edit {edit}.")


def _say(document: str, kb: str | None, what: dict[str, Any], as_json: bool) -> None:
    from app.commands.desk import open_desk

    with open_desk() as desk:
        said = desk.say(kb, document, what)
    about = ", ".join(f"{name} {', '.join(v) if isinstance(v, list) else v}" for name, v in said.items() if v)
    said_now = f"{document!r}: {about}." if said["enabled"] else f"{document!r} is disabled."
    _done(
        as_json,
        {"kb": kb or desk.default_kb, "document": document, **said},
        said_now.replace("enabled True", "enabled"),
    )


def moment_of(name: str, given: str) -> datetime:
    """The moment that an option names; in UTC.

    Raises:
        UsageError: it is none.
    """
    from app.errors import UsageError

    try:
        moment = datetime.fromisoformat(given)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        option = name.replace("_", "-")
        raise UsageError(f"--{option}: {given!r} is no moment; write 2026-12-31 or 2026-12-31T18:00:00+08:00") from exc


def _done(as_json: bool, value: dict[str, Any], line: str) -> None:
    if as_json:
        print_json(value)
    else:
        out.print(line, markup=False)
