"""Runs are kept in files and compared question by question."""

from __future__ import annotations

from pathlib import Path

import pytest

from finetune.compare import check_comparable, compare
from finetune.errors import DatasetError, RunMismatch
from finetune.evaluate import DatasetQuestion
from finetune.runs import RankedQuestion, read_run, write_run


def ranked(qid: str, ranking: str, relevant: str = "a", question: str = "Q") -> RankedQuestion:
    return RankedQuestion(qid, question, frozenset(relevant), tuple(ranking))


RUN = [ranked("1", "ab"), ranked("2", "ba", question="多少\u2028？"), ranked("3", "")]


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_run(tmp_path / "new" / "run.jsonl", RUN)
    assert read_run(tmp_path / "new" / "run.jsonl") == RUN


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read (No such file or directory)"),
        (
            b'{"qid": "1", "question": "Q", "relevant": [], "ranking": []}\n{"qid": "2"}\n',
            "line 2: not a line of a run",
        ),
        (b"qid,question\n", "line 1: not a line of a run"),
        (b"[]\n", "line 1: not a line of a run"),
        (b"\xff\xfe", "not UTF-8"),
        (b"", "holds no questions"),
    ],
)
def test_a_file_that_is_no_run(content: bytes | None, words: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "run").write_bytes(content)
    with pytest.raises(DatasetError) as caught:
        read_run(tmp_path / "run")
    assert words in str(caught.value)
    assert str(tmp_path / "run") in str(caught.value)


def test_a_run_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"cannot be written \(Is a directory\)"):
        write_run(tmp_path, RUN)


def test_questions_won_and_lost() -> None:
    this = [ranked("1", "ab"), ranked("2", "ba"), ranked("3", "a"), ranked("4", "bca"), ranked("5", "b")]
    other = [ranked("5", "b"), ranked("4", "ba"), ranked("3", "b"), ranked("2", "bca"), ranked("1", "ab")]
    comparison = compare(this, other)
    assert [(c.qid, c.rank, c.other_rank) for c in comparison.won] == [("3", 1, None), ("2", 2, 3)]
    assert [(c.qid, c.rank, c.other_rank) for c in comparison.lost] == [("4", 3, 2)]
    values = comparison.as_json()["differences"]["recall@1"]
    assert (values["this"], values["other"], values["difference"]) == (0.4, 0.2, 0.2)
    # One of one differing pairs: either way it could have been turned.
    assert values["p_value"] == 1.0
    assert values["interval"][0] == 0.0
    assert comparison.as_json()["lost"] == [{"qid": "4", "question": "Q", "rank": 3, "other_rank": 2}]


def test_a_difference_that_is_none_by_chance() -> None:
    this = [ranked(str(n), "ab") for n in range(30)]
    other = [ranked(str(n), "ba") for n in range(30)]
    difference = compare(this, other).differences["recall@1"]
    assert difference.p_value < 0.01
    assert difference.interval == (1.0, 1.0)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ([ranked("1", "a")], "different questions (2 and 1; '2' is not in the other run)"),
        ([ranked("1", "a"), ranked("2", "a"), ranked("3", "a")], "(2 and 3; '3' is only in the other run)"),
        ([ranked("1", "a"), ranked("2", "a", relevant="b")], "question '2' differs between the runs"),
        ([ranked("1", "a"), ranked("2", "a", question="other")], "question '2' differs between the runs"),
        ([ranked("1", "a"), ranked("1", "a")], "the other run holds a qid twice"),
    ],
)
def test_runs_over_other_questions(other: list[RankedQuestion], words: str) -> None:
    with pytest.raises(RunMismatch) as caught:
        compare([ranked("1", "a"), ranked("2", "a")], other)
    assert words in str(caught.value)


def test_a_dataset_is_held_against_a_run_before_it_is_indexed() -> None:
    asked = DatasetQuestion("1", "Q", frozenset("a"))
    impossible = DatasetQuestion("2", "Q", frozenset())
    check_comparable([asked, impossible], [ranked("1", "ba")])
    with pytest.raises(RunMismatch, match="different questions"):
        check_comparable([asked, impossible], [ranked("7", "ba")])
