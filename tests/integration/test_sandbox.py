"""The sandbox: what it reads, its limits, and what it does when processes die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ingest.embed import load_embedder
from ingest.errors import Cancelled, LimitExceeded, NoText, ParseError, SettingsError
from ingest.sandbox import LIMITS, Sandbox, SandboxNotStarted, Stopping
from ingest.sandbox.processes import tree_of
from ingest.sandbox.starting import Zygote
from ingest.settings import IngestSettings
from ingest.tokens import TokenCounter
from tests.hostile.honest import SENTENCE, honest_files, write_good
from tests.integration.counting import packaged_counter

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    made = Sandbox(packaged_counter(), 256)
    made.start()
    yield made
    made.stop()
    assert not made.alive


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write_good(tmp_path)


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    return tmp_path / "scratch"


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that takes many seconds to cut into chunks."""
    path = tmp_path_factory.mktemp("slow") / "slow"
    path.write_text("".join(f"Sentence number {n} is here. \n\n" for n in range(300_000)))
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_processes_are_forked_from_a_single_thread(sandbox: Sandbox, good: Path, scratch: Path) -> None:
    sandbox.read(good, "good.md", "", scratch=scratch)
    assert len(os.listdir(f"/proc/{zygote_of(sandbox)}/task")) == 1


def test_each_honest_file_is_read(sandbox: Sandbox, tmp_path: Path, scratch: Path) -> None:
    for name, content in honest_files().items():
        if name.endswith((".png", ".zip")):
            continue
        (tmp_path / "stored").write_bytes(content)
        read = sandbox.read(tmp_path / "stored", name, "", scratch=scratch)
        text = " ".join(chunk.text for chunk in read.chunks)
        assert "honest text" in text if name == "fees.pdf" else SENTENCE in text, name


def test_attachments_are_left_and_nothing_else(sandbox: Sandbox, tmp_path: Path, scratch: Path) -> None:
    (tmp_path / "stored").write_bytes(honest_files()["fees.zip"])
    read = sandbox.read(tmp_path / "stored", "fees.zip", "", scratch=scratch)
    (file,) = read.attachments
    assert (file.name, SENTENCE in file.path.read_text()) == ("fees.txt", True)
    assert list(scratch.iterdir()) == [file.path]


def test_an_error_keeps_its_kind(sandbox: Sandbox, tmp_path: Path, scratch: Path) -> None:
    (tmp_path / "stored").write_text("")
    with pytest.raises(NoText):
        sandbox.read(tmp_path / "stored", "empty.txt", "", scratch=scratch)
    with pytest.raises(OSError, match="nowhere"):
        sandbox.read(tmp_path / "nowhere", "a.txt", "", scratch=scratch)


def test_files_are_read_side_by_side(sandbox: Sandbox, good: Path, slow: Path, tmp_path: Path) -> None:
    wish = threading.Event()

    def read_slowly() -> None:
        with pytest.raises(Cancelled):
            sandbox.read(slow, "slow.txt", "", scratch=tmp_path / "slow", cancelled=wish.is_set)

    with ThreadPoolExecutor(5) as threads:
        waiting = threads.submit(read_slowly)
        some = [threads.submit(sandbox.read, good, "g.md", "", scratch=tmp_path / f"{n}") for n in range(12)]
        assert {future.result().title for future in some} == {"Fees"}
        assert not waiting.done()
        wish.set()
        waiting.result()


def test_memory_has_a_limit(good: Path, tmp_path: Path, scratch: Path) -> None:
    large = tmp_path / "large"
    large.write_text("".join(f"Sentence number {n} is here. \n\n" for n in range(1_500_000)))
    small = Sandbox(packaged_counter(), 256, replace(LIMITS, memory_bytes=320 << 20))
    with pytest.raises(LimitExceeded, match=r"needs more than 320 MiB of memory; split it"):
        small.read(large, "large.txt", "", scratch=scratch)
    assert small.peak_bytes < 450 << 20
    assert small.read(good, "good.md", "", scratch=scratch).title == "Fees"
    small.stop()


def test_a_process_that_dies_costs_one_document(sandbox: Sandbox, slow: Path, good: Path, scratch: Path) -> None:
    killer = threading.Thread(target=lambda: os.kill(child_of(sandbox), signal.SIGSEGV))
    killer.start()
    with pytest.raises(ParseError, match="crashed on this file"):
        sandbox.read(slow, "slow.txt", "", scratch=scratch)
    killer.join()
    assert sandbox.read(good, "good.md", "", scratch=scratch).title == "Fees"


