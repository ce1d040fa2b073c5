"""E-mail addresses and telephone numbers: a person's, or the company's own.

Telephone numbers are judged by `phonenumbers` (Google's libphonenumber): what is no number that its country gives out
is none. The company's own must not drown the rest: role accounts (support@), hotlines, and what stands beside words
like "call us" are "contact". Placeholders of documentation (you@example.com) are nothing at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ingest.cleaning.findings import CONTACT, Finding, finding, header_of, wordset

_EMAIL = re.compile(
    r"(?a)(?<![\w.+\-/@])([A-Za-z0-9](?:[A-Za-z0-9._%+\-]{0,62}[A-Za-z0-9_\-])?)@"
    r"((?:[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,24})(?![\w@])"
)
_ROLES = wordset(
    "support info contact sales service services help helpdesk hello hi office mail email admin administrator webmaster "
    "postmaster hostmaster billing accounts accounting account invoice invoices finance orders order returns refunds "
    "refund shipping marketing press media pr jobs job careers career hr recruiting recruitment legal privacy dpo gdpr "
    "compliance security abuse noreply donotreply feedback enquiries inquiries enquiry inquiry customerservice "
    "customercare customersupport care cs team newsletter news subscribe unsubscribe reception booking bookings "
    "reservations warranty repair repairs spare parts techsupport tech it ir investor investors partners partner "
    "business bd kefu fuwu shouhou zhaopin partnership complaints ombudsman desk servicedesk community general git "
    "licensing training events api dev developers opensource maintainers notifications notification alerts claims claim frontdesk store shop hq kontakt vertrieb "
    "buchhaltung bewerbung datenschutz kundenservice kundendienst contacto ventas soporte ayuda atencion facturacion "
    "commercial sav vendite assistenza amministrazione"
)
_PLACEHOLDERS = wordset(
    "user username you your me name yourname someone somebody test tester example sample foo bar baz abc xxx xx x "
    "email mail address recipient sender john.doe jane.doe johndoe janedoe john jane alice bob firstname lastname "
    "first.last firstname.lastname first.lastname john.smith customer client zhangsan youremail your_email your-email "
    "your.name your.email your_name my.name user1 user2 demo account admin root nobody guest"
)
_RESERVED = re.compile(r"(?a)(?:^|\.)example(?:\.(?:com|net|org|edu))?$", re.I)
# In all patterns here letters are Latin ones (?a): Chinese stands right beside numbers.
# Of file formats, package versions and hosts at home, not of the net: icon@2x.png, pkg@1.2.js, me@laptop.local.
_NO_DOMAIN = re.compile(
    r"(?a)\.(?:png|jpe?g|gif|svg|webp|pdf|docx?|xlsx?|zip|js|css|html?|json|md|py|sh|yaml|yml|test|invalid|localhost|local|internal|lan)$",
    re.I,
)

_MOBILE = re.compile(r"(?a)(?<![\w.+\-])(?:\+?86[\- ]?|0086[\- ]?)?(1[3-9]\d)([\- ]?)(\d{4})\2(\d{4})(?![\w\-]|\.\d)")
_INTERNATIONAL = re.compile(r"(?a)(?<![\w+])\+(?=[1-9])\(?\d(?:[ \-./]?\(?\d\)?){6,14}(?!\d)")
_AMERICAN = re.compile(
    r"(?a)(?<![\w\-.+(])(?:1[\- .])?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[\-. ])[2-9]\d{2}[\-. ]\d{4}(?![\w\-])"
)
_BRITISH = re.compile(r"(?a)(?<![\w\-.+(])(?:\(0\d{2,4}\) ?|0\d{2,4} )\d{3,4} ?\d{3,4}(?![\w\-])")
_CHINESE_LINE = re.compile(
    r"(?a)(?<![\w\-.+])(?:400[\- ]?\d{3}[\- ]?\d{4}|400[\- ]?\d{4}[\- ]?\d{3}|800[\- ]?\d{3}[\- ]?\d{4}|"
    r"\(?0\d{2,3}\)?[\- ]\d{7,8})(?![\w]|-\d)"
)
# Words that make digits a telephone number at all, where their form alone does not.
_PHONE_WORD = re.compile(
    r"(?a)\b(?:tel|telephone|phone|mobile|cell|cellphone|fax|call|dial|ring|whatsapp|sms|text|contact|hotline)\b|"
    r"电话|手机|联系|热线|传真|致电|拨打|來電|電話|手機|联络|微信",
    re.I,
)
# Words that make it the company's.
_COMPANY = re.compile(
    r"(?a)hotline|help ?line|help ?desk|call (?:us|our)|contact us|reach us|customer (?:service|care|support)|support|"
    r"toll[- ]free|switchboard|reception|head ?office|headquarters|service cent(?:er|re)|our (?:team|office|number)|"
    r"sales|fax|emergency|\boffice|\bstore\b|\bshop\b|\bbranch\b|"
    r"热线|客服|总机|服务电话|咨询电话|售后|投诉电话|公司电话|前台|传真|官方|门店|分店|网点|营业厅|维修点|服务点|酒店|報修|报修|客戶服務|服務專線|值班",
    re.I,
)
_PERSON = re.compile(
    r"(?a)customer(?:'s)? (?:phone|mobile|number|e-?mail)|home phone|\bcell|\bmobile|personal|employee|passenger|patient|"
    r"recipient|consignee|applicant|emergency contact|\b(?:mr|mrs|ms|dr)\b|"
    r"先生|女士|小姐|收件人|收货人|联系人|客户|本人|家长|患者|员工|手机号",
    re.I,
)
# Digits that only look like one: what the word right before them says.
_OTHER_NUMBER = re.compile(
    r"(?a)\b(?:order|tracking|serial|part|article|item|model|invoice|ticket|case|batch|lot|sku|s/?n|p/?n|imei|ean|upc|isbn|"
    r"barcode|reference|ref|registration|licen[cs]e|version|id|rev|art)[ .]*(?:no|number|nr|code|id|#|№)?\.?[ :#]*$|"
    r"(?:订单|运单|快递|物流|单|序列|编|货|型|批|流水|条形|条|发票|合同|工单|料|产品|商品|案|備案|备案)[号號码碼](?:码|为|是)?[ ::]*$",
    re.I,
)
_NEAR, _BEFORE = 40, 24


def find_contacts(text: str) -> list[Finding]:
    """Addresses and numbers in a passage with narrow digits; kind "email", "mobile", "phone" or "contact"."""
    return [*_emails(text), *_phones(text)]


def _emails(text: str) -> Iterator[Finding]:
    for match in _EMAIL.finditer(text):
        name, domain = match[1].lower(), match[2].lower()
        if _NO_DOMAIN.search(domain) or (name in _PLACEHOLDERS and _RESERVED.search(domain)):
            continue
        if "://" in text[max(0, match.start() - _NEAR) : match.start()].rpartition(" ")[2]:
            # The password of an address like https://user:secret@host, not somebody's mailbox.
            continue
        if name in ("you", "your", "yourname", "youremail", "your_email", "your-email", "your.name", "username"):
            continue
        role = _is_role(name)
        if _RESERVED.search(domain) and role:
            continue
        yield finding(CONTACT if role else "email", text, *match.span())


def _is_role(name: str) -> bool:
    """Whether an account is an office's: "support", "sales-eu", "no-reply", "kefu2"."""
    if name.replace("-", "").replace("_", "").replace(".", "").rstrip("0123456789") in _ROLES:
        return True
    parts = [part for part in re.split(r"[._\-+]", name.rstrip("0123456789")) if part]
    return bool(parts) and (parts[0] in _ROLES or (parts[-1] in _ROLES and len(parts) > 1))


