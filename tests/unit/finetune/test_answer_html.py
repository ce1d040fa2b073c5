"""The report holds every run's figures, draws what it says, and lets nobody's words become markup."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from finetune.answer_dataset import AnswerQuestion
from finetune.answer_html import bars, html_of, write_report
from finetune.answer_report import report_of
from finetune.answer_runs import About, AnswerRun
from finetune.answers import Written, score
from finetune.errors import DatasetError


def run_of(release: str, passages: str, said: tuple[str, str]) -> AnswerRun:
    asked = [
        AnswerQuestion("1", "How long <b>is</b> it?", ("d",), ("10 years",)),
        AnswerQuestion("2", "How much?", ("d",), ("5 pounds",)),
    ]
    scored = [score(q, Written(text, False, "answered")) for q, text in zip(asked, said, strict=True)]
    report = report_of(scored, 2.0).as_json()
    report["general"] = {
        "contains": 0.5,
        "interval": [0.1, 0.9],
        "questions": 2,
        "by_kind": {"format": 0.5},
        "answers": [],
    }
    return AnswerRun(About("d", "h", release, release, "packaged", passages, "short", "1", "now"), report, scored)


BASE = run_of("base", "given", ("<script>alert(1)</script>", "5 pounds"))
TUNED = run_of("tuned@1", "given", ("10 years", "5 pounds"))
ALONE = run_of("base", "none", ("no", "no"))


def test_every_run_has_its_figures_and_its_place() -> None:
    text = html_of([BASE, TUNED, ALONE])
    assert "Releases, with and without passages" in text
    cells = re.findall(r"<tr><td>(base|tuned@1)</td><td>(.*?)</td><td>(.*?)</td></tr>", text)
    assert [(name, given[:5], alone[:5]) for name, given, alone in cells] == [
        ("base", "0.500", "0.000"),
        ("tuned@1", "1.000", ""),
    ]
    assert "tuned@1, passages given, short against base, passages given, short" in text
    assert "Better: 1 questions" in text
    assert "General ability" in text


def test_nobodys_words_become_markup() -> None:
    text = html_of([BASE, TUNED])
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "How long &lt;b&gt;is" in text


def test_bars_are_as_long_as_their_figures() -> None:
    drawn = bars(["f1", "exact_match"], [BASE, TUNED])
    svg = ElementTree.fromstring(drawn[drawn.index("<svg") :])
    widths = [float(bar.attrib["width"]) for bar in svg.iter("rect")]
    assert widths[1] > 0
    assert widths[0] / widths[1] == pytest.approx(0.5)
    assert len(widths) == 4


def test_runs_of_other_questions_stand_beside_each_other_uncompared() -> None:
    other = replace(TUNED, about=replace(TUNED.about, dataset_hash="other"))
    assert "against" not in html_of([BASE, other])


def test_a_report_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="choose another file"):
        write_report([BASE], tmp_path / "file" / "report.html")
