"""The shipped release in other forms: made, loaded, gated beside the release that it was made from, promoted only if it passes."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import packaged_model
from tests.integration.cli_rig import Cli, Forks

# Commands that load a model several times: minutes where other work shares the cores.
pytestmark = pytest.mark.timeout(900)
DOCUMENTS = [
    ("w", "Warranty", "The motor of the WM-900 is guaranteed for 10 years. The drum is guaranteed for 5 years."),
    ("d", "Delivery", "Delivery within the city costs 25 pounds. We deliver from Monday to Friday."),
]
QUESTIONS = [
    ("1", "How long is the motor of the WM-900 guaranteed?", "w", "10 years"),
    ("2", "How much does delivery within the city cost?", "d", "25 pounds"),
    ("3", "On which days do you deliver?", "d", "Monday to Friday"),
]
GATE = """
evaluations: {given: {dataset: dataset, passages: given, style: short}}
lines:
  - {metric: contains, at_least: -0.4, over: parent}
  - {metric: parity, at_least: 0.3}
  - {metric: size_mib, at_most: 0.9, times: parent}
"""


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    forks = Forks(tmp_path_factory.mktemp("forks"))
    yield Cli(tmp_path_factory.mktemp("quantized") / "home", forks)
    forks.close()


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gate")
    (folder / "dataset").mkdir()
    documents = [{"doc_id": d, "title": title, "text": text} for d, title, text in DOCUMENTS]
    questions = [{"qid": n, "question": q, "doc_id": d, "answers": [a]} for n, q, d, a in QUESTIONS]
    for name, rows in (("documents", documents), ("questions", questions)):
        (folder / "dataset" / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "gate.yaml").write_text(GATE)
    return folder / "gate.yaml"


def test_a_form_is_gated_beside_its_parent_and_promoted_only_if_it_passes(cli: Cli, gate: Path) -> None:
    made = {to: cli("releases", "quantize", "support", "--to", to, "--json").json for to in ("bf16", "int8")}
    assert [each["parent"] for each in made.values()] == ["support", "support"]
    assert made["int8"]["bytes"] < 0.7 * made["bf16"]["bytes"]
    # The same content is the same release.
    assert cli("releases", "quantize", "support", "--to", "int8", "--json").json["id"] == made["int8"]["id"]

    # Neither has its parent's gate: its answers may be others. (A gate that fails: test_cli_releases, unit/finetune/test_gate.)
    promoted = cli("releases", "promote", "support-int8")
    assert promoted.code == 1
    assert "gate" in promoted.err

    passed = cli("releases", "gate", "support-int8", gate, "--json")
    assert passed.code == 0, passed.err + passed.out
    beside = passed.json["beside"]
    assert (beside["parent"], beside["method"]) == ("support", "int8")
    assert set(beside["figures"]) >= {"size_mib", "memory_mib", "load_s", "read_ms", "token_ms", "given.f1"}
    assert beside["figures"]["size_mib"][1] < beside["figures"]["size_mib"][0]
    shown = cli("releases", "show", "support-int8", "--json").json
    assert (shown["promotable"], shown["gate"]["beside"]) == (True, beside)
    assert cli("releases", "promote", "support-int8", "--json").json["live"] == made["int8"]["label"]

    again = cli("releases", "quantize", "--to", "gguf", "--json")
    assert again.code == 1
    assert "convert support" in again.err
    served = cli("releases", "quantize", "support", "--to", "awq", "--json")
    assert served.code == 1


def test_a_gguf_file_answers_in_process_as_its_parent_does(tmp_path: Path) -> None:
    from serving.batches import PackagedBatchWriter
    from serving.conversion import Converter, Wanted
    from serving.errors import CannotServe
    from serving.export import export
    from serving.loading import packaged_base
    from serving.packaged import PackagedModel
    from serving.passages import Passage
    from serving.prompts import render_answer
    from serving.release_store import ReleaseStore

    # Of its own: what it is unpacked into lies beside the packaged model.
    models = tmp_path / "models"
    source = Path(os.environ[packaged_model.VARIABLE])
    shutil.copytree(source / "smollm2-135m-instruct", models / "smollm2-135m-instruct")
    store = ReleaseStore(tmp_path / "releases", packaged_base)
    support = store.get("support")
    made = Converter(store, models).convert(support, Wanted("gguf"))
    assert (made.manifest.kind, made.packed, made.parent) == ("gguf", "gguf q8_0", "support")
    assert made.manifest.learnt_from == support.manifest.learnt_from
    prompts = [
        render_answer(question, [Passage(1, "d", "v", title, "", text)])
        for _, question, d, _ in QUESTIONS
        for doc, title, text in DOCUMENTS
        if doc == d
    ]

    def said(release: object) -> list[str]:
        packaged = PackagedModel(models, "float32", release)  # type: ignore[arg-type]  # a release
        return [text for text, _ in PackagedBatchWriter(packaged).write(prompts, 24, lambda *_: None)]

    mine, theirs = said(made), said(support)
    assert sum(a == b for a, b in zip(mine, theirs, strict=True)) >= 2, (mine, theirs)
    assert list(models.glob("gguf-*/model.safetensors"))
    with pytest.raises(CannotServe, match="made from \\(support\\)"):
        export(made, models, tmp_path / "served")


@pytest.mark.gpu
def test_llm_compressor_packs_the_shipped_release(tmp_path: Path) -> None:
    """Needs a CUDA device and .venv-compressor (docs/operations.md)."""
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    from functools import partial

    from serving.compressor import compress, find_compressor
    from serving.conversion import Converter, Wanted
    from serving.errors import CannotQuantize
    from serving.loading import load, packaged_base
    from serving.machine import this_machine
    from serving.release_store import ReleaseStore

    models = Path(os.environ[packaged_model.VARIABLE])
    store = ReleaseStore(tmp_path / "releases", packaged_base)
    texts = [f"{title}: {text}" for _, title, text in DOCUMENTS] * 16
    for method in ("w8a8", "awq", "gptq"):
        try:
            python = find_compressor(this_machine(), method)
        except CannotQuantize as exc:
            pytest.skip(str(exc))
        converter = Converter(store, models, packer=partial(compress, python, method, texts))
        made = converter.convert(store.get("support"), Wanted(method))
        assert load(models, "float32", made).model.config.vocab_size
