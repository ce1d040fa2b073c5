"""Chunks follow the document's structure, keep to the budget, and lose nothing."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

import pytest

from ingest.chunk import chunk_document, split_sentences
from ingest.schema import Chunk, Element, ElementKind, ParsedDocument, Table
from tests.fakes import HashEmbedder

count_tokens = HashEmbedder().count_tokens
WORD = re.compile(r"[^\W_]+")


def heading(text: str, level: int = 1, page: int | None = None) -> Element:
    return Element(ElementKind.HEADING, text, level=level, page=page)


def paragraph(text: str, page: int | None = None) -> Element:
    return Element(ElementKind.PARAGRAPH, text, page=page)


def words(stem: str, count: int) -> str:
    return " ".join(f"{stem}{i}" for i in range(count))


def chunks_of(*elements: Element, budget: int = 200, title: str = "Guide") -> list[Chunk]:
    return chunk_document(ParsedDocument("md", tuple(elements)), title, budget, count_tokens)


def passages(chunks: Sequence[Chunk]) -> list[tuple[tuple[str, ...], str]]:
    return [(chunk.heading_path, chunk.text) for chunk in chunks]


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([paragraph("alpha"), paragraph("beta")], [((), "alpha\n\nbeta")], id="no headings"),
        pytest.param(
            [heading("A"), paragraph("one"), heading("B"), paragraph("two")],
            [(("A",), "one"), (("B",), "two")],
            id="siblings stay apart",
        ),
        pytest.param(
            [heading("A"), heading("A1", 2), paragraph("one"), heading("B"), paragraph("two")],
            [(("A", "A1"), "one"), (("B",), "two")],
            id="a higher heading ends the path",
        ),
        pytest.param(
            [heading("A"), heading("Deep", 3), paragraph("one"), heading("A2", 2), paragraph("two")],
            [(("A", "Deep"), "one"), (("A", "A2"), "two")],
            id="a skipped level does not stay in the path",
        ),
        pytest.param(
            [heading("A"), paragraph("intro"), heading("A1", 2), paragraph("one")],
            [(("A",), "intro\n\nA1\n\none")],
            id="an introduction moves in with its first subsection",
        ),
        pytest.param(
            [heading("A"), paragraph("intro"), heading("A1", 2), heading("Deep", 3), paragraph("one")],
            [(("A",), "intro\n\nA1 > Deep\n\none")],
            id="the subsection's whole path becomes a line",
        ),
        pytest.param(
            [heading("A"), paragraph(words("i", 60)), heading("A1", 2), paragraph(words("s", 60))],
            [(("A",), words("i", 60)), (("A", "A1"), words("s", 60))],
            id="a long introduction stays by itself",
        ),
        pytest.param(
            [paragraph("preface"), heading("A"), paragraph("one")],
            [((), "preface"), (("A",), "one")],
            id="text before the first heading is no introduction of it",
        ),
        pytest.param(
            [heading("A"), paragraph("one"), heading("Closed on Sundays")],
            [(("A",), "one"), ((), "Closed on Sundays")],
            id="a last heading without body",
        ),
        pytest.param(
            [heading("Open daily"), heading("Closed on Sundays"), heading("A"), paragraph("one")],
            [((), "Open daily\n\nClosed on Sundays"), (("A",), "one")],
            id="headings in a row are lines of one passage",
        ),
        pytest.param(
            [heading("A  wrapped\nheading"), paragraph("one")],
            [(("A wrapped heading",), "one")],
            id="a heading is one line",
        ),
        pytest.param([paragraph("  \n "), paragraph("one")], [((), "one")], id="blank elements make no passages"),
    ],
)
def test_structure(elements: list[Element], expected: list[tuple[tuple[str, ...], str]]) -> None:
    assert passages(chunks_of(*elements)) == expected


def test_only_the_first_subsection_takes_the_introduction_in() -> None:
    chunks = chunks_of(
        heading("A"), paragraph("intro"), heading("A1", 2), paragraph("one"), heading("A2", 2), paragraph("two")
    )
    assert passages(chunks) == [(("A",), "intro\n\nA1\n\none"), (("A", "A2"), "two")]


def test_ordinals_kinds_and_tokens() -> None:
    code = Element(ElementKind.CODE, "\nrun  --now\n")
    chunks = chunks_of(heading("A"), paragraph("one two"), heading("B"), code, heading("C"), paragraph("x"), code)
    assert [(c.ordinal, c.kind, c.tokens, c.text) for c in chunks] == [
        (0, "paragraph", 2, "one two"),
        (1, "code", 2, "run  --now"),
        (2, "mixed", 3, "x\n\nrun  --now"),
    ]


def test_pages_and_sheet_are_collected_from_all_elements_of_a_chunk() -> None:
    sheet = Element(ElementKind.PARAGRAPH, "cells", sheet="Prices")
    chunks = chunks_of(paragraph("b", page=3), paragraph("a", page=2), paragraph("c", page=3), sheet)
    assert [(c.pages, c.sheet) for c in chunks] == [((2, 3), "Prices")]


def test_each_chunk_has_its_own_language() -> None:
    chunks = chunks_of(
        heading("Warranty"), paragraph("It lasts two years."), heading("保修"), paragraph("保修期为两年。")
    )
    assert [c.language for c in chunks] == ["en", "zh"]


def test_paragraphs_are_cut_between_sentences() -> None:
    sentences = [f"Sentence number {i} has some seven words." for i in range(40)]
    chunks = chunks_of(paragraph(" ".join(sentences)), budget=64)
    assert len(chunks) > 3
    for chunk in chunks:
        assert chunk.text.startswith("Sentence number")
        assert chunk.text.endswith("words.")
    assert " ".join(c.text for c in chunks) == " ".join(sentences)


def test_chinese_is_cut_between_sentences() -> None:
    sentences = [f"这是第{'一二三四五六七八九十'[i % 10]}句关于保修的话。" for i in range(30)]
    chunks = chunks_of(paragraph("".join(sentences)), budget=64)
    assert len(chunks) > 3
    assert all(chunk.text.endswith("。") for chunk in chunks)
    assert "".join(c.text for c in chunks).replace(" ", "") == "".join(sentences)


@pytest.mark.parametrize("kind", [ElementKind.LIST, ElementKind.CODE])
def test_lists_and_code_stay_whole_while_they_fit(kind: ElementKind) -> None:
    lines = "\n".join(f"- item {i} is here" for i in range(8))
    before = paragraph(words("w", 40))
    texts = [c.text for c in chunks_of(before, Element(kind, lines), budget=64)]
    assert texts == [before.text, lines]


@pytest.mark.parametrize("kind", [ElementKind.LIST, ElementKind.CODE])
def test_lists_and_code_that_do_not_fit_are_cut_between_lines(kind: ElementKind) -> None:
    lines = [f"  - item {i} is  here" for i in range(60)]
    chunks = chunks_of(Element(kind, "\n".join(lines)), budget=64)
    assert len(chunks) > 2
    assert "\n".join(c.text for c in chunks).splitlines() == [
        lines[0].strip() if kind is ElementKind.LIST else lines[0],
        *lines[1:],
    ]


def table(rows: int, header: tuple[str, ...] = ("Model", "Price"), caption: str = "") -> Element:
    cells = tuple((f"FD-{i}", f"{i} EUR") for i in range(rows))
    return Element(ElementKind.TABLE, caption, table=Table(header, cells))


def test_a_table_that_fits_stays_whole_with_its_caption() -> None:
    assert [c.text for c in chunks_of(table(2, caption="Prices 2026"))] == [
        "Prices 2026\n| Model | Price |\n|---|---|\n| FD-0 | 0 EUR |\n| FD-1 | 1 EUR |"
    ]


@pytest.mark.parametrize(
    ("header", "caption", "head"),
    [
        (("Model", "Price"), "", ["| Model | Price |", "|---|---|"]),
        (("Model", "Price"), "Prices 2026", ["Prices 2026", "| Model | Price |", "|---|---|"]),
        ((), "Prices 2026", ["Prices 2026"]),
        ((), "", []),
        # A header that would fill the room is not repeated.
        ((words("very", 40), "Price"), "", None),
    ],
    ids=["header", "caption and header", "caption", "neither", "header too long"],
)
def test_a_large_table_is_split_between_rows_and_its_header_repeated(
    header: tuple[str, ...], caption: str, head: list[str] | None
) -> None:
    chunks = chunks_of(table(60, header, caption), budget=64)
    assert len(chunks) > 3
    rows: list[str] = []
    for chunk in chunks:
        lines = chunk.text.splitlines()
        if head is not None:
            assert lines[: len(head)] == head
            lines = lines[len(head) :]
        rows += [line for line in lines if line.startswith("| FD-")]
    assert rows == [f"| FD-{i} | {i} EUR |" for i in range(60)]


def test_a_pipe_in_a_cell_does_not_make_a_new_cell() -> None:
    element = Element(ElementKind.TABLE, "", table=Table((), (("a|b", "c\nd"),)))
    assert chunks_of(element)[0].text == "| a\\|b | c d |"


def test_a_sentence_longer_than_the_budget_is_cut_at_its_commas_and_spaces() -> None:
    text = ", ".join(words(f"part{i}x", 20) for i in range(20))
    chunks = chunks_of(paragraph(text), budget=64)
    assert " ".join(c.text for c in chunks).split() == text.split()
    assert max(c.tokens for c in chunks) <= 64


def test_text_without_any_space_is_cut_between_characters() -> None:
    text = "保" * 500
    chunks = chunks_of(paragraph(text), budget=64)
    assert "".join(c.text for c in chunks) == text
    assert max(c.tokens for c in chunks) <= 64


def test_latin_words_in_a_long_chinese_sentence_stay_apart() -> None:
    text = "，".join(["请先在手机上打开 Home Assistant 应用并连接 Google Nest 设备"] * 6)
    assert "Home Assistant" in chunks_of(paragraph(text), budget=64)[0].text


def test_a_path_that_eats_the_budget_leaves_room_for_the_passage() -> None:
    chunks = chunks_of(heading(words("h", 200)), paragraph(words("w", 90)), budget=64)
    assert [len(c.text.split()) for c in chunks] == [48, 42]


@pytest.mark.parametrize("seed", range(25))
def test_whatever_comes_no_word_is_lost_and_the_budget_is_kept(seed: int) -> None:
    rng = random.Random(seed)
    budget = rng.choice([64, 100, 250])
    elements = _random_elements(rng)
    chunks = chunks_of(*elements, budget=budget)

    shown = iter(WORD.findall("\n".join("\n".join((*c.heading_path, c.text)) for c in chunks)))
    said = [word for element in elements for word in _said(element)]
    missing = [word for word in said if word not in shown]  # "in" moves the iterator on: order counts
    assert missing == []
    for chunk in chunks:
        path = " > ".join(("Guide", *chunk.heading_path))
        assert chunk.tokens <= max(budget - count_tokens([path])[0] - 2, 48)
        assert count_tokens([chunk.text])[0] <= chunk.tokens
    assert [c.ordinal for c in chunks] == list(range(len(chunks)))


def _random_elements(rng: random.Random) -> list[Element]:
    """Every word is used once, so that order and loss can be seen."""
    serial = iter(range(10**6))

    def some(least: int, most: int) -> str:
        return " ".join(
            f"w{next(serial)}" + rng.choice(["", "", "", ",", ". Then"]) for _ in range(rng.randint(least, most))
        )

    elements = []
    for _ in range(rng.randint(1, 40)):
        kind = rng.choice(list(ElementKind))
        match kind:
            case ElementKind.HEADING:
                elements.append(heading(some(1, 4), rng.randint(1, 4)))
            case ElementKind.TABLE:
                columns = rng.randint(1, 3)
                grid = [tuple(some(1, 3) for _ in range(columns)) for _ in range(rng.randint(1, 25))]
                elements.append(Element(kind, some(0, 3), table=Table(grid[0], tuple(grid[1:]))))
            case ElementKind.LIST | ElementKind.CODE:
                elements.append(Element(kind, "\n".join(f"- {some(1, 12)}" for _ in range(rng.randint(1, 20)))))
            case _:
                elements.append(paragraph(some(1, 300)))
    return elements


def _said(element: Element) -> list[str]:
    cells = [*element.table.header, *(cell for row in element.table.rows for cell in row)] if element.table else []
    return [word for word in WORD.findall(" ".join([element.text, *cells])) if word.startswith("w")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("  \n ", []),
        ("No end here", ["No end here"]),
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("Done?! Yes.", ["Done?!", "Yes."]),
        # Not an end.
        ("It costs 3.5 EUR. Fine.", ["It costs 3.5 EUR.", "Fine."]),
        ("See FD-200.pdf for more. Then go.", ["See FD-200.pdf for more.", "Then go."]),
        ("See e.g. Section 2. Then go.", ["See e.g. Section 2.", "Then go."]),
        ("Call no. 5 now. Thanks.", ["Call no. 5 now.", "Thanks."]),
        ("Ask Mr. Smith or Dr. Who. Thanks.", ["Ask Mr. Smith or Dr. Who.", "Thanks."]),
        ("J. Smith said so. Right.", ["J. Smith said so.", "Right."]),
        ("It takes approx. 5 days. OK", ["It takes approx. 5 days.", "OK"]),
        ("Wait... then go. Now.", ["Wait... then go.", "Now."]),
        ("1. Open the door. 2. Close it.", ["1. Open the door.", "2. Close it."]),
        # Quotes and brackets stay with their sentence.
        ('He said "Stop." Then he left.', ['He said "Stop."', "Then he left."]),
        ("(See below.) Next.", ["(See below.)", "Next."]),
        # Chinese.
        ("退货需要七天。请保留发票！好吗？", ["退货需要七天。", "请保留发票！", "好吗？"]),
        ("他说“好。”然后走了。", ["他说“好。”", "然后走了。"]),
        ("价格是3.5元；请付款。", ["价格是3.5元；", "请付款。"]),
        ("保修两年。See the card. 谢谢", ["保修两年。", "See the card.", "谢谢"]),
        # A line break is an end unless the sentence goes on.
        ("The machine is\nvery loud. It\nstops.", ["The machine is very loud.", "It stops."]),
        ("First line\nSecond line", ["First line", "Second line"]),
        ("保修\n两年", ["保修", "两年"]),
    ],
)  # fmt: skip
def test_sentences(text: str, expected: list[str]) -> None:
    assert split_sentences(text) == expected