def _phones(text: str) -> Iterator[Finding]:
    for match in _MOBILE.finditer(text):
        if not _OTHER_NUMBER.search(_before(text, match.start())):
            yield finding(CONTACT if _is_company(text, match) else "mobile", text, *match.span())
    for match in _CHINESE_LINE.finditer(text):
        if not _OTHER_NUMBER.search(_before(text, match.start())) and _kind_of(match[0], "CN"):
            hotline = match[0].lstrip("(").startswith(("400", "800"))
            private = not hotline and _PERSON.search(_line_before(text, match.start()))
            yield finding("phone" if private and not _is_company(text, match) else CONTACT, text, *match.span())
    for pattern, region in ((_INTERNATIONAL, None), (_AMERICAN, "US"), (_BRITISH, "GB")):
        for match in pattern.finditer(text):
            if _OTHER_NUMBER.search(_before(text, match.start())):
                continue
            # Without a plus, three groups of digits are as often an article number.
            if region and "(" not in match[0] and not _PHONE_WORD.search(_around(text, match)):
                continue
            kind = _kind_of(match[0], region)
            if kind:
                yield finding(CONTACT if kind == CONTACT or _is_company(text, match) else kind, text, *match.span())


def _kind_of(number: str, region: str | None) -> str:
    """ "mobile", "phone", "contact" by what the number's country gives such numbers to; "" for none."""
    import phonenumbers
    from phonenumbers import PhoneNumberType as Type

    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_valid_number(parsed):
        return ""
    kind = phonenumbers.number_type(parsed)
    if kind in (Type.TOLL_FREE, Type.SHARED_COST, Type.PREMIUM_RATE, Type.UAN, Type.VOIP, Type.PAGER):
        return CONTACT
    return "mobile" if kind == Type.MOBILE else "phone"


def _is_company(text: str, match: re.Match[str]) -> bool:
    line = header_of(text, match.start()) + " " + _line_before(text, match.start())
    company = [found.end() for found in _COMPANY.finditer(line)]
    person = [found.end() for found in _PERSON.finditer(line)]
    # The nearer word decides: "Support: ask Mr. Lee, mobile 139..." is Mr. Lee's.
    return bool(company) and company[-1] >= max(person, default=0)


def _before(text: str, start: int) -> str:
    return text[max(0, start - _BEFORE) : start]


def _line_before(text: str, start: int) -> str:
    return text[max(0, start - _NEAR) : start].rpartition("\n")[2]


def _around(text: str, match: re.Match[str]) -> str:
    return text[max(0, match.start() - _NEAR) : match.end() + _NEAR // 2] + header_of(text, match.start())
