"""Cells to tables."""

from __future__ import annotations

import pytest

from ingest.parse.tables import fill_spans, is_number, make_table, read_table, split_caption
from ingest.schema import Table


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([["A", "B"], ["1", "2"]], Table(("A", "B"), (("1", "2"),))),
        ([["A", "", "B"], ["", "", ""], ["1", "", "2"]], Table(("A", "B"), (("1", "2"),))),
        ([["A", "B"], ["a\nb", "2"]], Table(("A", "B"), (("a b", "2"),))),
        ([["A", "B"], ["1"]], Table(("A", "B"), (("1", ""),))),
        ([["1", "2"], ["3", "4"]], Table((), (("1", "2"), ("3", "4")))),
        ([["", "2022", "2023"], ["Sales", "5", "6"]], Table(("", "2022", "2023"), (("Sales", "5", "6"),))),
        (
            [["", "Price", "Price"], ["", "Month", "Year"], ["Pro", "5", "50"]],
            Table(("", "Price / Month", "Price / Year"), (("Pro", "5", "50"),)),
        ),
        (
            [["In millions", "", "2023 H1"], ["", "Sales", "Profit"], ["EU", "5", "1"]],
            Table(("In millions", "Sales", "2023 H1 / Profit"), (("EU", "5", "1"),)),
        ),
        ([["Name:", "Ada"], ["City:", "London"]], Table((), (("Name:", "Ada"), ("City:", "London")))),
        ([["", " "], [""]], None),
    ],
)
def test_make_table(rows: list[list[str]], expected: Table | None) -> None:
    assert make_table(rows) == expected


def test_a_row_merged_over_all_columns_is_the_caption() -> None:
    table, caption = read_table([["Fees", "Fees"], ["A", "B"], ["1", "2"]])
    assert (table, caption) == (Table(("A", "B"), (("1", "2"),)), "Fees")


def test_spans_fill_what_they_cover() -> None:
    cells = [[("a", 2, 1), ("b", 1, 2)], [("c", 1, 1), ("d", 1, 1)]]
    assert fill_spans(cells) == [["a", "a", "b"], ["c", "d", "b"]]
    assert fill_spans([[("a", 10**6, 10**6)]])[0][:2] == ["a", "a"]


def test_titles_and_notes_are_parted_from_the_cells() -> None:
    grid = [["Fees", ""], ["A", "B"], ["1", "2"], ["(a) without tax", ""]]
    assert split_caption(grid) == (["Fees"], [["A", "B"], ["1", "2"]], ["(a) without tax"])


@pytest.mark.parametrize("text", ["1", "-1,234.50", "(81)", "$5.00", "12.5%", "2024-03-05", "199元", "¥ 20", "10:30"])
def test_numbers(text: str) -> None:
    assert is_number(text)


@pytest.mark.parametrize("text", ["", "Price", "3.1 Segments", "价格", "—", "Q1 2024"])
def test_not_numbers(text: str) -> None:
    assert not is_number(text)
