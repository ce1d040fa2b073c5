"""What a text denies: the words under a "not", in English and Chinese. Pure: no I/O.

A sentence and its source may hold the same words and a "not" each, and still say different things: "The FD-200 is not
affected" out of "If we cannot offer an appointment, we take the affected dishwasher back". What counts is the word that
the "not" stands before.
"""

from __future__ import annotations

import re

from serving.passages import content_tokens

_ENGLISH = re.compile(
    r"\b(?:not|no|never|none|cannot|without|neither|nor|unable|excluded?|excludes|excluding|except|unless|\w+-free)\b|n't\b|n’t\b",
    re.IGNORECASE,
)
_CHINESE = re.compile(r"不(?!同|仅|但|少于|超过|锈)|没有|未|无(?!线|论)|非|除外|禁止|谢绝|勿")
_CLAUSE = re.compile(r"[,;:.!?，；：。！？、\n]+(?:\s|$)|[，；：。！？]|\bbut\b|\bif\b|但|如果", re.IGNORECASE)
# Spaces part English words; of Chinese a few characters, which hold the nearest word wherever its borders are.
_WORD = re.compile(r"[^\s\u4e00-\u9fff]+|[\u4e00-\u9fff]{1,6}")


def denies(text: str) -> bool:
    """Whether anything in the text is denied."""
    return bool(_ENGLISH.search(text) or _CHINESE.search(text))


def denied_words(text: str) -> frozenset[int]:
    """Content tokens in the reach of a negation: what follows it in its clause, or what precedes it if nothing does."""
    return frozenset(token for reach in _reaches(text) for token in content_tokens(reach))


def same_denial(text: str, source: str) -> bool:
    """Whether each thing that the text denies first is denied by the source as well.

    A denial whose words mean nothing by themselves ("it does not") leaves the whole clause to compare.
    """
    known = denied_words(source)
    return all(not (first := _first_tokens(reach)) or first & known for reach in _reaches(text))


def _reaches(text: str) -> list[str]:
    """For each negation the words that it governs."""
    reaches = []
    for clause in _CLAUSE.split(text):
        for cue in (*_ENGLISH.finditer(clause), *_CHINESE.finditer(clause)):
            after, before = clause[cue.end() :], clause[: cue.start()]
            reaches.append(after if content_tokens(after) else before)
    return reaches


def _first_tokens(reach: str) -> frozenset[int]:
    """Tokens of the nearest word that carries meaning."""
    for word in _WORD.findall(reach):
        if tokens := content_tokens(word):
            return tokens
    return frozenset()
