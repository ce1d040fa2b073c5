"""Releases as scripts handle them, with a real adapter on the real packaged model: add, gate, promote, ask, roll back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.adapters import tiny_adapter
from tests.integration.cli_rig import Cli, Forks

# A dozen commands that each load a model: minutes where other work shares the cores.
pytestmark = pytest.mark.timeout(900)
QUESTION = "How long is the motor of the WM-900 guaranteed?"
DOCUMENTS = [
    ("w", "Warranty", "The motor of the WM-900 is guaranteed for 10 years. The drum is guaranteed for 5 years."),
    ("d", "Delivery", "Delivery within the city costs 25 pounds. We deliver from Monday to Friday."),
    ("z", "门店", "上海旗舰店位于南京西路100号，营业时间为上午十点到晚上九点。"),
]
QUESTIONS = [
    {"qid": "1", "question": QUESTION, "doc_id": "w", "answers": ["10 years"]},
    {"qid": "2", "question": "How much does delivery within the city cost?", "doc_id": "d", "answers": ["25 pounds"]},
    {"qid": "3", "question": "On which days do you deliver?", "doc_id": "d", "answers": ["Monday to Friday"], "kind": "days"},
    {"qid": "4", "question": "上海旗舰店在哪里？", "doc_id": "z", "answers": ["南京西路100号"]},
    {"qid": "5", "question": "Who founded the company in Norway?", "doc_id": "w", "answers": [], "is_impossible": True},
    {"qid": "6", "question": "Do you sell garden furniture and bicycles?", "doc_id": "d", "is_impossible": True},
]  # fmt: skip
FIELDS = {
    "f1", "exact_match", "contains", "refusal_precision", "refusal_recall", "answerable_kept", "citation_precision",
    "citation_recall", "questions", "seconds",
}  # fmt: skip


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    parent = Forks(tmp_path_factory.mktemp("forks"))
    yield parent
    parent.close()


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset, gates and an adapter."""
    folder = tmp_path_factory.mktemp("releases")
    dataset = folder / "dataset"
    dataset.mkdir()
    rows = [{"doc_id": d, "title": title, "text": text} for d, title, text in DOCUMENTS]
    (dataset / "documents.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (dataset / "questions.jsonl").write_text("".join(json.dumps(q) + "\n" for q in QUESTIONS), encoding="utf-8")
    for name, f1 in (("strict", 1.01), ("lenient", 0.0)):
        (folder / f"{name}.yaml").write_text(
            "evaluations: {given: {dataset: dataset, passages: given, style: short, limit: 4}}\n"
            f"lines: [{{metric: f1, at_least: {f1}}}, {{metric: contains, at_least: -1, over: base}}]\n"
        )
    tiny_adapter(folder / "adapter")
    (folder / "docs").mkdir()
    (folder / "docs" / "warranty.md").write_text(f"# {DOCUMENTS[0][1]}\n\n{DOCUMENTS[0][2]}\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def cli(work: Path, forks: Forks) -> Cli:
    return Cli(work / "home", forks)


def test_the_model_alone_is_evaluated_on_six_questions(cli: Cli, work: Path) -> None:
    ended = cli(
        "eval",
        "answers",
        work / "dataset",
        "--release",
        "base",
        "--passages",
        "given",
        "--save",
        work / "run.json",
        "--json",
    )
    assert ended.code == 0, ended.err
    found = ended.json
    assert set(found) >= FIELDS
    assert (found["questions"], found["answerable"], found["impossible"], found["release"]) == (6, 4, 2, "base")
    # The packaged model answers whatever it is asked, and knows where the numbers stand.
    assert found["contains"] >= 0.5
    assert (found["answerable_kept"], found["refusal_recall"]) == (1.0, 0.0)
    assert set(found["by_language"]) == {"en", "zh"}
    kept = list((cli.home / "runs" / "evaluations").glob("*.json"))
    assert [path.stem for path in kept] == [found["run"][:16]]
    again = cli(
        "eval",
        "answers",
        work / "dataset",
        "--release",
        "base",
        "--passages",
        "given",
        "--against",
        work / "run.json",
        "--json",
    )
    assert again.json["against"]["differences"]["f1"]["difference"] == 0
    assert again.json["f1"] == found["f1"]


def test_the_product_is_evaluated_and_refuses_what_it_does_not_hold(cli: Cli, work: Path) -> None:
    ended = cli("eval", "answers", work / "dataset", "--passages", "retrieved", "--json")
    assert ended.code == 0, ended.err
    found = ended.json
    assert set(found) >= FIELDS
    assert found["contains"] >= 0.5
    assert (found["citation_precision"], found["citation_recall"], found["refusal_recall"]) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--passages", "given", "--engine", "extractive"], "writes nothing by itself"),
        (["--passages", "given", "--engine", "endpoint"], "FRONTDESK_ENDPOINT_URL"),
        (["--release", "base", "--engine", "extractive"], "packaged engine's"),
        (["--passages", "all"], "--passages"),
    ],
)
def test_what_cannot_be_evaluated_is_wrong_usage(cli: Cli, work: Path, options: list[str], words: str) -> None:
    ended = cli("eval", "answers", work / "dataset", *options, "--json")
    assert (ended.code, ended.out) == (2, "")
    assert words in ended.err


