"""Files of pairs, read row by row: Alpaca, ShareGPT and messages as JSON or JSON Lines, and CSV. Pure functions.

A row that cannot be used is told of with its number, counted from 1, and costs no other row.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ingest.errors import DamagedFile, UnusableValue
from ingest.pairs.formats import OURS, Format
from ingest.pairs.records import Turn
from ingest.pairs.store import LONGEST
from ingest.parse.encodings import decode

_ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "system": "system"}
# Columns of a CSV by the names that people give them.
_COLUMNS = {
    "question": "question", "q": "question", "prompt": "question", "instruction": "question", "问题": "question", "問題": "question",
    "answer": "answer", "a": "answer", "response": "answer", "output": "answer", "答案": "answer", "回答": "answer",
    "document": "document", "source": "document", "file": "document", "文档": "document", "文件": "document",
    "language": "language", "short": "short", "evidence": "evidence", "id": "id",
}  # fmt: skip
_LARGEST_CELL = 200_000


@dataclass(frozen=True, slots=True)
class Row:
    """A question with its answer as a file holds it.

    document: the document that it is said to be from; "" where nothing is said.
    ours:     what an export of ours says beside it (formats.py); empty for others' files.
    """

    number: int
    question: str
    answer: str
    history: tuple[Turn, ...] = ()
    document: str = ""
    ours: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be used; ``missing``: it lacks a question or an answer, else it is odd."""

    number: int
    reason: str
    missing: bool = False


def read_file(data: bytes, name: str, shape: Format | None = None) -> Iterator[Row | BadRow]:
    """The rows of a file.

    name:  its name: what ends in .csv or .tsv is a table.
    shape: the only format that its rows may have; told from each row when not given.

    Raises:
        UnusableValue: it is no text, or a table without the columns of question and answer.
    """
    try:
        text = decode(data, name)
    except DamagedFile as exc:
        raise UnusableValue(str(exc)) from exc
    if name.lower().endswith((".csv", ".tsv")):
        return _table(text)
    start = text.lstrip()[:1]
    if start not in ("[", "{"):
        if not start:
            raise UnusableValue(f"{name}: the file is empty")
        first = text.lstrip().splitlines()[0]
        if any(sign in first for sign in ",;\t"):
            return _table(text)
        raise UnusableValue(f"{name}: neither JSON, JSON Lines nor CSV")
    return _objects(text, name, shape)


def _objects(text: str, name: str, shape: Format | None) -> Iterator[Row | BadRow]:
    if text.lstrip().startswith("["):
        try:
            rows = json.loads(text)
        except ValueError as exc:
            raise UnusableValue(f"{name}: this is no JSON that can be read ({exc})") from exc
        for number, value in enumerate(rows, start=1):
            yield _row(number, value, shape)
        return
    # A line of its own for each object; one object over several lines is a file of one row.
    lines = [line for line in text.split("\n") if line.strip()]
    if len(lines) > 1 and lines[0].strip() == "{":
        try:
            yield _row(1, json.loads(text), shape)
        except ValueError as exc:
            raise UnusableValue(f"{name}: this is no JSON that can be read ({exc})") from exc
        return
    for number, line in enumerate(lines, start=1):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as exc:
            yield BadRow(number, f"not JSON ({exc})")
        else:
            yield _row(number, value, shape)


def _row(number: int, value: object, shape: Format | None) -> Row | BadRow:
    if not isinstance(value, dict):
        return BadRow(number, "not an object")
    found = shape or _shape_of(value)
    if found is None:
        return BadRow(number, "none of instruction, conversations and messages: of which format is it?", missing=True)
    try:
        turns = _alpaca(value) if found is Format.ALPACA else _spoken(value, found)
    except _Odd as exc:
        return BadRow(number, str(exc), missing=exc.missing)
    ours = value.get(OURS)
    ours = ours if isinstance(ours, dict) else {}
    *before, question, answer = turns
    named = ours.get("document") or value.get("document") or value.get("source")
    document = named if isinstance(named, str) else ""
    return _checked(Row(number, question.text, answer.text, tuple(before), document, ours))


def _shape_of(value: Mapping[str, Any]) -> Format | None:
    if "messages" in value:
        return Format.MESSAGES
    if "conversations" in value or "conversation" in value:
        return Format.SHAREGPT
    return Format.ALPACA if {"instruction", "question", "prompt"} & set(value) else None


