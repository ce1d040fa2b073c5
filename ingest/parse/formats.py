"""Which formats there are, which suffixes claim them, and what to say about the ones that are not read."""

from __future__ import annotations

import re

# format -> (suffixes, what a person calls it)
FORMATS: dict[str, tuple[tuple[str, ...], str]] = {
    "md": ((".md", ".markdown", ".mdx"), "a Markdown file"),
    "txt": ((".txt", ".text", ".log"), "plain text"),
    "html": ((".html", ".htm", ".xhtml"), "a web page"),
    "csv": ((".csv", ".tsv"), "a table of values"),
    "json": ((".json", ".jsonl", ".ndjson"), "a JSON file"),
    "pdf": ((".pdf",), "a PDF"),
    "docx": ((".docx", ".docm", ".dotx", ".dotm"), "a Word file"),
    "pptx": ((".pptx", ".pptm", ".ppsx", ".ppsm", ".potx", ".potm"), "a PowerPoint file"),
    "xlsx": ((".xlsx", ".xlsm", ".xltx", ".xltm"), "an Excel file"),
    "odt": ((".odt", ".ott"), "an OpenDocument text"),
    "ods": ((".ods", ".ots"), "an OpenDocument spreadsheet"),
    "odp": ((".odp", ".otp"), "an OpenDocument presentation"),
    "epub": ((".epub",), "an e-book"),
    "rtf": ((".rtf",), "an RTF file"),
    "doc": ((".doc", ".dot"), "a file of old Word"),
    "xls": ((".xls", ".xlt"), "a file of old Excel"),
    "ppt": ((".ppt", ".pps", ".pot"), "a file of old PowerPoint"),
    "eml": ((".eml", ".mht", ".mhtml"), "a mail"),
    "msg": ((".msg",), "an Outlook mail"),
    "zip": ((".zip",), "a zip archive"),
    "image": ((".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".gif"), "a picture"),
}
SUPPORTED_SUFFIXES = frozenset(suffix for suffixes, _ in FORMATS.values() for suffix in suffixes)
FORMAT_OF_SUFFIX = {suffix: format_ for format_, (suffixes, _) in FORMATS.items() for suffix in suffixes}
# Formats whose bytes are text: nothing but the suffix tells some of them apart.
TEXT_FORMATS = frozenset(("md", "txt", "csv", "html", "json", "eml"))

# What begins like this is something else, whatever its name says: (bytes, offset, what it is, what to do).
FOREIGN = (
    (b"MZ", 0, "a program", ""),
    (b"\x7fELF", 0, "a program", ""),
    (b"\xcf\xfa\xed\xfe", 0, "a program", ""),
    (b"\xca\xfe\xba\xbe", 0, "a program", ""),
    (b"\0asm", 0, "a program", ""),
    (b"dex\n", 0, "a program", ""),
    (b"\x1f\x8b", 0, "a gzip archive", "unpack it, or pack its files as .zip"),
    (b"BZh", 0, "a bzip2 archive", "unpack it, or pack its files as .zip"),
    (b"\xfd7zXZ\0", 0, "an xz archive", "unpack it, or pack its files as .zip"),
    (b"\x28\xb5\x2f\xfd", 0, "a Zstandard archive", "unpack it, or pack its files as .zip"),
    (b"7z\xbc\xaf\x27\x1c", 0, "a 7z archive", "unpack it, or pack its files as .zip"),
    (b"Rar!\x1a\x07", 0, "a RAR archive", "unpack it, or pack its files as .zip"),
    (b"ustar", 257, "a tar archive", "unpack it, or pack its files as .zip"),
    (b"MSCF", 0, "a cabinet archive", "unpack it, or pack its files as .zip"),
    (b"\x78\x9f\x3e\x22", 0, "a mail's format data (winmail.dat)", "have the mail sent as HTML or plain text"),
    (b"!BDN", 0, "an Outlook data file", "export its mails as .eml or .msg"),
    (b"SQLite format 3\0", 0, "a database", "export its tables as .csv"),
    (b"\0\x01\0\0Standard", 0, "an Access database", "export its tables as .csv"),
    (b"PAR1", 0, "a Parquet table", "export it as .csv"),
    (b"ID3", 0, "a sound recording", "upload its transcript"),
    (b"OggS", 0, "a sound recording", "upload its transcript"),
    (b"fLaC", 0, "a sound recording", "upload its transcript"),
    (b"WAVE", 8, "a sound recording", "upload its transcript"),
    (b"ftypheic", 4, "a HEIC picture", "save it as .jpg or .png"),
    (b"ftypavif", 4, "an AVIF picture", "save it as .jpg or .png"),
    (b"ftyp", 4, "a film", "upload its transcript"),
    (b"\x1aE\xdf\xa3", 0, "a film", "upload its transcript"),
    (b"AVI ", 8, "a film", "upload its transcript"),
    (b"8BPS", 0, "a Photoshop picture", "save it as .png"),
    (b"AC10", 0, "a CAD drawing", "export it as PDF"),
    (b"%!PS", 0, "PostScript", "export it as PDF"),
    (b"\0\0\x01\0", 0, "an icon", ""),
    (b"wOFF", 0, "a font", ""),
    (b"wOF2", 0, "a font", ""),
)

# Advice for what people upload most among what we do not read, by suffix.
ADVICE = {
    ".pages": "open it and export it as .docx or PDF",
    ".numbers": "open it and export it as .xlsx",
    ".key": "open it and export it as .pptx or PDF",
    ".xlsb": "open it and save it as .xlsx",
    ".wps": "open it and save it as .docx",
    ".et": "open it and save it as .xlsx",
    ".dps": "open it and save it as .pptx",
    ".mobi": "convert it to .epub",
    ".azw3": "convert it to .epub",
    ".vsdx": "export it as PDF",
    ".pub": "export it as PDF",
    ".one": "export it as PDF",
    ".xps": "export it as PDF",
    ".xml": "export it as .html, .json or .csv",
    ".tar": "pack its files as .zip",
}

_SUFFIX = re.compile(r"\.(?=[a-z0-9_]*[a-z])[a-z0-9_]{1,10}")


def suffix_of(name: str) -> str:
    """The suffix that a file's name claims, lower case, or "".

    >>> suffix_of("Offer.PDF"), suffix_of("minutes 21.11.2026"), suffix_of("v2. final draft")
    ('.pdf', '', '')
    """
    base = name.replace("\\", "/").rsplit("/", 1)[-1].lower()
    dot = base.rfind(".")
    return base[dot:] if dot > 0 and _SUFFIX.fullmatch(base[dot:]) else ""


def unsupported(name: str, what: str = "", advice: str = "") -> str:
    """The one line for a file that is not read: what it is, what to do."""
    advice = advice or ADVICE.get(suffix_of(name), "")
    reason = f"this is {what}; " if what else ""
    advice = f"; {advice}" if advice else ""
    return f"{name}: {reason}this kind of file is not read{advice}. Supported: {' '.join(sorted(SUPPORTED_SUFFIXES))}"
