"""Which model servers are watched, and which are missed."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

from app.model_servers import killed
from serving.announcements import FOLDER, Announced, announced
from serving.server_watch import ModelServer

# No process has this number.
KILLED = Announced("http://127.0.0.1:8002", "a-key", "tuned", 2**22 - 1)


def test_a_killed_server_is_known_by_what_it_left_behind(tmp_path: Path) -> None:
    assert killed(tmp_path) == []
    with announced(tmp_path, Announced("http://127.0.0.1:8001", "a-key", "support", os.getpid())):
        left = tmp_path / FOLDER / "left.json"
        left.write_text(json.dumps(asdict(KILLED)))
        (tmp_path / FOLDER / "torn.json").write_text("{")
        assert killed(tmp_path) == [ModelServer(KILLED.url, KILLED.key, KILLED.release)]
        left.unlink()
        assert killed(tmp_path) == []
    # Stopped in order, it left nothing.
    assert killed(tmp_path) == []
