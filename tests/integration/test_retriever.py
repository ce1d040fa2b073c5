"""A tuned embedder from pairs to the index that it answers for, on real parts but for its size: a tiny base, random weights."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from transformers import AutoTokenizer, BertConfig, BertModel

from app.curation import going
from app.indexing import do
from app.retriever_training import plan, tune
from app.tuned_embedders import EMBEDDERS
from app.workspace import Settings, Workspace, open_workspace
from finetune.errors import TrainingError
from finetune.retriever import load_base, train
from finetune.retriever_data import Asked, Text
from finetune.retriever_recipe import RetrieverRecipe
from finetune.retriever_vocabulary import extend, vocabulary_of
from ingest.embed import SentenceTransformerEmbedder, packaged_model_folder, write_languages
from ingest.embed_onnx import OnnxEmbedder
from ingest.pairs.live import LivePassages
from ingest.pairs.records import Pair, PairKind, Side, SourceRef, Style
from ingest.pairs.store import Pairs
from ingest.pipeline import Upload
from ingest.records import State

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
ENGLISH = ("kettle", "fridge", "dryer", "toaster", "lamp", "oven", "fan", "radio")
CHINESE = ("水壶", "冰箱", "烘干机", "烤面包机", "台灯", "烤箱", "风扇", "收音机")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An embedder of one layer that reads as the packaged one does."""
    folder = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(1)
    config = BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64)
    BertModel(config).save_pretrained(folder / "encoder")
    AutoTokenizer.from_pretrained(str(packaged_model_folder())).save_pretrained(folder / "encoder")
    encoder = Transformer(str(folder / "encoder"), max_seq_length=64)
    SentenceTransformer(modules=[encoder, Pooling(32)], device="cpu").save_pretrained(str(folder / "base"))
    write_languages(folder / "base", ["en"])
    return folder / "base"


def recipe(base: Path, **said: object) -> RetrieverRecipe:
    train = {"epochs": 1, "steps": 2, "batch": 2, "held_out": 0.25, "learning_rate": 1e-3}
    plain = {"kind": "retriever", "name": "tiny", "base": str(base), "data": {"kb": "shop"}, "train": train}
    return RetrieverRecipe.model_validate({**plain, **said})


@dataclass
class Shop:
    """Settings of a data folder with a knowledge base of pairs on both sides."""

    settings: Settings

    @property
    def embedders(self) -> Path:
        return self.settings.ingest.home / EMBEDDERS


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    settings = Settings.load()
    with open_workspace(settings) as workspace:
        _fill(workspace, tmp_path / "in")
    return Shop(settings)


def _fill(workspace: Workspace, folder: Path) -> None:
    folder.mkdir()
    kb = workspace.catalog.create_knowledge_base("shop")
    uploads = []
    for n, (english, chinese) in enumerate(zip(ENGLISH, CHINESE, strict=True)):
        texts = {
            f"{english}.txt": f"The {english} costs {40 + n} pounds and is guaranteed for {n + 2} years by its maker.",
            f"zh-{english}.txt": f"{chinese}的价格是{40 + n}英镑，厂家保修{n + 2}年。可以在商店里退货。",
        }
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
            uploads.append(Upload(name, folder / name))
    assert {result.state for result in workspace.pipeline.ingest(kb, uploads)} == {State.READY}
    kb = workspace.catalog.knowledge_base("shop")
    pairs, sides = [], {}
    for n, chunk in enumerate(LivePassages(workspace.catalog, workspace.index).walk(kb)):
        source = SourceRef(chunk.id, chunk.text_hash, chunk.version, chunk.document, chunk.heading_path)
        thing = chunk.document.removeprefix("zh-").removesuffix(".txt")
        chinese = chunk.document.startswith("zh-")
        question = f"{CHINESE[ENGLISH.index(thing)]}多少钱？" if chinese else f"What does the {thing} cost?"
        pairs.append(
            Pair(
                f"pair{n:02}",
                kb.id,
                question,
                chunk.text,
                PairKind.ANSWERABLE,
                Style.PLAIN,
                chunk.language,
                "person",
                (source,),
            )
        )
        sides[f"pair{n:02}"] = Side.TEST if ENGLISH.index(thing) < 2 else Side.TRAIN
    store = Pairs(workspace.engine)
    store.add(kb.id, pairs, kb.corpus_version)
    store.put_on_sides(kb.id, sides)


def nothing(_document: str, _stage: str, _done: int, _total: int) -> None:
    """Progress that nobody looks at."""


