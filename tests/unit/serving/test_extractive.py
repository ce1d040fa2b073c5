"""The extractive answer quotes the best windows, each saying something new."""

from __future__ import annotations

import pytest

from serving.extractive import Evidence, extract
from serving.passages import Passage, windows

MOTOR = "The motor is guaranteed for 10 years."
MOTOR_AGAIN = "The motor is guaranteed for 10 years by us."
TUB = "The steel tub cannot rust through."
FEE = "A visit costs £65."
LAMP = "Lamps wear out quickly."


def evidence(*scored: tuple[int, str, float]) -> list[Evidence]:
    """(passage, sentence, score) in reading order."""
    texts: dict[int, list[str]] = {}
    for n, text, _ in scored:
        texts.setdefault(n, []).append(text)
    found = {n: windows(Passage(n, f"c{n}", f"d{n}", "", "v", " ".join(parts))) for n, parts in texts.items()}
    by_text = {(n, w.text): w for n, ws in found.items() for w in ws}
    return [Evidence(by_text[n, text], score) for n, text, score in scored]


@pytest.mark.parametrize(
    ("given", "limit", "quoted"),
    [
        pytest.param([], 3, [], id="no evidence"),
        pytest.param([(1, MOTOR, 0.5)], 3, [MOTOR], id="one"),
        pytest.param([(1, MOTOR, 0.5), (2, TUB, 0.9)], 3, [TUB], id="far behind the best"),
        pytest.param([(1, MOTOR, 0.86), (2, TUB, 0.9)], 3, [TUB, MOTOR], id="nearly as good"),
        pytest.param([(1, MOTOR, 0.9), (2, MOTOR_AGAIN, 0.89), (3, TUB, 0.88)], 3, [MOTOR, TUB], id="nothing new"),
        pytest.param([(1, FEE, 0.88), (1, TUB, 0.9)], 3, [FEE, TUB], id="one passage in reading order"),
        pytest.param(
            [(2, FEE, 0.88), (1, LAMP, 0.89), (2, TUB, 0.9)], 3, [FEE, TUB, LAMP], id="the best one's passage first"
        ),
        pytest.param([(1, MOTOR, 0.9), (2, TUB, 0.9), (3, FEE, 0.9)], 2, [MOTOR, TUB], id="limit; ties by passage"),
        pytest.param([(1, "What is it?", 0.9), (2, TUB, 0.9)], 3, [TUB], id="a window without content"),
    ],
)
def test_quotes(given: list[tuple[int, str, float]], limit: int, quoted: list[str]) -> None:
    assert [w.text for w in extract(evidence(*given), limit)] == quoted


def test_the_order_of_the_evidence_does_not_matter() -> None:
    given = evidence((2, FEE, 0.88), (1, LAMP, 0.89), (2, TUB, 0.9))
    assert extract(given) == extract(given[::-1])
