"""What the API keeps: conversations, idempotent replies, names of uploads."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, update
from sqlalchemy.orm import Session

from app.conversations import Conversations, MessageState, Status
from app.errors import Conflict, UsageError
from app.idempotency import IdempotencyKeys
from app.rag.answer import Answer, Outcome
from app.received import document_name
from app.server import announced, announced_url
from ingest.database import IdempotencyRow, open_database
from ingest.errors import NotFound


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_database(f"sqlite:///{tmp_path / 'kept.db'}")
    yield made
    made.dispose()


def test_history_holds_what_was_answered_in_order(engine: Engine) -> None:
    kept = Conversations(engine)
    made = kept.create("kb1")
    for n in range(4):
        kept.answered(kept.ask(made.id, f"question {n}"), Answer(f"answer {n}", Outcome.ANSWERED))
    pending = kept.ask(made.id, "question 4")
    assert [m.content for m in kept.history(made.id, 2)] == ["answer 2", "question 3", "answer 3", "question 4"]
    kept.interrupted(pending, "half")
    assert [m.state for m in kept.messages(made.id)][-1] is MessageState.INTERRUPTED
    assert kept.get(made.id).messages == 10
    assert kept.get(made.id).title == "question 0"


def test_the_end_of_an_answer_is_written_once(engine: Engine) -> None:
    kept = Conversations(engine)
    message = kept.ask(kept.create("kb1").id, "question")
    kept.answered(message, Answer("whole", Outcome.ANSWERED))
    kept.interrupted(message, "half")
    found = kept.messages(kept.page()[0][0].id)[1]
    assert (found.text, found.state, found.answer["outcome"]) == ("whole", MessageState.COMPLETE, "answered")


def test_a_restart_marks_what_a_dead_process_was_writing(engine: Engine) -> None:
    kept = Conversations(engine)
    made = kept.create("kb1")
    kept.ask(made.id, "question")
    assert (kept.recover(), kept.recover()) == (1, 0)
    assert [m.state for m in kept.messages(made.id)] == [MessageState.COMPLETE, MessageState.INTERRUPTED]


def test_hand_off_close_delete_and_the_tenants_wall(engine: Engine) -> None:
    kept = Conversations(engine)
    made = kept.create("kb1", "acme")
    with pytest.raises(NotFound):
        kept.hand_off(made.id, "ada@example.com", "", "other")
    assert kept.hand_off(made.id, "ada@example.com", "note", "acme").status is Status.WAITING
    assert [c.id for c in kept.page("acme", status=Status.WAITING)[0]] == [made.id]
    assert kept.page("other") == ([], 0)
    assert kept.close(made.id, "acme").status is Status.CLOSED
    kept.ask(made.id, "question", "acme")
    kept.delete(made.id, "acme")
    with pytest.raises(NotFound, match="begin a new one"):
        kept.messages(made.id, "acme")


def test_a_key_gives_its_reply_again(engine: Engine) -> None:
    keys = IdempotencyKeys(engine)
    assert keys.begin("k", "upload:1") is None
    with pytest.raises(Conflict, match="still being carried out"):
        keys.begin("k", "upload:1")
    assert keys.begin("k", "upload:2") is None
    keys.finish("k", "upload:1", "hash", "reply")
    assert keys.begin("k", "upload:1") == "reply"
    keys.check("k", "upload:1", "hash")
    with pytest.raises(UsageError, match="new key"):
        keys.check("k", "upload:1", "other")


def test_a_failed_or_abandoned_key_may_be_used_again(engine: Engine) -> None:
    keys = IdempotencyKeys(engine)
    keys.begin("failed", "s")
    keys.abandon("failed", "s")
    assert keys.begin("failed", "s") is None
    keys.recover()
    assert keys.begin("failed", "s") is None
    with Session(engine) as session, session.begin():
        session.execute(update(IdempotencyRow).values(created_at=datetime.now(UTC) - timedelta(hours=1)))
    assert keys.begin("failed", "s") is None


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("a.pdf", "a.pdf"),
        ("政策/退货.docx", "政策/退货.docx"),
        ("../../etc/passwd", "etc/passwd"),
        ("C:\\Users\\ada\\terms.docx", "C:/Users/ada/terms.docx"),
        ("/abs//a.pdf", "abs/a.pdf"),
        ("a\x00b\u202e.pdf", "ab.pdf"),
        ("e\u0301.txt", "\u00e9.txt"),
    ],
)
def test_names_of_uploads(sent: str, name: str) -> None:
    assert document_name(sent) == name


@pytest.mark.parametrize("sent", ["", "..", "/", "\x00", "x" * 501])
def test_names_that_cannot_be_kept(sent: str) -> None:
    with pytest.raises(UsageError):
        document_name(sent)


def test_a_server_leaves_its_address_while_it_runs(tmp_path: Path) -> None:
    assert announced_url(tmp_path) is None
    with announced(tmp_path, "http://127.0.0.1:8000"):
        assert announced_url(tmp_path) == "http://127.0.0.1:8000"
    assert announced_url(tmp_path) is None
    (tmp_path / "server.json").write_text('{"url": "http://127.0.0.1:8000", "pid": 99999999}')
    assert announced_url(tmp_path) is None
