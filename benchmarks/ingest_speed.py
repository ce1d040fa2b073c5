"""Ingestion from files to a searchable index, beside the usual LangChain way, in one run on the same files.

    python benchmarks/ingest_speed.py [DATA] [--only pdfs documents docs] [--server]

pdfs:      generated PDFs.
documents: files of DATA/documents/files that both can read.
docs:      DATA/dify_docs_en_zh, English and Chinese Markdown.

LangChain: PyPDFLoader and unstructured, RecursiveCharacterTextSplitter 1000/200, the packaged model in fp32, Qdrant's
local mode. Its packages are the extra ``bench``; without them its rows say "skipped". Every way is a new process, timed
from its start to its end, so loading the model counts. A server (--server) is started before the clock is.

Chunks differ between the ways, so chunks/s alone is unfair: compare files/s and pages/s. A page is a PDF's page; every
other file is one. frontdesk gives no vectors to passages in a language the packaged model does not know (Chinese), while
the other way embeds them: "embedded" says of how many.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.pdfs import report  # noqa: E402 - after the path is set

PACKAGES = ("langchain_community", "langchain_text_splitters", "langchain_qdrant", "langchain_huggingface")
# What PyPDFLoader and unstructured read without programs of their own beside them.
READ_BY_BOTH = (".pdf", ".docx", ".pptx", ".xlsx", ".html", ".md", ".txt", ".csv", ".eml")
PDFS, PAGES = 10, 20
COLUMNS = "| files | way | ready | pages | chunks | tokens | embedded | seconds | pages/s | chunks/s | tokens/s | MiB |"


@dataclass(slots=True)
class Result:
    """One way over one set of files; ``peak`` is of its largest process, in MiB."""

    way: str
    ready: int
    chunks: int
    tokens: int
    embedded: int
    seconds: float
    peak: float

    def row(self, name: str, pages: int) -> str:
        """A line of the table."""
        rates = " | ".join(f"{count / self.seconds:.1f}" for count in (pages, self.chunks, self.tokens))
        counts = f"{self.ready} | {pages} | {self.chunks} | {self.tokens} | {self.embedded}"
        return f"| {name} | {self.way} | {counts} | {self.seconds:.1f} | {rates} | {self.peak:.0f} |"


def chosen(folder: Path) -> list[Path]:
    """Files both ways can read: PDFs of which a page has text, and the formats above."""
    files = sorted(f for f in folder.rglob("*") if f.is_file() and f.suffix.lower() in READ_BY_BOTH)
    return [file for file in files if file.suffix.lower() != ".pdf" or pages_of(file)[1]]


def pages_of(file: Path) -> tuple[int, bool]:
    """Pages of a file, and whether one of its first has a text layer."""
    if file.suffix.lower() != ".pdf":
        return 1, True
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(file)
    except pypdfium2.PdfiumError:
        return 0, False
    with document:
        first = range(min(5, len(document)))
        return len(document), any(len(document[i].get_textpage().get_text_bounded().strip()) > 50 for i in first)


def timed(command: Sequence[str], environment: dict[str, str], cwd: str) -> tuple[str, float, float]:
    """Run a command; its output, wall seconds, and peak MiB of its largest process."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        clock = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=err, env=environment, cwd=cwd)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - clock
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode not in (0, 1):
            raise SystemExit(f"{command[:4]} ended with {process.returncode}: {err.read()[-2000:]}")
        return out.read(), seconds, usage.ru_maxrss / 1024


def prepared(models: Path) -> None:
    """Make the packaged embedder ready, as the first command on a machine does once; no part of any measurement."""
    from ingest.embed import packaged_model_folder
    from ingest.embed_onnx import exported

    clock = time.perf_counter()
    exported(packaged_model_folder(), models)
    print(f"the embedder was made ready before the clock: {time.perf_counter() - clock:.1f} s, once an installation\n")


