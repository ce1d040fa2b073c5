"""What may reach a customer: sentences cut from the stream, each held against the passages."""

from __future__ import annotations

import pytest

from serving.citations import SentenceBuffer, check_sentence, marks_of, strip_marks
from serving.passages import Passage

PROSE = Passage(
    1,
    "c1",
    "warranty.docx",
    "Guarantee terms",
    "v1",
    "The motor of the WM-900 is guaranteed for 10 years. The motor of the WM-700 is guaranteed for 5 years. "
    "Commercial use is not covered by the guarantee. Delivery to Scotland is free of charge. "
    "Scratches must be reported within 5 days of delivery.",
    heading_path=("Longer periods",),
)
TABLE = Passage(
    2,
    "c2",
    "returns.pdf",
    "Restocking fee",
    "v1",
    "| Group | Unused | Used | In stock |\n|---|---|---|---|\n"
    "| Fridge-freezers | none | 15 % | no |\n| Dishwashers | 5 % | 25 % | yes |",
)
CHINESE = Passage(
    3,
    "c3",
    "bx.docx",
    "保修条款",
    "v1",
    "WM-900 的直驱电机保修 10 年。WM-700 的串激电机保修 3 年，碳刷除外。上门费每次 60 元。商用机器不予保修。",
    language="zh",
)
FEE = Passage(
    4, "c4", "fees.md", "Fees", "v1", "The restocking fee is 10 %. We charge £25 to collect a large appliance."
)
NOT_COVERED = Passage(
    5,
    "c5",
    "warranty.docx",
    "Guarantee terms",
    "v1",
    "- Frost damage of any kind.\n- Scratched glass doors.\n\nSend us a photograph of the glass.",
    heading_path=("4 What is not covered",),
)
DRAIN = Passage(
    6, "c6", "manual.pdf", "Manual", "v1", "Clean the drain pump filter.", heading_path=("The washer does not drain",)
)
PASSAGES = [PROSE, TABLE, CHINESE, FEE, NOT_COVERED, DRAIN]


def in_pieces(text: str, size: int) -> list[str]:
    buffer = SentenceBuffer()
    cut = [sentence for i in range(0, len(text), size) for sentence in buffer.push(text[i : i + size])]
    return cut + buffer.flush()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("It runs [1]. It stops [2]. Ask", ["It runs [1].", "It stops [2].", "Ask"]),
        ("It runs. [1] It stops. [2][3] Ask!", ["It runs. [1]", "It stops. [2][3]", "Ask!"]),
        ("It runs.[1] It stops.", ["It runs.[1]", "It stops."]),
        ('He says "yes." [1] It stops.', ['He says "yes." [1]', "It stops."]),
        ("It costs £3.50 a day. It weighs 41.5 kg.", ["It costs £3.50 a day.", "It weighs 41.5 kg."]),
        ("It weighs approx. 40 kg. It stops.", ["It weighs approx. 40 kg.", "It stops."]),
        ("It runs. [see below] It stops. Ask!", ["It runs.", "[see below] It stops.", "Ask!"]),
        ("保修 10 年。[1] 上门费 60 元。【2】谢谢！", ["保修 10 年。[1]", "上门费 60 元。【2】", "谢谢！"]),
        ("保修 10 年[1]。上门费 60 元[2，3]。", ["保修 10 年[1]。", "上门费 60 元[2，3]。"]),
        ("One line\nAnother [2]\n\nThird", ["One line", "Another [2]", "Third"]),
        ("  ", []),
    ],
)
def test_a_stream_is_cut_into_the_same_sentences_whatever_its_pieces(
    text: str, sentences: list[str], size: int
) -> None:
    assert in_pieces(text, size) == sentences


def test_a_sentence_is_released_as_soon_as_the_next_begins() -> None:
    buffer = SentenceBuffer()
    assert buffer.push("It runs.") == []
    assert buffer.push(" [1") == []
    assert buffer.push("] I") == ["It runs. [1]"]
    assert buffer.flush() == ["I"]


