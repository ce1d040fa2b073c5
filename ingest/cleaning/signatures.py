"""MinHash signatures of passages, and the facts in which near-duplicates may differ. Pure functions.

Numbers, codes and negations are left out of the shingles: two passages that differ in one number are then the same
passage to MinHash, however short they are, and the facts say whether they repeat or contradict each other.
Broder, "On the resemblance and containment of documents" (1997); the signatures are datasketch's.
"""

from __future__ import annotations

import hashlib
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
# Words a shingle; of Chinese, characters.
_WORDS, _CHARACTERS = 3, 4
# Below so many shingles a passage is too short to be compared.
_LEAST_SHINGLES = 5
# A passage of which fewer than this are words is compared by its numbers too: a column of prices is no template.
_LEAST_WORDS = 0.6
_HASH_BITS = 12

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
    """What near-duplicates may differ in: a hash of the numbers, hashes of codes, a hash of what is negated.

    subjects: hashes of codes in title and headings; codes: of those in the text.
    """

    numbers: str
    negations: str
    subjects: frozenset[str]
    codes: frozenset[str]

    def same_subject(self, other: Facts) -> bool:
        """Whether no code tells the two apart: the sheets of two products, the entries of two errors are two subjects.

        One code in common is the same subject, and so is a passage that names none.
        """
        return not (_apart(self.subjects, other.subjects) or _apart(self.codes, other.codes))

    def contradict(self, other: Facts) -> bool:
        """Whether two passages that read alike say different things of one subject."""
        if not self.same_subject(other):
            return False
        different_codes = bool(self.codes and other.codes) and self.codes != other.codes
        return different_codes or (self.numbers, self.negations) != (other.numbers, other.negations)

    def encoded(self) -> str:
        """As at most 32 characters; the inverse is ``decoded``."""
        subjects, codes = ("".join(sorted(group)) for group in (self.subjects, self.codes))
        return f"f{self.negations}{self.numbers}{subjects}.{codes}"

    @staticmethod
    def decoded(text: str) -> Facts:
        """Facts as ``encoded`` wrote them."""
        subjects, _, codes = text[13:].partition(".")
        return Facts(text[5:13], text[1:5], _threes(subjects), _threes(codes))


def _threes(text: str) -> frozenset[str]:
    return frozenset(text[i : i + 3] for i in range(0, len(text), 3))


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

    def similarity(self, other: Signature) -> float:
        """Estimated Jaccard similarity of the two passages' shingles; its standard error at .85 is .04."""
        equal = sum(a == b for a, b in zip(self.values, other.values, strict=True))
        return equal / PERMUTATIONS

    @staticmethod
    def from_rows(rows: Sequence[str]) -> Signature | None:
        """A signature as ``bands`` and ``Facts.encoded`` wrote it, in any order; None when a part is missing."""
        facts = next((row for row in rows if row.startswith("f")), None)
        bands = sorted(row for row in rows if not row.startswith("f"))
        if facts is None or len(bands) != BANDS:
            return None
        values = tuple(int(row[i : i + 3], 16) for row in bands for i in range(1, len(row), 3))
        return Signature(values, Facts.decoded(facts))


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
    return Facts(_hashed(numbers, 4), _hashed(negations, 2), _names(subjects, 2), _names(codes, 4))


def _hashed(words: set[str], size: int) -> str:
    return hashlib.blake2s(" ".join(sorted(words)).encode(), digest_size=size).hexdigest()


def _names(codes: set[str], most: int) -> frozenset[str]:
    return frozenset(sorted(f"{zlib.crc32(code.encode()) & 0xFFF:03x}" for code in codes)[:most])


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
