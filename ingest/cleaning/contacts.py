"""E-mail addresses and telephone numbers: a person's, or the company's own.

Telephone numbers are judged by `phonenumbers` (Google's libphonenumber): what is no number that its country gives out
is none. The company's own must not drown the rest: role accounts (support@), hotlines, and what stands beside words
like "call us" are "contact". Placeholders of documentation (you@example.com) are nothing at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from ingest.cleaning.findings import CONTACT, Finding, finding, header_of, wordset

_EMAIL = re.compile(
    r"(?a)(?<![\w.+\-/@])([A-Za-z0-9](?:[A-Za-z0-9._%+\-]{0,62}[A-Za-z0-9_\-])?)@"
    r"((?:[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,24})(?![\w@])"
)
# Of these words, one or several, are the names of accounts that are no person's: "support", "partnersupport", "sales-eu".
_ROLES = wordset(
    "support info contact sales service services help helpdesk hello hi office mail email admin administrator webmaster "
    "postmaster hostmaster billing accounts accounting account payable receivable ap ar invoice invoices finance tax vat "
    "payroll treasury orders order returns refunds refund shipping delivery logistics marketing press media news pr events "
    "jobs job careers career hr hiring talent recruiting recruitment legal privacy dpo gdpr compliance security abuse "
    "incident panic emergency noreply no reply donotreply do not feedback enquiries inquiries enquiry inquiry customer "
    "customers client clients care cs team teams member members people staff employee employees relations relation "
    "employment ethics hotline ceo cto cfo board shadow newsletter subscribe unsubscribe reception booking bookings "
    "reservations warranty repair repairs spare parts tech technical techsupport engineering it ir investor investors "
    "partner partners partnership reseller resellers channel business bd complaints complaint ombudsman desk servicedesk "
    "community general git licensing training academy education events event api dev developers opensource maintainers "
    "notifications notification alerts alert claims claim frontdesk store shop hq product products project projects "
    "program programs operations ops purchasing procurement supplier suppliers vendor vendors travel expenses expense "
    "benefits mortgage mortgages loan loans bank banking card cards insurance payment payments fraud risk legalnotices "
    "notices copyright dmca trademark foia research design data analytics calendar room meeting meetings shared group all "
    "us uk eu de fr cn hk emea apac na global world international online web site digital social main central regional "
    "internal external diversity inclusion ux ui department departments dept report reports reporting leave leaves learning "
    "acquisition acquisitions non public community quality qa lab labs service-desk user users guest guests visitor "
    "kontakt vertrieb buchhaltung bewerbung datenschutz kundenservice kundendienst einkauf technik rechnung rechnungen "
    "contacto ventas soporte ayuda atencion facturacion commercial sav comptabilite vendite assistenza amministrazione "
    "kefu fuwu shouhou xiaoshou zhaopin caiwu jishu zhichi tousu shangwu yunying shichang caigou"
)
# Where everybody is a person.
_PRIVATE = re.compile(
    r"(?a)^(?:gmail|googlemail|outlook|hotmail|live|msn|yahoo|ymail|icloud|me|mac|aol|proton|protonmail|gmx|web|mail|yandex|"
    r"qq|foxmail|163|126|yeah|sina|sohu|139|189|aliyun|t-online|orange|libero|naver)\.",
    re.I,
)
# Calendars, mailing lists and programs have addresses, too.
_NO_PERSON = re.compile(
    r"(?a)(?:^|\.)(?:calendar\.google\.com|gserviceaccount\.com|noreply\.\w+\.com)$|^(?:lists?|groups?)\.", re.I
)
_SHORTEST_NAME = 4
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
_INTERNATIONAL = re.compile(r"(?a)(?<![\w+])\+(?=[1-9])\(?\d(?:[ \-./]?\(?\d\)?){5,13}[ \-./]?\d(?!\d)")
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
        role = (
            _is_role(name)
            or name in domain.split(".")
            or bool(_NO_PERSON.search(domain))
            or _is_initials(name, domain, text, match.start())
        )
        if _RESERVED.search(domain) and role:
            continue
        yield finding(CONTACT if role else "email", text, *match.span())


@lru_cache(maxsize=4096)
def _is_role(name: str) -> bool:
    """Whether an account is an office's: every part of its name is made of words for offices."""
    parts = [part for part in re.split(r"[._\-+\d]+", name) if part]
    return bool(parts) and all(_made_of_roles(part) for part in parts)


def _made_of_roles(letters: str) -> bool:
    reached = {0}
    for end in range(2, len(letters) + 1):
        if any(letters[start:end] in _ROLES for start in reached):
            reached.add(end)
    return len(letters) in reached


def _is_initials(name: str, domain: str, text: str, start: int) -> bool:
    """Whether an account of a company has too short a name for a person's, and nobody of that name stands before it."""
    if len(name) >= _SHORTEST_NAME or _PRIVATE.search(domain) or not name.isalpha():
        return False
    return re.search(rf"(?a)\b{name}\b", text[max(0, start - 2 * _NEAR) : start], re.I) is None


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
