"""Office packages that break their own rules: references to parts that are not there."""

from __future__ import annotations

import posixpath
import zipfile
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote

from ingest.errors import DamagedFile
from ingest.parse.archive import read_part
from ingest.parse.xml import parse_xml


def whole_package(path: Path, name: str) -> BytesIO:
    """The file, without references to missing parts.

    Converters leave many behind ("../NULL" for a picture that was pasted as a link), Office passes over them, and
    python-docx, python-pptx and openpyxl refuse the whole file. Call it after check_zip: parts are read whole.
    """
    with zipfile.ZipFile(path) as archive:
        changed = _without_dangling(archive, name)
        if not changed:
            return BytesIO(path.read_bytes())
        copy = BytesIO()
        with zipfile.ZipFile(copy, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as target:
            for part in dict.fromkeys(archive.namelist()):
                target.writestr(part, changed[part] if part in changed else read_part(archive, part, name))
    copy.seek(0)
    return copy


def _without_dangling(archive: zipfile.ZipFile, name: str) -> dict[str, bytes]:
    """Lists of references that had to change, by their part."""
    from lxml import etree

    parts = {part.casefold() for part in archive.namelist()}
    changed = {}
    for part in archive.namelist():
        if not part.endswith(".rels"):
            continue
        try:
            root = parse_xml(read_part(archive, part, name), name)
        except DamagedFile:
            continue
        # "word/_rels/document.xml.rels" speaks of what lies in "word".
        folder = posixpath.dirname(posixpath.dirname(part))
        dangling = [
            reference
            for reference in root
            if reference.get("TargetMode") != "External"
            and posixpath.normpath(posixpath.join("/", folder, unquote(reference.get("Target") or "")))[1:].casefold()
            not in parts
        ]
        for reference in dangling:
            root.remove(reference)
        if dangling:
            changed[part] = etree.tostring(root, xml_declaration=True, encoding="UTF-8", standalone=True)
    return changed
