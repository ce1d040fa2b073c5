"""The command as scripts call it: a process of its own, one JSON object on stdout, exit codes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.integration.cli_rig import ROOT, Cli, Ended, Forks

EXAMPLES = ROOT / "examples" / "files"
FILES = ("en/warranty.docx", "en/stores.csv", "zh/warranty-zh.docx")
QUESTION = "How long is the motor of the WM-900 guaranteed?"
CHINESE = "RF-360N 的变频压缩机保修多少年？"
UNKNOWN = "Do you sell garden furniture and bicycles?"


@pytest.fixture(scope="session")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    parent = Forks(tmp_path_factory.mktemp("forks"))
    yield parent
    parent.close()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example files, a kind that no parser reads, and a hidden one."""
    source = tmp_path_factory.mktemp("cli") / "files"
    for name in FILES:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(EXAMPLES / name, source / name)
    (source / "logo.xyz").write_bytes(b"\x00\x01")
    (source / ".hidden.md").write_text("# Hidden", encoding="utf-8")
    return source


@pytest.fixture(scope="session")
def ingested(folder: Path, forks: Forks) -> tuple[Cli, Ended]:
    """A data folder with the example files; tests that change it take a copy."""
    cli = Cli(folder.parent / "home", forks)
    return cli, cli("ingest", folder, "--json")


@pytest.fixture(scope="session")
def shop(ingested: tuple[Cli, Ended]) -> Cli:
    return ingested[0]


@pytest.fixture
def own(shop: Cli, tmp_path: Path) -> Cli:
    """A copy of the ingested data folder to change."""
    shutil.copytree(shop.home, tmp_path / "copy")
    return Cli(tmp_path / "copy", shop.forks)


@pytest.fixture
def empty(tmp_path: Path, forks: Forks) -> Cli:
    return Cli(tmp_path / "empty", forks)


# ingest


def test_ingest_reports_what_became_of_each_file(ingested: tuple[Cli, Ended]) -> None:
    ended = ingested[1]
    assert ended.code == 0, ended.err
    report = ended.json
    assert {"kb", "ready", "failed", "skipped", "chunks", "seconds"} <= set(report)
    assert (report["kb"], report["ready"], report["failed"], report["skipped"]) == ("default", 3, [], ["logo.xyz"])
    assert report["chunks"] >= 6
    assert report["seconds"] > 0


def test_the_same_files_again_change_nothing(own: Cli, folder: Path) -> None:
    before = own("documents", "list", "--json").json
    report = own("ingest", folder, "--json").json
    assert (report["ready"], report["unchanged"]) == (3, 3)
    assert own("documents", "list", "--json").json == before


def test_a_file_that_fails_is_named_and_ends_with_1(own: Cli, tmp_path: Path) -> None:
    (tmp_path / "mixed").mkdir()
    (tmp_path / "mixed" / "broken.pdf").write_bytes(b"%PDF-1.7 nothing more")
    (tmp_path / "mixed" / "good.md").write_text("# Fees\n\nA visit is charged at 65 pounds.\n", encoding="utf-8")
    ended = own("ingest", tmp_path / "mixed", "--kb", "mixed", "--json")
    assert ended.code == 1
    assert (ended.json["ready"], [f["document"] for f in ended.json["failed"]]) == (1, ["broken.pdf"])
    assert ended.json["failed"][0]["reason"]
    assert own("kb", "list", "--json").json["knowledge_bases"][-1]["documents"] == 2


def test_a_folder_without_readable_files_is_no_failure(own: Cli, tmp_path: Path) -> None:
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "logo.xyz").write_bytes(b"\x00")
    ended = own("ingest", tmp_path / "odd", "--json")
    assert (ended.code, ended.json["ready"], ended.json["skipped"]) == (0, 0, ["logo.xyz"])


# ask


def test_ask_answers_with_citations(shop: Cli) -> None:
    ended = shop("ask", QUESTION, "--engine", "extractive", "--json")
    assert ended.code == 0, ended.err
    answer = ended.json
    assert {"answer", "outcome", "citations", "release", "engine", "fallen", "timings_ms"} <= set(answer)
    assert answer["outcome"] == "answered"
    assert (answer["engine"], answer["release"], answer["fallen"]) == ("extractive", None, [])
    assert "10 years" in answer["answer"]
    first = answer["citations"][0]
    assert {"n", "document", "version", "page", "heading", "text"} <= set(first)
    assert (first["n"], first["document"]) == (1, "en/warranty.docx")
    assert "10 years" in first["text"]
    assert answer["timings_ms"]["total"] > 0


