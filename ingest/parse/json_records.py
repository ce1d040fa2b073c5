"""JSON and JSON lines as a person would write them down: questions with their answers, tables, "key: value" lines.

[{"question": Q, "answer": A}]     a heading Q, a paragraph A
[{"plan": P, "price": X}, ...]     a table with the header plan, price
{"returns": {"days": 30}}          a heading "returns", a paragraph "days: 30"
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ingest.errors import DamagedFile
from ingest.parse.blocks import Blocks
from ingest.parse.encodings import decode
from ingest.parse.tables import make_table
from ingest.parse.text import read_text
from ingest.schema import ParsedDocument

_QUESTIONS = ("question", "questions", "q", "query", "问题", "问", "提问", "標準問題", "标准问题", "問題")
_ANSWERS = ("answer", "answers", "a", "response", "reply", "答案", "回答", "答", "回复", "答复", "回覆")
_TITLES = ("title", "name", "subject", "heading", "headline", "标题", "標題", "名称", "名稱", "主题")
_BODIES = ("content", "text", "body", "description", "answer", "summary", "details", "内容", "正文", "描述", "內容")
_DEEPEST = 60
_LONGEST_CELL = 200
_LONG_TEXT = 200
_MOST_COLUMNS = 40
# A column that so few records have makes no table.
_FILLED = 0.5


def parse_json(path: Path, name: str) -> ParsedDocument:
    """A .json file, or .jsonl with one value a line; raises DamagedFile where it is neither, naming the line."""
    data = load(decode(path.read_bytes(), name), name)
    blocks = Blocks()
    _read(data, blocks, 1)
    title = data.get("title") if isinstance(data, dict) else ""
    return ParsedDocument("json", blocks.elements(), title if isinstance(title, str) else "")


def load(text: str, name: str) -> Any:
    """The value in the text, a list for JSON lines; numbers stay as written, so that 12.50 is not 12.5.

    Raises:
        DamagedFile: it is not JSON, or nested deeper than any document.
    """
    try:
        data = _loads(text)
    except json.JSONDecodeError as whole:
        lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        data = []
        for number, line in lines:
            try:
                data.append(_loads(line))
            except json.JSONDecodeError as exc:
                # One value over many lines, or one a line? The first line tells.
                at = f"line {number}: {exc.msg}" if data else f"line {whole.lineno}: {whole.msg}"
                raise DamagedFile(f"{name}: the JSON cannot be read, {at}; mend it there.") from exc
    except RecursionError as exc:
        raise DamagedFile(f"{name}: the JSON is nested too deep to be a document.") from exc
    if _depth(data) > _DEEPEST:
        raise DamagedFile(f"{name}: the JSON is nested too deep to be a document.")
    return data


def _loads(text: str) -> Any:
    return json.loads(text, parse_float=str, parse_int=str)


def _depth(data: Any) -> int:
    deepest, stack = 0, [(data, 1)]
    while stack and deepest <= _DEEPEST:
        value, depth = stack.pop()
        deepest = max(deepest, depth)
        children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        stack.extend((child, depth + 1) for child in children)
    return deepest


def _read(data: Any, blocks: Blocks, level: int) -> None:
    if isinstance(data, list):
        _read_list(data, blocks, level)
    elif isinstance(data, dict):
        _read_record(data, blocks, level)
    elif text := _scalar(data):
        read_text(text, blocks)


def _read_list(values: list[Any], blocks: Blocks, level: int) -> None:
    records = [value for value in values if isinstance(value, dict)]
    if len(records) == len(values) and (columns := _columns(records)):
        blocks.table(make_table([columns, *([_scalar(r.get(c)) for c in columns] for r in records)], 1))
        return
    if all(not isinstance(value, dict | list) for value in values):
        for value in values:
            text = _scalar(value)
            if len(text) > _LONG_TEXT or "\n" in text:
                read_text(text, blocks)
            else:
                blocks.item(text)
        blocks.break_list()
        return
    for value in values:
        _read(value, blocks, level)
        blocks.break_list()


def _columns(records: list[dict[str, Any]]) -> list[str]:
    """The columns of records that are the rows of one table, else none."""
    if len(records) < 2 or (_key(records[0], _QUESTIONS) is not None and _key(records[0], _ANSWERS) is not None):
        return []
    columns = list(dict.fromkeys(key for record in records for key in record))
    cells = [_scalar(value) for record in records for value in record.values()]
    flat = all(not isinstance(v, dict | list) or _is_flat_list(v) for record in records for v in record.values())
    if not flat or len(columns) > _MOST_COLUMNS or len(columns) < 2:
        return []
    if any(len(cell) > _LONGEST_CELL or cell.count("\n") > 1 for cell in cells):
        return []
    return columns if sum(map(len, records)) >= _FILLED * len(columns) * len(records) else []


def _read_record(record: dict[str, Any], blocks: Blocks, level: int) -> None:
    question, answer = _key(record, _QUESTIONS), _key(record, _ANSWERS)
    title, body = _key(record, _TITLES), _key(record, _BODIES)
    used = []
    if question and answer and (asked := _inline(record[question])):
        blocks.heading(asked, level)
        _read_answer(record[answer], blocks, level)
        used = [question, answer]
    elif title and isinstance(record[title], str) and (body or _has_long_text(record)):
        blocks.heading(record[title], level)
        used = [title]
        if body and isinstance(record[body], str):
            read_text(record[body], blocks)
            used.append(body)
    _read_fields({key: value for key, value in record.items() if key not in used}, blocks, level + bool(used))


def _read_answer(answer: Any, blocks: Blocks, level: int) -> None:
    if isinstance(answer, str):
        read_text(answer, blocks)
    elif isinstance(answer, dict | list) and not _is_flat_list(answer):
        # {"text": [...], "answer_start": [...]}: where the answer stood says nothing to a reader.
        inner = answer.get("text") if isinstance(answer, dict) else None
        _read(inner if inner is not None else answer, blocks, level + 1)
    else:
        blocks.paragraph("\n".join(map(_scalar, answer)) if isinstance(answer, list) else _scalar(answer))


def _read_fields(record: dict[str, Any], blocks: Blocks, level: int) -> None:
    """Short values as "key: value" lines of one paragraph; long texts, records and lists under their key."""
    lines: list[str] = []
    for key, value in record.items():
        if isinstance(value, str) and (len(value) > _LONG_TEXT or "\n" in value.strip()):
            _end(lines, blocks)
            blocks.paragraph(f"{key}:" if "\n\n" in value else f"{key}: {value}")
            if "\n\n" in value:
                read_text(value, blocks)
        elif isinstance(value, dict | list) and not _is_flat_list(value):
            small = list(_paths(value, key))
            if isinstance(value, dict) and level > 1 and len(small) <= 8:
                lines += small
                continue
            _end(lines, blocks)
            if not value:
                continue
            blocks.heading(key, min(level, 6))
            _read(value, blocks, min(level + 1, 6))
        elif text := _inline(value):
            lines.append(f"{key}: {text}")
    _end(lines, blocks)


def _paths(value: Any, path: str) -> Iterator[str]:
    """ "address.city: Bern" for every value below."""
    if isinstance(value, dict):
        for key, child in value.items():
            yield from _paths(child, f"{path}.{key}")
    elif isinstance(value, list) and not _is_flat_list(value):
        for number, child in enumerate(value, 1):
            yield from _paths(child, f"{path}[{number}]")
    elif text := _inline(value):
        yield f"{path}: {text}"


def _end(lines: list[str], blocks: Blocks) -> None:
    blocks.paragraph("\n".join(lines))
    lines.clear()


def _key(record: dict[str, Any], names: tuple[str, ...]) -> str | None:
    folded = {str(key).strip().casefold(): key for key, value in record.items() if value not in (None, "", [], {})}
    return next((folded[name] for name in names if name in folded), None)


def _has_long_text(record: dict[str, Any]) -> bool:
    return any(isinstance(value, str) and len(value) > _LONG_TEXT for value in record.values())


def _is_flat_list(value: Any) -> bool:
    return isinstance(value, list) and all(not isinstance(item, dict | list) for item in value)


def _inline(value: Any) -> str:
    return " ".join(_scalar(value).split())


def _scalar(value: Any) -> str:
    if value is None or isinstance(value, dict):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(filter(None, map(_scalar, value)))
    return str(value)
