"""Personal data: what is found, what only looks like it, and what belongs to the company."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ingest.cleaning.findings import masked
from ingest.cleaning.identity import is_bank_card, is_identity_card, is_old_identity_card, passes_luhn
from ingest.cleaning.personal import find_personal, personal_kinds


def kinds(text: str) -> list[str]:
    return [found.kind for found in find_personal(text)]


@pytest.mark.parametrize(
    ("number", "valid"),
    [
        ("11010519491231002X", True),
        ("11010519491231002x", True),
        ("440305198803124538", False),
        ("440305198803124537", False),
        ("110105194912310021", False),
        ("11010519491231002", False),
        ("110105194913310021", False),
        ("99010519491231002X", False),
        ("110105209912310029", False),
        ("11010519491231002Ⅹ", False),
        ("", False),
    ],
)
def test_identity_cards(number: str, valid: bool) -> None:
    assert is_identity_card(number) is valid


def test_exactly_one_check_digit_is_right() -> None:
    for body in ("44030519880312453", "31010419751130002", "51072220000229101", "81000019900101001"):
        assert sum(is_identity_card(f"{body}{check}") for check in "0123456789X") == 1


@pytest.mark.parametrize(
    ("number", "valid"), [("440305880312453", True), ("440305881312453", False), ("990305880312453", False)]
)
def test_old_identity_cards(number: str, valid: bool) -> None:
    assert is_old_identity_card(number) is valid


@pytest.mark.parametrize(
    ("digits", "valid"),
    [
        ("4111111111111111", True),
        ("4111111111111112", False),
        ("378282246310005", True),
        ("5555555555554444", True),
        ("6011111111111117", True),
        ("3530111333300000", True),
        ("30569309025904", True),
        ("6200000000000005", True),
        ("6222020000000000004", False),
        ("0000000000000000", False),
        ("9999999999999995", False),
        ("4006381333931", False),
    ],
)
def test_bank_cards(digits: str, valid: bool) -> None:
    assert is_bank_card(digits) is valid


def test_every_wrong_digit_breaks_luhn() -> None:
    right = "6200000000000005"
    assert passes_luhn(right)
    for place in range(16):
        for digit in "0123456789":
            assert passes_luhn(right[:place] + digit + right[place + 1 :]) is (digit == right[place])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("身份证号:11010519491231002X。", ["identity_card"]),
        ("身份证号:110105194912310021。", []),
        ("身份证１１０１０５１９４９１２３１００２Ｘ", ["identity_card"]),
        ("身份证 440305880312453", ["identity_card"]),
        ("物料 440305880312453", []),
        ("The card 4111-1111-1111-1111 was charged.", ["bank_card"]),
        ("The card 4111-1111-1111-1112 was charged.", []),
        ("Serial no. 4111111111111111", []),
        ("Transfer to DE89370400440532013000 today.", ["iban"]),
        ("Transfer to DE89370400440532013001 today.", []),
        ("汇款至DE89370400440532013000。", ["iban"]),
        ("手机13926540187", ["mobile"]),
        ("手机12926540187", []),
        ("手机139265401870", []),
        ("型号13926540187", []),
        ("S/N: 13926540187", []),
        ("Reach him at +44 7911 123456.", ["mobile"]),
        ("Reach him at +44 0000 123456.", []),
        ("Ms. Ortega: phone (415) 863-2299", ["phone"]),
        ("Article 415-863-2299", []),
        ("Mail tom_w88@outlook.com", ["email"]),
        ("邮箱:tom_w88@outlook.com,谢谢", ["email"]),
        ("git clone https://user:secret@git.acme.com/x.git", []),
        ("See icon@2x.png", []),
        ("护照号码:E83920174", ["passport"]),
        ("护照有效期为 10 年", []),
        ("passport number 533380006", ["passport"]),
        ("Code 533380006", []),
        ("Driver's license number: D1234567", ["licence"]),
        ("订单号:2024051388120047", ["order_number"]),
        ("订单号格式例如:2024051388120047", []),
        ("Order #10048213 was refunded", ["order_number"]),
        ("In order to set 10048213 pulses", []),
        ("The customer logged in from 81.2.69.142", ["ip_address"]),
        ("The customer logged in from 192.168.1.20", []),
        ("Firmware 81.2.69.142", []),
        ("SSN 219-09-9999", ["ssn"]),
        ("SSN 000-09-9999", []),
        ("Part 219-09-9999", []),
        ("National Insurance number AB 12 34 56 C", ["nino"]),
        ("Model AB123456C", []),
        ("DNI 12345678Z", ["identity_number"]),
        ("DNI 12345678A", []),
        ("PESEL: 44051401359", ["identity_number"]),
        ("PESEL: 44051401358", []),
    ],
)
def test_numbers_in_sentences(text: str, expected: list[str]) -> None:
    assert kinds(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Write to support@northwind.com.",
        "kefu2@beifeng.cn",
        "sales-eu@northwind.com",
        "no-reply@northwind.com",
        "partnersupport@northwind.com",
        "legal_internal@northwind.com",
        "northwind@mail.northwind.com",
        "ap@northwind.com",
        "team_9bs1@group.calendar.google.com",
        "客服热线:400-820-8820",
        "售后电话 13800138000",
        "Call our hotline +49 30 901820.",
        "Toll-free: +1 800 356 9377",
        "| Store | Phone |\n|---|---|\n| Boston | (617) 262-1111 |",
    ],
)
def test_the_company_s_own(text: str) -> None:
    assert kinds(text) == ["contact"]


@pytest.mark.parametrize("text", ["you@example.com", "user@example.com", "me@laptop.local", "your_email@acme.com"])
def test_placeholders_are_nothing(text: str) -> None:
    assert kinds(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "mary@northwind.com",
        "Tom Lee <tom@northwind.com>",
        "support.hero@gmail.com",
        "tom@qq.com",
        "j.lee@northwind.com",
    ],
)
def test_a_person_s_address(text: str) -> None:
    assert kinds(text) == ["email"]


def test_the_nearer_word_decides_whose_number_it_is() -> None:
    assert kinds("Support: ask Mr. Lee, mobile 13926540187") == ["mobile"]
    assert kinds("Mr. Lee answers on our hotline 13926540187") == ["contact"]


def test_cells_are_known_by_their_header() -> None:
    table = "| 姓名 | 证件号 |\n|---|---|\n| 王芳 | 440305880312453 |"
    assert kinds(table) == ["identity_card"]
    assert kinds(table.replace("证件号", "物料号")) == []


def test_what_stands_in_three_passages_is_the_company_s() -> None:
    mail, card = "Mail to j.keller@northwind.com.", "Card 4111 1111 1111 1111."
    assert personal_kinds([f"{mail} {card}"] * 2) == [["email", "bank_card"]] * 2
    assert personal_kinds([f"{mail} {card}"] * 3) == [["contact", "bank_card"]] * 3


def test_offsets_and_samples() -> None:
    text = "客户王芳,身份证 11010519491231002X,邮箱 fang.wang@acme.com"
    card, mail = find_personal(text)
    assert text[card.start : card.end] == "11010519491231002X"
    assert text[mail.start : mail.end] == "fang.wang@acme.com"
    assert (card.sample, mail.sample) == ("110*************2X", "f***@acme.com")
    assert card.value == "11010519491231002x"


@pytest.mark.parametrize("value", ["E8392", "4111 1111 1111 1111", "+49 1512 3456789", "2024051388120047"])
def test_a_sample_shows_at_most_five_characters(value: str) -> None:
    hidden = masked(value)
    assert len(hidden) == len(value)
    assert sum(a == b for a, b in zip(hidden, value, strict=True) if b.isalnum()) <= 5


def test_importing_loads_no_library() -> None:
    """The libraries take seconds, and most files need none of them."""
    code = (
        "import sys, ingest.cleaning.flags, ingest.cleaning.duplicates;"
        "print(*{'presidio_analyzer', 'spacy', 'phonenumbers', 'datasketch', 'numpy', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_presidio_does_not_bring_torch() -> None:
    code = (
        "import sys; from ingest.cleaning.personal import find_personal;"
        "assert find_personal('IBAN DE89370400440532013000'); print('torch' in sys.modules, 'transformers' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
