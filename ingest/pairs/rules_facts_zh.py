"""Who, when, how long, how much: Chinese sentences with one figure, which a question word takes the place of. Pure: no I/O.

Chinese asks in place: "碳刷保修 3 年。" becomes "碳刷保修多久？". So no word order has to be known; what must be known is
whether the sentence names what it speaks of.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NUM = r"(?:\d+(?:[.,]\d+)*(?:\s*(?:至|到|-|–|~|～|、|或)\s*\d+(?:[.,]\d+)*)?|[一二两三四五六七八九十百千万半]+)"
_BEFORE = r"(?<![\dA-Za-z.\-第])"
# (the figure, what asks for it); a unit that is missing here is not asked for.
_FIGURES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(_BEFORE + pattern), word)
    for pattern, word in (
        (r"(?:\d{4}\s*年\s*\d{1,2}\s*月\s*(?:\d{1,2}\s*日)?|\d{1,2}\s*月\s*\d{1,2}\s*日)", "什么时候"),
        (rf"{_NUM}\s*(?:万|亿)?\s*(?:元|块钱|美元|欧元|港元|人民币)", "多少钱"),
        (rf"{_NUM}\s*个?\s*(?:工作日|自然日|交易日)", "多少个工作日"),
        (rf"{_NUM}\s*(?:天|日)(?!志|常|期|历|均|元|本)", "多少天"),
        (rf"{_NUM}\s*个月", "几个月"),
        (rf"{_NUM}\s*(?:周|星期)(?!年|[一二三四五六日])", "几周"),
        (rf"{_NUM}\s*年(?!度|龄|级|前|会|[一二三四五六七八九十\d])", "几年"),
        (rf"{_NUM}\s*个?\s*小时", "多少小时"),
        (rf"{_NUM}\s*分钟", "多少分钟"),
        (rf"{_NUM}\s*秒(?!杀)", "多少秒"),
        (rf"(?:{_NUM}\s*[%％]|百分之{_NUM})", "百分之多少"),
        (rf"{_NUM}\s*(?:千克|公斤|克|吨|斤)", "多少{unit}"),
        (rf"{_NUM}\s*(?:毫米|厘米|公里|千米|米|英寸)(?!勒)", "多少{unit}"),
        (rf"{_NUM}\s*(?:毫升|升|立方米)(?!级)", "多少{unit}"),
        (rf"{_NUM}\s*(?:千瓦|瓦|伏|安|度|分贝|兆帕|赫兹|°C|℃)(?!量)", "多少{unit}"),
        (r"\d+(?:\.\d+)?\s*(?:KB|MB|GB|TB)", "多少{unit}"),
        (
            r"\d+\s*(?:个|台|件|次|条|份|名|位|人|张|套|种|字符|字|倍|折|积分|页|项|轮|层|步)(?!人|月|工作|小时|性|别|之|体)",
            "多少{unit}",
        ),
    )
)
# Every figure there is: a sentence with a second one is not asked.
_ANY_FIGURE = re.compile(_BEFORE + r"(?:\d+(?:[.,:：]\d+)*)(?![\dA-Za-z\-])")
_CODE = re.compile(r"[A-Za-z]+[\-_]?\d+[A-Za-z0-9\-]*|\d+(?:\.\d+)*[A-Za-z]\w*|第\s*\d+(?:\.\d+)*\s*[章节条页步]")
_LEANING = re.compile(
    r"^(?:它|他|她|其|该|此|这|那|上述|以上|以下|如下|前者|后者|同时|另外|此外|因此|所以|但|但是|而且|并且|并|或|或者|否则|然后|随后|之后|如果|若|当|例如|比如|注意|提示|"
    r"本|同样|同一|其中|其他|其余|两者|两款|三款|两种|均|也|还|再|则|即|以及|为此|为了|由于|虽然|不过|只要|只有|除非|无论|通过|对于|关于|点击|要比较)"
)
_ANAPHOR = re.compile(
    r"[它其此]|上述|以上|以下|如下|前者|后者|该(?!公司)|这(?:个|些|种|里|样|是|一)|那(?:个|些|种|里|样)|本(?:机|页|节|章|表|文|条|说明书|手册|政策|协议|公告|通知)"
)
_HAN = re.compile(r"[\u4e00-\u9fff]")
_VERB_AHEAD = re.compile(r"[:：；;“”\"（）()|？?<>{}\[\]【】]")
_ROUGH = re.compile(r"(?:大约|约|大概|左右|以上|以下|以内|之内|不超过|不少于|不低于|不高于|至少|最多|最长|最短|超过)$")
# A clause begins with these when who does it stands elsewhere.
_ACTION_FIRST = re.compile(
    r"^(?:请|可|可以|能|能够|需|需要|须|应|应当|必须|不得|不|会|将|把|按|点击|选择|打开|关闭|拔|插|用|以|与|和|在|从|向|至|到|有|是|为)"
)


# What a clause states, so that it can end there; what makes it a condition of the next one.
_STATES = re.compile(
    r"(?:最多|至少|最少|不超过|不少于|不得|支持|需要|须|约|保修|有效|保留|收取|提供|包含|默认|通常|一般)[^，,]*$"
)
_CONDITION = re.compile(r"(?:时|后|前|内|的|中|以上|之间|期间)$")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question made of a sentence, the figure that answers it as it stands there, and the words that state it."""

    question: str
    short: str
    stated: str


