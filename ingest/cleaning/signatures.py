"""MinHash signatures of passages, and the facts in which near-duplicates may differ. Pure functions.

Numbers, codes and negations are left out of the shingles: two passages that differ in one number are then the same
passage to MinHash, however short they are, and the facts say whether they repeat or contradict each other.
Broder, "On the resemblance and containment of documents" (1997); the signatures are datasketch's.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any

from ingest.cleaning.findings import wordset

BANDS, ROWS = 10, 8
PERMUTATIONS = BANDS * ROWS
# Rows a passage has in the database: its bands, and two of facts.
ROWS_STORED = BANDS + 2
# Words a shingle; of Chinese, characters.
_WORDS, _CHARACTERS = 3, 4
# Below so many shingles a passage is too short to be compared.
_LEAST_SHINGLES = 5
# A passage of which fewer than this are words is compared by its numbers too: a column of prices is no template.
_LEAST_WORDS = 0.6
_HASH_BITS = 12
_MOST_NUMBERS = 9
# From here on two passages are the same but for what is left out of their shingles.
_SAME_WORDS = 0.97

_TOKEN = re.compile(
    r"[㐀-鿿]"
    r"|(?:[A-Za-z]{1,8}[-_/]?)?\d+(?:[.,:/]\d+)*(?:[-_/]?[A-Za-z0-9]{1,12})*%?"
    r"|[^\W\d_㐀-鿿]+(?:['’][^\W\d_]+)?"
)
_CODE = re.compile(r"(?=.*[a-z])(?=.*\d)[a-z0-9]+(?:[-_/][a-z0-9]+)*$")
# "30d", "5kg", "24h" are numbers with a unit, not codes.
_QUANTITY = re.compile(r"(\d+(?:[.,]\d+)*)[-_]?([a-z]{1,4})$")
# The second edition of a text is no other subject: "returns-v2", "FY24", "Q1".
_EDITION = re.compile(r"(?:v|ver|version|rev|final|copy|draft|new|old|update|fy|q|h)[-_]?\d+(?:[._-]\d+)*$")
_SPELT = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_NUMBER_WORDS = {word: str(value) for value, word in enumerate(_SPELT)}
_HAN_NUMBERS = {"一": "1", "二": "2", "两": "2", "兩": "2", "三": "3", "四": "4", "五": "5", "六": "6", "七": "7",
                "八": "8", "九": "9", "十": "10", "半": "0.5"}  # fmt: skip
_HAN_UNITS = frozenset("年月天日周週小时時分钟鐘秒元次倍折台件个個")
_NEGATIONS = wordset("not no never none nor without cannot non nobody nothing neither isnt")
_SHORT_FORMS = (
    ("cannot", "can not"),
    ("can't", "can not"),
    ("won't", "will not"),
    ("shan't", "shall not"),
    ("n't", " not"),
)
_HAN_NEGATIONS = frozenset("不没沒未勿莫禁")
_LABELS = wordset("page fig figure table step section chapter note part appendix version")
_HAN_LABELS = frozenset("第图圖表")


@dataclass(frozen=True, slots=True)
class Facts:
    """What near-duplicates may differ in, as sets of hashes of 12 bits, the smallest ones of each.

    subjects: codes in title and headings; codes: those in the text; negated: what is negated.
    numbers:  the smallest nine; all_numbers: one hash of 16 bits of all of them.
    """

    subjects: frozenset[str]
    codes: frozenset[str]
    negated: frozenset[str]
    numbers: frozenset[str]
    all_numbers: str

    def same_subject(self, other: Facts) -> bool:
        """Whether no code tells the two apart: the sheets of two products, the entries of two errors are two subjects.

        One code in common is the same subject, and so is a passage that names none.
        """
        return not (_apart(self.subjects, other.subjects) or _apart(self.codes, other.codes))

    def contradict(self, other: Facts, similarity: float) -> bool:
        """Whether two passages that read alike say different things of one subject.

        Each has a number that the other has not; or the words are all the same, and one of the facts is not. A passage
        that only says a sentence more does not contradict.
        """
        if not self.same_subject(other):
            return False
        if _differ_both_ways(self.numbers, other.numbers):
            return True
        different_codes = bool(self.codes and other.codes) and self.codes != other.codes
        facts, others = (self.all_numbers, self.negated), (other.all_numbers, other.negated)
        return similarity >= _SAME_WORDS and (different_codes or facts != others)

    def rows(self) -> list[str]:
        """As two rows of at most 32 characters; ``from_rows`` reads them."""
        groups = (self.subjects, self.codes, self.negated, self.numbers)
        subjects, codes, negated, numbers = ("".join(sorted(group)) for group in groups)
        return [f"f{subjects}.{codes}.{negated}", f"g{self.all_numbers}{numbers}"]

    @staticmethod
    def from_rows(first: str, second: str) -> Facts:
        """Facts as ``rows`` wrote them."""
        subjects, codes, negated = map(_threes, first[1:].split("."))
        return Facts(subjects, codes, negated, _threes(second[5:]), second[1:5])


def _threes(text: str) -> frozenset[str]:
    return frozenset(text[i : i + 3] for i in range(0, len(text), 3))


def _differ_both_ways(some: frozenset[str], others: frozenset[str]) -> bool:
    # Only the smallest hashes are kept; beyond the last one that is, nothing is known.
    known = min((max(group) for group in (some, others) if len(group) == _MOST_NUMBERS), default="fff")
    return bool({n for n in some - others if n <= known}) and bool({n for n in others - some if n <= known})


def _apart(some: frozenset[str], others: frozenset[str]) -> bool:
    return bool(some and others) and not some & others


@dataclass(frozen=True, slots=True)
class Signature:
    """A passage for comparison: 80 values of 12 bits, and its facts."""

    values: tuple[int, ...]
    facts: Facts

    def bands(self) -> list[str]:
        """Each band as 25 characters: its place, then its values; two passages that share one are candidates."""
        return [
            f"{band:x}" + "".join(f"{value:03x}" for value in self.values[band * ROWS : (band + 1) * ROWS])
            for band in range(BANDS)
        ]

    def rows(self) -> list[str]:
        """All that is stored of it: its bands and its facts."""
        return [*self.bands(), *self.facts.rows()]

    def similarity(self, other: Signature) -> float:
        """Estimated Jaccard similarity of the two passages' shingles; its standard error at .85 is .04."""
        equal = sum(a == b for a, b in zip(self.values, other.values, strict=True))
        return equal / PERMUTATIONS

    @staticmethod
    def from_rows(rows: Sequence[str]) -> Signature | None:
        """A signature as ``rows`` wrote it, in any order; None when a part is missing."""
        *bands, first, second = sorted(rows) if len(rows) == ROWS_STORED else ["", ""]
        if not (first.startswith("f") and second.startswith("g")):
            return None
        values = tuple(int(row[i : i + 3], 16) for row in bands for i in range(1, len(row), 3))
        return Signature(values, Facts.from_rows(first, second))


