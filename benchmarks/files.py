"""Ingest real files with the real command and report: ready, failed with reason, chunks, seconds, peak memory.

    python benchmarks/files.py FOLDER [--manifest manifest.jsonl]

With a manifest ({file, format, must_contain[]} a line) the share of strings found in the indexed chunks is printed by
format; texts are compared without white space.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import unicodedata
from collections import defaultdict
from pathlib import Path
from typing import Any

COMMAND = [sys.executable, "-c", "from app.cli import main; main()"]


def command(*arguments: str, home: Path) -> dict[str, Any]:
    """Run a frontdesk command with --json."""
    environment = {**os.environ, "FRONTDESK_HOME": str(home)}
    done = subprocess.run(
        [*COMMAND, *arguments, "--json"], capture_output=True, text=True, env=environment, check=False
    )
    if done.returncode not in (0, 1) or not done.stdout:
        sys.exit(f"crashed with {done.returncode}: {done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def folded(text: str) -> str:
    """Without white space and table bars, compatibility characters folded."""
    return "".join(unicodedata.normalize("NFKC", text).replace("\\|", "").replace("|", "").split())


def strings_found(manifest: Path, home: Path) -> None:
    """Compare the indexed chunks with the manifest, by format and language."""
    from app.workspace import Settings, open_workspace

    found: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    everything = [0, 0]
    settings = Settings.load()
    private = settings.ingest.model_copy(update={"home": home, "database_url": None, "vector_engine": "edge"})
    with open_workspace(Settings(private, settings.serving, settings.app)) as workspace:
        kb = workspace.catalog.knowledge_base("files")
        live = {d.name: workspace.catalog.versions(d) for d in workspace.catalog.documents(kb)}
        for row in map(json.loads, manifest.read_text(encoding="utf-8").splitlines()):
            name = Path(row["file"]).name
            version = next((v for v in live.get(name, []) if v.live), None)
            # A file that did not become ready holds nothing.
            hits = workspace.index.points(kb.id, version.id, version.generation) if version else ()
            chunks = sorted((hit.payload for hit in hits), key=lambda payload: int(payload["ordinal"]))
            text = folded("".join("".join(c["heading_path"]) + c["text"] for c in chunks))
            for wanted in row["must_contain"]:
                hit = folded(wanted) in text
                for group in (row["format"], f"{row['format']} {row['language']}", row["language"]):
                    found[group][0] += hit
                    found[group][1] += 1
                everything[0] += hit
                everything[1] += 1
                if not hit:
                    print(f"  not found in {name}: {wanted!r}")
    for group, (hits_, total) in sorted(found.items()):
        print(f"  {group:8} {hits_:4} of {total:4} strings")
    print(f"  all      {everything[0]:4} of {everything[1]:4} strings ({100 * everything[0] / everything[1]:.1f} %)")


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--manifest", type=Path)
    arguments = parser.parse_args()
    if not arguments.folder.is_dir():
        print(f"skipped: no folder {arguments.folder}")
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        result = command("ingest", str(arguments.folder), "--kb", "files", home=home)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**10
        print(
            f"{arguments.folder}: {result['ready']} ready, {len(result['failed'])} failed, {len(result['skipped'])} skipped, "
            f"{result['chunks']} chunks, {result['seconds']} s, peak {peak:.0f} MiB"
        )
        for entry in result["failed"]:
            print(f"  failed  {entry['reason']}")
        for name in result["skipped"]:
            print(f"  skipped {name}")
        if arguments.manifest:
            strings_found(arguments.manifest, home)
    return 0


if __name__ == "__main__":
    sys.exit(main())
