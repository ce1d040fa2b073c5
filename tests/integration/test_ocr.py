"""Pictures and scans read by the real models: languages, turned and skew pages, strips, places, what is refused."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from ingest.errors import DamagedFile, LimitExceeded, NoText
from ingest.parse import parse
from ingest.parse.images import parse_image
from ingest.parse.ocr import recognise

CJK = Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")
SHEET = (1240, 1754)
ENGLISH = [
    "Return policy",
    "You may return any appliance within thirty days of purchase.",
    "Refunds are paid to the card that was used for the order.",
    "Freight for appliances above 30 kilograms costs 49 euros.",
    "Call 0113 496 0000 between nine and five on working days.",
]
SIMPLIFIED = ["退货政策", "自收到商品之日起三十天内可以申请退货。", "退款将在五个工作日内退回原支付账户。"]
TRADITIONAL = ["退貨政策", "自收到商品之日起三十天內可以申請退貨。", "維修費用由顧客負擔，運費由本公司負擔。"]
needs_cjk = pytest.mark.skipif(not CJK.exists(), reason=f"no Chinese letters at {CJK} (apt-get install fonts-noto-cjk)")


def drawn(lines: list[str], size: tuple[int, int] = SHEET, letters: int = 34, left: int = 90, top: int = 120) -> Image:
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    font = ImageFont.truetype(str(CJK), letters) if CJK.exists() else ImageFont.load_default(letters)
    for number, line in enumerate(lines):
        draw.text((left, top + number * letters * 2), line, fill="black", font=font)
    return image


def scan(path: Path, *pages: Image.Image) -> Path:
    canvas = Canvas(str(path), pagesize=A4)
    for page in pages:
        data = BytesIO()
        page.save(data, "JPEG", quality=80)
        canvas.drawImage(ImageReader(data), 0, 0, *A4)
        canvas.showPage()
    canvas.save()
    return path


def bare(text: str) -> str:
    return "".join(text.split())


def text_of(path: Path) -> str:
    return bare(" ".join(element.text for element in parse(path).elements))


@pytest.mark.parametrize("ending", ["png", "jpg", "tiff", "bmp", "webp", "gif"])
def test_a_picture_of_any_format(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"policy.{ending}"
    drawn(ENGLISH).save(path)
    found = text_of(path)
    assert all(bare(line) in found for line in ENGLISH)


@needs_cjk
@pytest.mark.parametrize("lines", [SIMPLIFIED, TRADITIONAL], ids=["simplified", "traditional"])
def test_chinese_pictures(tmp_path: Path, lines: list[str]) -> None:
    drawn(lines).save(tmp_path / "a.png")
    found = text_of(tmp_path / "a.png")
    assert all(bare(line) in found for line in lines)


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_turned_picture(tmp_path: Path, turn: int) -> None:
    drawn(ENGLISH).rotate(turn, expand=True).save(tmp_path / "a.png")
    found = text_of(tmp_path / "a.png")
    assert all(bare(line) in found for line in ENGLISH)


def test_a_skew_scan_keeps_its_lines_in_order(tmp_path: Path) -> None:
    drawn(ENGLISH).rotate(3, fillcolor="white").save(tmp_path / "a.png")
    found = text_of(tmp_path / "a.png")
    at = [found.find(bare(line)[:20]) for line in ENGLISH]
    assert -1 not in at
    assert at == sorted(at)


def test_a_strip_is_read_in_bands(tmp_path: Path) -> None:
    said = [f"Message {n}: the parcel with number {1000 + n} is on its way." for n in range(90)]
    drawn(said, (900, 90 * 60 + 200), letters=30, left=20, top=60).save(tmp_path / "chat.png")
    found = text_of(tmp_path / "chat.png")
    missing = [line for line in said if bare(line) not in found]
    assert missing == []
    assert [found.count(bare(line)) for line in said] == [1] * len(said)


def test_only_pages_without_text_are_read_by_ocr(tmp_path: Path) -> None:
    canvas = Canvas(str(tmp_path / "a.pdf"), pagesize=A4)
    canvas.drawString(72, 700, "This page has a text layer, and it is long enough to be one.")
    canvas.showPage()
    data = BytesIO()
    drawn(ENGLISH).save(data, "PNG")
    canvas.drawImage(ImageReader(data), 0, 0, *A4)
    canvas.showPage()
    canvas.save()
    document = parse(tmp_path / "a.pdf")
    assert document.warnings == ("Pages read by OCR: 2.",)
    pages = {page: bare(" ".join(e.text for e in document.elements if e.page == page)) for page in (1, 2)}
    assert "Thispagehasatextlayer" in pages[1]
    assert all(bare(line) in pages[2] for line in ENGLISH)


def test_places_of_a_scan_are_where_its_words_are(tmp_path: Path) -> None:
    below = drawn(ENGLISH[1:3], top=1300)
    scan(tmp_path / "a.pdf", below)
    boxes = [box for element in parse(tmp_path / "a.pdf").elements for box in element.boxes]
    assert boxes
    assert {box.page for box in boxes} == {1}
    assert min(box.y0 for box in boxes) == pytest.approx(1300 / SHEET[1], abs=0.02)
    assert min(box.x0 for box in boxes) == pytest.approx(90 / SHEET[0], abs=0.02)
    assert max(box.y1 for box in boxes) == pytest.approx((1300 + 34 * 3.2) / SHEET[1], abs=0.02)


def test_progress_by_page_and_pages_of_a_tiff(tmp_path: Path) -> None:
    first, *others = [drawn([line], (1000, 300)) for line in ENGLISH[1:4]]
    first.save(tmp_path / "a.tiff", save_all=True, append_images=others)
    told: list[tuple[int, int]] = []
    document = parse_image(tmp_path / "a.tiff", "a.tiff", lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert document.page_count == 3
    assert [element.page for element in document.elements] == [1, 2, 3]
    with pytest.raises(LimitExceeded, match="3 pages, 2 are read"):
        parse_image(tmp_path / "a.tiff", "a.tiff", most_pages=2)


def test_too_many_pixels_no_words_and_damage_are_said(tmp_path: Path) -> None:
    drawn(ENGLISH).save(tmp_path / "a.png")
    with pytest.raises(LimitExceeded, match="1240 x 1754 pixels"):
        parse_image(tmp_path / "a.png", "a.png", most_pixels=1_000_000)
    Image.new("RGB", SHEET, "white").save(tmp_path / "blank.png")
    with pytest.raises(NoText, match="no words were found"):
        parse(tmp_path / "blank.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "a.png").read_bytes()[:2000])
    with pytest.raises(DamagedFile, match="cut off or damaged"):
        parse(tmp_path / "cut.png")


def test_a_picture_with_transparency_is_on_white_paper(tmp_path: Path) -> None:
    image = drawn(ENGLISH[:2]).convert("RGBA")
    # What is white becomes glass: on black paper nothing could be read.
    image.putalpha(Image.eval(image.convert("L"), lambda value: 255 - value))
    image.save(tmp_path / "a.png")
    assert bare(ENGLISH[1]) in text_of(tmp_path / "a.png")


def test_confidence_is_that_of_the_letters() -> None:
    found = recognise(drawn(ENGLISH))
    assert len(found.lines) == len(ENGLISH)
    assert (found.turn, found.width, found.height) == (0, *SHEET)
    assert 0.9 < found.confidence <= 1
    assert recognise(Image.new("RGB", SHEET, "white")).confidence == 0