def signature(text: str, subject: str = "") -> Signature | None:
    """The signature of a passage; None when it is too short to be compared.

    subject: title and headings; their codes belong to the facts, their words are not compared.
    """
    tokens = _tokens(text)
    shingles = _shingles(tokens)
    if len(shingles) < _LEAST_SHINGLES:
        return None
    sketch = _empty().copy()
    sketch.update_batch([shingle.encode() for shingle in shingles])
    mask = (1 << _HASH_BITS) - 1
    values = tuple(int(value) & mask for value in sketch.hashvalues)
    return Signature(values, _facts(tokens, _tokens(subject)))


def _tokens(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKC", text).lower().replace("’", "'")
    if "n't" in plain or "cannot" in plain:
        # The word stays for the shingles, its negation for the facts.
        for short, long in _SHORT_FORMS:
            plain = plain.replace(short, long)
    return _TOKEN.findall(plain)


def _shingles(tokens: Sequence[str]) -> set[str]:
    plain = [token for token in tokens if _role(token) is _Role.WORD]
    if len(plain) < _LEAST_WORDS * len(tokens):
        plain = list(tokens)
    han = sum(len(token) == 1 and "㐀" <= token <= "鿿" for token in plain)
    size = _CHARACTERS if han * 2 >= len(plain) else _WORDS
    return {" ".join(plain[i : i + size]) for i in range(len(plain) - size + 1)}


class _Role(Enum):
    """What a token is to a comparison."""

    WORD = "word"
    NUMBER = "number"
    HAN_NUMBER = "number in a Chinese character"
    CODE = "code"
    NEGATION = "negation"


@lru_cache(maxsize=1 << 16)
def _role(token: str) -> _Role:
    if token in _HAN_NEGATIONS or token in _NEGATIONS:
        return _Role.NEGATION
    if token in _HAN_NUMBERS:
        return _Role.HAN_NUMBER
    if token in _NUMBER_WORDS:
        return _Role.NUMBER
    if not any(char.isdigit() for char in token):
        return _Role.WORD
    return _Role.CODE if _is_code(token) else _Role.NUMBER


def _facts(tokens: Sequence[str], subject: Sequence[str]) -> Facts:
    numbers: set[str] = set()
    codes: set[str] = set()
    negations: set[str] = set()
    for position, token in enumerate(tokens):
        role = _role(token)
        if role is _Role.WORD:
            continue
        before = tokens[position - 1] if position else ""
        after = tokens[position + 1] if position + 1 < len(tokens) else ""
        if role is _Role.NEGATION:
            # What is negated, each once: a sentence that is said twice is no difference.
            negations.add(after)
        elif before in _LABELS or before in _HAN_LABELS:
            # Where something stands is nothing that is said of it.
            continue
        elif role is _Role.CODE:
            codes.add(token)
        elif role is _Role.NUMBER:
            numbers.add(_NUMBER_WORDS.get(token) or _plain_number(token))
        elif after in _HAN_UNITS:
            numbers.add(_HAN_NUMBERS[token])
    subjects = {token for token in subject if _role(token) is _Role.CODE}
    every = f"{zlib.crc32(' '.join(sorted(numbers)).encode()) & 0xFFFF:04x}"
    few = _hashed(numbers, _MOST_NUMBERS)
    return Facts(_hashed(subjects, 2), _hashed(codes, 4), _hashed(negations, 3), few, every)


def _hashed(words: set[str], most: int) -> frozenset[str]:
    return frozenset(sorted({f"{zlib.crc32(word.encode()) & 0xFFF:03x}" for word in words})[:most])


def _is_code(token: str) -> bool:
    return bool(_CODE.match(token)) and not _QUANTITY.match(token) and not _EDITION.match(token)


def _plain_number(token: str) -> str:
    quantity = _QUANTITY.match(token)
    digits = quantity[1] if quantity else token
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", digits):
        digits = digits.replace(",", "")
    try:
        return f"{float(digits.rstrip('%')):g}"
    except ValueError:
        return digits


@lru_cache(maxsize=1)
def _empty() -> Any:
    from datasketch import MinHash

    # The seed is part of what is stored: another one would match nothing that was written before.
    return MinHash(num_perm=PERMUTATIONS, seed=1, scheme="affine32", hashfunc=_hash)


def _hash(shingle: bytes) -> int:
    # Faster than the library's SHA-1, and as good for this; the library mixes it once more.
    return zlib.crc32(shingle)
