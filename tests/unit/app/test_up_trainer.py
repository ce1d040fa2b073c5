"""What `frontdesk up` does with a trainer that ends by itself."""

from __future__ import annotations

from typing import Any

import pytest

from app.commands import up


class Process:
    """A process that ends when it is told to."""

    returncode: int | None = None

    def poll(self) -> int | None:
        return self.returncode


class Trainer(up.Trainer):
    """One whose processes are none."""

    begun: list[Any] = []  # noqa: RUF012 - of the class on purpose: it counts what all made

    @staticmethod
    def _new(environment: dict[str, str]) -> Any:
        Trainer.begun.append(Process())
        return Trainer.begun[-1]


def test_it_alone_is_started_again_after_a_pause(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 100.0
    monkeypatch.setattr(up.time, "monotonic", lambda: now)
    Trainer.begun.clear()
    trainer = Trainer.start({})
    trainer.look()
    assert len(Trainer.begun) == 1
    Trainer.begun[0].returncode = -9
    trainer.look()
    now += up.AGAIN_S - 1
    trainer.look()
    # At once it would take the memory that it died of again and again.
    assert len(Trainer.begun) == 1
    now += 2
    trainer.look()
    trainer.look()
    assert len(Trainer.begun) == 2
    assert capsys.readouterr().err.count("-9") == 1
    Trainer.begun[1].returncode = 1
    trainer.look()
    assert trainer.ended_at == now
