"""Which neighbours a passage is shown with, and which page a sentence of it is on."""

from __future__ import annotations

import pytest

from app.rag.fusion import Fused
from app.rag.widen import neighbours_of, widened
from ingest.index.base import Hit, chunk_id
from serving.passages import Part, Passage

TABLE = "| Model | Price |\n|---|---|\n| FD-{} | 429 |"


def hit(ordinal: int, text: str, *, path: tuple[str, ...] = ("Care",), tokens: int = 100, version: str = "v") -> Hit:
    payload = {"ordinal": ordinal, "text": text, "heading_path": list(path), "tokens": tokens, "version": version}
    return Hit(chunk_id(version, 1, ordinal), 0.0, {**payload, "generation": 1, "pages": [ordinal + 1]})


@pytest.mark.parametrize(
    ("own", "other", "added"),
    [
        (hit(1, "1. Open it.\n2. Rinse it."), hit(2, "3. Close it."), True),
        (hit(1, "3. Close it."), hit(0, "Clean it so:\n1. Open it.\n2. Rinse it."), True),
        (hit(1, "You need:"), hit(2, "- a cloth\n- water"), True),
        (hit(1, TABLE.format(1)), hit(2, TABLE.format(2)), True),
        (hit(1, "It is guaranteed for ten years if it is"), hit(2, "registered within a month."), True),
        (hit(1, "Yes.", tokens=3), hit(2, "It costs ten a day."), True),
        (hit(1, "Yes.", path=("Care", "Glass"), tokens=3), hit(0, "For all surfaces.", path=("Care",)), True),
        (hit(1, "It is clean."), hit(2, "Another thing is dry."), False),
        (hit(1, TABLE.format(1)), hit(2, "| Part | Size |\n|---|---|\n| seal | 4 |"), False),
        (hit(1, "1. Open it."), hit(2, "2. Close it.", path=("Repair",)), False),
        (hit(1, "1. Open it."), hit(2, "2. Close it.", version="w"), False),
        (hit(1, "1. Open it."), hit(2, "2. Close it.", tokens=600), False),
        (hit(1, "Yes.", path=("Care", "Glass"), tokens=3), hit(0, "It rusts.", path=("Care", "Steel")), False),
    ],
)
def test_a_neighbour_is_added_where_the_cut_shows(own: Hit, other: Hit, added: bool) -> None:
    asked = neighbours_of([Fused(own, 1.0, None, None)])
    if added:
        assert other.id in asked[own.id]
    expected = sorted([own, other] if added else [own], key=lambda each: each.payload["ordinal"])
    assert widened(own, [other]) == expected


def test_nothing_is_asked_for_where_no_cut_shows_or_the_neighbour_was_found() -> None:
    whole, item, following = hit(5, "It is clean."), hit(1, "1. Open it.", path=()), hit(2, "2. Close it.")
    assert neighbours_of([Fused(whole, 1.0, None, None)]) == {}
    found = [Fused(item, 1.0, None, None), Fused(following, 0.5, None, None)]
    assert following.id not in neighbours_of(found)[item.id]


def test_a_sentence_of_a_passage_with_neighbours_is_on_its_own_page() -> None:
    parts = (Part("Open the lid.", (3,)), Part("Rinse the filter.", (4, 5)))
    passage = Passage(1, "c", "d", "t", "v", "Open the lid.\n\nRinse the filter.", pages=(4, 5), parts=parts)
    assert passage.pages_of("Open the lid.") == (3,)
    assert passage.pages_of("Rinse the filter.") == (4, 5)
    assert Passage(1, "c", "d", "t", "v", "Open.", pages=(7,)).pages_of("Open.") == (7,)
