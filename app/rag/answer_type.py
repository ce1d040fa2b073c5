"""What kind of answer a question wants, and whether a text can give it. Pure: no I/O.

"How much does the filter cost?" is not answered by a sentence without an amount of money, however much it says about
filters. Expected answer types are as old as question answering over documents (Prager et al., 2000); these are the few
that customers ask for by plain words, in English and Chinese. Any other question wants no type in particular.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

# A number by itself: "CH-60" and "2026-02" hold none.
_NUMBER = r"(?:(?<![\w\-.,:/])\d+(?:[.,:/]\d+)*(?![\-–]?\d)|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|half)\b|[一二两三四五六七八九十百千半]+)"
_TIME_UNIT = r"(?:(?:working|business|calendar) )?(?:s|sec|seconds?|min|mins|minutes?|h|hours?|hrs?|days?|nights?|weeks?|months?|years?)\b|个?工作日|秒|分钟|小时|天|日|周|个?星期|个?月|年"
_LENGTH_UNIT = r"(?:mm|cm|m|km|metres?|meters?|inch(?:es)?|feet|ft)\b|毫米|厘米|米|公里"


def _quantity(units: str) -> str:
    # The unit stands behind the number, or in a table's header: "Water (litres): 11.5".
    return rf"{_NUMBER}\s*-?\s*(?:{units})|[(（](?:{units})[)）][^;]*?{_NUMBER}"


@dataclass(frozen=True, slots=True)
class AnswerType:
    """A kind of answer: its name, the questions that want it, the texts that can give it.

    names_unit: the question speaks of the unit itself; a text with it is evidence beyond its words.
    """

    name: str
    asked: re.Pattern[str]
    given: re.Pattern[str]
    names_unit: bool = False


def _type(name: str, asked: str, given: str, names_unit: bool = False) -> AnswerType:
    return AnswerType(name, re.compile(asked, re.IGNORECASE), re.compile(given, re.IGNORECASE), names_unit)


def _measure(name: str, asked: str, units: str) -> AnswerType:
    return _type(name, asked, _quantity(units), names_unit=True)


# The first that fits a question is its type: special units before general amounts.
_TYPES = (
    _measure("a sound level", r"how (?:loud|noisy)|noise level|decibel|\bdb\b|分贝|噪音.*多少|多少.*噪音", r"db(?:\(a\))?|decibels?|分贝"),
    _measure("a volume", r"how many (?:litres|liters)|多少升|几升", r"l|litres?|liters?|ml|升|毫升"),
    _measure("a flow", r"how (?:many|much) (?:cubic|m³|m3)|多少立方", r"m[³3]?(?:/h|/min)?|cubic met(?:re|er)s?|立方米?"),
    _measure("a weight", r"how heavy|how many (?:kilos?|kilograms?|kg)|how much .*\bweigh|多重|多少(?:公斤|千克|斤)", r"kg|kilos?|kilograms?|g|公斤|千克|克|斤"),
    _measure("an amount of energy", r"how (?:much|many) .*(?:kwh|energy|electricity)|多少度电|耗电(?:量)?.*多少", r"kwh|wh|watts?|w|度|千瓦时"),
    _measure("a temperature", r"how (?:hot|cold|warm)|(?:what|which) temperature|多少度|温度.*多少", r"°\s?[cf]|°|degrees?|度"),
    _measure("a length", r"how (?:wide|tall|high|deep|far)\b|多宽|多高|多深|多远", _LENGTH_UNIT),
    _type(
        "an amount of money",
        r"how much (?:does|do|is|are|will|would|did|must|should|for|to)\b(?!.*\b(?:weigh|water|energy|power|time)\b)|how much .*\b(?:cost|charge|pay|price|fee)"
        r"|what (?:does|do|will|would|did|is|are|'s)\b.*\b(?:cost|price|fee|charge|surcharge)\b|\bhow expensive\b|what .*\bcharge\b|do i (?:have to |need to )?pay|is (?:it|that|this) free|cost me|for free|多少钱|什么价|价格是|价钱|多少元|费用(?:是)?多少|收费(?:是)?多少|收多少",
        r"[£$€¥￥]\s?\d|\d\s?(?:[£$€]|元|块|万元|pounds?|euros?|dollars?|pence|p\b|gbp|usd|eur|cny|rmb|%|percent)"
        r"|[(（][^)）]{0,12}[£$€¥￥元][^)）]{0,4}[)）][^;]*\d|\bfree\b|no (?:extra )?(?:charge|cost|fee)|at (?:our|your)(?: own)? (?:cost|expense)|免费|不收|无需付费|: none",
    ),
    _type("a time of day", r"(?:until|till|at|by|from) what time|what time|几点|营业时间|opening hours|when .*\b(?:open|close)", r"\d{1,2}\s?[:：.]\s?\d{2}|\d{1,2}\s?(?:am|pm|点|时)|noon|midnight"),
    _type("a length of time", r"how long|how soon|how quickly|多久|多长时间|多少(?:天|年|小时|分钟|个月)|几(?:个工作日|天|年|小时|分钟|个月|周)", rf"{_quantity(_TIME_UNIT)}|{_quantity(_LENGTH_UNIT)}|\d{{1,2}}[:：]\d{{2}}|immediately|lifetime|at once|立即|立刻|当天|终身"),
    _type("a number", r"how many|多少(?!钱)|几(?:个|台|次|件|种|家|款|期)(?!月)", _NUMBER),
)  # fmt: skip


def expected_type(question: str) -> AnswerType | None:
    """The kind of answer that a question wants, or None."""
    folded = unicodedata.normalize("NFKC", question)
    return next((kind for kind in _TYPES if kind.asked.search(folded)), None)


def gives(kind: AnswerType, text: str) -> bool:
    """Whether a text holds something of that kind."""
    return bool(kind.given.search(unicodedata.normalize("NFKC", text)))
