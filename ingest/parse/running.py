"""Page headers and footers of office documents: said once, after the text.

They repeat on each page and say little, but a letterhead has the address, the telephone number and the hours that
customers ask for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ingest.parse.blocks import Blocks

# "Page 3 of 12", a date, a logo's dot.
_PAGE_WORDS = re.compile(r"[\W\d_]|\b(?:page|of|seite|von|página|sur|de)\b|第|页|頁|共", re.I)
_FEWEST_LETTERS = 6


def add_running(texts: Iterable[str], blocks: Blocks) -> None:
    """Add what the text itself does not say, each once, without page numbers alone."""
    said = {line for element in blocks.elements() for line in element.text.split("\n")}
    for text in texts:
        line = " ".join(text.split())
        letters = len(_PAGE_WORDS.sub("", line))
        # A Chinese letter says as much as a word's half.
        letters += len(re.findall(r"[\u3400-\u9fff]", line))
        if line not in said and letters >= _FEWEST_LETTERS:
            said.add(line)
            blocks.paragraph(line)
