"""What reading one file may cost; one place for every number, handed through from the sandbox to the parsers."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ingest.settings import IngestSettings

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """Limits of one file. The kernel and the sandbox hold the first part, the parsers the second.

    memory_bytes:  resident memory of the process that reads the file, its helpers included.
    base_s:        wall seconds that any file may take; to them come
    s_per_mib:     seconds for each MiB of the file, and
    s_per_page:    seconds for each page, once the parser has said how many there are (OCR takes 1 to 5 s a page);
    longest_s:     but never more than this.
    file_bytes:    the largest file that may be written.
    scratch_bytes: all files written together.
    answer_bytes:  the text of a document with its places, as it comes back.
    open_files:    files open at once.

    pages:         pages or slides of a document.
    pixels:        width times height of a picture, or of a page drawn for OCR.
    entries:       files in an archive or mail, those of inner ones counted with them.
    unpacked_bytes: what an archive or office file unpacks to.
    ratio:         unpacked to packed size, above a harmless amount.
    depth:         containers within each other: a mail in a zip in a zip is 2 deep.
    """

    memory_bytes: int = 1024 * _MIB
    base_s: float = 120.0
    s_per_mib: float = 20.0
    s_per_page: float = 15.0
    longest_s: float = 7200.0
    file_bytes: int = 512 * _MIB
    scratch_bytes: int = 2048 * _MIB
    answer_bytes: int = 64 * _MIB
    open_files: int = 256
    pages: int = 20_000
    pixels: int = 100_000_000
    entries: int = 1_000
    unpacked_bytes: int = 512 * _MIB
    ratio: int = 200
    depth: int = 3

    def seconds(self, size_bytes: int, pages: int = 0) -> float:
        """Wall seconds that a file of this size and number of pages may take."""
        wanted = self.base_s + self.s_per_mib * size_bytes / _MIB + self.s_per_page * min(pages, self.pages)
        return min(wanted, self.longest_s)


LIMITS = SandboxLimits()


def limits_of(settings: IngestSettings) -> SandboxLimits:
    """The limits with what the settings say of memory and time."""
    return replace(LIMITS, memory_bytes=settings.parse_memory_mib * _MIB, longest_s=settings.parse_longest_s)