def test_a_chinese_question_is_answered_in_chinese_from_the_files(shop: Cli) -> None:
    # The packaged model is never asked in Chinese, so its weights are not converted here.
    answer = shop("ask", CHINESE, "--json").json
    assert (answer["outcome"], answer["engine"], answer["language"]) == ("answered", "extractive", "zh")
    assert "12 年" in answer["answer"]
    assert answer["citations"][0]["document"] == "zh/warranty-zh.docx"
    assert [(fall["engine"], fall["reason"]) for fall in answer["fallen"]] == [("packaged", "language")]


def test_a_refusal_is_an_answer(shop: Cli) -> None:
    ended = shop("ask", UNKNOWN, "--json")
    assert ended.code == 0
    assert (ended.json["outcome"], ended.json["citations"], ended.json["engine"]) == ("refused", [], None)


def test_ask_for_people_shows_answer_and_places(shop: Cli) -> None:
    ended = shop("ask", QUESTION, "--engine", "extractive")
    assert ended.code == 0
    assert "10 years" in ended.out
    assert "[1] en/warranty.docx" in ended.out
    assert "answered by extractive" in ended.out


def test_a_pinned_endpoint_without_a_url_says_what_to_set(shop: Cli) -> None:
    ended = shop("ask", QUESTION, "--engine", "endpoint", "--json")
    assert (ended.code, ended.out) == (1, "")
    assert "FRONTDESK_ENDPOINT_URL" in ended.err


# wrong usage, wrong names, wrong settings


@pytest.mark.parametrize(
    "arguments",
    [
        ("frobnicate",),
        ("ask",),
        ("ask", QUESTION, "--engine", "oracle"),
        ("ask", QUESTION, "--style", "poem"),
        ("ask", " "),
        ("ingest",),
        ("ingest", "no-such-file.pdf"),
        ("kb", "create", ""),
        ("documents", "show"),
    ],
)
def test_wrong_usage_is_2(arguments: Sequence[str], shop: Cli) -> None:
    ended = shop(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    "arguments",
    [("ask", QUESTION, "--kb", "nowhere"), ("documents", "list", "--kb", "nowhere"), ("kb", "delete", "nowhere", "--yes")],
)  # fmt: skip
def test_an_unknown_knowledge_base_is_1_and_names_those_there_are(arguments: Sequence[str], shop: Cli) -> None:
    ended = shop(*arguments, "--json")
    assert (ended.code, ended.out) == (1, "")
    assert "nowhere" in ended.err
    assert "default" in ended.err


def test_a_wrong_setting_is_one_line_that_names_it(empty: Cli) -> None:
    ended = empty("kb", "list", FRONTDESK_CHUNK_TOKENS="many")
    assert (ended.code, ended.out) == (1, "")
    assert "FRONTDESK_CHUNK_TOKENS" in ended.err
    assert len(ended.err.strip().splitlines()) == 1


# kb


def test_the_life_of_a_knowledge_base(empty: Cli) -> None:
    assert empty("kb", "list", "--json").json == {"knowledge_bases": []}
    created = empty("kb", "create", "shop", "--json").json
    assert created["kb"] == "shop"
    again = empty("kb", "create", "shop", "--json")
    assert (again.code, again.out) == (1, "")
    assert empty("kb", "rename", "shop", "store", "--json").json == {"kb": "store", "id": created["id"]}
    assert [kb["kb"] for kb in empty("kb", "list", "--json").json["knowledge_bases"]] == ["store"]
    kept = empty("kb", "delete", "store", stdin="n\n")
    assert kept.code == 1
    assert empty("kb", "delete", "store", "--yes", "--json").json == {"deleted": "store", "documents": 0}
    assert empty("kb", "list", "--json").json == {"knowledge_bases": []}


# documents


def test_documents_are_listed(shop: Cli) -> None:
    listed = shop("documents", "list", "--json").json
    assert listed["kb"] == "default"
    assert sorted(d["document"] for d in listed["documents"]) == sorted(FILES)
    assert {(d["state"], d["live"], d["reason"]) for d in listed["documents"]} == {("ready", True, "")}


def test_a_document_is_shown_with_its_chunks(shop: Cli) -> None:
    shown = shop("documents", "show", "en/warranty.docx", "--chunks", "--json").json
    assert (shown["document"], shown["live"], len(shown["versions"])) == ("en/warranty.docx", True, 1)
    assert len(shown["chunks"]) == shown["versions"][0]["chunks"]
    assert [chunk["ordinal"] for chunk in shown["chunks"]] == list(range(len(shown["chunks"])))
    assert any("The motor of the WM-900" in chunk["text"] for chunk in shown["chunks"])


