"""Model servers of a machine: found by what they announce, asked for the release that should answer."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest

from serving.announcements import FOLDER, Announced, announced, running
from serving.engines import endpoint_engine
from serving.errors import EngineAway, NoSuchRelease
from serving.release_store import ReleaseStore
from serving.releases import Base, Manifest, Release
from serving.served import ServedModels, ServedRung, named
from serving.settings import ServingSettings

SETTINGS = ServingSettings(_env_file=None)
SUPPORT = Release(Manifest("support", "adapter", Base("b", "h")), Path("support"), shipped=True)
TUNED = Release(
    Manifest("tuned", "adapter", Base("b", "h"), small=False, context=1500, languages=("en", "de")), Path("tuned")
)


def server(release: Release, port: int = 8001) -> Announced:
    return Announced(f"http://127.0.0.1:{port}", f"key-{port}", release.label, os.getpid())


def test_an_announcement_is_its_owners_and_goes_with_its_server(tmp_path: Path) -> None:
    assert running(tmp_path) == []
    with announced(tmp_path, server(SUPPORT)), announced(tmp_path, server(TUNED, 8002)):
        assert {each.release for each in running(tmp_path)} == {SUPPORT.label, TUNED.label}
        for path in (tmp_path / FOLDER).iterdir():
            assert path.stat().st_mode & 0o077 == 0
    assert running(tmp_path) == []
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_what_a_killed_server_left_behind_is_not_asked(tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    folder.mkdir()
    (folder / "torn.json").write_text("{")
    (folder / "odd.json").write_text('{"url": 1}')
    # Its number is that of a process that is there: another one, since the machine was started anew.
    (folder / "killed.json").write_text(json.dumps(asdict(server(SUPPORT))))
    assert running(tmp_path) == []
    with announced(tmp_path, server(TUNED, 8002)):
        assert [each.release for each in running(tmp_path)] == [TUNED.label]
        assert len(list(folder.iterdir())) == 1


def test_a_release_is_asked_where_it_is_served_and_as_it_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.served.FOLLOW_S", 0.0)
    served = ServedModels(tmp_path, tmp_path, SETTINGS)
    live = [SUPPORT]
    rung = ServedRung(served, lambda _conversation, _release: live[0], lambda: False, SETTINGS)
    assert (rung.present, rung.words_questions, rung.released()) == (False, False, "support")
    with (
        announced(tmp_path, server(SUPPORT)),
        announced(tmp_path, server(TUNED, 8002)),
        announced(tmp_path, server(TUNED, 8003)),
    ):
        assert rung.present
        engine = rung.chosen().engine
        assert (engine.name, engine.release, engine.small, engine.context) == ("endpoint", "support", True, 800)
        # Promoted: the next question goes there, and nothing is started anew.
        live[0] = TUNED
        engine = rung.chosen().engine
        assert (engine.release, engine.small, engine.context, engine.speaks("de")) == (TUNED.label, False, 1500, True)
        urls = [backend.url for backend in engine.backends]  # type: ignore[attr-defined]  # a PooledEngine
        assert sorted(urls) == ["http://127.0.0.1:8002", "http://127.0.0.1:8003"]
        # What is known of a server stays from one question to the next.
        engine.backends[0].failures = 7  # type: ignore[attr-defined]  # a PooledEngine
        assert 7 in [backend.failures for backend in rung.chosen().engine.backends]  # type: ignore[attr-defined]  # a PooledEngine
    assert not rung.present


def test_a_release_that_nobody_serves_is_the_next_rungs(tmp_path: Path) -> None:
    with announced(tmp_path, server(SUPPORT)):
        rung = ServedRung(ServedModels(tmp_path, tmp_path, SETTINGS), lambda *_: TUNED, lambda: True, SETTINGS)
        assert rung.by_conversation
        with pytest.raises(EngineAway, match="frontdesk serve-model tuned@"):
            rung.chosen()


def test_a_release_that_is_gone_is_the_next_rungs_too(tmp_path: Path) -> None:
    def gone(_conversation: str, _release: str | None) -> Release:
        raise NoSuchRelease("no release 'tuned'")

    rung = ServedRung(ServedModels(tmp_path, tmp_path, SETTINGS), gone, lambda: False, SETTINGS)
    assert rung.released("c", "tuned") == "tuned"
    with pytest.raises(EngineAway, match="no release"):
        rung.chosen()


@pytest.mark.parametrize(("model", "known"), [("support", True), ("qwen-72b", False)])
def test_an_endpoint_that_serves_a_release_is_asked_as_the_release_wants(
    model: str, known: bool, tmp_path: Path
) -> None:
    settings = ServingSettings(endpoint_url="http://10.0.0.1:8001/v1", endpoint_model=model)
    store = ReleaseStore(tmp_path / "releases", lambda: Base("packaged", "0" * 64))
    asked = named(store, settings, tmp_path)
    assert (asked is not None) is known
    engine = endpoint_engine(settings, asked)
    assert engine is not None
    # A large model may word follow-ups, and is shown whole passages; a release of ours was made for one thing.
    assert (engine.small, engine.tuned, engine.words_questions) == (known, known, not known)
    assert (engine.context == 800) is known
    assert named(store, ServingSettings(), tmp_path) is None
