"""PDF with ruled tables, page headers and footers; manuals get a cover, a table of contents and an outline."""

import re
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib.pagesizes import A4, A5
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    KeepTogether,
    ListFlowable,
    ListItem,
    NextPageTemplate,
    PageBreak,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
    TableStyle,
)
from reportlab.platypus.tableofcontents import TableOfContents

from formats.figures import INK, RULE, SHADE, figure
from formats.source import Block, Source, bold_runs

CHINESE_FONT = Path("/usr/share/fonts/truetype/wqy/wqy-microhei.ttc")
CHINESE_FONT_PACKAGE = "fonts-wqy-microhei"
# A word of Latin letters or one Chinese character, with the punctuation that may not leave it at a line's end.
_UNBREAKABLE = re.compile(r"[“‘（《]*(?:[!-~°²³]+|\S)[，。、；：？！”’）》]*|\s+")


def write(source: Source, target: Path, language: str) -> None:
    """Write one PDF.

    Raises SystemExit, naming the package to install, when the Chinese font is not on this machine.
    """
    doc = _Document(source, target, language)
    doc.multiBuild(doc.front_matter() + doc.body())
    if language == "zh":
        _refuse_missing_glyphs(source)


class _ChineseParagraph(Paragraph):
    """A paragraph in one font, broken as Chinese is: reportlab's own rules know the Japanese punctuation only."""

    def breakLinesCJK(self, maxWidths: Any) -> Any:  # noqa: N802, N803 - reportlab calls it by these names
        """Fill each line with unbreakable pieces; returns the lines with the space left on each."""
        width = maxWidths[0] if isinstance(maxWidths, list | tuple) else maxWidths
        frag = self.frags[0]
        lines = [""]
        for piece in _UNBREAKABLE.findall(frag.text):
            longer = lines[-1] + piece
            if lines[-1] and pdfmetrics.stringWidth(longer.rstrip(), frag.fontName, frag.fontSize) > width:
                lines.append(piece.lstrip())
            else:
                lines[-1] = longer
        spaces = [width - pdfmetrics.stringWidth(line, frag.fontName, frag.fontSize) for line in lines]
        broken = [(space, [line.rstrip()]) for space, line in zip(spaces, lines, strict=True)]
        return frag.clone(kind=0, lines=broken, ascent=frag.fontSize, descent=-0.2 * frag.fontSize)