def ours(folder: Path, home: Path, models: Path) -> Result:
    """``frontdesk ingest`` in a process tree of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FRONTDESK_")}
    environment = kept | {"FRONTDESK_HOME": str(home), "FRONTDESK_MODELS": str(models), "PYTHONPATH": str(ROOT)}
    command = [
        sys.executable,
        "-c",
        "from app.cli import main; main()",
        "ingest",
        str(folder),
        "--kb",
        "speed",
        "--json",
    ]
    said, seconds, peak = timed(command, environment, str(home.parent))
    told = json.loads(said)
    for failed in told["failed"]:
        print(f"  frontdesk failed: {failed['document']}: {failed['reason']}", file=sys.stderr)
    chunks, tokens, embedded = counted(home, "speed")
    return Result("frontdesk ingest", told["ready"], chunks, tokens, embedded, seconds, peak)


def counted(home: Path, name: str) -> tuple[int, int, int]:
    """Chunks of a knowledge base, their tokens, and how many have vectors."""
    from app.workspace import Settings, open_workspace

    settings = Settings.load()
    private = settings.ingest.model_copy(update={"home": home, "database_url": None, "vector_engine": "edge"})
    with open_workspace(Settings(private, settings.serving, settings.app)) as workspace:
        kb = workspace.catalog.knowledge_base(name)
        versions = [v for d in workspace.catalog.documents(kb) for v in workspace.catalog.versions(d) if v.live]
        held = [hit.payload for v in versions for hit in workspace.index.points(kb.id, v.id, v.generation)]
    embedded = sum(payload["language"] in ("en", "und") for payload in held)
    return len(held), sum(int(payload["tokens"]) for payload in held), embedded


async def beside_server(files: Sequence[tuple[str, bytes]]) -> float:
    """Seconds of an upload to a running server, until all are worked off."""
    from benchmarks.big_file import upload
    from benchmarks.http_load import connected, own_server, started

    with own_server() as url:
        async with connected(url) as client:
            await started(client)
            (await client.post("/api/knowledge-bases", json={"name": "speed"})).raise_for_status()
            return await upload(client, list(files), "speed")


def theirs(folder: Path, temporary: Path) -> Result | None:
    """The LangChain way in a process of its own; None without its packages."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        print(f"skipped: LangChain, for want of {', '.join(missing)}; install the extra 'bench'")
        return None
    command = [sys.executable, __file__, "--langchain", str(folder), str(temporary)]
    said, seconds, peak = timed(command, dict(os.environ), str(temporary))
    if not said.strip():
        print("  LangChain ended without a word: it read no file")
        return None
    told: dict[str, Any] = json.loads(said.splitlines()[-1])
    for failed in told["failed"]:
        print(f"  LangChain failed: {failed}", file=sys.stderr)
    # Counting tokens comes after the work and is no part of it.
    seconds -= told["counting"]
    return Result("LangChain", told["ready"], told["chunks"], told["tokens"], told["chunks"], seconds, peak)