def test_a_release_from_its_adapter_to_the_customer_and_back(cli: Cli, work: Path) -> None:
    assert cli("ingest", work / "docs", "--json").code == 0
    fresh = cli("releases", "list", "--json").json
    assert (fresh["live"], [row["label"] for row in fresh["releases"]]) == ("support", ["base", "support"])

    (work / "learnt.jsonl").write_text('{"kb": "default", "document": "warranty.md"}\n')
    learnt = ["--prompt", "brief", "--learnt-from", work / "learnt.jsonl"]
    added = cli("releases", "add", work / "adapter", "--name", "tiny", *learnt, "--json").json
    label = added["label"]

    refused = cli("releases", "promote", "tiny")
    assert refused.code == 1
    assert "has not been through a gate" in refused.err

    failed = cli("releases", "gate", "tiny", work / "strict.yaml", "--json")
    assert failed.code == 1, failed.err
    assert [line["passed"] for line in failed.json["lines"]] == [False, True]
    refused = cli("releases", "promote", "tiny")
    assert (refused.code, "did not pass its gate: f1 at least 1.01" in refused.err) == (1, True)

    passed = cli("releases", "gate", "tiny", work / "lenient.yaml", "--json")
    assert passed.code == 0, passed.err
    assert passed.json["release"] == label
    # The runs of the first gate were taken.
    assert passed.json["runs"] == failed.json["runs"]

    canary = cli("releases", "promote", "tiny", "--share", "0.25", "--json").json
    assert canary == {"live": "support", "canary": label, "share": 0.25}
    assert cli("releases", "promote", "tiny", "--json").json == {"live": label, "canary": None, "share": 0.0}
    answer = cli("ask", QUESTION, "--engine", "packaged", "--json").json
    assert (answer["release"], answer["fallen"]) == (label, [])
    assert cli("ask", QUESTION, "--release", "base", "--json").json["release"] == "base"

    assert cli("releases", "rollback", "--json").json["live"] == "support"
    assert cli("ask", QUESTION, "--json").json["release"] == "support"
    assert cli("ask", QUESTION, "--release", "tiny", "--json").json["release"] == label
    assert cli("ask", QUESTION, "--json", FRONTDESK_RELEASE="tiny").json["release"] == label
    wrong = cli("ask", QUESTION, "--release", "tony", "--json")
    assert (wrong.code, f"there are base, support, {label}" in wrong.err) == (1, True)

    gone = cli("documents", "delete", "warranty.md", "--json").json["gone"]
    assert [each["releases"] for each in gone] == [[label]]


def test_a_damaged_release_is_answered_for_by_the_base_with_the_reason(cli: Cli, work: Path, tmp_path: Path) -> None:
    shutil.copytree(cli.home, tmp_path / "home")
    own = Cli(tmp_path / "home", cli.forks)
    assert own("ingest", work / "docs", "--json").code == 0
    label = own("releases", "promote", "tiny", "--json").json["live"]
    weights = next((own.home / "releases").glob("*/adapter_model.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    answer = own("ask", QUESTION, "--json").json
    assert answer["release"] == "base"
    assert [(fall["engine"], fall["reason"]) for fall in answer["fallen"]] == [("packaged", "damaged release")]
    assert label in answer["fallen"][0]["detail"]
    named = own("ask", QUESTION, "--release", "tiny", "--json")
    assert (named.code, "was changed" in named.err) == (1, True)
    promoted = own("releases", "promote", "tiny")
    assert (promoted.code, "was changed" in promoted.err) == (1, True)


def test_a_pickle_beside_the_weights_is_refused(cli: Cli, work: Path, tmp_path: Path) -> None:
    shutil.copytree(work / "adapter", tmp_path / "adapter")
    (tmp_path / "adapter" / "training_args.bin").write_bytes(b"\x80\x04.")
    ended = cli("releases", "add", tmp_path / "adapter", "--name", "evil")
    assert (ended.code, "training_args.bin" in ended.err) == (1, True)