def test_the_file_is_read_again_when_all_processes_were_lost(
    sandbox: Sandbox, slow: Path, tmp_path: Path, scratch: Path
) -> None:
    path = tmp_path / "some"
    path.write_text(slow.read_text()[:400_000])

    def kill() -> None:
        child_of(sandbox)
        os.kill(zygote_of(sandbox), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    read = sandbox.read(path, "some.txt", "", scratch=scratch)
    killer.join()
    assert len(read.chunks) > 100


def test_children_end_with_the_program(tmp_path: Path, slow: Path) -> None:
    code = """
    import sys
    from pathlib import Path
    from ingest.sandbox import Sandbox
    from tests.integration.counting import packaged_counter
    sandbox = Sandbox(packaged_counter(), 256)
    sandbox.start()
    print(sandbox._zygote.process.pid, flush=True)
    sandbox.read(Path(sys.argv[1]), "slow.txt", "", scratch=Path(sys.argv[2]))
    """
    arguments = [sys.executable, "-c", textwrap.dedent(code), str(slow), str(tmp_path / "scratch")]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, cwd=ROOT) as program:
        assert program.stdout is not None
        zygote = int(program.stdout.readline())
        until(lambda: len(tree_of(zygote)) > 1)
        family = tree_of(zygote)
        program.kill()
    until(lambda: not [pid for pid in family if Path(f"/proc/{pid}").exists()])


def test_stopping_is_no_error_of_the_document(slow: Path, scratch: Path) -> None:
    stopped = Sandbox(packaged_counter(), 256)
    stopped.start()
    threading.Timer(0.5, stopped.stop).start()
    with pytest.raises(Stopping):
        stopped.read(slow, "slow.txt", "", scratch=scratch)
    with pytest.raises(Stopping):
        stopped.read(slow, "slow.txt", "", scratch=scratch)


def test_a_process_begun_early_is_the_one_that_reads(
    good: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = _started_processes(monkeypatch)
    asked: list[int] = []

    def counter() -> TokenCounter:
        asked.append(len(begun))
        return packaged_counter()

    sandbox = Sandbox(counter, 256)
    sandbox.begin()
    sandbox.begin()
    assert not asked
    assert sandbox.read(good, "good.md", "", scratch=scratch).chunks
    # One process, there before anybody had to make the counter.
    assert (asked, len(begun)) == ([1], 1)
    sandbox.stop()
    assert begun[0].poll() is not None


def test_a_process_begun_for_nothing_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = _started_processes(monkeypatch)
    sandbox = Sandbox(packaged_counter(), 256)
    sandbox.begin()
    assert begun[0].poll() is None
    sandbox.stop()
    assert begun[0].poll() is not None


def test_a_counter_that_cannot_be_made_is_asked_for_again(good: Path, scratch: Path) -> None:
    answers: list[TokenCounter] = []

    def counter() -> TokenCounter:
        if not answers:
            answers.append(packaged_counter())
            raise SettingsError("no embedder")
        return answers[0]

    sandbox = Sandbox(counter, 256)
    sandbox.begin()
    with pytest.raises(SettingsError):
        sandbox.read(good, "good.md", "", scratch=scratch)
    assert sandbox.read(good, "good.md", "", scratch=scratch).chunks
    sandbox.stop()


def _started_processes(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """The processes that children are forked from, as they are started from now on."""
    begun: list[subprocess.Popen[bytes]] = []
    start = Zygote.start

    def watched() -> Zygote:
        zygote = start()
        begun.append(zygote.process)
        return zygote

    monkeypatch.setattr(Zygote, "start", watched)
    return begun


def test_what_cannot_start_says_so(good: Path, scratch: Path) -> None:
    broken = Sandbox(TokenCounter("no tokenizer", 256), 256)
    with pytest.raises(SandboxNotStarted):
        broken.read(good, "good.md", "", scratch=scratch)


def test_tokens_are_counted_as_the_embedder_does() -> None:
    embedder = load_embedder(IngestSettings())
    texts = [
        "",
        "plain words",
        "Hölle, naïve café",
        "退货政策：七天内",
        "x" * 3000,
        "a\u0301 \u200b emoji 😀",
        "the " * 900,
    ]
    assert embedder.counter().count_tokens(texts) == embedder.count_tokens(texts)
    assert embedder.counter().count_tokens([]) == []
    assert packaged_counter().count_tokens(texts) == embedder.count_tokens(texts)


def zygote_of(sandbox: Sandbox) -> int:
    assert sandbox._zygote is not None
    return sandbox._zygote.process.pid


def child_of(sandbox: Sandbox) -> int:
    """The process that reads now, once there is one."""
    until(lambda: len(tree_of(zygote_of(sandbox))) > 1)
    time.sleep(0.5)
    return tree_of(zygote_of(sandbox))[1]


def until(true: Any, timeout_s: float = 20.0) -> None:
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.05)


def test_a_child_finds_its_libraries_loaded(tmp_path: Path) -> None:
    """Each import in a child is one a file: a second for a page of Markdown, once."""
    code = """
import os, sys
from pathlib import Path
from ingest.reading import read_document
from ingest.sandbox.child import kind_of, load_common, load_kind
from tests.hostile.honest import honest_files
from tests.integration.counting import packaged_counter
counter = packaged_counter()
load_common(counter)
for name, content in honest_files().items():
    if not kind_of(name):
        continue
    if os.fork() == 0:
        load_kind(kind_of(name))
        before = set(sys.modules)
        Path("stored").write_bytes(content)
        read_document(Path("stored"), name, "", embedder=counter, chunk_tokens=256, scratch=Path("."))
        late = {module.partition(".")[0] for module in set(sys.modules) - before} - {"ingest"}
        print(name, sorted(late), file=sys.stderr) if late else None
        os._exit(0)
    os.wait()
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
