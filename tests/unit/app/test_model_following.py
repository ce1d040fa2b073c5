"""Adapters that come and go with what is promoted: verified first, announced last, detached when nobody writes with them any more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from app import model_following
from app.model_following import RETRY_S, Follower, unfit
from serving.errors import DamagedRelease, EngineAway, NoSuchRelease
from serving.front import Upstream
from serving.live import Roles
from serving.releases import Base, Manifest, Release, check_files

PACKAGED = Base("packaged", "0" * 64)
GRACE_S = 30.0


def adapter(folder: Path, name: str, rank: int = 12, base: Base = PACKAGED) -> Release:
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": rank, "name": name}))
    (folder / "adapter_model.safetensors").write_bytes(name.encode())
    return Release(Manifest(name, "adapter", base, files=check_files(folder)), folder)


class Server:
    """What the follower asks of a server."""

    def __init__(self) -> None:
        self.attached: dict[str, Path] = {}
        self.refuses = ""

    def attach(self, name: str, folder: Path) -> None:
        if name == self.refuses:
            raise EngineAway("out of memory")
        self.attached[name] = folder

    def detach(self, name: str) -> None:
        del self.attached[name]


class Store:
    default = "support"

    def __init__(self, *releases: Release) -> None:
        self.releases = {each.reference: each for each in releases}

    def get(self, wanted: str) -> Release:
        if wanted not in self.releases:
            raise NoSuchRelease(wanted)
        return self.releases[wanted]


class Scene:
    """Three releases, a server that was started with the first, and a database."""

    def __init__(self, folder: Path) -> None:
        self.first, self.second, self.third = (adapter(folder / n, n) for n in ("first", "second", "third"))
        self.base = Release(Manifest("base", "base", PACKAGED), shipped=True)
        self.now = 100.0
        self.roles = Roles(self.first.reference)
        self.away = False
        self.said: list[str] = []
        self.server = Server()
        assert self.first.folder is not None
        # Named where it was started.
        self.server.attached[self.first.label] = self.first.folder
        self.upstream = Upstream("http://127.0.0.1:1", "key", (self.first.label,))
        store = Store(self.first, self.second, self.third, self.base)
        self.follower = Follower(
            self.server,  # type: ignore[arg-type]  # a server without a process
            self.upstream,
            store,  # type: ignore[arg-type]  # a store without a folder
            self.read,
            self.announce,
            GRACE_S,
            lambda: self.now,
        )

    def read(self) -> Roles:
        if self.away:
            raise OperationalError("select", {}, Exception("gone"))
        return self.roles

    @contextmanager
    def announce(self, label: str) -> Iterator[None]:
        self.said.append(label)
        yield
        self.said.remove(label)

    def look(self, seconds: float = 1.0) -> None:
        self.now += seconds
        self.follower.look()


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(model_following, "packaged_base", lambda: PACKAGED)
    made = Scene(tmp_path)
    made.follower.begin(made.first)
    return made


def test_what_is_promoted_is_attached_and_what_was_live_goes_when_its_answers_are_written(scene: Scene) -> None:
    first, second = scene.first.label, scene.second.label
    assert (scene.said, set(scene.server.attached)) == ([first], {first})
    scene.roles = Roles(scene.second.reference)
    scene.look()
    assert scene.server.attached == {first: scene.first.folder, second: scene.second.folder}
    # The first is asked for no more, and still writes to their end the answers that it has begun.
    assert scene.said == [second]
    assert set(scene.upstream.models) == {first, second}
    scene.look(GRACE_S - 1)
    assert first in scene.server.attached
    scene.look(2)
    assert set(scene.server.attached) == {second}
    assert scene.upstream.models == (second,)


def test_a_rollback_within_the_grace_attaches_nothing_anew(scene: Scene) -> None:
    scene.roles = Roles(scene.second.reference)
    scene.look()
    scene.roles = Roles(scene.first.reference)
    scene.look()
    assert scene.said == [scene.first.label]
    scene.look(GRACE_S + 1)
    scene.look()
    assert set(scene.server.attached) == {scene.first.label}
    assert scene.upstream.models == (scene.first.label,)


def test_a_canary_is_served_beside_and_the_base_needs_no_adapter(scene: Scene) -> None:
    scene.roles = Roles(scene.base.reference, scene.third.reference, 0.1)
    scene.look()
    assert sorted(scene.said) == ["base", scene.third.label]
    assert set(scene.server.attached) == {scene.first.label, scene.third.label}


def test_a_changed_file_is_never_attached(scene: Scene) -> None:
    assert scene.second.folder is not None
    (scene.second.folder / "adapter_model.safetensors").write_bytes(b"other")
    scene.roles = Roles(scene.second.reference)
    scene.look()
    assert (scene.said, set(scene.server.attached)) == ([], {scene.first.label})
    # Mended, it is tried again after a while, not at every look.
    (scene.second.folder / "adapter_model.safetensors").write_bytes(b"second")
    scene.look(2)
    assert scene.said == []
    scene.look(RETRY_S)
    assert scene.said == [scene.second.label]


def test_what_the_server_refuses_or_the_store_does_not_know_leaves_the_rest_alone(scene: Scene) -> None:
    scene.server.refuses = scene.second.label
    scene.roles = Roles(scene.first.reference, scene.second.reference, 0.5)
    scene.look()
    assert scene.said == [scene.first.label]
    scene.roles = Roles(scene.first.reference, "f" * 64, 0.5)
    scene.look()
    assert scene.said == [scene.first.label]


def test_a_database_that_is_away_changes_nothing_and_the_end_withdraws_everything(scene: Scene) -> None:
    scene.roles, scene.away = Roles(scene.second.reference), True
    scene.look()
    assert scene.said == [scene.first.label]
    scene.follower.end()
    assert scene.said == []


def test_the_database_is_not_asked_at_every_turn(scene: Scene) -> None:
    scene.roles = Roles(scene.second.reference)
    scene.look(0.5)
    assert scene.said == [scene.first.label]


def test_what_cannot_be_attached_says_what_serves_it(scene: Scene, tmp_path: Path) -> None:
    wide = adapter(tmp_path / "wide", "wide", rank=128)
    assert "rank 128" in unfit(wide)
    assert "adapter=merged" in unfit(wide)
    other = adapter(tmp_path / "other", "other", base=Base("another", "1" * 64))
    assert "another" in unfit(other)
    merged = replace(scene.first, manifest=replace(scene.first.manifest, kind="merged"))
    assert "another port" in unfit(merged)
    assert unfit(scene.base) == unfit(scene.first) == ""
    (tmp_path / "wide" / "adapter_config.json").write_text("{")
    with pytest.raises(DamagedRelease):
        unfit(wide)
