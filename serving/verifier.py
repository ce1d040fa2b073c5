"""The verifier: does this sentence answer this question? A small cross-encoder on ONNX Runtime, without torch.

It is trained by `python -m finetune.verifier` and kept as a folder of three files. Where the folder is not there, verdicts are
made from retrieval alone.
"""

from __future__ import annotations

import json
import logging
import math
import os
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from serving.passages import Window

log = logging.getLogger(__name__)
# The one that comes with frontdesk; what it was trained on stands in its README.
PACKAGED = Path(__file__).parent / "weights" / "verifier"
MODEL, TOKENIZER, ABOUT = "model-int8.onnx", "tokenizer.json", "about.json"
# Characters of a question that the verifier reads: a longer one would leave no room for the sentence.
QUESTION_REACH = 240
# More than two add little on sentences, and take the cores from whoever answers.
_MOST_THREADS = 2


class PairScorer(Protocol):
    """What says how well texts answer a question: the verifier, or any cross-encoder."""

    name: str

    def score(self, question: str, texts: Sequence[str]) -> list[float]:
        """How well each text answers, 0 to 1; blocking."""
        ...


class Verifier(PairScorer, Protocol):
    """A pair scorer whose scores are calibrated together with the evidence."""

    def knows(self, language: str) -> bool:
        """Whether its scores mean anything in a language."""
        ...

    @property
    def calibration(self) -> Calibration:
        """What its scores are worth beside the evidence."""
        ...


@dataclass(frozen=True, slots=True)
class Calibration:
    """Probability that a question can be answered: the logistic function of a weighted sum.

    evidence: weight of the evidence's score, 0 to 1.
    nearest:  weight of the best passage's cosine.
    verifier: weight of the verifier's score, as log-odds.
    answer_from: probability from which is answered, where nothing was fitted for the knowledge base.
    """

    bias: float
    evidence: float
    nearest: float
    verifier: float
    answer_from: float

    def probability(self, evidence: float, nearest: float, verified: float = 0.5) -> float:
        """Calibrated probability, 0 to 1."""
        odds = self.bias + self.evidence * evidence + self.nearest * nearest + self.verifier * logit(verified)
        return 1 / (1 + math.exp(-max(min(odds, 50.0), -50.0)))


@dataclass(frozen=True, slots=True)
class About:
    """What stands beside the model.

    languages: that it was trained on.
    """

    name: str
    max_tokens: int
    languages: tuple[str, ...]
    calibration: Calibration

    def write(self, folder: Path) -> None:
        """Put it beside the model."""
        (folder / ABOUT).write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> About:
        """What stands there.

        Raises:
            OSError, ValueError, TypeError, KeyError: it is not there, or not whole.
        """
        row = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        return cls(row["name"], row["max_tokens"], tuple(row["languages"]), Calibration(**row["calibration"]))


class OnnxVerifier:
    """An exported verifier.

    Raises:
        OSError, ValueError: a file of the folder is missing or damaged.
    """

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        about = About.read(folder)
        self.name, self._languages, self._calibration = about.name, about.languages, about.calibration
        self._tokenizer = Tokenizer.from_str((folder / TOKENIZER).read_text(encoding="utf-8"))
        self._tokenizer.enable_truncation(about.max_tokens, strategy="only_second")
        self._tokenizer.enable_padding()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or min(os.cpu_count() or 1, _MOST_THREADS)
        # As the embedder: threads that spin take the cores from whoever answers.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        model = (folder / MODEL).read_bytes()
        self._session: Any = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    @property
    def calibration(self) -> Calibration:
        """What its scores are worth beside the evidence."""
        return self._calibration

    def knows(self, language: str) -> bool:
        """Whether its scores mean anything in a language."""
        return language in self._languages

    def score(self, question: str, texts: Sequence[str]) -> list[float]:
        """Probability that each text answers, in one batch."""
        if not texts:
            return []
        found = self._tokenizer.encode_batch([(question[:QUESTION_REACH], text) for text in texts])
        inputs = {
            "input_ids": np.array([each.ids for each in found], dtype=np.int64),
            "attention_mask": np.array([each.attention_mask for each in found], dtype=np.int64),
            "token_type_ids": np.array([each.type_ids for each in found], dtype=np.int64),
        }
        (logits,) = self._session.run(None, inputs)
        return [float(value) for value in 1 / (1 + np.exp(-np.asarray(logits, dtype=np.float64)))]


class LazyVerifier:
    """A verifier that is opened when it is first asked, so that commands that never judge do not wait for it."""

    def __init__(self, folder: Path) -> None:
        about = About.read(folder)
        self.name, self._about, self._folder = about.name, about, folder
        self._opening = threading.Lock()
        self._opened: OnnxVerifier | None = None

    @property
    def calibration(self) -> Calibration:
        """What its scores are worth beside the evidence."""
        return self._about.calibration

    def knows(self, language: str) -> bool:
        """Whether its scores mean anything in a language."""
        return language in self._about.languages

    def score(self, question: str, texts: Sequence[str]) -> list[float]:
        """Probability that each text answers, in one batch."""
        with self._opening:
            self._opened = self._opened or OnnxVerifier(self._folder)
        return self._opened.score(question, texts)


def load_verifier(folder: Path) -> Verifier | None:
    """The verifier of a folder; None, with a line in the log, where there is none that can be read."""
    if not (folder / MODEL).is_file():
        log.warning("no verifier in %s: verdicts are made from retrieval alone", folder)
        return None
    try:
        return LazyVerifier(folder)
    except (OSError, ValueError, TypeError, KeyError) as exc:
        log.warning("the verifier in %s cannot be read (%s): verdicts are made from retrieval alone", folder, exc)
        return None


def shown(window: Window) -> str:
    """A window with its nearest heading: a sentence in a manual rarely names what it is about."""
    path = window.passage.heading_path
    head = path[-1] if path else window.passage.title
    return f"{head}: {window.text}" if head else window.text


def logit(probability: float) -> float:
    """Log-odds of a probability, kept within what float32 can tell from 0 and 1."""
    kept = min(max(probability, 1e-6), 1 - 1e-6)
    return math.log(kept / (1 - kept))
