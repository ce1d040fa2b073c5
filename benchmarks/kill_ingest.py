"""SIGKILL in the middle of ingestion, again and again: is anything lost, doubled, stale or orphaned?

    python benchmarks/kill_ingest.py [--kills 200] [--postgres URL] [--files FOLDER] [--seed N]

Files are uploaded over HTTP, changed, sent again and deleted while a real server ingests them. The server dies in turns
at a random moment (drawn from the measured times of the stages) and at a boundary between two stages; then it is started
again on the same folder. The client writes down what was accepted (202, 204). In the end every accepted document must be
there as it was last accepted, ready or failed with a reason, and catalog and index must agree both ways.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from benchmarks.kill_server import BOUNDARIES  # noqa: E402 - after the path is set

KB = "share"
START_S = 180.0
SETTLE_S = 600.0
# A boundary that nothing came by in this time is a random moment after all.
BOUNDARY_S = 20.0
# What can be changed between two uploads without a program of its own.
TEXTS = {".md", ".txt", ".html", ".csv"}


@dataclass
class Record:
    """What a client knows of the server's promises: for each document the hashes it may hold ("" for none)."""

    allowed: dict[str, set[str]] = field(default_factory=dict)
    revision: int = 0
    accepted: int = 0
    deleted: int = 0

    def may(self, name: str, content: str) -> None:
        """A request was sent; nobody knows yet whether it came through."""
        self.allowed.setdefault(name, {""}).add(content)

    def is_now(self, name: str, content: str) -> None:
        """The server said that it has it."""
        self.allowed[name] = {content}