def test_a_deleted_document_is_cited_no_more(own: Cli) -> None:
    deleted = own("documents", "delete", "en/warranty.docx", "--json").json
    assert (deleted["kb"], deleted["deleted"]) == ("default", "en/warranty.docx")
    assert [gone["document"] for gone in deleted["gone"]] == ["en/warranty.docx"]
    assert own("documents", "show", "en/warranty.docx").code == 1
    cited = own("ask", QUESTION, "--engine", "extractive", "--json").json["citations"]
    assert "en/warranty.docx" not in {citation["document"] for citation in cited}
    assert own("documents", "verify", "--json").json == {"kb": "default", "lost": [], "orphans_removed": 0}


def test_reprocessing_unchanged_documents_leaves_them_and_verify_agrees(own: Cli) -> None:
    assert own("documents", "reprocess", "--json").json == {"kb": "default", "ready": 3, "unchanged": 3, "failed": []}
    assert own("documents", "verify", "--json").json == {"kb": "default", "lost": [], "orphans_removed": 0}


def test_an_index_that_was_lost_is_found_out_and_made_anew(own: Cli) -> None:
    shutil.rmtree(own.home / "index")
    lost = own("documents", "verify", "--json")
    assert lost.code == 1
    assert sorted(entry["document"] for entry in lost.json["lost"]) == sorted(FILES)
    assert all(entry["queued"] for entry in lost.json["lost"])
    # It has ingested them again from their stored files by itself.
    assert own("documents", "verify", "--json").json["lost"] == []
    assert own("ask", QUESTION, "--engine", "extractive", "--json").json["outcome"] == "answered"


# eval


def test_retrieval_is_evaluated_on_a_dataset_folder(empty: Cli, tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "dataset")
    run = tmp_path / "runs" / "today.jsonl"
    ended = empty("eval", "retrieval", dataset, "--json", "--save", run)
    assert ended.code == 0, ended.err
    report = ended.json
    assert {"recall@1", "recall@5", "recall@20", "mrr@10", "ndcg@10", "index_seconds", "query_ms_p50"} < set(report)
    assert report["questions"] == 2
    assert (report["recall@1"], report["mrr@10"]) == (1.0, 1.0)
    assert (set(report["by_language"]), set(report["by_type"])) == ({"en"}, {"how many", "when"})
    assert report["intervals"]["recall@1"] == [1.0, 1.0]
    assert report["misses"] == []
    assert not empty.home.exists()
    rankings = {row["qid"]: row["ranking"][0] for row in map(json.loads, run.read_text().splitlines())}
    assert rankings == {"1": "motor", "2": "shop"}

    # The same questions with one of them lost: what was found is put in another order.
    lost = run.read_text().replace('"ranking": ["motor", "shop"]', '"ranking": ["shop", "motor"]')
    assert lost != run.read_text()
    run.write_text(lost)
    ended = empty("eval", "retrieval", dataset, "--against", run)
    assert ended.code == 0, ended.err
    assert "won: 1 questions" in ended.out
    assert "2 → 1  1  How long is the motor guaranteed?" in ended.out
    assert "lost: 0 questions" in ended.out

    run.write_text(lost.splitlines()[0] + "\n")
    ended = empty("eval", "retrieval", dataset, "--against", run)
    assert ended.code == 1
    assert "different questions (2 and 1" in " ".join(ended.err.split())


@pytest.mark.parametrize(
    ("file", "text", "named"),
    [
        ("questions.jsonl", None, "questions.jsonl"),
        ("documents.jsonl", '{"doc_id": "a"}\n', "line 1"),
        ("questions.jsonl", "not json\n", "questions.jsonl"),
    ],
)
def test_a_broken_dataset_is_named(file: str, text: str | None, named: str, empty: Cli, tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "dataset")
    if text is None:
        (dataset / file).unlink()
    else:
        (dataset / file).write_text(text, encoding="utf-8")
    ended = empty("eval", "retrieval", dataset, "--json")
    assert (ended.code, ended.out) == (1, "")
    assert named in ended.err
    assert "Traceback" not in ended.err


def write_dataset(folder: Path) -> Path:
    documents = [
        {"doc_id": "motor", "title": "Guarantee", "text": "The motor is guaranteed for ten years."},
        {"doc_id": "shop", "title": "Shops", "text": "# Leeds\n\nThe shop in Leeds opens at nine."},
    ]
    questions = [
        {"qid": "1", "question": "How long is the motor guaranteed?", "doc_id": "motor", "answers": ["ten years"]},
        {"qid": "2", "question": "When does the shop in Leeds open?", "doc_id": "shop", "answers": ["nine"]},
        {"qid": "3", "question": "Who was first on the moon?", "doc_id": "shop", "answers": [], "is_impossible": True},
    ]
    folder.mkdir()
    for name, rows in (("documents", documents), ("questions", questions)):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    return folder