def langchain_way(folder: Path, temporary: Path) -> None:
    """What a tutorial does; prints its counts as the last line."""
    from langchain_community.document_loaders import PyPDFLoader, UnstructuredFileLoader
    from langchain_huggingface import HuggingFaceEmbeddings
    from langchain_qdrant import QdrantVectorStore
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    from ingest.embed import packaged_model_folder
    from ingest.parse.partition import load_unstructured

    # unstructured fetches a tagger at its first text; where there is no network it reads nothing but PDFs. A blank pipeline
    # stands in for it here, which is faster than the real one.
    load_unstructured()
    documents, failed, ready = [], [], 0
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        loader = PyPDFLoader(str(file)) if file.suffix.lower() == ".pdf" else UnstructuredFileLoader(str(file))
        try:
            documents += loader.load()
            ready += 1
        except Exception as exc:  # noqa: BLE001 - whatever a loader raises costs one file
            failed.append(f"{file.name}: {type(exc).__name__}: {str(exc)[:100]}")
    chunks = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200).split_documents(documents)
    embeddings = HuggingFaceEmbeddings(
        model_name=str(packaged_model_folder()),
        model_kwargs={"device": "cpu"},
        encode_kwargs={"normalize_embeddings": True},
    )
    store = QdrantVectorStore.from_documents(
        chunks, embeddings, path=str(temporary / "qdrant"), collection_name="speed"
    )
    clock = time.perf_counter()
    tokenizer = embeddings._client.tokenizer
    texts = [chunk.page_content for chunk in chunks]
    tokens = sum(len(ids) for ids in tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"])
    store.client.close()
    counting = time.perf_counter() - clock
    told = {"ready": ready, "failed": failed, "chunks": len(chunks), "tokens": tokens, "counting": counting}
    print("\n" + json.dumps(told))


def sets(data: Path, only: Sequence[str], temporary: Path, pdfs: int) -> list[tuple[str, Path]]:
    """Folders of the chosen sets, each made of files that both ways read."""
    found = []
    for name, source in (
        ("pdfs", None),
        ("documents", data / "documents" / "files"),
        ("docs", data / "dify_docs_en_zh"),
    ):
        if name not in only:
            continue
        folder = temporary / name
        folder.mkdir()
        if source is None:
            for number in range(pdfs):
                (folder / f"report-{number}.pdf").write_bytes(report(PAGES, seed=number))
        elif not source.is_dir():
            print(f"skipped: {name}, no folder {source}")
            continue
        else:
            for number, file in enumerate(chosen(source)):
                (folder / f"{number:04d}-{file.name}").write_bytes(file.read_bytes())
        found.append((name, folder))
    return found


def compared(kind: str, mine: Result, other: Result) -> str:
    """How many times as fast the first way was, by what is counted."""
    faster = other.seconds / mine.seconds
    by_chunk, by_token = faster * mine.chunks / other.chunks, faster * mine.tokens / other.tokens
    return f"{kind}: frontdesk/LangChain {faster:.2f} x pages/s, {by_chunk:.2f} x chunks/s, {by_token:.2f} x tokens/s"


def changed_page(home: Path) -> None:
    """A 20-page file of which one page changed: what is embedded the second time."""
    from app.workspace import Settings, open_workspace

    settings = Settings.load()
    private = settings.ingest.model_copy(update={"home": home, "database_url": None, "vector_engine": "edge"})
    print("\n| 20-page PDF | chunks | embedded | seconds |\n|---|---|---|---|")
    with open_workspace(Settings(private, settings.serving, settings.app)) as workspace:
        from ingest.pipeline import Upload

        kb = workspace.catalog.create_knowledge_base("changed")
        embedded, embed = 0, workspace.embedder.embed_documents

        def counting(texts: Sequence[str]) -> Any:
            nonlocal embedded
            embedded += len(texts)
            return embed(texts)

        workspace.embedder.embed_documents = counting  # type: ignore[method-assign]  # counts what is asked of it
        for name, changed in (("new", ()), ("page 11 changed", (11,))):
            path, before = home / "report.pdf", embedded
            path.write_bytes(report(20, changed=changed))
            clock = time.perf_counter()
            (result,) = workspace.pipeline.ingest(kb, [Upload("report.pdf", path)])
            print(f"| {name} | {result.chunks} | {embedded - before} | {time.perf_counter() - clock:.1f} |", flush=True)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", default=ROOT.parent / "shared" / "data")
    parser.add_argument(
        "--only", nargs="+", choices=("pdfs", "documents", "docs"), default=["pdfs", "documents", "docs"]
    )
    parser.add_argument("--pdfs", type=int, default=PDFS, help=f"how many PDFs of {PAGES} pages are made")
    parser.add_argument("--server", action="store_true", help="also beside a running server")
    parser.add_argument("--langchain", type=Path, nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.langchain:
        langchain_way(*arguments.langchain)
        return 0
    print(f"{os.cpu_count()} cores, load before the start {os.getloadavg()[0]:.1f} (what else runs here)\n", flush=True)
    with tempfile.TemporaryDirectory() as name:
        temporary = Path(name)
        models = temporary / "models"
        prepared(models)
        os.environ["FRONTDESK_MODELS"] = str(models)
        print(f"{COLUMNS}\n|{'---|' * (COLUMNS.count('|') - 1)}", flush=True)
        ratios = []
        for kind, folder in sets(arguments.data, arguments.only, temporary, arguments.pdfs):
            pages = sum(pages_of(file)[0] for file in folder.iterdir())
            (work := temporary / f"{kind}-work").mkdir()
            mine = ours(folder, work / "home", models)
            print(mine.row(kind, pages), flush=True)
            if arguments.server:
                uploads = [(file.name, file.read_bytes()) for file in sorted(folder.iterdir())]
                seconds = asyncio.run(beside_server(uploads))
                beside = replace(mine, way="frontdesk, upload to a server", seconds=seconds, peak=math.nan)
                print(beside.row(kind, pages), flush=True)
            if other := theirs(folder, work):
                print(other.row(kind, pages), flush=True)
                ratios.append(compared(kind, mine, other))
        print("\n".join(["", *ratios]), flush=True)
        (home := temporary / "changed").mkdir()
        changed_page(home)
    return 0


if __name__ == "__main__":
    sys.exit(main())
