"""The exported embedder against the model it was exported from, and models that cannot be exported."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from ingest import embed, embed_onnx
from ingest.embed import SentenceTransformerEmbedder, load_embedder, packaged_model_folder
from ingest.embed_onnx import About, OnnxEmbedder, exported
from ingest.settings import IngestSettings

TEXTS = [
    "The motor of the WM-900 is guaranteed for ten years.",
    "退货须在收货后三十天内提出。",
    "",
    "E-18",
    *(f"Paragraph {n}: " + "the filter is cleaned once a month with warm water. " * n for n in range(1, 40, 3)),
]


@pytest.fixture(scope="module")
def torch_embedder() -> SentenceTransformerEmbedder:
    return SentenceTransformerEmbedder("packaged")


@pytest.fixture
def onnx() -> OnnxEmbedder:
    found = load_embedder(IngestSettings(), for_documents=True)
    assert isinstance(found, OnnxEmbedder)
    return found


def test_questions_get_the_vectors_of_the_model(
    torch_embedder: SentenceTransformerEmbedder, onnx: OnnxEmbedder
) -> None:
    found, wanted = onnx.embed_queries(TEXTS), torch_embedder.embed_queries(TEXTS)
    assert (found.shape, found.dtype) == (wanted.shape, np.float32)
    np.testing.assert_allclose(found, wanted, atol=2e-5)
    np.testing.assert_allclose(onnx.embed_query(TEXTS[0]), wanted[0], atol=2e-5)


def test_passages_are_as_near_as_int8_allows_and_float32_can_be_had(
    torch_embedder: SentenceTransformerEmbedder, onnx: OnnxEmbedder
) -> None:
    wanted = torch_embedder.embed_documents(TEXTS)
    small = onnx.embed_documents(TEXTS)
    np.testing.assert_allclose(np.linalg.norm(small, axis=1), 1, atol=1e-5)
    assert (small * wanted).sum(1).min() > 0.95
    # The first four are short and embedded in full precision, wherever they stand among the others.
    np.testing.assert_allclose(small[:4], wanted[:4], atol=2e-5)
    assert np.abs(small[-1] - wanted[-1]).max() > 1e-3
    full = load_embedder(IngestSettings(embedding_precision="float32")).embed_documents(TEXTS)
    np.testing.assert_allclose(full, wanted, atol=2e-5)


def test_tokens_are_counted_alike(torch_embedder: SentenceTransformerEmbedder, onnx: OnnxEmbedder) -> None:
    assert onnx.count_tokens(TEXTS) == torch_embedder.count_tokens(TEXTS) == onnx.counter().count_tokens(TEXTS)
    assert (onnx.size, onnx.max_tokens) == (torch_embedder.size, torch_embedder.max_tokens)
    assert onnx.knows("en")
    assert not onnx.knows("zh")
    assert onnx.embed_documents([]).shape == (0, onnx.size)


def test_a_second_process_finds_what_the_first_has_exported(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("exported again")

    monkeypatch.setattr(embed_onnx.subprocess, "run", fail)
    assert exported(packaged_model_folder(), Path(os.environ["FRONTDESK_MODELS"])) is not None


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    shutil.copytree(packaged_model_folder(), folder)
    return folder


def test_prompts_of_a_model_are_kept(copied: Path, tmp_path: Path) -> None:
    config = copied / "config_sentence_transformers.json"
    told = json.loads(config.read_text()) if config.exists() else {}
    config.write_text(json.dumps(told | {"prompts": {"query": "question: ", "document": "passage: "}}))
    settings = IngestSettings(embedding_model=str(copied), embedding_precision="float32")
    found = load_embedder(settings)
    assert isinstance(found, OnnxEmbedder)
    wanted = SentenceTransformerEmbedder(str(copied))
    np.testing.assert_allclose(found.embed_queries(TEXTS), wanted.embed_queries(TEXTS), atol=2e-5)
    np.testing.assert_allclose(found.embed_documents(TEXTS), wanted.embed_documents(TEXTS), atol=2e-5)


def test_a_model_that_cannot_be_exported_is_tried_once(copied: Path, tmp_path: Path) -> None:
    (copied / "modules.json").write_text("{broken")
    assert exported(copied, tmp_path / "models") is None
    (folder,) = (path for path in (tmp_path / "models").iterdir() if path.is_dir())
    about = About.read(folder)
    assert about is not None
    assert about.unfit
    began = os.times().children_user
    assert exported(copied, tmp_path / "models") is None
    assert os.times().children_user == began


def test_with_a_gpu_it_runs_on_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embed, "_has_gpu", lambda: True)
    assert isinstance(load_embedder(IngestSettings()), SentenceTransformerEmbedder)
