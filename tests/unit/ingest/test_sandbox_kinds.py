"""Which libraries a file's name promises."""

from __future__ import annotations

import importlib.util

import pytest

from ingest.sandbox.child import _KINDS, KINDS, kind_of


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a/b.PDF", "pdf"),
        ("x.htm", "html"),
        ("mail.eml", "html"),
        ("old.doc", "docx"),
        ("t.csv", ""),
        ("none", ""),
        ("README.md", "html"),
    ],
)
def test_kind_of_a_name(name: str, kind: str) -> None:
    assert kind_of(name) == kind


def test_every_kind_names_libraries_that_are_there() -> None:
    # What cannot be imported would be left out without a word.
    assert set(KINDS) == set(_KINDS)
    for module in {library for libraries in _KINDS.values() for library in libraries if library.startswith("ingest.")}:
        assert importlib.util.find_spec(module) is not None, module
