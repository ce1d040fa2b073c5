"""One process owns the data folder, and only as long as it lives. Through the real command line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ingest.errors import SettingsError
from ingest.home import DataFolder

ROOT = str(Path(__file__).parents[2])
FRONTDESK = f"import sys; sys.path.insert(0, {ROOT!r}); from app.cli import main; main()"
OWNER = f"""
import sys
sys.path.insert(0, {ROOT!r})
from pathlib import Path
from ingest.home import DataFolder
with DataFolder(Path(sys.argv[1])):
    print("mine", flush=True)
    sys.stdin.read()
"""


def frontdesk(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", FRONTDESK, *arguments], capture_output=True, text=True, timeout=120, check=False
    )


@contextmanager
def owner(home: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the folder until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "mine\n"
        yield process


def test_a_second_process_is_told_who_owns_the_folder(home: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Open on Sundays.")
    with owner(home) as process:
        refused = frontdesk("ingest", "a.txt")
        assert refused.returncode == 1
        assert refused.stdout == ""
        line = refused.stderr.strip()
        assert "\n" not in line
        assert line == (
            f"Error: the data folder {home} is in use by another frontdesk process (process {process.pid}): wait until it "
            "is done or stop it, or set FRONTDESK_HOME to another folder"
        )


def test_a_folder_is_free_again_when_its_owner_ends(home: Path) -> None:
    with owner(home) as process:
        process.communicate("")
    with DataFolder(home):
        pass


def test_a_folder_is_free_again_when_its_owner_is_killed(home: Path) -> None:
    with owner(home) as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait(20)
        done = frontdesk("kb", "create", "shop")
        assert (done.returncode, done.stderr) == (0, "")


def test_two_folders_have_two_owners(home: Path, tmp_path: Path) -> None:
    with owner(home), DataFolder(tmp_path / "other"):
        pass


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SettingsError, match="FRONTDESK_HOME: cannot use"), DataFolder(tmp_path / "file" / "home"):
        pass
