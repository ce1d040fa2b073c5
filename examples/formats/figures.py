"""The three line drawings of the manuals, with numbered marks that the tables below them explain."""

from reportlab.graphics.shapes import Circle, Drawing, Line, Rect, String
from reportlab.lib import colors

INK = colors.HexColor("#1d3b4f")
RULE = colors.HexColor("#8a99a3")
SHADE = colors.HexColor("#e4eaee")

# Of each mark: its centre (x, y) and the x where its pointer ends; they are numbered from 1.
_MARKS = {
    "appliance": [
        (60, 131, 100),
        (60, 100, 100),
        (60, 80, 115),
        (60, 51, 100),
        (60, 30, 115),
        (121, 16, 121),
        (166, 16, 166),
        (290, 70, 262),
    ],
    "washer": [(70, 132, 106), (260, 132, 224), (70, 74, 123), (260, 74, 190), (260, 24, 224), (70, 9, 108)],
    "panel": [(x, 31 if x == 243 else 37, x) for x in (27, 69, 108, 147, 186, 243, 299)],
}


def figure(name: str, font: str, *, numbered: bool = True) -> Drawing:
    """Draw `appliance` (a dishwasher), `washer` or `panel`; the covers carry it without its numbers."""
    drawing = {"appliance": _appliance, "washer": _washer, "panel": _panel}[name]()
    for number, (x, y, end) in enumerate(_MARKS[name] if numbered else [], 1):
        drawing.add(Line(x, y, end, y, strokeColor=RULE))
        drawing.add(Circle(x, y, 7, fillColor=colors.white, strokeColor=INK))
        drawing.add(String(x, y - 2.8, str(number), textAnchor="middle", fontName=font, fontSize=8))
    return drawing


def _shaded(x: float, y: float, width: float, height: float) -> Rect:
    return Rect(x, y, width, height, fillColor=SHADE, strokeColor=RULE)


def _appliance() -> Drawing:
    drawing = Drawing(330, 150)
    drawing.add(Rect(90, 5, 150, 140, fillColor=None, strokeColor=INK))
    for y, height in ((125, 12), (88, 24), (38, 26)):
        drawing.add(_shaded(100, y, 130, height))
    for y in (80, 30):
        drawing.add(Line(115, y, 215, y, strokeColor=INK, strokeWidth=2))
    for box in ((110, 10, 22, 12), (155, 10, 22, 12), (246, 20, 16, 100)):
        drawing.add(_shaded(*box))
    return drawing


def _washer() -> Drawing:
    drawing = Drawing(330, 150)
    drawing.add(Rect(100, 12, 130, 134, fillColor=None, strokeColor=INK))
    for box in ((106, 124, 34, 17), (146, 124, 78, 17), (198, 17, 26, 13)):
        drawing.add(_shaded(*box))
    drawing.add(Circle(165, 74, 42, fillColor=SHADE, strokeColor=INK))
    drawing.add(Circle(165, 74, 30, fillColor=colors.white, strokeColor=RULE))
    for x in (108, 210):
        drawing.add(Rect(x, 5, 12, 7, fillColor=INK, strokeColor=INK))
    return drawing


def _panel() -> Drawing:
    drawing = Drawing(330, 62)
    drawing.add(Rect(5, 5, 320, 52, rx=5, ry=5, fillColor=SHADE, strokeColor=INK))
    drawing.add(Rect(212, 14, 62, 34, fillColor=colors.white, strokeColor=RULE))
    for x in (27, 69, 108, 147, 186, 299):
        drawing.add(Rect(x - 14, 12, 28, 10, rx=3, ry=3, fillColor=colors.white, strokeColor=RULE))
    return drawing
