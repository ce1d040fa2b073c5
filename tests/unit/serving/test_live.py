"""What is live: promoted, rolled back, a canary for some conversations, always the same ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.database import open_database
from serving.errors import ReleaseError
from serving.live import LiveReleases, Roles


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveReleases]:
    engine = open_database(f"sqlite:///{tmp_path / 'live.db'}")
    yield LiveReleases(engine)
    engine.dispose()


def test_nothing_is_promoted_at_first(live: LiveReleases) -> None:
    assert live.roles() == Roles()
    with pytest.raises(ReleaseError, match="nothing to roll back"):
        live.rollback()


def test_rollback_goes_back_step_by_step(live: LiveReleases) -> None:
    for name in ("a", "b", "c"):
        live.promote(name)
    assert [live.rollback().live for _ in range(3)] == ["b", "a", ""]
    with pytest.raises(ReleaseError):
        live.rollback()
    # After a rollback, what is promoted goes back to where it came from, not to what was rolled back.
    live.promote("d")
    live.promote("e")
    live.rollback()
    live.promote("f")
    assert [live.rollback().live for _ in range(2)] == ["d", ""]


def test_a_canary_ends_with_the_rollback_whatever_its_steps(live: LiveReleases) -> None:
    live.promote("a")
    live.promote("b", 0.1)
    assert live.promote("b", 0.5) == Roles("a", "b", 0.5)
    assert live.rollback() == Roles("a")
    live.promote("b", 0.1)
    assert live.promote("b") == Roles("b")
    assert live.roles() == Roles("b")
    assert live.rollback() == Roles("a")


def test_a_canary_beside_what_is_live_by_itself(live: LiveReleases) -> None:
    assert live.promote("b", 0.2) == Roles("", "b", 0.2)
    assert live.rollback() == Roles()
    live.promote("a")
    with pytest.raises(ReleaseError, match="live"):
        live.promote("a", 0.5)
    for share in (0.0, 1.1, -1.0):
        with pytest.raises(ReleaseError, match="share"):
            live.promote("b", share)


def test_another_process_sees_it(live: LiveReleases, tmp_path: Path) -> None:
    other = open_database(f"sqlite:///{tmp_path / 'live.db'}")
    live.promote("a")
    assert LiveReleases(other).roles() == Roles("a")
    other.dispose()
    assert [(each["action"], each["live"]) for each in live.history()] == [("promote", "a")]


def test_a_conversation_stays_with_its_release_and_the_share_is_kept() -> None:
    roles = Roles("a", "b", 0.1)
    ids = [f"conversation-{n}" for n in range(5000)]
    chosen = [roles.of(conversation) for conversation in ids]
    assert chosen == [roles.of(conversation) for conversation in ids]
    assert 0.08 < chosen.count("b") / len(ids) < 0.12
    # A larger share keeps those who were in the smaller one.
    larger = Roles("a", "b", 0.5)
    assert all(larger.of(c) == "b" for c in ids if roles.of(c) == "b")
    # Another canary is tried out on others.
    other = Roles("a", "c", 0.1)
    assert [c for c in ids if roles.of(c) == "b"] != [c for c in ids if other.of(c) == "c"]
    assert roles.of("") == "a"
    assert Roles("a").of("conversation-1") == "a"