@pytest.mark.parametrize(
    ("text", "marks", "bare"),
    [
        ("It runs [1].", (1,), "It runs."),
        ("A [2, 3] b [2] c 【4、1】", (2, 3, 4, 1), "A b c"),
        ("保修[2，1]。", (2, 1), "保修。"),
        ("In [2026] it ran", (), "In [2026] it ran"),
        ("No mark", (), "No mark"),
    ],
)
def test_marks_are_read_and_taken_off(text: str, marks: tuple[int, ...], bare: str) -> None:
    assert (marks_of(text), strip_marks(text)) == (marks, bare)


@pytest.mark.parametrize(
    ("sentence", "mark"),
    [
        pytest.param("The motor of the WM-900 is guaranteed for 10 years [1].", 1, id="as it stands"),
        pytest.param("The motor of the WM-900 is guaranteed for 10 years.", 1, id="no mark: it is given one"),
        pytest.param("For 10 years the WM-900's motor is guaranteed [1].", 1, id="other order"),
        pytest.param("The guarantee of the WM-700's motor is 5 years [1].", 1, id="second sentence"),
        pytest.param("Commercial use is not covered by the guarantee [1].", 1, id="negated in both"),
        pytest.param("Frost damage is not covered [5].", 5, id="negated by its heading"),
        pytest.param("Send a photograph of the glass [5].", 5, id="heading's not is about something else"),
        pytest.param("Clean the filter of the drain pump [6].", 6, id="a symptom for a heading"),
        pytest.param("For dishwashers the used fee is 25 % [2].", 2, id="table row"),
        pytest.param("Fridge-freezers: Used: 15 % [2].", 2, id="a cell beside one that says none"),
        pytest.param("The restocking fee is 10 percent [4].", 4, id="the same unit in other letters"),
        pytest.param("WM-900 的直驱电机保修 10 年[3]。", 3, id="chinese"),
        pytest.param("WM-900 的直驱电机保修 10 年。", 3, id="chinese without mark"),
        pytest.param("商用机器不予保修[3]。", 3, id="chinese, negated in both"),
        pytest.param("上门费每次 60 元【3】。", 3, id="chinese mark"),
    ],
)
def test_a_supported_sentence_gets_the_mark_of_its_passage(sentence: str, mark: int) -> None:
    checked = check_sentence(sentence, PASSAGES, "?", None)
    assert (checked.marks, checked.withheld) == ((mark,), "")
    assert checked.text == strip_marks(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        pytest.param("The motor of the WM-900 is guaranteed for 12 years [1].", id="wrong number"),
        pytest.param("The motor of the WM-900 is guaranteed for 10 months [1].", id="right number, wrong unit"),
        pytest.param("The restocking fee is 10 days [4].", id="days for per cent"),
        pytest.param("Scratches must be reported within 5 % of delivery [1].", id="per cent for days"),
        pytest.param("We charge €25 to collect a large appliance [4].", id="wrong currency"),
        pytest.param("The motor of the WM-800 is guaranteed for 10 years [1].", id="unknown product"),
        pytest.param("The motor of the WM-900 is guaranteed for 5 years [1].", id="another product's number next to it"),
        pytest.param("The motor of the WM-700 is guaranteed for 10 years [1].", id="the same, the other way round"),
        pytest.param("Commercial use is covered by the guarantee [1].", id="negation dropped"),
        pytest.param("The motor of the WM-900 is not guaranteed for 10 years [1].", id="negation added"),
        pytest.param("The motor of the WM-900 isn't guaranteed for 10 years [1].", id="negation added, short form"),
        pytest.param("Frost damage is covered [5].", id="its heading's negation dropped"),
        pytest.param("Delivery to Wales is free of charge [1].", id="name not in the passage"),
        pytest.param("The motor of the WM-900 is guaranteed for 10 years [7].", id="passage that was not given"),
        pytest.param("The motor of the WM-900 is guaranteed for 10 years [4].", id="passage that does not say so"),
        pytest.param("For dishwashers the used fee is 15 % [2].", id="number of another row"),
        pytest.param("Fridge-freezers are in stock [2].", id="a cell that says no"),
        pytest.param("Our friendly team is always happy to help you [1].", id="nothing of it stands there"),
        pytest.param("Yes.", id="nothing said"),
        pytest.param("[1]", id="mark only"),
        pytest.param("WM-900 的直驱电机保修 12 年[3]。", id="chinese, wrong number"),
        pytest.param("WM-900 的直驱电机保修 10 天[3]。", id="chinese, wrong unit"),
        pytest.param("WM-900 的直驱电机保修 3 年[3]。", id="chinese, another product's number"),
        pytest.param("WM-500 的直驱电机保修 10 年[3]。", id="chinese, unknown product"),
        pytest.param("WM-900 的直驱电机不保修 10 年[3]。", id="chinese, negation added"),
        pytest.param("商用机器予以保修[3]。", id="chinese, negation dropped"),
        pytest.param("上门费每次 80 元[3]。", id="chinese, wrong price"),
        pytest.param(
            "Siemens guarantees the motor of the WM-900 for 10 years [1].",
            id="name as first word",
            marks=pytest.mark.xfail(
                strict=True, reason="every sentence begins with a capital: a foreign name there cannot be told from a word"
            ),
        ),
        pytest.param(
            "Domestic use is not covered by the guarantee [1].",
            id="one content word exchanged",
        ),
    ],
)  # fmt: skip
def test_an_unsupported_sentence_is_withheld_with_a_reason(sentence: str) -> None:
    checked = check_sentence(sentence, PASSAGES, "?", None)
    assert (checked.marks, checked.window) == ((), None)
    assert checked.withheld


