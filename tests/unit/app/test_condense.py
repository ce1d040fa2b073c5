"""Follow-ups made standalone by rules."""

from __future__ import annotations

import pytest

from app.rag.condense import CHARACTERS, MESSAGES, bounded, condense
from app.rag.leaning import bare
from serving.passages import content_tokens
from serving.prompts import Message


def turns(*texts: str) -> list[Message]:
    """Question, answer, question, ..."""
    return [Message("assistant" if n % 2 else "user", text) for n, text in enumerate(texts)]


MOTOR = turns("How long is the motor of the WM-900 guaranteed?", "For 10 years [1].")
PLACE = turns("Somewhere to eat Italian food?", "I would recommend la margherita in Magdalene Street.")
PLACES = ["La Margherita", "Bangkok City", "Margherita Lodge"]
FRIDGE = turns("RF-360N 的变频压缩机保修多少年？", "12 年 [1]。")


@pytest.mark.parametrize(
    ("history", "question", "names", "standalone"),
    [
        pytest.param(MOTOR, "How much does it cost?", [], "WM-900: How much does it cost?", id="code carried"),
        pytest.param(MOTOR, "What about the WM-700?", [], "How long is the motor of the WM-700 guaranteed?", id="code replaced"),
        pytest.param(MOTOR, "And its pump?", [], "How long is the motor of the WM-900 guaranteed? And its pump?", id="ellipsis"),
        pytest.param(PLACE, "Do they serve wine?", PLACES, "La Margherita: Do they serve wine?", id="title in small letters"),
        pytest.param(PLACE, "What about Bangkok City?", PLACES, "Somewhere to eat Italian food? What about Bangkok City?", id="another title"),
        pytest.param(turns("How much is delivery to Wales?", "£30."), "And to Scotland?", [], "How much is delivery to Scotland?", id="another place"),
        pytest.param(FRIDGE, "多少钱？", [], "RF-360N：多少钱？", id="zh code carried"),
        pytest.param(FRIDGE, "那 RF-310 呢？", [], "RF-310 的变频压缩机保修多少年？", id="zh code replaced"),
        pytest.param(turns("故宫好玩吗？", "值得一去。"), "好的，那它门票多少钱？", ["故宫", "天坛"], "故宫：那它门票多少钱？", id="zh title"),
        pytest.param(turns("觀復博物館在哪裡？", "在朝陽區。"), "那裡要門票嗎？", ["觀復博物館"], "觀復博物館：那裡要門票嗎？", id="zh-hant title"),
        pytest.param(turns("送货到海南要多少钱？", "80 元。"), "那新疆呢？", [], "送货到海南要多少钱？ 那新疆呢？", id="zh ellipsis"),
        pytest.param([*MOTOR, *turns("Is it loud?", "It makes 49 dB [1].")], "And when it spins?", [], "WM-900: Is it loud? And when it spins?", id="follow-up of a follow-up"),
        pytest.param([*FRIDGE, *turns("那 RF-310 呢？", "8 年 [1]。")], "门封条呢？", [], "RF-310 的变频压缩机保修多少年？ 门封条呢？", id="zh follow-up of a follow-up"),
    ],
)  # fmt: skip
def test_what_is_left_out_is_taken_from_the_turns_before(
    history: list[Message], question: str, names: list[str], standalone: str
) -> None:
    found = condense(history, question, names)
    assert (found.question, found.by) == (standalone, "rules")
    # As it was asked it is searched for as well, unless all that it says is in the standalone question.
    kept = [standalone, question] if bare(question) in standalone and content_tokens(question) else [standalone]
    assert [wording.text for wording in found.wordings] == kept
    assert sum(wording.weight for wording in found.wordings) == pytest.approx(1)


