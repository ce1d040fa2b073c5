"""llm-compressor (Apache-2.0) as a child process: AWQ, GPTQ and W8A8, calibrated on texts as the model is asked and answers.

It has an environment of its own, as vLLM has: it pins an earlier transformers than ours. What runs there is serving/oneshot.py.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from serving.errors import CannotQuantize
from serving.machine import Machine

# The version whose interface serving/oneshot.py was written against.
PACKAGE = "llmcompressor==0.14.0.1"
ENVIRONMENT = ".venv-compressor"
INSTALL = f"python3.11 -m venv {ENVIRONMENT} && {ENVIRONMENT}/bin/pip install {PACKAGE}"
# Groups that share a scale: as large as divides every layer's inputs; the first is what vLLM's kernels like best.
GROUPS = (128, 64, 32)
_LONGEST = 2048
_LAST = 3


def find_compressor(machine: Machine, method: str, named: str | None = None, *, cpu: bool = False) -> Path:
    """The interpreter that has llm-compressor.

    named: FRONTDESK_COMPRESSOR_PYTHON; without it ``.venv-compressor`` here or beside the package is looked for.
    cpu:   do it without a GPU.

    Raises:
        CannotQuantize: there is no GPU, or no such interpreter.
    """
    if not machine.gpus and not cpu:
        raise CannotQuantize(
            f"--to {method} needs a GPU, and this machine has none: run it where one is and bring the release's folder here "
            "(frontdesk releases add), use --to int8, which needs none, or say --on-cpu for a small model and much patience"
        )
    if named:
        path = Path(named).expanduser()
        if not path.is_file():
            raise CannotQuantize(f"FRONTDESK_COMPRESSOR_PYTHON: {path} is not there")
        return path
    for place in (Path.cwd(), Path(__file__).resolve().parents[1]):
        if (python := place / ENVIRONMENT / "bin" / "python").is_file():
            return python
    raise CannotQuantize(
        f"--to {method} needs llm-compressor, which is not installed: {INSTALL}, or set FRONTDESK_COMPRESSOR_PYTHON to the "
        "Python of an environment that has it"
    )


def group_size(weights: Path) -> int:
    """Inputs that share a scale in 4 bits.

    Raises:
        CannotQuantize: no group divides the model's layers.
    """
    config = json.loads((weights / "config.json").read_text(encoding="utf-8"))
    widths = (int(config["hidden_size"]), int(config["intermediate_size"]))
    for size in GROUPS:
        if all(width % size == 0 for width in widths):
            return size
    raise CannotQuantize(f"layers {widths} wide cannot be cut into groups of {GROUPS[-1]}: use --to w8a8")


def compress(
    python: Path,
    method: str,
    texts: Sequence[str],
    weights: Path,
    target: Path,
    told: Callable[[int, int], None],
) -> Mapping[str, Any]:
    """Pack a folder's weights into another folder; returns what it was made with.

    Raises:
        CannotQuantize: llm-compressor failed; the message ends with what it said last.
    """
    spec: dict[str, Any] = {"method": method, "weights": str(weights), "target": str(target), "length": _LONGEST}
    if method != "w8a8":
        spec["group"] = group_size(weights)
    calibration = weights.parent / "calibration.jsonl"
    calibration.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    told(0, len(texts))
    script = Path(__file__).with_name("oneshot.py")
    command = [str(python), str(script), json.dumps({**spec, "texts": str(calibration)})]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own script
    if done.returncode:
        last = " / ".join(line for line in done.stderr.strip().splitlines()[-_LAST:] if line.strip())
        raise CannotQuantize(f"llm-compressor failed: {last[:600] or 'it said nothing'}")
    told(len(texts), len(texts))
    made: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return made