class _Document(BaseDocTemplate):
    """A4 for policies; A5, with cover and contents, for manuals (`% size: A5`)."""

    def __init__(self, source: Source, target: Path, language: str) -> None:
        info = source.info
        self.source = source
        self.manual = info.get("size") == "A5"
        page = A5 if self.manual else A4
        margin = 14 * mm if self.manual else 20 * mm
        super().__init__(
            str(target),
            pagesize=page,
            leftMargin=margin,
            rightMargin=margin,
            topMargin=margin + 6 * mm,
            bottomMargin=margin + 4 * mm,
            title=info["title"],
            subject=info["subtitle"],
            author=info["meta"].split(" · ")[0],
            lang="zh-CN" if language == "zh" else "en-GB",
            invariant=1,
        )
        self.chapter = ""
        self.styles = _styles(language, small=self.manual)
        self.paragraph = _ChineseParagraph if language == "zh" else Paragraph
        frame = Frame(self.leftMargin, self.bottomMargin, self.width, self.height, 0, 0, 0, 0)
        cover = [PageTemplate("cover", frame)] if self.manual else []
        self.addPageTemplates([*cover, PageTemplate("body", frame, onPageEnd=self._draw_header_and_footer)])

    def front_matter(self) -> list[Flowable]:
        """The cover and the contents of a manual; the title block of anything else."""
        info, styles = self.source.info, self.styles
        title = [
            Paragraph(escape(info["title"]), styles["title"]),
            Paragraph(escape(info["subtitle"]), styles["subtitle"]),
            Paragraph(escape(info["meta"]), styles["meta"]),
        ]
        if not self.manual:
            return [*title, Spacer(1, 4 * mm)]
        contents = TableOfContents(levelStyles=[styles["toc1"], styles["toc2"]], dotsMinLevel=0)
        return [
            NextPageTemplate("body"),
            Spacer(1, 22 * mm),
            figure(info["cover"], styles["p"].fontName, numbered=False),
            Spacer(1, 18 * mm),
            *title,
            PageBreak(),
            Paragraph(escape(info["toc"]), styles["contents"]),
            contents,
        ]

    def body(self) -> list[Flowable]:
        """Every block of the source as flowables."""
        flow: list[Flowable] = []
        blocks, before = self.source.blocks, ""
        for number, block in enumerate(blocks):
            if self.manual and block.kind == "h1":
                flow.append(PageBreak())
            following = blocks[number + 1].kind if number + 1 < len(blocks) else ""
            flow.extend(self._flowables(block, leads=following == "table", led=before in ("h1", "h2", "p")))
            before = block.kind
        return flow

    def afterFlowable(self, flowable: Flowable) -> None:  # noqa: N802 - reportlab calls it by this name
        """Enter headings in the outline and in the table of contents."""
        level = {"h1": 0, "h2": 1}.get(getattr(getattr(flowable, "style", None), "name", ""))
        if level is None:
            return
        text = flowable.getPlainText()
        if level == 0:
            self.chapter = text
        key = f"section-{self.seq.nextf('section')}"
        self.canv.bookmarkPage(key)
        self.canv.addOutlineEntry(text, key, level, closed=level == 0)
        self.notify("TOCEntry", (level, escape(text), self.page, key))

    def beforeDocument(self) -> None:  # noqa: N802 - reportlab calls it by this name
        """Forget the last chapter of the pass before: multiBuild lays the pages out several times."""
        self.chapter = ""

    def _draw_header_and_footer(self, canvas: Any, _doc: BaseDocTemplate) -> None:
        left, right = self.leftMargin, self.leftMargin + self.width
        top, bottom = self.pagesize[1] - self.leftMargin, self.leftMargin
        canvas.saveState()
        canvas.setFont(self.styles["p"].fontName, 7.5)
        canvas.setFillColor(INK)
        canvas.setStrokeColor(RULE)
        canvas.drawString(left, top, self.source.info["header"])
        canvas.line(left, top - 2 * mm, right, top - 2 * mm)
        canvas.line(left, bottom + 3.5 * mm, right, bottom + 3.5 * mm)
        if self.manual:
            canvas.drawString(left, bottom, self.chapter)
        canvas.drawRightString(right, bottom, str(self.page))
        canvas.restoreState()

    def _flowables(self, block: Block, *, leads: bool, led: bool) -> list[Flowable]:
        styles = self.styles
        if block.kind in ("h1", "h2", "p"):
            style = styles["lead" if block.kind == "p" and leads else block.kind]
            return [self.paragraph(_markup(block.text), style)]
        if block.kind in ("ul", "ol"):
            return [self._list(block), Spacer(1, 4)]
        if block.kind == "box":
            return [_box(self.paragraph(_markup(block.text), styles["cell"]), self.width)]
        if block.kind == "figure":
            return [figure(block.text, styles["p"].fontName), Spacer(1, 4)]
        table = self._table(block.rows)
        # A heading or a lead keeps the table with itself; a second KeepTogether inside would part them again.
        return [table if led else KeepTogether([table]), Spacer(1, 9)]

    def _list(self, block: Block) -> ListFlowable:
        style = self.styles["item"]
        items = [ListItem(self.paragraph(_markup(item), style)) for item in block.items]
        marks = {"bulletType": "bullet", "start": "–"} if block.kind == "ul" else {"bulletType": "1"}
        return ListFlowable(items, leftIndent=14, bulletFontName=style.fontName, bulletFontSize=style.fontSize, **marks)

    def _table(self, rows: list[list[str]]) -> Table:
        styles = self.styles
        cells = [
            [self.paragraph(_markup(cell), styles["head" if number == 0 else "cell"]) for cell in row]
            for number, row in enumerate(rows)
        ]
        table = Table(cells, colWidths=_column_widths(rows, self.width, styles["cell"]), repeatRows=1)
        table.setStyle(
            TableStyle(
                [
                    ("GRID", (0, 0), (-1, -1), 0.6, RULE),
                    ("BACKGROUND", (0, 0), (-1, 0), SHADE),
                    ("VALIGN", (0, 0), (-1, -1), "TOP"),
                    ("TOPPADDING", (0, 0), (-1, -1), 2.5),
                    ("BOTTOMPADDING", (0, 0), (-1, -1), 3.5),
                    ("LEFTPADDING", (0, 0), (-1, -1), 4),
                    ("RIGHTPADDING", (0, 0), (-1, -1), 4),
                ]
            )
        )
        return table