def ask_zh(sentence: str) -> Asked | None:
    """The question for the one figure of a sentence; None where none can be made safely."""
    bare = " ".join(sentence.split()).strip("。！；")
    if not 8 <= len(bare) <= 80 or _VERB_AHEAD.search(bare) or len(_HAN.findall(bare)) < 6:
        return None
    for clause in _clauses(bare):
        found = _figure(clause)
        if found is None:
            continue
        match, word = found
        if _LEANING.match(clause) or "点击" in clause or _ANAPHOR.search(clause) or _ACTION_FIRST.match(clause):
            continue
        before, after = clause[: match.start()], clause[match.end() :]
        if (
            len(_HAN.findall(before)) < 3
            or re.search(r"[、或和]\s*$", before)
            or re.match(r"\s*[、或和至到]\s*\d", after)
        ):
            continue
        unit = re.sub(r"^[\d.,\s至到\-–~～、或一二两三四五六七八九十百千万半]+", "", match[0])
        asking = word.format(unit=unit)
        if match[0].startswith("百分之"):
            asking = "百分之多少"
        gap_before = before.rstrip() if before.endswith(" ") and _HAN.search(before.rstrip()[-1:]) else before
        # What follows a clause that ends with its figure is another statement.
        rest = after.strip()
        part = re.split(r"[，,]", rest)[0]
        if not part or part in ("以上", "以下", "左右") or (_STATES.search(before) and not _CONDITION.search(part)):
            rest = part
        question = f"{gap_before}{asking}{rest}"
        return Asked(question.rstrip("，,、") + "？", match[0].strip(), clause)
    return None


def _clauses(bare: str) -> list[str]:
    """The whole sentence, where it has one figure; else its clauses, of which those that name a product stand by themselves."""
    if len(_figures(bare)) <= 1 and len(bare) <= 48:
        return [bare]
    parts = re.split(r"[，,]", bare)
    first = [parts[0]]
    return first + [part.strip() for part in parts[1:] if _CODE.match(part.strip())]


def _figures(text: str) -> list[str]:
    return [m[0] for m in _ANY_FIGURE.finditer(_CODE.sub(lambda m: "＿" * len(m[0]), text))]


def _figure(clause: str) -> tuple[re.Match[str], str] | None:
    """The only figure of a clause with what asks for it."""
    masked = _CODE.sub(lambda m: "＿" * len(m[0]), clause)
    found: list[tuple[re.Match[str], str]] = []
    for pattern, word in _FIGURES:
        for match in pattern.finditer(masked):
            if all(match.end() <= other.start() or match.start() >= other.end() for other, _ in found):
                found.append((match, word))
    if len(found) != 1 or not re.search(r"\d", found[0][0][0]):
        return None
    match, word = found[0]
    rest = masked[: match.start()] + masked[match.end() :]
    return None if _ANY_FIGURE.search(rest) else (match, word)
