"""A release in int8 on a real vLLM: what it answers there is what it answers in-process. `make test-serving` runs it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ingest.settings import IngestSettings
from serving.batches import PackagedBatchWriter
from serving.conversion import Converter, Wanted
from serving.loading import packaged_base
from serving.packaged import PackagedModel
from serving.passages import Passage
from serving.prompts import render_answer
from serving.release_store import ReleaseStore
from tests import packaged_model
from tests.integration.model_server_rig import model_serving

pytestmark = [pytest.mark.serving, pytest.mark.slow, pytest.mark.timeout(900)]
WARRANTY = "The motor of the WM-900 is guaranteed for 10 years. The drum is guaranteed for 5 years."
OPENING = "The shop is open from nine to five on weekdays, and closed on Sundays."
ASKED = [
    ("How long is the motor guaranteed?", "Warranty", WARRANTY),
    ("How long is the drum guaranteed?", "Warranty", WARRANTY),
    ("When is the shop open?", "Opening hours", OPENING),
    ("Who founded the company?", "Opening hours", OPENING),
]


def test_int8_is_served_and_answers_as_in_process(tmp_path: Path) -> None:
    home, models = tmp_path / "home", Path(os.environ[packaged_model.VARIABLE])
    store = ReleaseStore(IngestSettings(home=home).releases_folder, packaged_base)
    release = Converter(store, models).convert(store.get("support"), Wanted("int8"))
    prompts = [render_answer(asked, [Passage(1, "d", "v", title, "", text)]) for asked, title, text in ASKED]
    writer = PackagedBatchWriter(PackagedModel(models, "float32", release))
    mine = [text.strip() for text, _ in writer.write(prompts, 32, lambda *_: None)]
    theirs = []
    with model_serving(home, release="support-int8") as server, server.client() as client:
        for prompt in prompts:
            body = {
                "model": release.label,
                "messages": [m._asdict() for m in prompt],
                "temperature": 0,
                "max_tokens": 32,
            }
            reply = client.post("/v1/chat/completions", json=body).json()
            theirs.append(reply["choices"][0]["message"]["content"].strip())
    # Both round each token's inputs, at other places: a near tie may turn.
    assert sum(one == other for one, other in zip(mine, theirs, strict=True)) >= len(ASKED) - 1, (mine, theirs)
    assert "10 years" in theirs[0]
