"""Releases as the packaged engine serves them: the adapter's words, promotion without a restart, damage that is named."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ingest.database import open_database
from serving.batches import PackagedBatchWriter
from serving.errors import DamagedRelease, NoSuchRelease
from serving.fleet import PackagedFleet, PackagedRung
from serving.live import LiveReleases
from serving.loading import load, packaged_base
from serving.packaged import PackagedModel
from serving.parity import parity
from serving.prompts import Message
from serving.release_store import ReleaseStore
from serving.releases import Release
from serving.settings import ServingSettings
from tests import packaged_model
from tests.integration.adapters import tiny_adapter

PROMPTS = [
    [Message("user", "What is the capital of France?")],
    [Message("user", "Write a short sentence about a washing machine that is guaranteed for ten years.")],
    [Message("user", "How many days are in a week?")],
]


@pytest.fixture(scope="module")
def models() -> Path:
    return Path(os.environ[packaged_model.VARIABLE])


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_adapter(tmp_path_factory.mktemp("adapter") / "tiny")


@pytest.fixture
def store(tmp_path: Path) -> ReleaseStore:
    return ReleaseStore(tmp_path / "releases", packaged_base, tmp_path / "none")


@pytest.fixture
def release(store: ReleaseStore, adapter: Path) -> Release:
    return store.add(adapter, "tiny", {"prompt": "full", "small": False, "context": 500})


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveReleases]:
    engine = open_database(f"sqlite:///{tmp_path / 'live.db'}")
    yield LiveReleases(engine)
    engine.dispose()


@pytest.fixture
def fleet(models: Path, store: ReleaseStore, live: LiveReleases) -> Iterator[PackagedFleet]:
    made = PackagedFleet(models, ServingSettings(), store, live.roles)
    yield made
    made.close()


def until(holds: Callable[[], bool], seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.1)
    return holds()


def said(packaged: PackagedModel) -> list[str]:
    return [text for text, _ in PackagedBatchWriter(packaged).write(PROMPTS, 16, lambda *_: None)]


def test_merged_weights_write_what_the_adapter_writes(models: Path, release: Release) -> None:
    assert parity(models, "float32", release, PROMPTS) == 1.0
    # It is the adapter that is merged, not the base that is served.
    tuned, base = PackagedModel(models, "float32", release), PackagedModel(models, "float32")
    assert said(tuned) != said(base)


def test_merged_weights_are_in_the_precision_that_was_asked_for(models: Path, release: Release) -> None:
    import torch

    assert load(models, "bfloat16", release).model.dtype is torch.bfloat16


def test_whole_weights_are_a_release_too(models: Path, release: Release, store: ReleaseStore, tmp_path: Path) -> None:
    loaded = load(models, "float32", release)
    loaded.model.save_pretrained(tmp_path / "whole")
    whole = store.add(tmp_path / "whole", "whole")
    assert whole.manifest.kind == "merged"
    assert said(PackagedModel(models, "float32", whole)) == said(PackagedModel(models, "float32", release))


def test_a_batch_writes_what_each_prompt_alone_is_answered(models: Path) -> None:
    packaged = PackagedModel(models, "float32")
    one_by_one = [PackagedBatchWriter(packaged).write([p], 16, lambda *_: None)[0][0] for p in PROMPTS]
    assert said(packaged) == one_by_one


def test_a_promotion_is_followed_without_a_restart(fleet: PackagedFleet, live: LiveReleases, release: Release) -> None:
    assert (fleet.chosen().engine.release, fleet.released()) == ("base", "base")
    live.promote(release.id)
    fleet.look()
    # The old one answers until the new one is in memory.
    assert until(lambda: fleet.chosen().engine.release == release.label)
    chosen = fleet.chosen()
    assert chosen.fell is None
    assert (chosen.engine.brief, chosen.engine.small, chosen.engine.context) == (False, False, 500)
    assert fleet.released() == release.label
    live.rollback()
    fleet.look()
    assert fleet.chosen().engine.release == "base"


def test_a_canary_answers_its_conversations_only(fleet: PackagedFleet, live: LiveReleases, release: Release) -> None:
    assert fleet.chosen("c").engine.release == "base"
    assert not fleet.canary
    live.promote(release.id, 0.5)
    fleet.look()
    assert fleet.canary
    roles = live.roles()
    mine = next(f"c{n}" for n in range(100) if roles.of(f"c{n}") == release.id)
    other = next(f"c{n}" for n in range(100) if roles.of(f"c{n}") != release.id)
    assert until(lambda: fleet.chosen(mine).engine.release == release.label)
    assert [fleet.released(c) for c in (mine, other, "")] == [release.label, "base", "base"]
    assert [fleet.chosen(c).engine.release for c in (other, "")] == ["base", "base"]


def test_damage_is_named_and_answered_for(fleet: PackagedFleet, live: LiveReleases, release: Release) -> None:
    live.promote(release.id)
    assert release.folder is not None
    (release.folder / "adapter_model.safetensors").write_bytes(b"not what it was")
    rung = PackagedRung(fleet)
    engine, fell = rung.chosen()
    assert engine.release == "base"
    assert fell is not None
    assert "adapter_model.safetensors was changed" in str(fell)
    assert list(fleet.problems().values()) == [str(fell)]
    with pytest.raises(DamagedRelease):
        rung.chosen(release="tiny")
    with pytest.raises(NoSuchRelease):
        rung.chosen(release="other")

    async def first_piece() -> str:
        pieces = rung.stream(PROMPTS[0])
        try:
            return await anext(pieces)
        finally:
            await pieces.aclose()

    assert asyncio.run(first_piece())
