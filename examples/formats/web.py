"""A help page as a company's web site serves it: the questions, surrounded by what every page repeats."""

from html import escape
from pathlib import Path

from formats.source import Block, Source

_PAGE = """<!DOCTYPE html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} | {site}</title>
<style>body {{ font-family: sans-serif; margin: 0 auto; max-width: 60rem; }} nav li {{ display: inline; }}</style>
<script>window.dataLayer = window.dataLayer || [];</script>
</head>
<body>
<div class="cookie-banner" role="dialog">{cookie} <button>OK</button></div>
<header>
<a class="logo" href="/">{site}</a>
<nav><ul>
{nav}
</ul></nav>
</header>
<p class="breadcrumb">{crumb}</p>
<main>
<h1>{title}</h1>
{main}
</main>
<aside>{aside}</aside>
<footer>{footer}</footer>
</body>
</html>
"""


def write(source: Source, target: Path, language: str) -> None:
    """Write one HTML page with navigation, cookie banner and footer around its content."""
    info = {name: escape(value) for name, value in source.info.items()}
    nav = "\n".join(f'<li><a href="#">{escape(entry)}</a></li>' for entry in source.info["nav"].split(", "))
    page = _PAGE.format(
        language="zh-CN" if language == "zh" else "en-GB",
        main="\n".join(_element(block) for block in source.blocks),
        **(info | {"nav": nav}),
    )
    target.write_text(page, encoding="utf-8", newline="\n")


def _element(block: Block) -> str:
    # A `#` heading groups questions, so it stands one level below the title of the page.
    tag = {"h1": "h2", "h2": "h3"}.get(block.kind, "p")
    return f"<{tag}>{escape(block.text)}</{tag}>"
