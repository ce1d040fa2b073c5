"""`frontdesk train` as scripts use it: a dataset and a recipe become a release; on the real packaged model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cli_rig import Cli, Forks

pytestmark = pytest.mark.timeout(900)
FACTS = {
    "warranty": (
        "The motor of the WM-900 is guaranteed for 10 years.",
        "How long is the motor guaranteed?",
        "10 years",
    ),
    "delivery": ("Delivery within the city costs 25 pounds.", "What does delivery cost?", "25 pounds"),
    "hours": ("The shop opens at nine in the morning.", "When does the shop open?", "nine in the morning"),
    "colour": ("The kettle comes in red and in white.", "Which colours does the kettle have?", "red and in white"),
}
RECIPE = """
name: tiny
adapter: {rank: 2, alpha: 4}
data: {datasets: [dataset]}
examples: {passages: [1, 2], domain: 1.0}
train: {steps: 2, accumulate: 1, held_out: 0.25, save_every: 1}
"""


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    folder = tmp_path_factory.mktemp("train")
    forks = Forks(tmp_path_factory.mktemp("forks"))
    dataset = folder / "dataset"
    dataset.mkdir()
    documents = [{"doc_id": name, "title": name, "text": text} for name, (text, _, _) in FACTS.items()]
    questions = [
        {"qid": name, "question": asked, "doc_id": name, "answers": [said]} for name, (_, asked, said) in FACTS.items()
    ]
    questions.append({"qid": "lost", "question": "Who?", "doc_id": "hours", "answers": ["nobody at all"]})
    for name, rows in (("documents", documents), ("questions", questions)):
        (dataset / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    yield Cli(folder / "home", forks)
    forks.close()


def test_a_name_that_no_release_may_have_stops_it_before_anything_is_loaded(cli: Cli) -> None:
    recipe = cli.home.parent / "support.yaml"
    recipe.write_text(RECIPE.replace("name: tiny", "name: support"), encoding="utf-8")
    ended = cli("train", "support.yaml")
    assert ended.code == 1
    assert "'support' cannot name a release" in ended.err
    assert not (cli.home / "runs" / "training").exists()


def test_a_dry_run_counts_and_trains_nothing(cli: Cli) -> None:
    ended = cli("train", "recipe.yaml", "--dry-run", "--json")
    assert ended.code == 0, ended.err
    plan = ended.json
    # Four questions, one of which is held out; the fifth has no answer in its document.
    assert sum(count for name, count in plan["counts"].items() if name.endswith("answered")) == 3
    assert (plan["left"], plan["held_out"] >= 1, plan["steps"]) == (1, True, 2)
    assert plan["tokens"] <= plan["tokens_alone"]
    assert plan["tokens_per_second"] > 0
    assert not (cli.home / "runs" / "training").exists()
    assert [r["name"] for r in cli("releases", "list", "--json").json["releases"]] == ["base", "support"]


def test_a_recipe_becomes_a_release_that_waits_for_its_gate(cli: Cli) -> None:
    ended = cli("train", "recipe.yaml", "--json")
    assert ended.code == 0, ended.err
    done = ended.json
    assert (done["state"], done["steps"], done["release"].split("@")[0]) == ("done", 2, "tiny")
    folder = Path(done["folder"])
    assert {path.name for path in folder.iterdir()} == {"adapter", "curve.png", "losses.jsonl", "run.json"}
    shown = cli("releases", "show", done["release"], "--json").json
    assert (shown["kind"], shown["prompt"], shown["promotable"]) == ("adapter", "full", False)
    refused = cli("releases", "promote", done["release"])
    assert refused.code == 1
    assert "gate" in refused.err


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ("name: x\ndata: {datasets: [nowhere]}\n", "cannot be read"),
        ("name: x\ndata: {datasets: [dataset]}\ntrain: {steps: 0}\n", "train.steps"),
        ("name: x\nrelease: nobody\ndata: {datasets: [dataset]}\n", "nobody"),
        ("name: x\nmethod: qlora\ndata: {datasets: [dataset]}\n", "bitsandbytes"),
        ("kind: retriever\nname: x\n", "data: Field required"),
        ("kind: retriever\nname: x\ndata: {kb: nowhere}\n", "nowhere"),
    ],
)
def test_what_cannot_be_trained_is_said_in_one_line(cli: Cli, recipe: str, said: str) -> None:
    (cli.home.parent / "wrong.yaml").write_text(recipe, encoding="utf-8")
    ended = cli("train", "wrong.yaml", "--json")
    assert (ended.code, ended.out) == (1, "")
    assert said in ended.err
    assert "Traceback" not in ended.err
