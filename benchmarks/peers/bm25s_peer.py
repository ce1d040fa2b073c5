"""bm25s over whole documents: its English stop words and Snowball stems as its README shows; Chinese cut by jieba."""

from __future__ import annotations

import re
from pathlib import Path

import bm25s
import jieba
import Stemmer

from benchmarks.peers import MOST, whole_text
from finetune.evaluate import DatasetDocument

_HAN = re.compile(r"[㐀-䶿一-鿿]")


class Bm25s:
    """One index of words; a set with Chinese documents is cut by jieba as a whole."""

    def __init__(self, documents: list[DatasetDocument], _folder: Path) -> None:
        self._ids = [d.doc_id for d in documents]
        texts = [whole_text(d) for d in documents]
        self._chinese = 2 * sum(bool(_HAN.search(text)) for text in texts) > len(texts)
        self._stemmer = Stemmer.Stemmer("english")
        self._retriever = bm25s.BM25()
        self._retriever.index(self._tokens(texts), show_progress=False)

    def find(self, question: str) -> list[tuple[str, float]]:
        """Document ids with BM25 scores, best first; documents without any word of the question are not found."""
        numbers, scores = self._retriever.retrieve(
            self._tokens([question]), k=min(MOST, len(self._ids)), show_progress=False
        )
        return [(self._ids[n], float(score)) for n, score in zip(numbers[0], scores[0], strict=True) if score > 0]

    def _tokens(self, texts: list[str]) -> list[list[str]]:
        if self._chinese:
            return [[word for word in jieba.lcut(text.lower()) if any(map(str.isalnum, word))] for text in texts]
        tokens: list[list[str]] = bm25s.tokenize(
            texts, stopwords="en", stemmer=self._stemmer, return_ids=False, show_progress=False
        )
        return tokens


build = Bm25s
