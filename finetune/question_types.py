"""What a question asks for, by its words, so that figures can be broken down: English and Chinese. Pure: no I/O.

A breakdown, not a judgement: the first rule that fits decides, and a question that none fits is "other".
"""

from __future__ import annotations

import re
import unicodedata

WHO, WHEN, WHERE, HOW_MANY, WHAT, WHY, HOW, YES_NO, OTHER = (
    "who", "when", "where", "how many", "what", "why", "how", "yes-no", "other",
)  # fmt: skip
QUESTION_TYPES = (WHO, WHEN, WHERE, HOW_MANY, WHAT, WHY, HOW, YES_NO, OTHER)

_HAN = re.compile(r"[㐀-䶿一-鿿]")
# English: a question that begins with a verb is answered by yes or no, whatever word follows ("Can I cancel when ...?").
# It may begin after the name of what it is about, a greeting or an aside: "Avia: Does it ...", "Hi, can I ...".
_VERB = (
    r"(?:is|are|was|were|am|do|does|did|can|could|will|would|shall|should|must|may|might|has|have|had)(?:n['’]t)?"
    r" (?!like\b)"
)
_BEGINS_WITH_VERB = re.compile(rf"(?:^|[:,;.!?-]\s|\b(?:and|so|but|also|then) ){_VERB}")
_WHETHER = re.compile(
    r"\b(?:know|wondering|wonder|tell me|check|see|ask|sure|find out|confirm)\b[^?]{0,20}\b(?:if|whether)\b"
)
_TELLING = re.compile(r"\b(?:can|could|would|will) (?:you|i|we|someone)\b(?: \w+)? (?:tell|know|ask|explain|say|let)\b")
_ENGLISH = re.compile(
    r"\b(?:"
    r"(?P<many>how (?:many|much|long|old|far|tall|big|large|high|deep|wide|often|fast|heavy|thick|loud|expensive)"
    r"|what (?:number|percentage|percent|proportion|fraction)|what (?:is|was|are|were) the (?:\w+ )?(?:number|percentage|population|price|cost))"
    r"|(?P<when>when|(?:what|which) (?:\w+ )?(?:year|years|date|day|month|century|decade|time|season|era|period))"
    r"|(?P<where>where|(?:what|which) (?:\w+ )?(?:city|cities|country|countries|state|town|place|location|region|continent|island))"
    r"|(?P<who>who|whom|whose|(?:what|which) (?:person|people|man|woman))"
    r"|(?P<why>why|how come|(?:for )?what reason|what (?:is|was|were|are) the reason)"
    r"|(?P<how>how)"
    r"|(?P<what>what|which)"
    r")\b"
)
# Chinese: the order decides. "X 称为什么" asks for a name, "X 为何?" for a thing; neither asks why.
_CHINESE = (
    (YES_NO, r"[吗嗎][\s?。!]*$|是否|是不是|有没有|有沒有|能不能|可不可以|会不会|會不會|要不要|需不需要|能否|可否|(\w)不\1"),
    (WHY, r"(?<![称稱叫名定改作视視译譯版取成认認])[为為](?:什么|什麼|啥)|[为為]何(?![\s?]*$)|何以"
          r"|(?:什么|什麼|何种|何種)(?:原因|理由)|原因(?:是|为|為)?(?:什么|什麼|何|\?|$)"),
    (WHEN, r"什么时(?:候|间)|什麼時(?:候|間)|何[时時年月日]|哪[一些]?[年天月日]|哪(?:一|个|個)*(?:年代|世纪|世紀|朝代|时期|時期|时代|時代|季节|季節)"
           r"|[几幾](?:月|号|號|点|點|时|時|世纪|世紀)|(?:西元|公元|[于於在自])[几幾]年|(?:什么|什麼)(?:年代|朝代|时期|時期|时代|時代|季节|季節|日期)"
           r"|多久(?:之前|以前)|(?:时间|時間|日期|年份)[是为為][\s?]*$"),
    (WHERE, r"哪[里裡裏儿兒边邊]|何[處处地]|(?:什么|什麼)(?:地方|地区|地區|位置)|[在于於]哪(?![一个個些])|哪(?:一|个|個|座|些)*(?:国|國|省|市|州|县|縣|城|镇|鎮|区|區|地)"),
    (WHO, r"谁|誰|哪一?位|何人|(?:什么|什麼|哪个|哪個|哪些)人"),
    (HOW_MANY, r"多少|多[长長大高远遠久重宽寬深快]|[几幾](?![乎何])"),
    (HOW, r"怎么|怎麼|怎样|怎樣|如何"),
    (WHAT, r"什么|什麼|甚麼|啥|何|哪|[是为為][\s?]*$"),
)  # fmt: skip
_CHINESE_RULES = tuple((kind, re.compile(pattern)) for kind, pattern in _CHINESE)


def question_type(question: str) -> str:
    """One of QUESTION_TYPES."""
    text = unicodedata.normalize("NFKC", question).strip().lower()
    if _HAN.search(text):
        return next((kind for kind, rule in _CHINESE_RULES if rule.search(text)), OTHER)
    return _english(text)


def _english(text: str) -> str:
    # "Can you tell me where ...?" asks where; "Can you tell me whether ...?" wants yes or no.
    told = _TELLING.sub(" ", text)
    if _WHETHER.search(text):
        return YES_NO
    verb, word = _BEGINS_WITH_VERB.search(told), _ENGLISH.search(told)
    if verb is not None and (word is None or verb.start() < word.start()):
        return YES_NO
    if word is None:
        return OTHER
    named = {"many": HOW_MANY, "when": WHEN, "where": WHERE, "who": WHO, "why": WHY, "how": HOW, "what": WHAT}
    return named[str(word.lastgroup)]
