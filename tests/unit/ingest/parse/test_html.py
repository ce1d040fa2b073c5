"""HTML pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.parse import parse
from ingest.schema import Element, Table


def read(path: Path, body: str) -> tuple[Element, ...]:
    path.write_text(f"<html><body>{body}</body></html>", encoding="utf-8")
    return parse(path).elements


def shape(elements: tuple[Element, ...]) -> list[tuple[str, str]]:
    return [(e.kind.value + (str(e.level) if e.level else ""), e.text) for e in elements]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("<h1>A</h1><p>b <b>c</b>\n d</p>", [("heading1", "A"), ("paragraph", "b c d")]),
        ("<h3>短标题</h3><p>正文。</p>", [("heading3", "短标题"), ("paragraph", "正文。")]),
        ("<ul><li>a<ul><li>b</li></ul></li><li>c</li></ul>", [("list", "- a\n  - b\n- c")]),
        ('<ol start="3"><li>a</li><li><p>b</p></li></ol>', [("list", "3. a\n4. b")]),
        ("<p>x</p><pre><code>if a:\n    b()\n</code></pre>", [("paragraph", "x"), ("code", "if a:\n    b()")]),
        (
            "<ol><li>Run<pre>make  all</pre></li><li>Done</li></ol>",
            [("list", "1. Run"), ("code", "make  all"), ("list", "2. Done")],
        ),
        ("<dl><dt>RMA</dt><dd>A return number.</dd></dl>", [("list", "- RMA: A return number.")]),
        (
            "<details><summary>How long?</summary>Two days.</details>",
            [("paragraph", "How long?"), ("paragraph", "Two days.")],
        ),
        ("<nav>Home | Shop</nav><p>Text</p><footer>(c)</footer><script>x()</script>", [("paragraph", "Text")]),
        (
            "<div class='sidebar'><a href='#'>Home</a></div><main><h1>Help</h1><p>"
            + "Long text. " * 20
            + "</p></main>",
            [("heading1", "Help"), ("paragraph", ("Long text. " * 20).strip())],
        ),
        ("<font>One.<br><br>Two.<br>Three.</font>", [("paragraph", "One."), ("paragraph", "Two. Three.")]),
        ("<h3><button>How long?</button></h3><p>Long.</p>", [("heading3", "How long?"), ("paragraph", "Long.")]),
        ("<form><p>x</p><button>Send</button></form>", [("paragraph", "x")]),
        ("<aside>Only this.</aside>", [("paragraph", "Only this.")]),
        ("<h2>Use<a class='headerlink' href='#use'>¶</a></h2><p>x</p>", [("heading2", "Use"), ("paragraph", "x")]),
    ],
)
def test_blocks(tmp_path: Path, body: str, expected: list[tuple[str, str]]) -> None:
    assert shape(read(tmp_path / "a.html", body)) == expected


@pytest.mark.parametrize(
    ("rows", "table"),
    [
        ("<tr><th>A<th>B<tr><td>1<td>2", Table(("A", "B"), (("1", "2"),))),
        (
            "<thead><tr><th rowspan=2>Plan<th colspan=2>Price<tr><th>Month<th>Year</thead><tr><td>Pro<td>5<td>50",
            Table(("Plan", "Price / Month", "Price / Year"), (("Pro", "5", "50"),)),
        ),
        (
            "<tr><th>A<th>B<tr><td rowspan=2>x<td>1<tr><td>line<br>break",
            Table(("A", "B"), (("x", "1"), ("x", "line break"))),
        ),
        ("<tr><td>1<td>2<tr><td>3", Table((), (("1", "2"), ("3", "")))),
    ],
)
def test_tables(tmp_path: Path, rows: str, table: Table) -> None:
    elements = read(tmp_path / "a.html", f"<p>Before</p><table>{rows}</table><p>After</p>")
    assert [e.text for e in elements] == ["Before", "", "After"]
    assert elements[1].table == table


def test_a_caption_is_the_tables_text(tmp_path: Path) -> None:
    (table,) = read(tmp_path / "a.html", "<table><caption>Fees</caption><tr><th>A<th>B<tr><td>1<td>2</table>")
    assert table.text == "Fees"


def test_layout_tables_are_opened(tmp_path: Path) -> None:
    body = "<table><tr><td><h1>Shop</h1><table><tr><th>A<th>B<tr><td>1<td>2</table></td><td>Side</td></tr></table>"
    elements = read(tmp_path / "a.html", body)
    assert [(e.kind.value, e.text) for e in elements] == [("heading", "Shop"), ("table", ""), ("paragraph", "Side")]


@pytest.mark.parametrize(
    ("encoding", "declared"), [("gb18030", "gb2312"), ("gb18030", "utf-8"), ("big5", "big5"), ("utf-8", "gbk")]
)
def test_the_encoding_is_found_even_when_the_page_lies(tmp_path: Path, encoding: str, declared: str) -> None:
    text = "退货說明與服務條款，商品三十天內" if encoding == "big5" else "退货说明与服务条款，商品三十天内可退"
    text = text.replace("货", "貨") if encoding == "big5" else text
    page = f"<html><head><meta charset='{declared}'><title>条款</title></head><body><p>{text}</p></body></html>"
    (tmp_path / "a.html").write_bytes(page.replace("条", "條" if encoding == "big5" else "条").encode(encoding))
    document = parse(tmp_path / "a.html")
    assert [e.text for e in document.elements] == [text]
    assert document.title in ("条款", "條款")
