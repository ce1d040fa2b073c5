"""Bytes to text: the right letters or an error, never a replacement character."""

from __future__ import annotations

import random

import pytest

from ingest.errors import DamagedFile
from ingest.parse.encodings import decode

EN = "It’s “free” – within 30 days. We’ll refund the purchase price if you’re not satisfied."
DE = "Rücksendungen sind innerhalb von vierzehn Tagen möglich. Größe und Maße prüfen. Versand kostet 5 €."
FR = "Les retours sont acceptés jusqu’à 30 jours après l’achat. Où se trouve ma commande ? Le délai a été dépassé."
ES = "¿Cómo puedo devolver un artículo? Según la garantía, el envío es gratuito. Año nuevo."
PT = "A devolução é possível até 30 dias após a compra. Não há custos de envio para a região."
IT = "È possibile restituire l’articolo entro trenta giorni. La garanzia è valida più a lungo."
SV = "Återbetalning sker inom 14 dagar. Frågor om köp på nätet besvaras här. Öppettider."
PL = "Zwroty są możliwe w ciągu 14 dni. Proszę sprawdzić rozmiar. Łódź, żółć, gęś."
CS = "Vrácení zboží je možné do čtrnácti dnů. Příliš žluťoučký kůň úpěl ďábelské ódy."
TR = "İade süresi on dört gündür. Lütfen ürünü orijinal ambalajında gönderiniz. Teşekkür ederiz."
RU = "Возврат товара возможен в течение четырнадцати дней. Пожалуйста, сохраните чек."
EL = "Οι επιστροφές είναι δυνατές εντός δεκατεσσάρων ημερών. Ευχαριστούμε για την αγορά σας."
ZH = "退货政策：自收到商品之日起七天内可以无理由退货。请保留原包装和发票，运费由买家承担。"
TW = "退貨政策：自收到商品之日起七天內可以無理由退貨。請保留原包裝和發票，運費由買家承擔。"
JA = "返品は商品到着後７日以内にお願いいたします。送料はお客様のご負担となります。"
KO = "반품은 상품 수령 후 7일 이내에 가능합니다. 영수증과 원래 포장을 보관해 주세요."


@pytest.mark.parametrize("times", [1, 20])
@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (EN, "cp1252"), (EN, "mac_roman"), (DE, "cp1252"), (DE, "iso8859_15"), ("Über uns", "cp1252"), (FR, "cp1252"),
        (ES, "cp1252"), (PT, "cp1252"), (IT, "cp1252"), (SV, "cp1252"), (PL, "cp1250"), (PL, "iso8859_2"),
        (CS, "cp1250"), (CS, "iso8859_2"), (TR, "cp1254"), (RU, "cp1251"), (RU, "koi8_r"), (EL, "cp1253"),
        (ZH, "gb18030"), (ZH, "hz"), (ZH, "utf-16"), (ZH, "utf-16-le"), (ZH, "utf-16-be"), (ZH, "utf-32"),
        (ZH, "utf-8-sig"), ("退货说明", "gb18030"), (TW, "big5"), (TW, "gb18030"), ("保固說明與維修流程", "big5"),
        (JA, "shift_jis"), (JA, "euc_jp"), (JA, "iso2022_jp"), ("よくある質問", "euc_jp"), (KO, "euc_kr"), (KO, "cp949"),
    ],
)  # fmt: skip
def test_the_encoding_is_found(text: str, encoding: str, times: int) -> None:
    # With an everyday line end, as texts without one are too short to be files.
    text = (text + "\n") * times
    assert decode(text.encode(encoding), "a.txt") == text


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (ZH.encode() + b"\xff" + ZH.encode(), ZH + ZH),
        (ZH.encode()[:-1], ZH[:-1]),
        (DE.encode() * 9 + b"\0\n", DE * 9 + "\n"),
        # A line of a Windows file pasted into one of UTF-8.
        ((EN * 9).encode() + b" it\x92s", EN * 9 + " it’s"),
        # A lost half must not pair all that follow wrongly.
        (ZH.encode("gb18030")[:20] + b"\xff" + ZH.encode("gb18030")[21:], ZH[:10] + ZH[11:]),
    ],
)
def test_one_bad_byte_costs_one_character(data: bytes, expected: str) -> None:
    assert decode(data, "a.txt") == expected


@pytest.mark.parametrize(
    ("text", "encoding", "declared"),
    [
        (ZH, "gb18030", "gb2312"),
        (TW, "big5", "BIG5"),
        (JA, "cp932", "Shift_JIS"),
        (DE, "cp1252", "iso-8859-1"),
        # What is declared but plainly is not so is not believed.
        (ZH, "utf-8", "gb2312"),
        (ZH, "gb18030", "iso-8859-1"),
        # Bytes that could as well be a few letters of UTF-8.
        ("联通", "gb18030", "gbk"),
        ("联通", "gb18030", None),
        ("回复", "gb18030", "gb2312"),
        ("é à ü", "utf-8", None),
        ("Привет", "utf-8", None),
        (RU, "cp1251", "no-such-encoding"),
    ],
)
def test_what_a_file_declares_helps(text: str, encoding: str, declared: str | None) -> None:
    assert decode(text.encode(encoding), "a.html", declared) == text


@pytest.mark.parametrize("encoding", ["gb18030", "big5"])
@pytest.mark.parametrize("text", ["Press Start — then hold.", "Settings → Account → Plan.", "He said “yes” … twice."])
def test_dashes_of_a_chinese_program_in_an_english_text(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding), "a.txt") == text


def test_marked_letters_in_a_row_are_no_chinese_word() -> None:
    text = "The case of Kücükdeveci – on dismissal – was decided in 2010. " * 4
    assert decode(text.encode("cp1252"), "a.txt") == text


def test_random_bytes_are_refused() -> None:
    draw = random.Random(7)
    for alphabet in (range(256), range(0x80, 0x100)):
        for length in (40, 400, 4000):
            with pytest.raises(DamagedFile, match="not readable as text"):
                decode(bytes(draw.choices(alphabet, k=length)), "a.txt")
