"""Windows: the sentences and rows that evidence, quotes and checks are made of."""

from __future__ import annotations

import pytest

from serving.passages import Passage, Window, content_tokens, windows

TABLE = """Fees at a glance.

| Group | Unused | Used |
|---|---|---|
| Fridge-freezers | none | 15 % |
| Dishwashers | 5 % | 25 % |

- Parts are free.
- Labour costs £65."""


def passage(text: str, **fields: object) -> Passage:
    given: dict[str, object] = {"title": "Terms", "heading_path": (), **fields}
    return Passage(1, "c1", "terms.md", version="v1", text=text, **given)  # type: ignore[arg-type]


def read(text: str, **fields: object) -> list[Window]:
    return windows(passage(text, **fields))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", [], id="empty"),
        pytest.param("It runs. It stops.", [("It runs.", False), ("It stops.", False)], id="prose"),
        pytest.param("It costs 3.50 a day. Call us.", [("It costs 3.50 a day.", False), ("Call us.", False)], id="decimal"),
        pytest.param(
            "A cycle takes\ntwo hours. It stops.",
            [("A cycle takes two hours.", False), ("It stops.", False)],
            id="wrapped line",
        ),
        pytest.param("保修十年。上门费六十元！", [("保修十年。", False), ("上门费六十元！", False)], id="chinese"),
        pytest.param("* One.\n• Two.", [("One.", False), ("Two.", False)], id="bullets"),
        pytest.param(
            TABLE,
            [
                ("Fees at a glance.", False),
                ("Group: Fridge-freezers; Unused: none; Used: 15 %", True),
                ("Group: Dishwashers; Unused: 5 %; Used: 25 %", True),
                ("Parts are free.", False),
                ("Labour costs £65.", False),
            ],
            id="table between prose and list",
        ),
        pytest.param("| FD-200 | 429 |\n| FD-250 | 549 |", [("FD-200; 429", True), ("FD-250; 549", True)], id="no header"),
        pytest.param(
            "| A | B |\n|---|---|\n| 1 |  |\n| x\\|y | 2 |", [("A: 1", True), ("A: x|y; B: 2", True)], id="empty cell, bar"
        ),
        pytest.param(
            "| A | B |\n|---|---|\n| all | all |", [("A: all; B: all", True)], id="merged cell keeps each column's name"
        ),
    ],
)  # fmt: skip
def test_a_passage_is_read_in_units(text: str, expected: list[tuple[str, bool]]) -> None:
    assert [(w.text, w.is_row) for w in read(text)] == expected


def test_positions_count_from_zero() -> None:
    assert [w.position for w in read(TABLE)] == [0, 1, 2, 3, 4]


def test_a_sentence_is_read_with_its_neighbours_and_headings() -> None:
    found = read("One here. Two here. Three here. Four here.", heading_path=("Care", "Filter"))
    assert found[1].context.split("\n")[:2] == ["Terms", "Care"]
    assert all(part in found[1].context for part in ("Filter", "One here.", "Two here.", "Three here."))
    assert "Four here." not in found[1].context


def test_a_row_is_read_without_its_neighbours() -> None:
    row = read(TABLE)[1]
    assert row.context == "Terms\nGroup: Fridge-freezers; Unused: none; Used: 15 %"


def test_a_sentence_beside_a_table_does_not_lean_on_its_rows() -> None:
    assert "Dishwashers" not in read(TABLE)[3].context


def test_heading_is_one_line() -> None:
    assert passage("x", heading_path=("Care", "Filter")).heading == "Care > Filter"


@pytest.mark.parametrize(
    "text",
    [
        "what is it and how does that do",
        "Could you please tell me",
        "请问 这个 是 多少",
        "能不能 告诉 我 吗".replace("告诉", ""),
        "",
    ],
)
def test_question_words_carry_no_content(text: str) -> None:
    assert content_tokens(text) == frozenset()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("filters", "How do I clean the filter?", id="stem"),
        pytest.param("FD200", "the FD-200 please", id="code with its dash"),
        pytest.param("2026", "since 2026 only", id="year"),
        pytest.param("保修", "请问保修多久", id="chinese word"),
    ],
)
def test_content_is_found_again_in_another_form(one: str, other: str) -> None:
    assert content_tokens(one) & content_tokens(other)


@pytest.mark.parametrize(("one", "other"), [("FD-200", "FD-250"), ("10 years", "12 years"), ("motor", "door")])
def test_content_tells_apart(one: str, other: str) -> None:
    assert content_tokens(one) != content_tokens(other)
