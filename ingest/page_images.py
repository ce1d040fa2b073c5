"""A page of a stored file as a picture, drawn in a process of its own behind the walls of ingest/sandbox/walls.py.

    png = page_image(path, 12, width=1000)

The file is a stranger's: whoever asks gets a picture or a NotFound, and lives on whatever the drawing does.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import ingest
from ingest.errors import LimitExceeded, NotFound, ParseError
from ingest.limits import LIMITS, SandboxLimits

TIME_S = 30.0
MOST_BYTES = 16 * 1024 * 1024
# A page that is a banner or a strip would be drawn without end at a fixed width.
MOST_PIXELS = 6_000_000
# Picture formats whose file is a page; anything else of Pillow's many readers stays out of reach.
_PICTURES = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP")
_DRAWN, _NO_PAGE, _UNREADABLE = 0, 3, 4
_LIMITS = replace(LIMITS, memory_bytes=512 * 1024 * 1024, longest_s=TIME_S, file_bytes=MOST_BYTES)


def page_image(path: Path, page: int, *, width: int = 1000, limits: SandboxLimits = _LIMITS) -> bytes:
    """A page as PNG; blocks for about a second.

    page:  from 1.
    width: pixels; the height follows, MOST_PIXELS bounds both.

    Raises:
        NotFound: the file's format has no pages that could be drawn, or fewer of them.
        ParseError: the page cannot be drawn, or not within the limits.
    """
    command = [sys.executable, "-P", "-m", "ingest.page_images", str(path.absolute()), str(page), str(width)]
    # Nothing of our environment, where the secrets are; only where Python is to look.
    root = str(Path(ingest.__file__).parents[1])
    with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryFile() as drawn:
        environment = {"PATH": os.defpath, "TMPDIR": scratch, "HOME": scratch, "PYTHONPATH": root}
        command += [scratch, str(limits.memory_bytes)]
        try:
            ended = subprocess.run(  # noqa: S603 - our own program; the file's name is an argument, not a command
                command, env=environment, cwd=root, stdin=subprocess.DEVNULL, stdout=drawn,
                stderr=subprocess.DEVNULL, timeout=limits.longest_s, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as exc:
            raise LimitExceeded(f"page {page} takes too long to draw; download the original to look at it") from exc
        if ended.returncode == _NO_PAGE:
            raise NotFound(f"there is no page {page} to draw; only PDF files and pictures have pages that can be shown")
        size = drawn.tell()
        if ended.returncode != _DRAWN or not 0 < size <= MOST_BYTES:
            raise ParseError(f"page {page} cannot be drawn; download the original to look at it")
        drawn.seek(0)
        return drawn.read()


def _draw(path: Path, page: int, width: int) -> int:
    """Write the picture to standard output; returns how it went."""
    from PIL import Image

    with path.open("rb") as file:
        head = file.read(1024)
    if b"%PDF-" in head:
        import pypdfium2

        document = pypdfium2.PdfDocument(str(path))
        if not 1 <= page <= len(document):
            return _NO_PAGE
        drawn = document[page - 1]
        across, down = drawn.get_size()
        if across <= 0 or down <= 0:
            return _UNREADABLE
        scale = min(width / across, (MOST_PIXELS / (across * down)) ** 0.5)
        picture = drawn.render(scale=scale).to_pil()
    else:
        try:
            picture = Image.open(path, formats=_PICTURES)
        except OSError:
            return _NO_PAGE
        if not 1 <= page <= getattr(picture, "n_frames", 1):
            return _NO_PAGE
        picture.seek(page - 1)
        if picture.width * picture.height > LIMITS.pixels:
            return _UNREADABLE
        scale = min(width / picture.width, (MOST_PIXELS / (picture.width * picture.height)) ** 0.5, 1.0)
        picture = picture.convert("RGB").resize(
            (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        )
    picture.convert("RGB").save(sys.stdout.buffer, "PNG")
    sys.stdout.buffer.flush()
    return _DRAWN


def main() -> int:
    """The drawing process: what it needs is loaded, then the walls go up, then the file is opened."""
    path, page, width, scratch, memory = sys.argv[1:]
    import PIL.PngImagePlugin
    import pypdfium2

    from ingest.sandbox.walls import leave_network, raise_walls

    _ = (pypdfium2, PIL)
    leave_network()
    limits = replace(_LIMITS, memory_bytes=int(memory))
    raise_walls(limits, Path(path), Path(scratch), helpers=False)
    try:
        return _draw(Path(path), int(page), int(width))
    # Whatever the libraries raise about a stranger's file is one answer: it cannot be drawn.
    except Exception:  # noqa: BLE001
        return _UNREADABLE


if __name__ == "__main__":
    sys.exit(main())