def _styles(language: str, *, small: bool) -> dict[str, ParagraphStyle]:
    regular, bold = _fonts(language)
    size = 9.0 if small else 10.0
    wrap = {"wordWrap": "CJK"} if language == "zh" else {}

    def style(name: str, font: str = regular, points: float = size, **options: Any) -> ParagraphStyle:
        return ParagraphStyle(name, fontName=font, fontSize=points, leading=points * 1.42, **wrap, **options)

    heading = {"textColor": INK, "keepWithNext": 1}
    found = [
        style("title", bold, 20 if small else 24, textColor=INK, spaceAfter=6),
        style("subtitle", regular, 13, textColor=INK, spaceAfter=6),
        style("meta", regular, 8.5, textColor=RULE, spaceAfter=6),
        style("contents", bold, 15, textColor=INK, spaceAfter=6),
        style("h1", bold, size * 1.6, spaceBefore=12, spaceAfter=5, **heading),
        style("h2", bold, size * 1.2, spaceBefore=9, spaceAfter=3, **heading),
        style("p", spaceAfter=5),
        style("lead", spaceAfter=5, keepWithNext=1),
        style("item", spaceAfter=2),
        style("cell", points=size - 1),
        style("head", bold, size - 1, textColor=INK),
        style("toc1", bold, size, spaceBefore=4),
        style("toc2", regular, size - 0.5, leftIndent=12),
    ]
    return {each.name: each for each in found}


def _fonts(language: str) -> tuple[str, str]:
    if language != "zh":
        return "Helvetica", "Helvetica-Bold"
    if not CHINESE_FONT.exists():
        raise SystemExit(
            f"The Chinese PDFs need the font {CHINESE_FONT}.\n"
            f"Install it with: apt-get install {CHINESE_FONT_PACKAGE}\n"
            "The committed files already contain it; only making them anew needs the package."
        )
    if "MicroHei" not in pdfmetrics.getRegisteredFontNames():
        pdfmetrics.registerFont(TTFont("MicroHei", str(CHINESE_FONT), subfontIndex=0))
        # The package has no bold face: headings stand out by size and colour.
        pdfmetrics.registerFontFamily("MicroHei", *["MicroHei"] * 4)
    return "MicroHei", "MicroHei"


def _refuse_missing_glyphs(source: Source) -> None:
    known = pdfmetrics.getFont("MicroHei").face.charToGlyph
    texts = [*source.info.values()]
    for block in source.blocks:
        texts += [block.text, *block.items, *(cell for row in block.rows for cell in row)]
    if missing := {character for text in texts for character in text if ord(character) not in known}:
        raise SystemExit(f"{source.info['title']}: the font has no glyph for {' '.join(sorted(missing))}")


def _markup(text: str) -> str:
    return "".join(f"<b>{escape(run)}</b>" if bold else escape(run) for run, bold in bold_runs(text))


def _column_widths(rows: list[list[str]], width: float, style: ParagraphStyle) -> list[float]:
    """Share the width by the text of each column, none narrower than its longest word."""
    padding = 9.0

    def measure(text: str) -> float:
        return pdfmetrics.stringWidth(text, style.fontName, style.fontSize) * 1.06 + padding

    columns = list(zip(*rows, strict=True))
    if style.wordWrap == "CJK":
        needed = [max(measure(cell[:5]) for cell in column) for column in columns]
    else:
        needed = [max(measure(word) for cell in column for word in cell.split() or [""]) for column in columns]
    wanted = [
        max(need, min(max(map(measure, column)), width * 0.6)) for need, column in zip(needed, columns, strict=True)
    ]
    spare, asked = width - sum(needed), sum(wanted) - sum(needed)
    if sum(wanted) <= width or spare <= 0:
        return [share * width / sum(wanted) for share in wanted]
    return [need + (want - need) * spare / asked for need, want in zip(needed, wanted, strict=True)]


def _box(paragraph: Paragraph, width: float) -> KeepTogether:
    table = Table([[paragraph]], colWidths=[width])
    table.setStyle(TableStyle([("BACKGROUND", (0, 0), (-1, -1), SHADE), ("LINEBEFORE", (0, 0), (0, -1), 2.5, INK)]))
    return KeepTogether([Spacer(1, 3), table, Spacer(1, 6)])
