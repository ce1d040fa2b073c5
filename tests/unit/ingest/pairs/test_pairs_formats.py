"""Pairs out of a knowledge base and into one again: formats, reports, what rows are bound to."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from ingest.database import open_database
from ingest.errors import UnusableValue
from ingest.pairs.bringing import best_evidence
from ingest.pairs.formats import Format, lines, written
from ingest.pairs.reading import BadRow, Row, read_file
from ingest.pairs.records import Pair, PairKind, ReviewState, Side, SourceChunk, SourceRef, Style, Turn
from ingest.pairs.store import Pairs, Wanted
from tests.unit.ingest.pairs.pair_rig import REFUSAL, Shelf, Writer, quiet


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(f"sqlite:///{tmp_path / 'catalog.db'}")
    yield engine
    engine.dispose()


@pytest.fixture
def shelf(engine: Engine) -> Shelf:
    return Shelf(engine)


def pair(**what: Any) -> Pair:
    ref = SourceRef("c", "h", "v", "a.md", ("Prices", "Kettles"))
    made = Pair("p1", "kb", "How much is it?", "It costs £25.", PairKind.ANSWERABLE, Style.PLAIN, "en", "rules", (ref,))
    return replace(made, **what)


HISTORY = (Turn("user", "Do you sell kettles?"), Turn("assistant", "Yes."))


def test_each_format_as_trainers_read_it() -> None:
    asked = pair(history=HISTORY)
    alpaca = written(asked, Format.ALPACA, REFUSAL)
    assert {key: alpaca[key] for key in ("instruction", "input", "output", "history")} == {
        "instruction": "How much is it?", "input": "", "output": "It costs £25.",
        "history": [["Do you sell kettles?", "Yes."]],
    }  # fmt: skip
    sharegpt = written(asked, Format.SHAREGPT, REFUSAL)
    assert [(m["from"], m["value"]) for m in sharegpt["conversations"]] == [
        ("human", "Do you sell kettles?"), ("gpt", "Yes."), ("human", "How much is it?"), ("gpt", "It costs £25."),
    ]  # fmt: skip
    messages = written(asked, Format.MESSAGES, REFUSAL, ["Kettles: £25", "Kettles last"])
    assert [(m["role"], m["content"]) for m in messages["messages"]] == [
        ("system", "Kettles: £25\n\nKettles last"), ("user", "Do you sell kettles?"), ("assistant", "Yes."),
        ("user", "How much is it?"), ("assistant", "It costs £25."),
    ]  # fmt: skip
    assert (
        written(asked, Format.ALPACA, REFUSAL, ["P"])["input"]
        == written(asked, Format.SHAREGPT, REFUSAL, ["P"])["system"]
        == "P"
    )


@pytest.mark.parametrize("shape", Format)
def test_the_target_of_what_cannot_be_answered_is_the_refusal(shape: Format) -> None:
    row = json.dumps(written(pair(kind=PairKind.UNANSWERABLE, answer=""), shape, REFUSAL))
    assert f'"{REFUSAL}"' in row
    assert "£25" not in row


def test_an_array_is_one_json_value_whatever_it_holds() -> None:
    for rows in ([], [{"a": 1}], [{"a": 1}, {"b": "二\n"}]):
        assert json.loads("".join(lines(rows, array=True))) == rows
        assert [json.loads(line) for line in "".join(lines(rows)).splitlines()] == rows


def texts(random_: random.Random) -> str:
    letters = [
        "a",
        "Zoë",
        "退货",
        '"quoted"',
        "two\nlines",
        ",;\t",
        "😀",
        "[1]",
        "'",
        "\\",
        "{}",
        "=1+1",
        REFUSAL.lower(),
    ]
    return " ".join(random_.choices(letters, k=random_.randint(1, 6))).strip()


@pytest.mark.parametrize("shape", Format)
@pytest.mark.parametrize("array", [False, True])
def test_what_is_written_is_read_back(shape: Format, array: bool) -> None:
    random_ = random.Random(f"{shape}{array}")
    made = []
    for number in range(200):
        kind = random_.choice(list(PairKind))
        roles = random_.choices(["user", "assistant"], k=random_.randint(0, 3)) if shape is not Format.MESSAGES else []
        roles = roles or random_.choice([[], ["user", "assistant"]])
        made.append(
            pair(
                id=f"p{number}", question=f"q {texts(random_)}", kind=kind, style=random_.choice(list(Style)),
                answer=f"a {texts(random_)}" if kind is PairKind.ANSWERABLE else "",
                history=tuple(Turn(role, texts(random_)) for role in roles), side=random_.choice([None, *Side]),
                review=random_.choice(list(ReviewState)),
            )
        )  # fmt: skip
    passages = random_.choice([None, ["A passage"]])
    data = "".join(lines((written(p, shape, REFUSAL, passages) for p in made), array=array)).encode()
    for before, row in zip(made, read_file(data, "pairs.jsonl"), strict=True):
        assert isinstance(row, Row), row
        target = before.answer if before.kind is PairKind.ANSWERABLE else REFUSAL
        assert (row.question, row.answer, row.history) == (before.question, target, before.history)
        said = {key: row.ours[key] for key in ("id", "kind", "style", "review")}
        assert said == {"id": before.id, "kind": before.kind, "style": before.style, "review": before.review}
        assert [source["text_hash"] for source in row.ours["sources"]] == ["h"]


def test_bad_rows_are_told_of_by_number_and_cost_no_other() -> None:
    rows = [
        {"instruction": "Good?", "output": "Yes, good."},
        {"instruction": "", "output": "No question."},
        {"instruction": "No answer?"},
        {"instruction": 7, "output": "x"},
        "a text",
        {"messages": [{"role": "user", "content": "Last?"}]},
        {"messages": [{"role": "robot", "content": "Hm?"}, {"role": "assistant", "content": "x"}]},
        {"conversations": []},
        {"what": "ever"},
        {"instruction": "Same?", "output": "same?"},
        {"instruction": "x" * 20_001, "output": "Long."},
        {"instruction": "NUL\x00?", "output": "x"},
        {"instruction": "Odd history?", "output": "x", "history": [["one"]]},
        {"instruction": "Half", "input": "a question?", "output": "Whole."},
        {
            "conversations": [
                {"from": "system", "value": "s"},
                {"from": "human", "value": "Hi?"},
                {"from": "gpt", "value": "Ho."},
            ]
        },
    ]
    text = "\n".join(json.dumps(row) for row in rows) + '\n{"instruction": "cut o'
    found = list(read_file(text.encode(), "x.jsonl"))
    assert [(r.number, r.question) for r in found if isinstance(r, Row)] == [
        (1, "Good?"), (14, "Half\na question?"), (15, "Hi?"),
    ]  # fmt: skip
    bad = {r.number: r.missing for r in found if isinstance(r, BadRow)}
    assert bad == {
        2: True,
        3: True,
        4: False,
        5: False,
        6: True,
        7: False,
        8: True,
        9: True,
        10: False,
        11: False,
        12: False,
        13: False,
        16: False,
    }
    # A format that was named is the only one.
    assert all(isinstance(row, BadRow) for row in read_file(json.dumps(rows[0]).encode(), "x.json", Format.MESSAGES))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_tables_of_any_encoding_and_separator(encoding: str, separator: str) -> None:
    table = [
        ["问题", "答案", "文档", "备注"],
        ["怎样办理退货？", "七天之内可以退货，运费由我们承担。", "退货.md", "x"],
        ["只有问题？", "", "", ""],
        ["多一格", "a", "b", "c", "d"],
    ]
    text = "\r\n".join(separator.join(f'"{cell}"' for cell in row) for row in table)
    row, missing, odd = read_file(text.encode(encoding), "faq.csv")
    assert (row.number, row.question, row.answer, row.document) == (
        1,
        "怎样办理退货？",
        "七天之内可以退货，运费由我们承担。",
        "退货.md",
    )  # type: ignore[union-attr] # a Row, or this fails
    assert (missing, odd.number) == (BadRow(2, "no answer", missing=True), 3)


@pytest.mark.parametrize(
    ("data", "name"),
    [(b"", "x.jsonl"), (b"question,reply\na,b\n", "x.csv"), (b"[{", "x.json"), (b"%PDF-1.7", "x.jsonl"), (b"words", "x.txt")],
)  # fmt: skip
def test_files_that_are_none(data: bytes, name: str) -> None:
    with pytest.raises(UnusableValue):
        list(read_file(data, name))


def bring(shelf: Shelf, rows: Any, name: str = "faq.jsonl") -> dict[str, Any]:
    data = rows if isinstance(rows, bytes) else "\n".join(json.dumps(row) for row in rows).encode()
    return shelf.pairs.bring_in(shelf.base, data, name, quiet)


def test_rows_are_bound_to_the_passage_that_holds_their_answer(shelf: Shelf) -> None:
    shelf.put(
        "kettles.md",
        "We sell kettles. The steel kettle costs £25 and boils a litre",
        "The guarantee of kettles lasts two years",
    )
    shelf.put("irons.md", "The guarantee of irons lasts three years")
    table = (
        "question,answer,document\n"
        "How much is the steel kettle?,The steel kettle costs £25.,\n"
        "How long is the guarantee of irons?,The guarantee lasts three years.,irons.md\n"
        "How long is the guarantee?,The guarantee lasts nine years.,\n"
        "how much is the STEEL kettle,£25.,\n"
        "No answer?,,\n"
        "Rubbish?,The guarantee of kettles lasts two years rubbish,\n"
    )
    told = bring(shelf, table.encode(), "faq.csv")
    assert told["counts"] == {
        "read": 6, "kept": 2, "changed": 0, "known": 0, "missing": 1, "duplicates": 1, "odd": 1, "dropped": 1,
    }  # fmt: skip
    assert told["odd"] == [{"row": 3, "reason": "no passage of the knowledge base holds this answer"}]
    assert told["duplicates"] == [{"row": 4, "reason": "the question of row 1 again"}]
    assert told["dropped"] == [{"row": 6, "reason": "quality: it is rubbish"}]
    kettle, iron = shelf.pairs.page(shelf.base).found
    assert (kettle.writer, kettle.sources[0].document, kettle.evidence) == (
        "import:faq", "kettles.md", "The steel kettle costs £25 and boils a litre",
    )  # fmt: skip
    assert (iron.sources[0].document, dict(iron.filters)) == ("irons.md", {"parse": "ok", "quality": "good"})


def test_the_same_file_again_brings_nothing(shelf: Shelf) -> None:
    shelf.put("kettles.md", "The steel kettle costs £25")
    rows = [{"instruction": "How much?", "output": "The steel kettle costs £25."}]
    assert bring(shelf, rows)["counts"]["kept"] == 1
    told = bring(shelf, rows)
    assert (told["counts"]["kept"], told["counts"]["duplicates"]) == (0, 1)


@pytest.mark.parametrize("shape", Format)
def test_a_round_trip_keeps_ids_and_a_changed_row_is_an_edit(shelf: Shelf, shape: Format) -> None:
    shelf.put("a.md", "One", "Two", "Three", "Four")
    shelf.make()
    before = shelf.pairs.page(shelf.base).found
    rows = list(shelf.pairs.export(shelf.base, shape, with_passages=True))
    assert bring(shelf, rows)["counts"] == dict.fromkeys(
        ("kept", "changed", "missing", "duplicates", "odd", "dropped"), 0
    ) | {"read": 4, "known": 4}
    assert shelf.pairs.page(shelf.base).found == before
    text = json.dumps(rows[1]).replace('"Two."', '"Two, better."')
    rows[2]["frontdesk"] |= {"review": "approved", "reviewer": "Ann"}
    told = bring(shelf, [rows[0], json.loads(text), rows[2]])
    assert (told["counts"]["changed"], told["counts"]["known"]) == (2, 1)
    now = shelf.pairs.page(shelf.base).found
    assert [(p.id, p.answer, p.review, p.reviewer) for p in now[:3]] == [
        (before[0].id, "One.", "pending", ""),
        (before[1].id, "Two, better.", "edited", "import:faq"),
        (before[2].id, "Three.", "approved", "Ann"),
    ]
    # Into another knowledge base, without the filters: they have seen the same text.
    rows = list(shelf.pairs.export(shelf.base, shape))
    shelf.catalog.delete_knowledge_base("kb")
    shelf.base = shelf.catalog.create_knowledge_base("kb")
    shelf.put("a.md", "One", "Two", "Three", "Four")
    assert bring(shelf, rows)["counts"]["kept"] == 4
    again = shelf.pairs.page(shelf.base).found
    kept = ("question", "answer", "writer", "filters", "review", "reviewer", "evidence", "language")
    assert [[getattr(p, name) for name in kept] for p in again] == [[getattr(p, name) for name in kept] for p in now]
    # Ids of its own, and the same ones each time.
    assert {p.id for p in again}.isdisjoint(p.id for p in now)
    assert bring(shelf, rows)["counts"]["known"] == 4


def test_a_question_with_its_passage_and_without_are_two_pairs(shelf: Shelf) -> None:
    shelf.put("a.md", "One")
    shelf.make()
    (one,) = shelf.pairs.page(shelf.base).found
    without = replace(one, id="f" * 32, answer="", evidence="", kind=PairKind.UNANSWERABLE, style=Style.WITHHELD)
    Pairs(shelf.engine).add(shelf.base.id, [without], 0)
    rows = list(shelf.pairs.export(shelf.base, Format.ALPACA))
    assert [row["output"] for row in rows] == ["One.", REFUSAL]
    assert bring(shelf, rows)["counts"]["known"] == 2
    # A row twice is known, and known again.
    assert bring(shelf, [rows[0], rows[0]])["counts"]["known"] == 2


def test_what_is_exported_by_default_and_on_demand(shelf: Shelf) -> None:
    shelf.put("a.md", "One", "Two", "Three", "Four")
    shelf.make()
    one, two, three, _ = (p.id for p in shelf.pairs.page(shelf.base).found)
    shelf.pairs.review(shelf.base, one, ReviewState.APPROVED)
    shelf.pairs.review(shelf.base, two, ReviewState.REJECTED)
    shelf.put("a.md", "One", "Two", "Gone", "Four")

    def exported(**what: Any) -> list[str]:
        wanted = replace(Wanted(kept=True, stale=False), **what)
        return [row["output"] for row in shelf.pairs.export(shelf.base, Format.ALPACA, wanted)]

    assert exported() == ["One.", "Four."]
    assert exported(review=(ReviewState.APPROVED, ReviewState.EDITED)) == ["One."]
    assert Pairs(shelf.engine).get(shelf.base.id, three).stale


def test_passages_that_are_exported_say_where_they_are_from(shelf: Shelf) -> None:
    shelf.put("a.md", "One")
    shelf.make()
    (row,) = shelf.pairs.export(shelf.base, Format.ALPACA, with_passages=True)
    assert row["input"] == "a > Section 0\nOne"


def test_strange_files_of_ours_break_nothing(shelf: Shelf) -> None:
    shelf.put("kettles.md", "The steel kettle costs £25")
    odd: list[Any] = [
        7,
        None,
        [],
        {"id": 7, "sources": 7},
        {"id": "x" * 99, "sources": [7]},
        {"sources": [{"chunk_id": "; drop", "text_hash": "h"}]},
        {"kind": "what", "style": "ever", "review": "no", "filters": "x", "history": [7]},
    ]
    rows = [
        {"instruction": f"How much {n}?", "output": "The kettle costs £25.", "frontdesk": o} for n, o in enumerate(odd)
    ]
    assert bring(shelf, rows)["counts"]["kept"] == len(odd)
    assert {p.sources[0].document for p in shelf.pairs.page(shelf.base).found} == {"kettles.md"}


def test_the_evidence_is_the_sentence_that_says_most() -> None:
    def chunk(text: str) -> SourceChunk:
        return SourceChunk("c", "h", "v", "a.md", "A", text)

    right = chunk("We sell kettles. The steel kettle costs £25. It boils.")
    wrong = chunk("The steel kettle costs £26.")
    assert best_evidence([wrong, right], "The steel kettle costs £25.") == (right, "The steel kettle costs £25.")
    assert best_evidence([wrong], "The steel kettle costs £25.") is None
    assert best_evidence([chunk("退货需要七天。运费由我们承担。")], "运费由我们承担")[1] == "运费由我们承担。"  # type: ignore[index] # found, or this fails
    assert best_evidence([right], "") is None


def test_rows_of_an_import_are_kept_though_the_process_dies(shelf: Shelf) -> None:
    shelf.put("a.md", "One")
    shelf.writer = Writer()
    rows = b"\n".join(json.dumps({"instruction": f"Which number {n}?", "output": "One"}).encode() for n in range(200))
    stopped = shelf.pairs.bring_in(shelf.base, rows, "x.jsonl", quiet, cancelled=lambda: len(shelf.all()) > 100)
    assert 100 < stopped["counts"]["kept"] < 200
    assert bring(shelf, rows)["counts"]["duplicates"] == stopped["counts"]["kept"]
    assert len(shelf.all()) == 200
