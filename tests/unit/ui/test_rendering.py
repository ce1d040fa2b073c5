"""Texts of strangers as markdown that does nothing but show them."""

from __future__ import annotations

import re

import pytest
from markdown_it import MarkdownIt

from ui.rendering import answer_markdown, escaped, html_text, joined, passage_markdown, place, shown_answer, source_name
from ui.texts import translator
from ui.wire import Citation

HOSTILE = [
    "<script>alert(1)</script>",
    "![x](http://evil.example/x.png)",
    "[click](javascript:alert(1))",
    "https://evil.example/login",
    "**bold** _it_ `code` ~~no~~",
    "# not a heading",
    "| a | b |",
    ":red[warning] :material/bolt: $x^2$",
    "&lt;b&gt; &amp;",
    "- [ ] task",
]


def shown(markdown: str) -> str:
    """What a CommonMark reader makes of it."""
    return MarkdownIt("commonmark", {"linkify": False}).enable("table").render(markdown)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("render", [escaped, answer_markdown, passage_markdown])
def test_nothing_of_a_stranger_becomes_markup(text: str, render: object) -> None:
    assert callable(render)
    html = shown(render(text))
    for tag in ("<script", "<img", "<a ", "<strong", "<em", "<code", "<h1", "<table", "<del"):
        assert tag not in html, html


@pytest.mark.parametrize(
    "text",
    ["https://evil.example/a", "www.evil.example", "ada@evil.example", ":material/home:", "x >= 3 <- y ~= z -> w --"],
)
def test_what_streamlit_would_transform_is_broken_up_without_being_changed(text: str) -> None:
    """Streamlit undoes backslashes before it makes links, icons and signs; tests/browser looks at the page itself."""
    made = escaped(text)
    assert ":color[" in made
    assert re.sub(r":color\[(.+?)\]", r"\1", made).replace("\\", "") == text


def test_marks_become_badges() -> None:
    assert answer_markdown("Ten years [1].") == "Ten years:small[:primary-badge[1]]."
    assert answer_markdown("保修 12 年 [1]。") == "保修 12 年:small[:primary-badge[1]]。"


def test_a_table_of_our_parser_is_a_table_whatever_its_cells_say() -> None:
    html = shown(passage_markdown("Prices\n| Model | Note |\n|---|---|\n| FD-200 | <b>x</b> \\| y |\nEnd"))
    assert html.count("<td>") == 2
    assert "<b>" not in html
    assert "| y" in html


@pytest.mark.parametrize("render", [escaped, answer_markdown, passage_markdown])
def test_indented_lines_are_no_code(render: object) -> None:
    """In a block of code the backslashes would be seen."""
    assert callable(render)
    html = shown(render("Note:\n\n    see a-b (c)\n\n\td-e\n\n        - f-g"))
    assert "<pre>" not in html
    assert "\\" not in html
    assert "see a-b (c)" in html


def test_a_list_within_a_list() -> None:
    assert shown(passage_markdown("- one\n    - two")).count("<ul>") == 2


def test_lists_stay_lists() -> None:
    html = shown(passage_markdown("Steps:\n\n- one\n- two\n\n1. first\n2) second"))
    assert (html.count("<ul>"), html.count("<li>")) == (1, 4)


@pytest.mark.parametrize(
    ("sentences", "text"),
    [(["One.", "Two."], "One. Two."), (["一。", "二。"], "一。二。"), ([], ""), (["One."], "One.")],
)
def test_sentences_are_joined(sentences: list[str], text: str) -> None:
    assert joined(sentences) == text


@pytest.mark.parametrize(
    ("page", "sheet", "heading", "language", "said"),
    [
        (3, None, "Fees", "en", "page 3 · Fees"),
        (3, None, "费用", "zh", "第 3 页 · 费用"),
        (None, "Prices", "Prices", "en", "sheet Prices"),
        (None, None, "", "en", ""),
    ],
)
def test_places(page: int | None, sheet: str | None, heading: str, language: str, said: str) -> None:
    citation = Citation(1, "a", "A", "v", page, sheet, heading, "text")
    assert place(citation, translator(language)) == said


def test_text_in_our_html() -> None:
    assert html_text("<a href='x'>&\"") == "&lt;a href=&#x27;x&#x27;&gt;&amp;&quot;"


def test_what_staff_wrote_is_markdown_and_what_others_wrote_is_not() -> None:
    text = "Call **0800** [1][2]."
    assert shown_answer(text, "curated") == "Call **0800** :small[:primary-badge[1]] :small[:primary-badge[2]]."
    assert "\\*\\*0800" in shown_answer(text, "packaged")
    assert shown_answer(text, None) == answer_markdown(text)


@pytest.mark.parametrize(
    ("document", "name"),
    [
        ("curated/5f0c", "How do I reach you?"),
        ("en/terms.pdf", "terms.pdf"),
        ("https://x.example/a/", "https://x.example/a/"),
    ],
)
def test_what_a_source_is_called(document: str, name: str) -> None:
    assert source_name(Citation(1, document, "How do I reach you?", "v", None, None, "", "")) == name
