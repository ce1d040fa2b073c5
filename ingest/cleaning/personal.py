"""Personal data in passages, so that an admin sees it before it is published.

Identity cards, bank cards and IBANs are known by their checksums; numbers of other countries by presidio's recognizers
(national.py); telephone numbers by phonenumbers (contacts.py); what has no checksum (passports, licences, order
numbers, old identity cards) only where the word for it stands beside. Names and street addresses are not looked for:
that takes a language model, and company documents are full of both.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from ingest.cleaning.contacts import find_contacts
from ingest.cleaning.findings import CONTACT, Finding, finding, header_of, narrowed, without_overlaps
from ingest.cleaning.identity import is_bank_card, is_identity_card, is_old_identity_card
from ingest.cleaning.national import find_national_numbers

# What stands in so many passages of a document is how to reach the company, not somebody's data.
_REPEATED = 3
_REPEATABLE = frozenset({"email", "mobile", "phone"})

_IDENTITY = re.compile(r"(?a)(?<![0-9A-Za-z])[1-8]\d{5}([ \-]?)\d{8}\1\d{3}[0-9Xx](?![0-9A-Za-z])")
_OLD_IDENTITY = re.compile(r"(?a)(?<![\dA-Za-z])\d{15}(?![\dA-Za-z])")
_IDENTITY_WORD = re.compile(
    r"(?a)身份证|身份證|证件号|證件號|identity card|id card|id number|identity number|citizen id", re.I
)
_CARD = re.compile(r"(?a)(?<![\dA-Za-z.\-+])\d(?:[ \-]?\d){13,18}(?![\dA-Za-z]|[.\-]\d)")
_CARD_WORD = re.compile(
    r"(?a)\bcards?\b|visa|mastercard|amex|american express|unionpay|credit|debit|\bpan\b|"
    r"银行卡|信用卡|借记卡|储蓄卡|卡号|銀行卡|卡號|银联|账号|帐号|账户|帳號",
    re.I,
)
# Digits that pass Luhn by chance; the word right before says what they are.
_NO_CARD = re.compile(
    r"(?a)\b(?:order|tracking|waybill|serial|part|article|item|model|invoice|batch|lot|sku|s/?n|p/?n|imei|iccid|ean|upc|gtin|"
    r"isbn|barcode|reference|transaction|timestamp|uuid|uid|id|hash)[ .]*(?:no|number|nr|code|id|#)?\.?[ :#=\"']*$|"
    r"(?:订单|運單|运单|快递|物流|单|序列|编|流水|条形|条|发票|批|货|交易|識別|识别)[号號码碼](?:码|为|是)?[ ::]*$",
    re.I,
)
_PASSPORT = re.compile(
    r"(?a)(?:[Pp]assport|PASSPORT|护照|護照|通行证|通行證)[^\n\d]{0,30}?(?<![A-Za-z\d])([A-Z]{1,2} ?\d{6,8}|\d{9})(?![\dA-Za-z])"
)
_LICENCE = re.compile(
    r"(?a)(?:driv(?:er'?s?|ing) licen[cs]e|驾驶证|駕駛證|驾照|行驶证)[^\n\d]{0,24}?"
    r"(?:no\b\.?|number|nr\b\.?|号码?|號碼?|#|:|:|\()[^\n\dA-Z]{0,6}([A-Z0-9][A-Z0-9\-]{5,18}[A-Z0-9])(?![\dA-Za-z])",
    re.I,
)
_ORDER = re.compile(
    r"(?a)(?:order[ ]?(?:no\b\.?|number|nr\b\.?|id\b|#)|\border(?= ?[:#])|订单(?:编号|号码?)|訂單(?:編號|號碼?)|交易(?:单号|号))"
    r"[^\n\dA-Za-z]{0,12}(?:is|was|为|是)?[^\n\dA-Za-z]{0,4}([A-Z]{0,5}[\-_#]?\d[A-Z0-9\-_]{4,30}[A-Z0-9])(?![\dA-Za-z])",
    re.I,
)
_LEAST_ORDER_DIGITS = 6
# Before a number that explains its form and is nobody's.
_AS_EXAMPLE = re.compile(
    r"(?a)(?:e\.?g\.?|for example|for instance|example|such as|format|sample|looks? like|like|例如|比如|示例|格式|形如|样例|如)"
    r"[^\n\dA-Za-z]{0,14}(?:\w+[ ]?(?:no|number|id|#)?[^\n\dA-Za-z]{0,4})?$",
    re.I,
)
_IP = re.compile(r"(?a)(?<![\w.\-/])(?:\d{1,3}\.){3}\d{1,3}(?![\w\-]|\.\d)")
_IP_WORD = re.compile(
    r"(?a)(?:\b(?:visitor|client|customer|user|login|logged in|sign-?in|signed in|last seen|accessed|connected from|registered)|"
    r"登录|登陆|登錄|访问者|访客|用户|客户|客戶|注册)",
    re.I,
)
_NEAR = 60
_WORTH_A_LOOK = re.compile(r"\d.?\d|@")


def find_personal(text: str) -> list[Finding]:
    """What looks like personal data in a passage, in order of place; the company's own contacts have kind "contact".

    Kinds: identity_card, bank_card, iban, mobile, phone, email, passport, licence, order_number, ip_address, ssn, nino,
    tax_number, health_number, identity_number, contact.
    """
    # Nine tenths of all passages hold nothing to look at.
    if not _WORTH_A_LOOK.search(text):
        return []
    narrow = narrowed(text)
    return without_overlaps(
        [
            *_identity_cards(narrow),
            *find_national_numbers(narrow),
            *_cards(narrow),
            *_named(narrow),
            *find_contacts(narrow),
            *_addresses(narrow),
        ]
    )


def personal_kinds(texts: Sequence[str]) -> list[list[str]]:
    """For each passage of a document the kinds found in it, each once; see find_personal.

    An address or a telephone number that stands in three passages or more is called the company's contact.
    """
    found = [find_personal(text) for text in texts]
    passages = Counter(value for findings in found for value in {f.value for f in findings if f.kind in _REPEATABLE})
    return [
        list(dict.fromkeys(CONTACT if passages[f.value] >= _REPEATED else f.kind for f in findings))
        for findings in found
    ]


def _identity_cards(text: str) -> Iterator[Finding]:
    for match in _IDENTITY.finditer(text):
        if is_identity_card(re.sub(r"[ \-]", "", match[0])):
            yield finding("identity_card", text, *match.span())
    for match in _OLD_IDENTITY.finditer(text):
        if is_old_identity_card(match[0]) and _IDENTITY_WORD.search(_before(text, match.start())):
            yield finding("identity_card", text, *match.span())


def _cards(text: str) -> Iterator[Finding]:
    for match in _CARD.finditer(text):
        digits = re.sub(r"[ \-]", "", match[0])
        if not is_bank_card(digits) or _NO_CARD.search(text[max(0, match.start() - 24) : match.start()]):
            continue
        # Groups as embossed on a card speak for one, and so does the word; of bare digits only the issuers' usual lengths.
        if _grouped(match[0]) or _CARD_WORD.search(_before(text, match.start())) or len(digits) in (16, 19):
            yield finding("bank_card", text, *match.span())


def _grouped(written: str) -> bool:
    sizes = [len(group) for group in re.split(r"[ \-]", written)]
    return len(sizes) > 1 and (sizes[:-1] == [4] * (len(sizes) - 1) or sizes == [4, 6, 5] or sizes == [4, 6, 4])


def _named(text: str) -> Iterator[Finding]:
    for kind, pattern in (("passport", _PASSPORT), ("licence", _LICENCE), ("order_number", _ORDER)):
        for match in pattern.finditer(text):
            value = match[1] or ""
            digits = sum(char.isdigit() for char in value)
            if digits < _LEAST_ORDER_DIGITS or _AS_EXAMPLE.search(text[max(0, match.start(1) - 40) : match.start(1)]):
                continue
            yield finding(kind, text, *match.span(1))


def _addresses(text: str) -> Iterator[Finding]:
    for match in _IP.finditer(text):
        try:
            address = ipaddress.IPv4Address(match[0])
        except ipaddress.AddressValueError:
            continue
        # Manuals are full of addresses of routers; only where somebody came from is somebody's.
        if address.is_global and _IP_WORD.search(_before(text, match.start())):
            yield finding("ip_address", text, *match.span())


def _before(text: str, start: int) -> str:
    """What stands before a place on its line, and the header of the table it is in."""
    return text[max(0, start - _NEAR) : start].rpartition("\n")[2] + header_of(text, start)
