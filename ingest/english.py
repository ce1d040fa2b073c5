"""Whether a word is English at all: the word list of `unstructured`, which reads our files anyway.

427,000 words with their inflections, and some that few people know: it is asked whether a word may be a slip, and a rare word
that is taken for one would cost more than a slip that is not.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files


def is_english(word: str) -> bool:
    """Whether a word in ASCII letters is in the list; half a millisecond."""
    return f"\n{word.lower()}\n".encode() in _words()


@lru_cache(maxsize=1)
def _words() -> bytes:
    """The list, a word a line: as text it takes 4 MB, as a set of strings 40."""
    return b"\n" + (files("unstructured.nlp") / "english-words.txt").read_bytes().replace(b"\r", b"") + b"\n"
