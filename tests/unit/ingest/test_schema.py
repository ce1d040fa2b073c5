"""The words that every layer shares."""

from __future__ import annotations

import unicodedata

import pytest

from ingest.schema import Chunk, Principal, text_hash


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("two years", "two  years\n", True),
        ("\tKühlschrank", unicodedata.normalize("NFD", "Kühlschrank"), True),
        ("two years", "Two years", False),
        ("two years", "two year", False),
        ("保修 两年", "保修两年", False),
    ],
)
def test_text_hash(one: str, other: str, same: bool) -> None:
    assert (text_hash(one) == text_hash(other)) == same
    assert len(text_hash(one)) == 32


def test_a_chunks_hash_follows_what_it_says_and_not_its_place() -> None:
    chunk = Chunk(0, "two years", heading_path=("Warranty",))
    assert chunk.text_hash == Chunk(7, "two  years", heading_path=("Warranty",), pages=(3,)).text_hash
    assert chunk.text_hash != Chunk(0, "two years", heading_path=("Returns",)).text_hash


@pytest.mark.parametrize(
    ("title", "path", "expected"),
    [
        ("", (), "text"),
        ("Manual", (), "Manual\ntext"),
        ("Manual", ("Care", "Filter"), "Manual > Care > Filter\ntext"),
        ("Manual", ("Manual", "Filter"), "Manual > Filter\ntext"),
        ("", ("Care",), "Care\ntext"),
    ],
)
def test_indexed_text(title: str, path: tuple[str, ...], expected: str) -> None:
    assert Chunk(0, "text", heading_path=path).indexed_text(title) == expected


def test_everybody_is_public() -> None:
    assert Principal().groups == {"public"}