@pytest.mark.parametrize(
    ("sentence", "supported"),
    [
        pytest.param("The motor of the WM-900 is guaranteed for 10 years.", True, id="the passage's words"),
        pytest.param("The motor of the WM-900 is luckily guaranteed for 10 years.", False, id="a word of its own"),
        pytest.param(
            "Delivery to Scotland is free of charge for 5 days.", False, id="a number from a neighbouring sentence"
        ),
        pytest.param("So the motor of your WM-900 is guaranteed for 10 years.", True, id="empty words are free"),
    ],
)
def test_verbatim_keeps_a_writer_to_the_window(sentence: str, supported: bool) -> None:
    checked = check_sentence(sentence, PASSAGES, "How long is the guarantee?", None, verbatim=True)
    assert bool(checked.marks) is supported


def test_a_number_from_a_neighbouring_sentence_is_free_for_other_writers() -> None:
    sentence = "Delivery to Scotland is free of charge for 5 days."
    assert check_sentence(sentence, PASSAGES, "?", None).marks == (1,)


@pytest.mark.parametrize(("sentence", "mark"), [("10 years", (1,)), ("15 %", (2,)), ("12 litres", ())])
def test_a_bare_answer_may_be_one_word(sentence: str, mark: tuple[int, ...]) -> None:
    assert check_sentence(sentence, PASSAGES, "?", None, bare=True).marks == mark


@pytest.mark.parametrize(("cosine", "supported"), [(0.9, True), (0.3, False)])
def test_similarity_decides_where_words_are_half_there(cosine: float, supported: bool) -> None:
    sentence = "Tell us about scratches within 5 days, counted from the arrival of the box [1]."
    checked = check_sentence(sentence, PASSAGES, "?", lambda _text, others: [cosine] * len(others))
    assert bool(checked.marks) is supported


def test_similarity_cannot_overrule_a_wrong_number() -> None:
    sentence = "The motor of the WM-900 is guaranteed for 12 years [1]."
    assert not check_sentence(sentence, PASSAGES, "?", lambda _text, others: [1.0] * len(others)).marks


def test_a_name_of_the_question_may_be_repeated() -> None:
    sentence = "Delivery from Wales to Scotland is free of charge [1]."
    withheld = check_sentence(sentence, PASSAGES, "?", None)
    repeated = check_sentence(sentence, PASSAGES, "I live in Wales. Is delivery to Scotland free?", None)
    assert (bool(withheld.marks), bool(repeated.marks)) == (False, True)
