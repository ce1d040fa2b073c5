"""JSON and JSON lines as a person would write them down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ingest.errors import DamagedFile, NoText
from ingest.parse import parse
from ingest.schema import ParsedDocument, Table


def read(tmp_path: Path, data: Any, name: str = "a.json") -> ParsedDocument:
    path = tmp_path / name
    path.write_text(data if isinstance(data, str) else json.dumps(data, ensure_ascii=False), encoding="utf-8")
    return parse(path)


def shape(document: ParsedDocument) -> list[tuple[str, str]]:
    return [(e.kind.value + (str(e.level) if e.level else ""), e.text) for e in document.elements]


LONG = "A long description of what the plan holds. " * 6


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            [{"question": "How long?", "answer": "30 days."}, {"question": "Who pays?", "answer": "You do.", "tag": "cost"}],
            [("heading1", "How long?"), ("paragraph", "30 days."), ("heading1", "Who pays?"), ("paragraph", "You do."), ("paragraph", "tag: cost")],
        ),
        ({"faqs": [{"问题": "几点开门？", "答案": "九点。"}]}, [("heading1", "faqs"), ("heading2", "几点开门？"), ("paragraph", "九点。")]),
        ([{"Q": "Which?", "A": ["one", "two"]}], [("heading1", "Which?"), ("paragraph", "one\ntwo")]),
        ([{"question": "Q?", "answers": {"text": ["a"], "answer_start": [3]}}], [("heading1", "Q?"), ("list", "- a")]),
        ([{"title": "Pro", "content": "For teams."}, {"title": "Max", "content": LONG}], [("heading1", "Pro"), ("paragraph", "For teams."), ("heading1", "Max"), ("paragraph", LONG.strip())]),
        ({"returns": {"days": 30, "open": True}, "shop": "Bern", "none": None}, [("heading1", "returns"), ("paragraph", "days: 30\nopen: true"), ("paragraph", "shop: Bern")]),
        ([{"name": "Ada", "address": {"city": "Bern", "zip": "3000"}, "tags": ["a", "b"]}], [("paragraph", "name: Ada"), ("heading1", "address"), ("paragraph", "city: Bern\nzip: 3000"), ("paragraph", "tags: a, b")]),
        (["one", "two"], [("list", "- one\n- two")]),
        ('{"price": 12.50, "id": 12345678901234567890}', [("paragraph", "price: 12.50\nid: 12345678901234567890")]),
        ('"just a text"', [("paragraph", "just a text")]),
    ],
)  # fmt: skip
def test_records_become_blocks(tmp_path: Path, data: Any, expected: list[tuple[str, str]]) -> None:
    assert shape(read(tmp_path, data)) == expected


def test_uniform_records_become_a_table(tmp_path: Path) -> None:
    (element,) = read(tmp_path, [{"plan": "Basic", "price": 5}, {"plan": "Pro", "price": 12.50, "seats": 3}]).elements
    assert element.table == Table(("plan", "price", "seats"), (("Basic", "5", ""), ("Pro", "12.5", "3")))


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.ndjson"])
def test_json_lines(tmp_path: Path, name: str) -> None:
    text = '{"question": "a?", "answer": "b"}\n\n{"question": "c?", "answer": "d"}\n'
    assert [t for _, t in shape(read(tmp_path, text, name))] == ["a?", "b", "c?", "d"]


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ('{"a": 1}\n{"a": }\n', DamagedFile, "line 2"),
        ('{\n "a": 1,\n}', DamagedFile, "line 3"),
        ("[" * 100_000, DamagedFile, "nested too deep"),
        ('{"a":' * 100 + "1" + "}" * 100, DamagedFile, "nested too deep"),
        ('{"a": null, "b": []}', NoText, "no text"),
    ],
)
def test_what_cannot_be_read_says_where(tmp_path: Path, text: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        read(tmp_path, text)
