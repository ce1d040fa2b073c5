"""The sparse leg: BM25 by qdrant-edge, for both engines, with numbers and codes kept.

Qdrant's multilingual tokenizer segments Chinese and stems English, but drops every token that holds a digit: "FD-200"
becomes "fd", "E04" survives only with a letter in front of the digits, "2019" vanishes (measured, docs/experiments.md).
In a shop's files the number is often the whole question. So each number or code is written once more in letters only,
which the tokenizer passes through.

It segments simplified Chinese into words, and traditional into characters: so traditional is written in simplified for it
(OpenCC, character by character), which also lets one script find the other.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from opencc import OpenCC

# Letters and digits joined by dash, dot, slash or nothing, with at least one digit: FD-200, E04, 3.5, 10:30, 2019/20.
_CODE = re.compile(r"(?<![A-Za-z0-9])(?=[A-Za-z0-9.,:/\-]*\d)[A-Za-z0-9]+(?:[-.,:/][A-Za-z0-9]+)*")
_PRODUCT = re.compile(r"(?=.*[a-z])(?=.*\d)")
_SEPARATORS = re.compile(r"[-.,:/]")
_DIGITS = str.maketrans("0123456789", "abcdefghij")
SPARSE_VERSION = "bm25-multilingual-codes-2"
_HAN = re.compile(r"[\u3400-\u9fff]")


@dataclass(frozen=True, slots=True)
class SparseVector:
    """Token hashes and their weights, in the same order."""

    indices: list[int]
    values: list[float]


def codes(text: str) -> Iterator[str]:
    """Numbers and codes of a text, lower case, separators removed: "FD-200" and "fd200" are both "fd200"."""
    for match in _CODE.finditer(unicodedata.normalize("NFKC", text)):
        yield _SEPARATORS.sub("", match.group()).lower()


def product_codes(text: str) -> set[str]:
    """Codes that name a product: letters and digits together."""
    return {code for code in codes(text) if _PRODUCT.match(code)}


def product_names(text: str) -> list[str]:
    """The same codes as they are written, in order."""
    found = (match.group() for match in _CODE.finditer(text))
    return [name for name in found if product_codes(name)]


def without_product_codes(text: str, instead: str = " ") -> str:
    """The text with the codes that name products taken out, or something else in their place."""

    def left(match: re.Match[str]) -> str:
        return instead if product_codes(match.group()) else match.group()

    return _CODE.sub(left, text)


@lru_cache(maxsize=1)
def _simplified() -> OpenCC:
    return OpenCC("t2s")


def one_script(text: str) -> str:
    """Traditional Chinese characters as simplified ones, everything else as it is."""
    return _simplified().convert(text) if _HAN.search(text) else text


def with_codes(text: str) -> str:
    """The text with each of its numbers and codes once more at the end, spelt in letters."""
    spelt = ["zq" + code.translate(_DIGITS) for code in codes(text)]
    return f"{text}\n{' '.join(spelt)}" if spelt else text


class SparseEncoder:
    """Texts to BM25 weights; stateless, about 10,000 chunks a second. IDF is applied by the index."""

    def __init__(self) -> None:
        from qdrant_edge import Bm25, Bm25Config, TokenizerType

        self._bm25 = Bm25(Bm25Config(tokenizer=TokenizerType.Multilingual))

    def encode_document(self, text: str) -> SparseVector:
        """Term-frequency weights (k1 = 1.2, b = 0.75) of a passage."""
        vector = self._bm25.embed_document(one_script(with_codes(text)))
        return SparseVector(list(vector.indices), list(vector.values))

    def encode_query(self, text: str) -> SparseVector:
        """Weight 1 for each distinct token of a question; empty when it holds stop words only."""
        vector = self._bm25.embed_query(one_script(with_codes(text)))
        return SparseVector(list(vector.indices), list(vector.values))
