"""Markdown and MDX."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.parse import parse
from ingest.schema import ParsedDocument, Table


def read(path: Path, text: str) -> ParsedDocument:
    path.write_text(text, encoding="utf-8")
    return parse(path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# A\n\nb **c** `d`", [("heading", "A"), ("paragraph", "b c d")]),
        ("**注意：**请先登录。", [("paragraph", "注意：请先登录。")]),
        ("1. a\n2. b\n   - c", [("list", "1. a\n2. b\n  - c")]),
        ("```py\n# not a heading\nx = 1\n```", [("code", "# not a heading\nx = 1")]),
        ("1. Run:\n\n   ```sh\n   make\n   ```\n\n2. Go", [("list", "1. Run:"), ("code", "make"), ("list", "2. Go")]),
        ("    indented code", [("code", "indented code")]),
        ("<Steps>\n  <Step title=\"Sign up\">\n    Go **now**.\n  </Step>\n</Steps>",
         [("paragraph", "Sign up"), ("paragraph", "Go now.")]),
        ("<Tab title='Docker'>\n    ```bash\n    docker run\n    ```\n</Tab>",
         [("paragraph", "Docker"), ("code", "docker run")]),
        ("import X from './x'\n\nSee <Badge>new</Badge> things.\n\n{/* hidden */}", [("paragraph", "See new things.")]),
        ("Set `<Foo>` and <YOUR_KEY> or <api-key>.", [("paragraph", "Set <Foo> and <YOUR_KEY> or <api-key>.")]),
        ("```html\n<Card title=\"x\">\n</Card>\n```", [("code", '<Card title="x">\n</Card>')]),
        ("<details>\n<summary>Why?</summary>\n**Because.**\n</details>", [("paragraph", "Why?"), ("paragraph", "Because.")]),
        ("> quoted", [("paragraph", "quoted")]),
    ],
)  # fmt: skip
def test_blocks(tmp_path: Path, text: str, expected: list[tuple[str, str]]) -> None:
    assert [(e.kind.value, e.text) for e in read(tmp_path / "a.md", text).elements] == expected


def test_tables_keep_their_cells(tmp_path: Path) -> None:
    (element,) = read(tmp_path / "a.md", "| 套餐 | 价格 |\n|---|---|\n| 基础 | `5` 元<br/>每月 |\n").elements
    assert element.table == Table(("套餐", "价格"), (("基础", "5 元 每月"),))


@pytest.mark.parametrize(
    ("front", "title"),
    [
        ("title: Returns", "Returns"),
        ('title: "A: b"', "A: b"),
        ("title: FAQ: returns", "FAQ: returns"),
        ("sidebarTitle: x", "Heading"),
    ],
)
def test_front_matter_gives_the_title_and_is_no_text(tmp_path: Path, front: str, title: str) -> None:
    document = read(tmp_path / "a.md", f"---\n{front}\n---\n\n# Heading\n\nBody.")
    assert document.title == title
    assert [e.text for e in document.elements] == ["Heading", "Body."]


def test_two_rules_are_not_front_matter(tmp_path: Path) -> None:
    assert [e.text for e in read(tmp_path / "a.md", "---\n\nText\n\n---\n\nMore").elements] == ["Text", "More"]