def _alpaca(value: Mapping[str, Any]) -> list[Turn]:
    question = _text(value, "instruction", "question", "prompt")
    answer = _text(value, "output", "answer", "response")
    if OURS not in value and (more := _text(value, "input")):
        # Others' files put the second half of the question there.
        question = f"{question}\n{more}"
    history = value.get("history") or []
    if not isinstance(history, list):
        raise _Odd("history is no list")
    if (whole := _our_history(value.get(OURS))) is not None:
        return [*whole, Turn("user", question), Turn("assistant", answer)]
    turns: list[Turn] = []
    for exchange in history:
        if not isinstance(exchange, list) or len(exchange) != 2 or not all(isinstance(t, str) for t in exchange):
            raise _Odd("an entry of history is no pair of question and answer")
        turns += [Turn(role, text) for role, text in zip(("user", "assistant"), exchange, strict=True) if text]
    return [*turns, Turn("user", question), Turn("assistant", answer)]


def _our_history(ours: object) -> list[Turn] | None:
    """The turns as an export of ours names them; exchanges alone do not say where one of them is missing."""
    said = ours.get("history") if isinstance(ours, dict) else None
    if not isinstance(said, list) or not all(isinstance(t, list) and len(t) == 2 for t in said):
        return None
    turns = [Turn(str(role), str(text)) for role, text in said]
    return turns if all(turn.role in ("user", "assistant") for turn in turns) else None


def _spoken(value: Mapping[str, Any], shape: Format) -> list[Turn]:
    name, role_key, text_key = ("messages", "role", "content")
    if shape is Format.SHAREGPT:
        name, role_key, text_key = ("conversations", "from", "value")
        name = name if name in value else "conversation"
    said = value.get(name)
    if not isinstance(said, list) or not said:
        raise _Odd(f"{name} is no list, or empty", missing=not said)
    turns: list[Turn] = []
    for message in said:
        role = _ROLES.get(str(message.get(role_key))) if isinstance(message, dict) else None
        text = message.get(text_key) if isinstance(message, dict) else None
        if role is None or not isinstance(text, str):
            raise _Odd(f"a message of {name} has no {role_key} that is known, or no text")
        if role != "system":
            turns.append(Turn(role, text))
    if len(turns) < 2 or turns[-1].role != "assistant":
        raise _Odd("the last message is not the assistant's: there is no answer", missing=True)
    if turns[-2].role != "user":
        raise _Odd("the message before the answer is not the customer's", missing=True)
    return turns


def _table(text: str) -> Iterator[Row | BadRow]:
    csv.field_size_limit(_LARGEST_CELL)
    text = text.removeprefix("\ufeff")
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    columns = [_COLUMNS.get(cell.strip().lower(), "") for cell in next(reader, [])]
    if lacking := [name for name in ("question", "answer") if name not in columns]:
        raise UnusableValue(f"the table has no column {lacking[0]!r}: name the columns in the first row")
    return _table_rows(reader, columns)


def _table_rows(reader: Any, columns: list[str]) -> Iterator[Row | BadRow]:
    number = 0
    while True:
        number += 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as exc:
            yield BadRow(number, f"no CSV that can be read ({exc})")
            continue
        if not any(cell.strip() for cell in cells):
            number -= 1
            continue
        if len(cells) != len(columns):
            yield BadRow(
                number, f"{len(cells)} cells below {len(columns)} columns: quote cells that hold the separator"
            )
            continue
        row = {name: cell.strip() for name, cell in zip(columns, cells, strict=True) if name}
        ours = {name: row[name] for name in ("language", "short", "evidence", "id") if row.get(name)}
        yield _checked(Row(number, row["question"], row["answer"], (), row.get("document", ""), ours))


def _checked(row: Row) -> Row | BadRow:
    question, answer = row.question.strip(), row.answer.strip()
    if not question or not answer:
        return BadRow(row.number, "no question" if not question else "no answer", missing=True)
    for name, text in (("question", question), ("answer", answer), *(("history", turn.text) for turn in row.history)):
        if len(text) > LONGEST:
            return BadRow(row.number, f"the {name} has {len(text)} characters; {LONGEST} are kept")
        if "\x00" in text or not _is_unicode(text):
            return BadRow(row.number, f"the {name} holds characters that cannot be kept")
    if question.casefold() == answer.casefold():
        return BadRow(row.number, "the answer is the question again")
    return Row(row.number, question, answer, row.history, row.document.strip(), row.ours)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _text(value: Mapping[str, Any], *names: str) -> str:
    for name in names:
        found = value.get(name)
        if found is None:
            continue
        if not isinstance(found, str):
            raise _Odd(f"{name} is no text")
        return found
    return ""


class _Odd(Exception):
    def __init__(self, reason: str, *, missing: bool = False) -> None:
        super().__init__(reason)
        self.missing = missing
