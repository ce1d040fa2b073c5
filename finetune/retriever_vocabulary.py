"""Chinese characters for a WordPiece vocabulary that lacks them, so that an embedder reads Chinese at all.

A character that is not in the vocabulary becomes [UNK], and a Chinese passage a row of them: whatever is learnt then is how
many characters a passage has. English stays as it is read: the tokenizer takes each Chinese character for a word of its own
(BertNormalizer), so that a new entry changes no other text's tokens. Replacing the English entries instead would save rows and
lose what the model knows; words of several characters cannot be entries, because the characters are parted before they are
looked up.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from finetune.errors import TrainingError

# Characters and the punctuation of Chinese texts.
_CHINESE = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\u3000-\u303f\uff00-\uffef]")
# How often a character must occur for its vector to be learnt.
LEAST = 2


def missing_characters(texts: Iterable[str], vocabulary: Collection[str], least: int = LEAST) -> list[str]:
    """Chinese characters of the texts that a vocabulary lacks, the most frequent first.

    least: times that a character must occur.
    """
    counts = Counter(character for text in texts for character in _CHINESE.findall(text))
    # Full-width letters are in some vocabularies; those are looked up as they stand.
    found = [c for c, count in counts.items() if count >= least and not c.isspace() and c not in vocabulary]
    return sorted(found, key=lambda character: (-counts[character], character))


def extend(model: Any, characters: list[str], seed: int) -> int:
    """Put characters into a sentence-transformers model's vocabulary; the first of the new rows of its embedding matrix.

    Each new row is drawn from the normal distribution that has the old rows' mean and deviation, dimension by dimension: it is
    as long as a word's vector, and no two characters are alike before anything is learnt (Hewitt 2021 takes the mean alone,
    which makes all of them one).

    Raises:
        TrainingError: the model's vocabulary is none of WordPiece: it reads Chinese, or cannot be extended in this way.
    """
    import torch

    tokenizer, encoder = model.tokenizer, model.transformers_model
    backend = getattr(tokenizer, "backend_tokenizer", None)
    state = json.loads(backend.to_str()) if backend is not None else {}
    if encoder is None or state.get("model", {}).get("type") != "WordPiece":
        raise TrainingError(
            "vocabulary: chinese extends a WordPiece vocabulary, and this base has another one; leave the line out"
        )
    old = encoder.get_input_embeddings().weight.detach()
    first = int(old.shape[0])
    # The tokenizer of a text model is its processor; the property that names it cannot be set.
    model[0].processor = _tokenizer_with(tokenizer, characters, first)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn((len(characters), old.shape[1]), generator=generator).to(old)
    rows = old.mean(dim=0) + noise * old.std(dim=0)
    encoder.resize_token_embeddings(first + len(characters), mean_resizing=False)
    with torch.no_grad():
        encoder.get_input_embeddings().weight[first:] = rows
    return first


def vocabulary_of(model: Any) -> dict[str, int]:
    """Entries of a model's vocabulary."""
    found: dict[str, int] = model.tokenizer.get_vocab()
    return found


def _tokenizer_with(tokenizer: Any, characters: list[str], first: int) -> Any:
    """The same tokenizer with further entries; written and read, for the classes offer no other way into their vocabulary."""
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        path = Path(folder) / "tokenizer.json"
        state = json.loads(path.read_text(encoding="utf-8"))
        state["model"]["vocab"] |= {character: first + n for n, character in enumerate(characters)}
        path.write_text(json.dumps(state, ensure_ascii=False), encoding="utf-8")
        # The plain list of an older form would be read in its place.
        (Path(folder) / "vocab.txt").unlink(missing_ok=True)
        found = type(tokenizer).from_pretrained(folder)
    # What the model reads of a text is the tokenizer's to know, and is not always written.
    found.model_max_length = tokenizer.model_max_length
    return found
