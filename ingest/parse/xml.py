"""XML of strangers, read without entities, DTDs or network."""

from __future__ import annotations

from typing import Any

from ingest.errors import DamagedFile


def parse_xml(data: bytes, name: str) -> Any:
    """The root element; raises DamagedFile when it is not well formed, or nested or repeated beyond reason."""
    from lxml import etree

    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as exc:
        raise DamagedFile(f"{name}: a part of the file is not well-formed XML; open it and save it again.") from exc
    return root
