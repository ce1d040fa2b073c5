"""Whether a question can be understood by somebody who is not reading the page. Pure: no I/O."""

from __future__ import annotations

import re

from ingest.pairs.topics import is_chinese
from ingest.sparse import product_codes

_PAGE_EN = r"(?:document|passage|text|section|chapter|page|paragraph|article|excerpt|context|snippet|chart|diagram|screenshot|figure|table|list|picture|manual|notice)"
_POINTING_EN = re.compile(
    rf"\b(?:in|on|from|by|of|per|according to|within|under) (?:the|this|that|these) (?:above |following |given |provided |present |previous |next )?{_PAGE_EN}s?\b(?! of [A-Z])|"
    rf"\b(?:this|these) {_PAGE_EN}s?\b|\bthe (?:above|following|given|provided|aforementioned|latter|former)\b|"
    r"\b(?:mentioned|described|listed|shown|stated|given|explained|discussed) (?:above|below|here|earlier)\b|\baccording to the (?:passage|text|document|author)\b|"
    r"\b(?:above|below)(?=\s*[?.!]?$)|\bas follows\b|\bthe (?:passage|excerpt)\b",
    re.IGNORECASE,
)
_DEMONSTRATIVE = re.compile(
    r"\b(?:this|these|those|that|such)\b(?!:| (?:is|are|i|you|we|can|may|must|have|has|will|do|does|come|comes|no)\b)",
    re.IGNORECASE,
)
_PRONOUN = re.compile(r"\b(?:it|its|they|them|their|theirs|he|she|him|his|her|hers|one of them)\b", re.IGNORECASE)
_EXPLETIVE = re.compile(
    r"\b(?:does|do|will|would|did) it (?:take|cost|mean|matter|help)\b|\b(?:is|was) it (?:possible|safe|allowed|ok|okay|necessary|true|normal|better|free|worth|"
    r"legal|too late|enough|mandatory|required)\b|\bit (?:is|was) possible\b",
    re.IGNORECASE,
)
_PLAIN_WORD = re.compile(
    r"\b(?!(?:what|which|when|where|who|whom|how|why|does|did|can|could|will|would|shall|should|must|may|are|is|was|were|the|and|for|with|"
    r"from|have|has|had|much|many|long|often|there|any|you|your|not|but|get|take|regarding|about)\b)[A-Za-z][\w\-]{2,}\b",
    re.IGNORECASE,
)
_POINTING_ZH = re.compile(
    r"上述|前述|下述|下列|如上|如下|上文|(?<!上)下文|前文|本文|上表|下表|上图|下图|见[上下]|(?<![\d%％元分天年岁度次个级层上米斤])以[上下](?=[的内步问操设配方几哪内是为有各任所这])|"
    r"本(?:节|章|页|表|段|篇|条|文档|文件|说明书|手册|公告|通知)|[该此](?:文|节|表|页|段|图|处|文档|产品|公司|功能|步骤|选项|按钮|设置|节点|字段|机|商品|服务|方法|操作|情况|项)|"
    r"这(?:个|些|种|里|是|样|一|份|款|项|类|段)|那(?:个|些|种|里|样|款|项)|前者|后者|文中|文章中|文档中|段落中|材料中|根据(?:文|上|材料|资料|段)"
)
_PRONOUN_ZH = re.compile(r"它们?|(?<!其)[他她]们?|(?<![尤与极])其(?![他它中实余次])")
_OUTSIDE = re.compile(
    rf"\b(?:{_PAGE_EN}|image) (?:above|below)\b|\b(?:above|below) {_PAGE_EN}\b|\bsee (?:above|below|section|chapter|page|figure|table)\b|\bas (?:described|shown|listed) (?:above|below|in (?:chapter|section|figure))\b|"
    r"\bthe (?:following|above)\b(?!.*\n)|上表|下表|上图|下图|见上|见下|如图|[见按参]第\s*[\d一二三四五六七八九十]|上文|(?<!上)下文|上述|前述",
    re.IGNORECASE,
)


def pointing(question: str) -> str:
    """Words of a question that point to the page it was made of; "" for none."""
    match = _POINTING_ZH.search(question) if is_chinese(question) else _POINTING_EN.search(question)
    return match[0].strip() if match else ""


def leads_outside(answer: str) -> str:
    """Words of an answer that send its reader to another place of the page; "" for none."""
    match = _OUTSIDE.search(answer)
    return match[0].strip() if match else ""


def hanging(question: str) -> str:
    """A pronoun of a question that nothing before it explains; "" for none."""
    if is_chinese(question):
        match = _PRONOUN_ZH.search(question)
        return match[0] if match and len(re.findall(r"[\u4e00-\u9fffA-Za-z]", question[: match.start()])) < 4 else ""
    bare = _EXPLETIVE.sub(" ", question)
    for pattern in (_DEMONSTRATIVE, _PRONOUN):
        for match in pattern.finditer(bare):
            if match[0].lower() == "that" and bare[: match.start()].strip():
                continue
            least = 2 if pattern is _PRONOUN else 3
            if len(_PLAIN_WORD.findall(bare[: match.start()])) < least and not product_codes(bare[: match.start()]):
                return match[0]
    return ""