@dataclass
class Server:
    """An API process on a folder; it may be told where to die."""

    home: Path
    port: int
    database: str | None = None
    process: subprocess.Popen[bytes] | None = None

    def start(self, boundary: str = "none", number: int = 1) -> float:
        """Seconds until it answers."""
        own = {"FRONTDESK_HOME": str(self.home), "FRONTDESK_PORT": str(self.port)}
        # No question is asked, so the packaged model need not be made ready at each start.
        own |= {"FRONTDESK_ENDPOINT_URL": "http://127.0.0.1:9/v1", "FRONTDESK_ENDPOINT_MODEL": "none"}
        if self.database:
            own["FRONTDESK_DATABASE_URL"] = self.database
        # Of the environment's settings only where models are that were made ready: an export takes all cores for most of
        # a minute, which is not what is measured.
        kept = {
            n: value for n, value in os.environ.items() if not n.startswith("FRONTDESK_") or n == "FRONTDESK_MODELS"
        }
        command = [sys.executable, str(ROOT / "benchmarks" / "kill_server.py"), boundary, str(number)]
        begun = time.monotonic()
        with (self.home.parent / "server.log").open("ab") as log:
            self.process = subprocess.Popen(command, env=kept | own, stdout=log, stderr=log, cwd=self.home.parent)
        while time.monotonic() - begun < START_S:
            if self.process.poll() is not None:
                return -1.0
            try:
                if self.client(2).get("/health").status_code == 200:
                    return time.monotonic() - begun
            except httpx.TransportError:
                time.sleep(0.1)
        raise SystemExit("the server did not start; see server.log")

    def client(self, timeout: float = 30.0) -> httpx.Client:
        """A client of it."""
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=timeout, trust_env=False)

    def documents(self) -> list[dict[str, object]]:
        """All documents, as the API lists them."""
        with self.client() as client:
            found: list[dict[str, object]] = []
            while True:
                page = client.get(f"/api/knowledge-bases/{KB}/documents", params={"limit": 500, "offset": len(found)})
                page.raise_for_status()
                found += page.json()["documents"]
                if len(found) >= page.json()["total"]:
                    return found

    def kill(self) -> None:
        """SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def wait_dead(self, seconds: float) -> bool:
        """Whether it died by itself in time."""
        assert self.process is not None
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True


class Customer(threading.Thread):
    """Uploads, changes, repeats and deletes documents until it is told to stop or nobody answers."""

    def __init__(self, server: Server, record: Record, files: list[Path], root: Path, draw: random.Random) -> None:
        super().__init__(daemon=True)
        self._server, self._record, self._files, self._root, self._draw = server, record, files, root, draw
        self.halt = threading.Event()

    def run(self) -> None:
        """One request after the other."""
        with self._server.client() as client:
            while not self.halt.is_set():
                try:
                    self._one(client)
                except httpx.TransportError:
                    return
                self.halt.wait(self._draw.uniform(0.05, 0.5))

    def _one(self, client: httpx.Client) -> None:
        path = self._draw.choice(self._files)
        name = str(path.relative_to(self._root))
        ids = {str(d["document"]): str(d["id"]) for d in self._server.documents()}
        if name in ids and self._draw.random() < 0.12:
            self._record.may(name, "")
            if client.delete(f"/api/documents/{ids[name]}").status_code in (204, 404):
                self._record.is_now(name, "")
                self._record.deleted += 1
            return
        content = path.read_bytes()
        if path.suffix in TEXTS and self._draw.random() < 0.7:
            self._record.revision += 1
            content += f"\n\nRevision {self._record.revision} of {name}.\n".encode()
        digest = hashlib.sha256(content).hexdigest()
        self._record.may(name, digest)
        reply = client.post(f"/api/knowledge-bases/{KB}/documents", files=[("files", (name, content))])
        if reply.status_code == 202:
            self._record.is_now(name, digest)
            self._record.accepted += 1


def upload_times(server: Server, files: list[Path], root: Path) -> list[float]:
    """Seconds from the upload of a document to its end; random kills are drawn from them."""
    seconds = []
    with server.client() as client:
        client.post("/api/knowledge-bases", json={"name": KB})
        for path in files:
            begun = time.monotonic()
            content = path.read_bytes()
            name = str(path.relative_to(root))
            client.post(f"/api/knowledge-bases/{KB}/documents", files=[("files", (name, content))]).raise_for_status()
            settle(server)
            seconds.append(time.monotonic() - begun)
    # The first one waited for the worker to load its libraries.
    return seconds[1:]


def settle(server: Server) -> list[dict[str, object]]:
    """Wait until every document has come to its end."""
    end = time.monotonic() + SETTLE_S
    while time.monotonic() < end:
        found = server.documents()
        if all(d["state"] in ("ready", "failed") for d in found):
            return found
        time.sleep(0.1)
    raise SystemExit(f"not settled: {Counter(str(d['state']) for d in server.documents())}")


def resumed_after(server: Server, begun: float) -> float | None:
    """Seconds from the start of a process to the first work on what a dead one left; None when nothing was left."""
    waiting = {str(d["document"]) for d in server.documents() if d["state"] not in ("ready", "failed")}
    if not waiting:
        return None
    end = time.monotonic() + SETTLE_S
    while time.monotonic() < end:
        for document in server.documents():
            progress = document["progress"]
            working = isinstance(progress, dict) and not progress["stalled"]
            if document["document"] in waiting and (document["state"] in ("ready", "failed") or working):
                return time.monotonic() - begun
        time.sleep(0.05)
    return float("inf")


def audit(server: Server, record: Record) -> Counter[str]:
    """Compare promises, catalog and index; what is wrong, by kind."""
    wrong: Counter[str] = Counter()
    documents = {str(d["document"]): d for d in settle(server)}
    with server.client(120) as client:
        for name, allowed in record.allowed.items():
            document = documents.get(name)
            if document is None:
                wrong["lost"] += "" not in allowed
                continue
            held = hashlib.sha256(client.get(f"/api/documents/{document['id']}/file").content).hexdigest()
            wrong["not what was accepted"] += held not in allowed
            wrong["failed without a reason"] += document["state"] == "failed" and not document["reason"]
            wrong["failed"] += document["state"] == "failed"
            if document["state"] != "ready":
                continue
            page = client.get(f"/api/documents/{document['id']}/chunks", params={"limit": 1000}).json()
            wrong["chunks missing or doubled"] += page["total"] != document["chunks"]
            ordinals = [chunk["ordinal"] for chunk in page["chunks"]]
            wrong["ordinals"] += ordinals != list(range(len(ordinals)))
            text = "\n".join(chunk["text"] for chunk in page["chunks"])
            source = client.get(f"/api/documents/{document['id']}/file").content.decode("utf-8", "replace")
            revisions = {line for line in source.splitlines() if line.startswith("Revision ")}
            stale = [line for line in text.splitlines() if line.startswith("Revision ") and line not in revisions]
            wrong["stale text"] += bool(stale)
        # Compares both ways, and would repair: it must find nothing to do.
        verified = client.post(f"/api/knowledge-bases/{KB}/verify")
        verified.raise_for_status()
        if verified.json()["lost"]:
            print(verified.json(), flush=True)
        wrong["catalog and index differ"] += len(verified.json()["lost"])
        wrong["orphan points"] += verified.json()["orphans_removed"]
    return Counter({kind: count for kind, count in wrong.items() if count})


def main() -> None:
    """Kill, restart, compare; exit 1 when anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--files", type=Path, default=ROOT / "examples" / "files")
    parser.add_argument("--postgres", default=None, metavar="URL", help="a PostgreSQL database to use, empty")
    parser.add_argument(
        "--folder", type=Path, default=None, help="where the server's data goes; a new folder otherwise"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--audit-every", type=int, default=20)
    given = parser.parse_args()
    draw = random.Random(given.seed)
    files = sorted(path for path in given.files.rglob("*") if path.is_file() and path.stat().st_size < 2_000_000)
    folder = given.folder or Path(tempfile.mkdtemp(prefix="frontdesk-kills-"))
    server = Server(folder / "home", given.port, given.postgres)
    (folder / "home").mkdir(parents=True)
    record, wrong, resumed, starts = Record(), Counter[str](), [], []
    starts.append(server.start())
    if starts[0] < 0:
        raise SystemExit(f"the server did not start; see {folder / 'server.log'}")
    times = upload_times(server, files[:8], given.files)
    print(
        f"{len(files)} files; upload to ready: median {statistics.median(times):.1f} s, longest {max(times):.1f} s",
        flush=True,
    )
    for name, path in ((str(p.relative_to(given.files)), p) for p in files[:8]):
        record.is_now(name, hashlib.sha256(path.read_bytes()).hexdigest())
    server.kill()
    where: Counter[str] = Counter()
    names = list(BOUNDARIES)
    for kill in range(given.kills):
        # In turns: a random moment, a boundary.
        boundary = names[kill // 2 % len(names)] if kill % 2 else "none"
        begun = time.monotonic()
        seconds = server.start(boundary, draw.randint(1, 4))
        if seconds >= 0:
            starts.append(seconds)
            customer = Customer(server, record, files, given.files, draw)
            try:
                again = resumed_after(server, begun)
            except httpx.TransportError:
                again = None  # it came by its boundary already
            if again is not None:
                resumed.append(again)
            customer.start()
            moment = draw.uniform(0.05, 1.5 * draw.choice(times))
            died = server.wait_dead(moment if boundary == "none" else BOUNDARY_S)
            server.kill()
            customer.halt.set()
            customer.join(60)
            where[boundary if died else "random moment"] += 1
        else:
            where[f"{boundary}, at its start"] += 1
        if (kill + 1) % given.audit_every == 0 or kill + 1 == given.kills:
            server.start()
            found = audit(server, record)
            wrong.update(found)
            print(
                f"{kill + 1} kills: {record.accepted} accepted, {record.deleted} deleted; wrong: {dict(found)}",
                flush=True,
            )
            server.kill()
    print("\n| killed | times |\n|---|---|")
    for name, times in where.most_common():
        print(f"| {name} | {times} |")
    failed = wrong.pop("failed", 0)
    print(
        f"\n{given.kills} kills, {record.accepted} uploads and {record.deleted} deletions accepted; wrong: {dict(wrong)}"
    )
    print(f"failed with a reason, summed over the audits: {failed}")
    if resumed:
        ordered = sorted(resumed)
        p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
        print(
            f"resumed work (start of the process to work on what was left), {len(ordered)} times: "
            f"p50 {statistics.median(ordered):.1f} s, p95 {p95:.1f} s; "
            f"of which until it answers: p50 {statistics.median(starts):.1f} s"
        )
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
