"""Whatever a client sends: no 5xx, and nothing that the OpenAPI document does not announce (schemathesis)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.integration.http_server import example, serving

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance"
)


def test_every_operation_keeps_to_its_schema(tmp_path: Path) -> None:
    with serving(tmp_path / "home", FRONTDESK_ANSWER_TIMEOUT_S="20") as server:
        server.upload(example("en/stores.csv"))
        server.settled()
        ended = subprocess.run(
            [
                sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/openapi.json", "--checks", CHECKS,
                "--phases", "examples,coverage,fuzzing", "--max-examples", "10", "--seed", "1",
                "--generation-deterministic", "--no-shrink", "--max-time", "60", "--request-timeout", "30", "--no-color",
                "--continue-on-failure", "--suppress-health-check", "all", "--warnings", "off",
            ],
            capture_output=True,
            text=True,
            timeout=280,
            cwd=tmp_path,
        )  # fmt: skip
    assert ended.returncode == 0, ended.stdout[-12000:] + ended.stderr[-2000:]
    # A run that reached nothing would be green, too.
    assert "Coverage" in ended.stdout
