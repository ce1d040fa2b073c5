"""The hub that models are fetched from: asked once whether it is there, before its own client asks for each file.

That client asks six times for every file of a model and waits up to eight seconds in between. Where there is no hub, a wrong name
would be told after minutes, and a server that is to stop would wait for it.
"""

from __future__ import annotations

from pathlib import Path

import httpx

# Seconds in which a hub must say anything at all.
REPLY_S = 5.0


def only_here(name: str) -> bool:
    """Whether a model is looked for on this machine alone, in the hub's cache: it is no folder, and the hub does not reply."""
    if Path(name).expanduser().is_dir():
        return False
    from huggingface_hub import constants

    try:
        httpx.head(constants.ENDPOINT, timeout=REPLY_S)
    except (httpx.HTTPError, httpx.InvalidURL):
        return True
    return False