@pytest.mark.parametrize(
    ("history", "question", "names"),
    [
        pytest.param([], "How much is it?", [], id="no turns before"),
        pytest.param(MOTOR[1:], "How much is it?", [], id="no question before"),
        pytest.param(MOTOR, "What does the delivery of a fridge to Wales cost?", [], id="stands alone"),
        pytest.param(PLACE, "Does Bangkok City have tables where they let you smoke?", PLACES, id="names what its pronoun stands for"),
        pytest.param(FRIDGE, "退货的运费由谁承担？", [], id="zh stands alone"),
        pytest.param(turns("故宫好玩吗？", "值得一去。"), "天坛那边怎么样？", ["故宫", "天坛"], id="zh names what it points at"),
    ],
)  # fmt: skip
def test_a_question_that_needs_nothing_stays_as_it_was_asked(
    history: list[Message], question: str, names: list[str]
) -> None:
    found = condense(history, question, names)
    assert (found.question, found.by, found.carried) == (question, "asked", ())
    # Its topic may help to find, a little, and has no say in the verdict.
    assert [wording.text for wording in found.wordings if wording.judged] == list({question: None})
    assert sum(w.weight for w in found.wordings if not w.judged) <= 0.3 * sum(w.weight for w in found.wordings)


def test_the_less_a_follow_up_says_itself_the_more_the_turns_before_have_to_say() -> None:
    says_little = condense(MOTOR, "How much does it cost?").wordings
    says_much = condense(MOTOR, "Can I wash woollen blankets with it?").wordings
    assert says_little[0].weight > says_much[0].weight


def test_a_change_of_topic_drops_what_was_carried() -> None:
    history = [*MOTOR, *turns("What does a pump for the FD-250 cost?", "£64.50 [1].")]
    assert condense(history, "Is it in stock?").carried == ("FD-250",)


def test_an_answer_that_names_others_beside_it_does_not_change_the_topic() -> None:
    answer = "WM-900 和 WM-900S 的直驱电机保修 10 年，WM-700 的串激电机保修 3 年 [1]。"
    assert condense(turns("WM-900 的电机保修多少年？", answer), "它多少钱？").carried == ("WM-900",)


def test_codes_that_an_answer_quotes_are_not_carried() -> None:
    answer = "Ovens: OV-65, OV-72P, 30 days [1]."
    assert condense(turns("How long may I return an oven?", answer), "Who pays for it?").carried == ()


def test_a_list_of_names_is_not_what_a_conversation_is_about() -> None:
    listed = "We have La Margherita, Bangkok City, Kymmoy and Bedouin."
    history = turns("Tell me about Bangkok City", "It is in the centre.", "Which others are there?", listed)
    names = ["La Margherita", "Bangkok City", "Kymmoy", "Bedouin"]
    assert condense(history, "Do they have a garden?", names).carried == ("Bangkok City",)


def test_a_name_is_a_whole_word() -> None:
    history = turns("Is the Bedouins' camp open?", "Yes.")
    assert condense(history, "How much is it?", ["Bedouin"]).carried != ("Bedouin",)


def test_a_long_history_is_cut_to_its_end() -> None:
    history = turns(*("word " * 1000 for _ in range(40)))
    kept = bounded(history)
    assert len(kept) == MESSAGES
    assert max(len(message.content) for message in kept) == CHARACTERS
    assert len(condense(history, "How much is it?").question) <= 3 * CHARACTERS


@pytest.mark.parametrize(
    ("said", "question", "name"),
    [
        (
            "I booked you a table at Sala Thong. Your reference number is EPNSY28V. Anything else?",
            "Is it quiet?",
            "Sala Thong",
        ),
        ("Your room at Sala Thong is booked. Confirmation code: AB12CD9.", "Does it have parking?", "Sala Thong"),
        ("您在 Sala Thong 的预订编号是 EPNSY28V。", "它有停车位吗？", "Sala Thong"),
    ],
)
def test_a_number_of_a_booking_is_not_what_is_asked_about(said: str, question: str, name: str) -> None:
    turns = [Message("user", "Book it, please."), Message("assistant", said)]
    found = condense(turns, question, [name])
    assert found.carried == (name,)


def test_a_product_code_after_the_word_order_is_still_a_product() -> None:
    turns = [Message("user", "Can I order the WM-700?"), Message("assistant", "The WM-700 is in stock.")]
    assert condense(turns, "What does it cost?").carried == ("WM-700",)
