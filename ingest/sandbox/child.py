"""What runs in the child: the walls go up, the file is read, the answer is written. And what is loaded before."""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import shutil
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

from ingest.errors import FrontdeskError
from ingest.limits import LIMITS, SandboxLimits
from ingest.reading import read_document
from ingest.sandbox.processes import adopt_orphans, prefer_for_killing
from ingest.sandbox.walls import raise_walls
from ingest.sandbox.wire import error_frame, progress_frame, result_frame
from ingest.tokens import TokenCounter

# Where programs that a parser starts, and libraries, put what is only for the moment: below the scratch folder.
WORK = ".work"
OUT_OF_MEMORY, FILE_TOO_LARGE, FAILED = "memory", "file size", "failed"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
# Behind the three standard ones.
_ANSWER = 3
_UNNEEDED = ("torch", "transformers", "tensorflow")
# Libraries of the parsers, each loaded once instead of once a file: those of every file, then by what a file's name
# promises. What is missing, and what the name did not promise, is loaded by who wants it.
_COMMON = ("charset_normalizer", "presidio_analyzer", "phonenumbers", "datasketch", "ingest.parse.text")
_KINDS: dict[str, tuple[str, ...]] = {
    "pdf": ("pypdfium2.raw", "pypdfium2", "pdfplumber.table", "ingest.parse.pdf"),
    # Markdown is read by way of HTML.
    "html": (
        "lxml.html",
        "unstructured.partition.html",
        "ingest.parse.html",
        "markdown_it",
        "yaml",
        "ingest.parse.markdown",
    ),
    "docx": ("docx", "unstructured.partition.docx", "ingest.parse.word"),
    "xlsx": ("openpyxl", "ingest.parse.sheets"),
    "pptx": ("pptx", "ingest.parse.slides"),
}
_SAME_KIND = {
    "htm": "html",
    "eml": "html",
    "epub": "html",
    "md": "html",
    "markdown": "html",
    "mdx": "html",
    "doc": "docx",
    "docm": "docx",
}
KINDS = tuple(_KINDS)


def kind_of(name: str) -> str:
    """The kind of file that a document's name promises; "" for one without libraries of its own."""
    suffix = Path(name).suffix.lower().removeprefix(".")
    kind = _SAME_KIND.get(suffix, suffix)
    return kind if kind in _KINDS else ""


def load_libraries() -> None:
    """Load the libraries that every file needs."""
    for library in _UNNEEDED:
        # Documented: None makes an import fail as if it were not installed. spaCy and its plug-ins import what they
        # find, 4 s and 250 MiB of it; a parser asks none of them anything.
        sys.modules.setdefault(library, None)  # type: ignore[arg-type]  # what the documentation says to put there
    adopt_orphans()
    _load(_COMMON)


def load_common(counter: TokenCounter) -> None:
    """Load all that every file needs, before anything is read."""
    load_libraries()
    with tempfile.TemporaryDirectory() as folder:
        # One file of ours all the way loads what is left: language, tokens, cleaning.
        path = Path(folder, "warm-up.txt")
        path.write_text("Call 020 7946 0000 or write to help@example.com before the first file.")
        read_document(path, path.name, "", embedder=counter, chunk_tokens=256)


def load_kind(kind: str) -> None:
    """Load what files of a kind (``KINDS``) need beside that."""
    if kind in ("html", "docx"):
        from ingest.parse.partition import load_unstructured

        load_unstructured()
    _load(_KINDS[kind])


def _load(libraries: tuple[str, ...]) -> None:
    for library in libraries:
        with contextlib.suppress(ImportError):
            importlib.import_module(library)


def wants_helpers(path: Path) -> bool:
    """Whether reading this file needs another program: a file of the old Office formats, where LibreOffice is there."""
    try:
        with path.open("rb") as file:
            return file.read(len(_OLE)) == _OLE and shutil.which("soffice") is not None
    except OSError:
        return False


def walls_here() -> list[str]:
    """The walls that hold on this machine, found out by raising them in a child."""
    reader, writer = os.pipe()
    with tempfile.TemporaryDirectory() as folder:
        pid = os.fork()
        if pid == 0:
            with contextlib.suppress(BaseException):
                os.write(writer, "\n".join(raise_walls(LIMITS, None, Path(folder), helpers=False)).encode())
            os._exit(0)
        os.close(writer)
        with open(reader, "rb") as file:
            found = file.read().decode().split("\n")
        os.waitpid(pid, 0)
    return [wall for wall in found if wall]


def read_and_answer(
    request: dict[str, Any],
    answer: int,
    limits: SandboxLimits,
    counter: TokenCounter,
    chunk_tokens: int,
    *,
    helpers: bool,
) -> None:
    """Read the file that a request names and write the answer; never returns."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    prefer_for_killing()
    _keep_only(answer)
    try:
        frame = _read(request, limits, counter, chunk_tokens, helpers=helpers)
    except MemoryError:
        frame = error_frame(OUT_OF_MEMORY, "")
    except FrontdeskError as exc:
        frame = error_frame(type(exc).__name__, str(exc))
    # Whatever a parser raises costs one document; the trace goes to the parent's log.
    except BaseException as exc:  # noqa: BLE001
        kind = FILE_TOO_LARGE if isinstance(exc, OSError) and exc.errno == errno.EFBIG else FAILED
        frame = error_frame(kind, type(exc).__name__, traceback.format_exc())
    _write(frame)
    os._exit(0)


def _read(
    request: dict[str, Any], limits: SandboxLimits, counter: TokenCounter, chunk_tokens: int, *, helpers: bool
) -> bytes:
    path, scratch = Path(request["path"]), Path(request["scratch"])
    work = scratch / WORK
    for variable in ("TMPDIR", "HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"):
        os.environ[variable] = str(work)
    tempfile.tempdir = str(work)
    os.chdir(work)
    raise_walls(limits, path, scratch, helpers=helpers)
    found = read_document(
        path,
        request["name"],
        request["title"],
        embedder=counter,
        chunk_tokens=chunk_tokens,
        scratch=scratch,
        depth=request["depth"],
        progress=lambda done, total: _write(progress_frame(done, total)),
        limits=limits,
    )
    return result_frame(found, scratch)


def _keep_only(answer: int) -> None:
    """Close every descriptor but the answer's, which becomes number 3; nothing is heard or said beside it."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in range(_ANSWER):
        os.dup2(nothing, standard)
    if answer != _ANSWER:
        os.dup2(answer, _ANSWER)
    for descriptor in map(int, os.listdir("/dev/fd")):
        if descriptor > _ANSWER:
            with contextlib.suppress(OSError):
                os.close(descriptor)


def _write(frame: bytes) -> None:
    view = memoryview(frame)
    while view:
        view = view[os.write(_ANSWER, view) :]
