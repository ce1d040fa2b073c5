"""The chain with fakes: who answers, what is cited, which rung falls for which reason."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from typing import Any

import pytest

from app.errors import UsageError
from app.rag.answer import Answer, AnswerEvent, Ask, Done, Outcome, Retracted, Sentence
from app.rag.chain import AnswerChain
from app.rag.refusals import closest, refusal
from ingest.errors import SettingsError
from ingest.schema import PUBLIC
from serving.engines import ChatEngine
from serving.errors import EngineAway, EngineBroke, EngineError, EngineRefused
from serving.front_requests import TENANT
from serving.pool import Backend, PooledEngine
from serving.prompts import Message
from tests.fakes import ScriptedChatModel
from tests.unit.app.rigging import KB, TEXTS, desk, engine, version_of

QUESTION = "How long is the motor of the WM-900 guaranteed?"
CHINESE = "RF-360N 的变频压缩机保修多少年？"
UNKNOWN = "Do you sell garden furniture and bicycles?"
THIN = "Could somebody from Leeds perhaps look at my hob, and on which shop days?"
TRUE = "The motor of the WM-900 is guaranteed for 10 years [1]."
FALSE = "The motor of the WM-900 is guaranteed for 12 years [1]."


def ask(chain: AnswerChain, question: str = QUESTION, **options: Any) -> Answer:
    return asyncio.run(chain.answer(Ask(question, KB, **options)))


def events(chain: AnswerChain, question: str = QUESTION) -> list[AnswerEvent]:
    async def collect() -> list[AnswerEvent]:
        return [event async for event in chain.stream(Ask(question, KB))]

    return asyncio.run(collect())


def test_an_answer_is_cited_and_says_who_wrote_it() -> None:
    answer = ask(desk().chain(engine(pieces=["The motor of the WM-900 is guar", "anteed for 10 years [1]."])))
    assert answer.answer == TRUE
    assert answer.outcome is Outcome.ANSWERED
    assert (answer.engine, answer.release, answer.fallen) == ("endpoint", "endpoint-release", ())
    assert [(c.n, c.document, c.version, c.text) for c in answer.citations] == [
        (1, "warranty.docx", version_of("warranty.docx"), TEXTS["warranty.docx"])
    ]
    assert {"condense", "embed", "search", "judge", "generate", "total"} <= set(answer.timings_ms)


def test_the_json_has_the_keys_that_scripts_rely_on() -> None:
    shown = ask(desk().chain(engine(pieces=[TRUE]))).as_json()
    assert {"answer", "outcome", "citations", "release", "engine", "fallen", "timings_ms"} <= set(shown)
    assert {"n", "document", "version", "page", "heading", "text"} <= set(shown["citations"][0])


def test_sentences_come_before_the_end_of_the_answer() -> None:
    seen = events(desk().chain(engine(pieces=[TRUE, " ", "The motor of the WM-700 is guaranteed for 5 years [1]."])))
    assert [type(event) for event in seen] == [Sentence, Sentence, Done]
    assert isinstance(seen[0], Sentence)
    assert (seen[0].text, [c.document for c in seen[0].citations]) == (TRUE, ["warranty.docx"])


@pytest.mark.parametrize("question", [UNKNOWN, "How long is the motor of the WM-800 guaranteed?"])
def test_what_the_files_do_not_hold_is_refused_without_asking_an_engine(question: str) -> None:
    model = ScriptedChatModel(pieces=["Yes, of course [1]."])
    source = ChatEngine("endpoint", "m", model, ("*",), 800, 5, len)
    answer = ask(desk().chain(source), question)
    assert (answer.outcome, answer.answer) == (Outcome.REFUSED, refusal("en"))
    assert (answer.engine, answer.release, answer.citations) == (None, None, ())
    assert answer.verdict
    assert model.asked == []


def test_a_refusal_is_in_the_language_of_the_question() -> None:
    assert ask(desk().chain(), "你们卖自行车和园艺家具吗？").answer == refusal("zh")


def test_an_engine_that_finds_nothing_refuses_in_its_name() -> None:
    answer = ask(desk().chain(engine(pieces=["NOT", "_FOUND"])))
    assert (answer.outcome, answer.answer) == (Outcome.REFUSED, refusal("en"))
    assert (answer.engine, answer.citations) == ("endpoint", ())


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        ({"error": EngineAway("gone")}, "away"),
        ({"error": EngineRefused("key")}, "refused key"),
        ({"error": ValueError("garbage")}, "broke"),
        ({"pieces": [FALSE]}, "unsupported"),
        ({"pieces": [" "]}, "unsupported"),
        ({"pieces": []}, "broke"),
        ({"hangs": True, "total_s": 0.2}, "timeout"),
        ({"languages": ("zh",), "pieces": [TRUE]}, "language"),
    ],
)
def test_the_next_rung_answers_and_the_fall_has_its_reason(first: dict[str, Any], reason: str) -> None:
    answer = ask(desk().chain(engine(**first), engine("packaged", pieces=[TRUE])))
    assert (answer.answer, answer.engine, answer.release) == (TRUE, "packaged", "packaged-release")
    assert [(fall.engine, fall.reason) for fall in answer.fallen] == [("endpoint", reason)]
    assert answer.fallen[0].detail


def test_the_ladder_falls_in_order_down_to_the_quotes() -> None:
    answer = ask(desk().chain(engine(error=EngineAway("gone")), engine("packaged", pieces=[FALSE])))
    assert [(fall.engine, fall.reason) for fall in answer.fallen] == [("endpoint", "away"), ("packaged", "unsupported")]
    assert (answer.engine, answer.release, answer.outcome) == ("extractive", None, Outcome.ANSWERED)
    assert answer.answer == TRUE
    assert answer.citations[0].document == "warranty.docx"
    assert any("12 years" in sentence for sentence in answer.withheld)


def test_a_sentence_that_is_withheld_is_never_shown() -> None:
    seen = events(desk().chain(engine(pieces=[FALSE, " ", TRUE])))
    assert [event.text for event in seen if isinstance(event, Sentence)] == [TRUE]


def test_a_break_after_a_sentence_was_shown_retracts_it() -> None:
    chain = desk().chain(engine(pieces=[TRUE, " And"], error=EngineBroke("cut")), engine("packaged", pieces=[TRUE]))
    seen = events(chain)
    assert [type(event) for event in seen] == [Sentence, Retracted, Sentence, Done]
    assert isinstance(seen[1], Retracted)
    assert (seen[1].fall.engine, seen[1].fall.reason) == ("endpoint", "broke")
    assert isinstance(seen[-1], Done)
    assert seen[-1].answer.answer == TRUE


def test_a_break_before_anything_was_shown_retracts_nothing() -> None:
    seen = events(desk().chain(engine(pieces=["The mot"], error=EngineBroke("cut"))))
    assert Retracted not in {type(event) for event in seen}


def test_a_pinned_engine_is_the_only_one_asked() -> None:
    answer = ask(desk().chain(engine(pieces=["NOT_FOUND"]), engine("packaged", pieces=[TRUE])), engine="packaged")
    assert (answer.engine, answer.fallen) == ("packaged", ())


def test_a_pinned_engine_that_fails_is_an_error() -> None:
    chain = desk().chain(engine(error=EngineAway("gone")), engine("packaged", pieces=[TRUE]))
    with pytest.raises(EngineError, match="gone"):
        ask(chain, engine="endpoint")


def test_a_pinned_engine_that_writes_nothing_true_leaves_the_quotes() -> None:
    answer = ask(desk().chain(engine(pieces=[FALSE]), engine("packaged", pieces=[TRUE])), engine="endpoint")
    assert answer.engine == "extractive"
    assert [(fall.engine, fall.reason) for fall in answer.fallen] == [("endpoint", "unsupported")]


def test_the_extractive_answer_can_be_pinned() -> None:
    answer = ask(desk().chain(engine(pieces=["NOT_FOUND"])), engine="extractive")
    assert (answer.engine, answer.answer, answer.fallen) == ("extractive", TRUE, ())


@pytest.mark.parametrize(
    ("pin", "kind", "match"),
    [("endpoint", SettingsError, "FRONTDESK_ENDPOINT_URL"), ("oracle", UsageError, "endpoint, packaged or extractive")],
)
def test_an_engine_that_is_not_there_cannot_be_pinned(pin: str, kind: type[Exception], match: str) -> None:
    with pytest.raises(kind, match=match):
        ask(desk().chain(), engine=pin)


@pytest.mark.parametrize(("question", "match"), [("", "empty"), (" \n", "empty"), ("x" * 51, "50 characters")])
def test_a_question_must_have_words_and_an_end(question: str, match: str) -> None:
    with pytest.raises(UsageError, match=match):
        ask(desk().chain(question_max=50), question)


def test_a_language_that_no_engine_writes_is_quoted() -> None:
    answer = ask(desk().chain(engine("packaged", languages=("en",), pieces=["Twelve years [1]."])), CHINESE)
    assert (answer.engine, answer.language) == ("extractive", "zh")
    assert answer.answer == "RF-360N 的变频压缩机保修 12 年 [1]。"
    assert [(fall.engine, fall.reason) for fall in answer.fallen] == [("packaged", "language")]


def test_thin_evidence_is_quoted_as_the_closest_passage_and_no_small_model_asked() -> None:
    model = ScriptedChatModel(pieces=["The shop in Leeds opens at 9:00 [1]."])
    small = ChatEngine("packaged", "base", model, ("*",), 800, 5, len, small=True)
    answer = ask(desk().chain(small), THIN)
    assert answer.answer.startswith(closest("en"))
    assert (answer.engine, [fall.reason for fall in answer.fallen]) == ("extractive", ["thin evidence"])
    assert len(answer.citations) == 1
    assert model.asked == []


def test_a_small_model_gets_the_best_evidence_only() -> None:
    model = ScriptedChatModel(pieces=[TRUE])
    ask(desk().chain(ChatEngine("packaged", "base", model, ("en",), 800, 5, len, small=True)))
    prompt = str(model.asked[0][-1].content)
    assert TRUE.removesuffix(" [1].") in prompt
    assert "WM-700" not in prompt


def test_a_follow_up_is_answered_with_the_question_before_it() -> None:
    history = (Message("user", QUESTION), Message("assistant", "For 10 years [1]."))
    said = "The motor of the WM-700 is guaranteed for 5 years [1]."
    answer = ask(desk().chain(engine("packaged", pieces=[said])), "And what about the WM-700?", history=history)
    assert (answer.standalone_question, answer.standalone_by) == (QUESTION.replace("WM-900", "WM-700"), "rules")


def test_the_short_style_takes_a_bare_answer() -> None:
    answer = ask(desk().chain(engine(pieces=["10 years"])), style="short")
    assert (answer.answer, answer.engine) == ("10 years [1]", "endpoint")


def test_closing_the_stream_stops_the_engine() -> None:
    class Stoppable(ScriptedChatModel):
        stopped: bool = False

        async def _astream(self, *args: Any, **kwargs: Any) -> Any:
            try:
                async for chunk in super()._astream(*args, **kwargs):
                    yield chunk
            finally:
                self.stopped = True

    model = Stoppable(pieces=[TRUE, " And"], hangs=True)
    chain = desk().chain(ChatEngine("endpoint", "m", model, ("*",), 800, 60, len))

    async def leave_early() -> tuple[AnswerEvent, bool]:
        async with aclosing(chain.stream(Ask(QUESTION, KB))) as stream:
            first = await anext(stream)
        # The runnable's own generators are closed by the loop in its next rounds.
        for _ in range(20):
            await asyncio.sleep(0.01)
        return first, model.stopped

    first, stopped = asyncio.run(asyncio.wait_for(leave_early(), 20))
    assert isinstance(first, Sentence)
    assert first.text == TRUE
    assert stopped


def test_falls_are_logged_as_warnings_and_unfit_engines_are_not(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="app.rag.chain"):
        ask(desk().chain(engine(error=EngineAway("gone")), engine("packaged", pieces=[FALSE])))
    assert [(r.levelname, r.args[0]) for r in caplog.records if isinstance(r.args, tuple)] == [
        ("WARNING", "endpoint"),
        ("INFO", "packaged"),
    ]


def test_a_front_of_ours_is_told_whose_question_it_is_through_the_pool() -> None:
    model = ScriptedChatModel(pieces=[TRUE])
    inner = ChatEngine("endpoint", "support", model, ("*",), 800, 5.0, lambda text: len(text) // 4, tuned=True)
    pool = PooledEngine([Backend("http://127.0.0.1:8001", inner)])
    assert ask(desk().chain(pool)).answer == TRUE
    assert model.headers == [inner.tells_of(PUBLIC.tenant)]
    assert model.headers[0][TENANT]
