"""Reading strangers' files in processes that can do no harm.

    Sandbox (sandbox.py, here)  --request-->  zygote (zygote.py)  --fork-->  child (child.py)
             ^------------------ frames of JSON, progress and result -----------'

The zygote is one process with one thread that has the parsers loaded; each file is read by a fork of it, behind the
walls of walls.py, and ends with it. Nothing a child says is trusted (wire.py).
"""

from ingest.limits import LIMITS, SandboxLimits
from ingest.sandbox.sandbox import Sandbox, SandboxNotStarted, Stopping

__all__ = ["LIMITS", "Sandbox", "SandboxLimits", "SandboxNotStarted", "Stopping"]
