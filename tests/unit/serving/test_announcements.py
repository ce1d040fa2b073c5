"""Which model servers are there, and which were killed."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

from serving.announcements import FOLDER, Announced, announced, left_behind

# Its number is anybody's by now: what tells is the lock.
KILLED = Announced("http://127.0.0.1:8002", "a-key", "tuned", os.getpid())


def test_a_killed_server_is_known_by_what_it_left_behind(tmp_path: Path) -> None:
    assert left_behind(tmp_path) == []
    with announced(tmp_path, Announced("http://127.0.0.1:8001", "a-key", "support", os.getpid())):
        left = tmp_path / FOLDER / "left.json"
        left.write_text(json.dumps(asdict(KILLED)))
        (tmp_path / FOLDER / "torn.json").write_text("{")
        assert left_behind(tmp_path) == [KILLED]
        left.unlink()
        assert left_behind(tmp_path) == []
    # Stopped in order, it left nothing.
    assert left_behind(tmp_path) == []