def test_pairs_become_an_embedder_that_the_index_is_switched_to(shop: Shop, base: Path) -> None:
    planned = plan(recipe(base), shop.settings, nothing)
    assert (planned["questions"], planned["held_out"], planned["test"], planned["left"]) == (8, 4, 4, 0)
    assert planned["negatives"] > 0
    assert not shop.embedders.exists()

    done = tune(recipe(base, vocabulary="chinese", data={"kb": "shop", "sentences": 2}), shop.settings, nothing)
    said = done.as_json()
    assert (said["state"], said["steps"], said["counts"]["test"]) == ("done", 2, 4)
    assert said["new_rows"] > 20
    assert said["counts"]["sentences"] > 0
    assert done.folder is not None
    assert [path.name for path in shop.embedders.iterdir()] == [done.folder.name]
    assert set(said["before"]) == set(said["after"]) == {"en", "zh"}
    assert said["before"]["en"]["whole"]["questions"] == 2
    # The base does not know Chinese: by vectors alone nothing is found before.
    assert said["before"]["zh"]["dense"]["mrr"] == 0.0
    (vote,) = done.votes
    assert (vote.language, vote.questions) == ("zh", 2)
    assert ("zh" in done.languages) is vote.earned
    assert (done.denied is None) is vote.earned
    run = json.loads((done.folder / "run.json").read_text(encoding="utf-8"))
    assert run["languages"] == done.languages
    assert run["documents"]
    assert "fridge.txt" not in run["documents"]
    assert list(run["data"]) == ["kb/shop"]
    assert {"torch", "sentence-transformers"} <= set(run["versions"])

    # What the folder says is what ingestion and retrieval ask by.
    embedder = SentenceTransformerEmbedder(str(done.folder))
    assert (embedder.knows("en"), embedder.knows("zh")) == (True, vote.earned)
    with open_workspace(shop.settings) as workspace:
        kb = workspace.catalog.knowledge_base("shop")
        learnt_from = workspace.catalog.document(kb, run["documents"][0])
        (gone, *_) = going(workspace, kb, learnt_from)
        assert gone["embedders"] == [done.folder.name]
        moved = do(workspace, kb, {"task": "migrate", "model": str(done.folder)}, nothing)
        assert (moved["switched"], moved["points"], moved["model"]) == (True, 16, str(done.folder))
        kb = workspace.catalog.knowledge_base("shop")
        found = workspace.search.search(kb, "What does the kettle cost?")
        assert found.legs.dense
        answers = workspace.places.of(kb).embedder
        assert (answers.size, answers.knows("zh")) == (32, vote.earned)
        # Exported like any other: the wider vocabulary is traced and compared with the model's own vectors.
        assert isinstance(answers, OnnxEmbedder)


def test_a_run_that_is_cancelled_leaves_nothing(shop: Shop, base: Path) -> None:
    done = tune(recipe(base), shop.settings, nothing, cancelled=lambda: True)
    assert (done.run["state"], done.run["steps"], done.folder) == ("cancelled", 1, None)
    assert not shop.embedders.exists()


def test_without_a_split_there_is_nothing_to_learn_from(shop: Shop, base: Path) -> None:
    with open_workspace(shop.settings) as workspace:
        Pairs(workspace.engine).put_on_sides(workspace.catalog.knowledge_base("shop").id, {})
    with pytest.raises(TrainingError, match="pairs split"):
        tune(recipe(base), shop.settings, nothing)


def test_new_characters_are_read_and_nothing_else_is_read_in_another_way(base: Path, tmp_path: Path) -> None:
    model = load_base(str(base))
    texts = ["The motor of the WM-900 is guaranteed.", "Émile's café, 3.5 %"]
    before, rows = model.encode(texts), model.transformers_model.get_input_embeddings().weight.detach().clone()
    assert "壶" not in vocabulary_of(model)
    first = extend(model, ["壶", "烘"], seed=3)
    assert first == len(rows)
    np.testing.assert_allclose(model.encode(texts), before, atol=1e-6)
    model.save_pretrained(str(tmp_path / "wider"), create_model_card=False)
    loaded = load_base(str(tmp_path / "wider"))
    ids = loaded.tokenizer("水壶烘 kettle", add_special_tokens=False)["input_ids"]
    assert ids[1:3] == [first, first + 1]
    assert loaded.max_seq_length == 64
    new = loaded.transformers_model.get_input_embeddings().weight.detach()[first:]
    # As long as a word's vector, and no two alike.
    assert new.shape == (2, 32)
    assert 0.5 < float(new.std() / rows.std()) < 2
    assert not torch.allclose(new[0], new[1])


def passages() -> tuple[list[Asked], dict[str, Text]]:
    texts = {
        t: Text(t, f"Our {t} costs {n} pounds.", f"Our {t} costs {n} pounds.", "en") for n, t in enumerate(ENGLISH)
    }
    return [Asked(f"Price of the {t}?", (t,), "", "en", t) for t in ENGLISH], texts


def test_it_learns_and_old_words_stay_as_they_are(base: Path) -> None:
    asked, texts = passages()
    model = load_base(str(base))
    first = extend(model, ["壶"], seed=3)
    words = model.transformers_model.get_input_embeddings().weight
    before = words.detach().clone()
    layer = model.transformers_model.encoder.layer[0].output.dense.weight
    layer_before = layer.detach().clone()
    asked.append(Asked("壶", ("zh",), "", "zh", "zh"))
    texts["zh"] = Text("zh", "壶", "壶", "zh")
    said = recipe(base, train={"epochs": 10, "batch": 4, "learning_rate": 1e-3, "evaluate_every": 5})
    run = train(said, model, asked, asked[:8], texts, first_new=first, data={"kb/shop": "x"})
    assert run.state == "done"
    assert run.held_out[0][0] == 0
    assert run.best_step > 0
    assert min(loss for _, loss in run.held_out) < run.held_out[0][1]
    torch.testing.assert_close(words.detach()[:first], before[:first], rtol=0, atol=0)
    assert not torch.allclose(words.detach()[first:], before[first:])
    assert not torch.allclose(layer.detach(), layer_before)


def test_where_nothing_is_gained_the_base_is_kept(base: Path) -> None:
    asked, texts = passages()
    model = load_base(str(base))
    before = {name: value.detach().clone() for name, value in model.state_dict().items()}
    # What is held out contradicts what is learnt.
    wrong = [replace(each, gold=(ENGLISH[n - 1],)) for n, each in enumerate(asked)]
    said = recipe(base, train={"epochs": 30, "batch": 8, "learning_rate": 1e-3, "evaluate_every": 5})
    run = train(said, model, asked, wrong, texts)
    assert run.best_step == 0
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_the_same_seed_gives_the_same_model(base: Path) -> None:
    asked, texts = passages()
    found = []
    for _ in range(2):
        model = load_base(str(base))
        run = train(recipe(base), model, asked, [], texts)
        found.append((run.loss, model.encode(["Our lamp"])[0].tolist()))
    assert found[0] == found[1]
