"""Furniture of documents: running headers and footers, menus, cookie banners, legal lines.

Dropped is only what is surely furniture: a line that opens or closes most pages, the same each time or counting them.
Everything else that looks like it is flagged, for a person to decide.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

from ingest.schema import Element, ElementKind, ParsedDocument

# A line is furniture from so many pages on, and on so large a part of them.
_LEAST_PAGES, _LEAST_SHARE = 4, 0.6
# Elements at each end of a page that may be furniture.
_EDGE = 2
_LONGEST = 160
# Of a passage's characters, so many must be furniture before it is flagged.
_MOSTLY = 0.6
# A paragraph that comes back so often in one document is furniture of its sections.
_REPEATED = 4
_LONGEST_REPEATED = 400
_DIGITS = re.compile(r"\d+")

_LINE = re.compile(
    r"^(?:"
    r"(?:©|\(c\) ?\d|copyright (?:©|\(c\)|[^\n]{0,40}\b\d{4}))[^\n]{0,120}|[^\n]{0,80}all rights reserved\.?[^\n]{0,40}|"
    r"版权所有[^\n]{0,60}|[^\n]{0,40}(?:保留所有权利|保留一切权利|版權所有|著作權所有)[^\n]{0,20}|[^\n]{0,30}ICP[备備][^\n]{0,30}|[^\n]{0,10}公网安备[^\n]{0,30}|"
    r"skip to (?:main )?(?:content|navigation)|back to (?:the )?top|top of page|返回(?:顶部|首页|上一页)|回到(?:顶部|頂部)|"
    r"(?:subscribe|sign up) (?:to|for) (?:our|the) (?:\w+ )?newsletter[^\n]{0,80}|订阅(?:我们的)?(?:邮件|通讯|资讯)[^\n]{0,40}|"
    r"(?:share|follow us|find us|like us|tweet)(?: this)?(?: (?:page|article|post))?(?: (?:on|via) [^\n]{0,60})?:?|分享(?:到|至)[^\n]{0,40}|关注我们[^\n]{0,40}|"
    r"(?:previous|next)(?: (?:page|article|post|chapter))?(?: ?[:|›»→«←][^\n]{0,80})?|(?:上|下)一[篇页章][^\n]{0,60}|"
    r"was this (?:page|article|information|answer)? ?(?:helpful|useful)\??[^\n]{0,40}|(?:本页|本文|此页面|以上内容)?(?:对您|对你)?(?:是否)?有(?:帮助|用)吗?[??][^\n]{0,20}|"
    r"(?:edit|improve) this page(?: on \w+)?|编辑此页[^\n]{0,20}|last (?:updated|modified)(?: on)?:?[^\n]{0,40}|(?:最后|最近)更新[^\n]{0,30}|"
    r"table of contents|on this page|in this article|related (?:articles|topics|posts|pages)|see also|目录|本页(?:内容|目录)|相关(?:文章|阅读|推荐)|"
    r"(?:log ?in|sign ?in|register|sign ?up|my account|cart|search|menu|home|首页|登录|注册|购物车|搜索|菜单|网站地图|联系我们|关于我们)|"
    r"(?:privacy (?:policy|notice)|terms (?:of (?:use|service)|and conditions)|imprint|impressum|sitemap|site map|cookie (?:policy|settings)|隐私政策|用户协议|服务条款|免责声明|法律声明)|"
    r"(?:confidential|internal use only|company confidential|机密|内部资料)[^\n]{0,60}|"
    r"(?:page )?\d{1,4} ?(?:of|/) ?\d{1,4}|第 ?\d{1,4} ?页(?:,?\s*共 ?\d{1,4} ?页)?"
    r")$",
    re.IGNORECASE,
)  # fmt: skip
_MENU = re.compile(
    r"(?:products?|services?|solutions|support|contact(?: us)?|about(?: us)?|blog|news|careers|jobs|faqs?|help(?: cent(?:er|re))?|"
    r"downloads?|resources|company|pricing|docs|documentation|产品(?:中心)?|服务(?:支持)?|支持|新闻(?:中心)?|下载(?:中心)?|解决方案|帮助(?:中心)?)$",
    re.IGNORECASE,
)
_COOKIES = re.compile(r"\bcookies?\b", re.IGNORECASE | re.ASCII)
_CONSENT = re.compile(
    r"\b(?:accept|reject|decline|allow|manage|consent|agree|got it|preferences|settings)\b|接受|同意|拒绝|全部允许|管理",
    re.I,
)
_BANNER = 420
_SEPARATORS = re.compile(r"\s*[|·•›»/>\n]\s*|\s{2,}")


def drop_furniture(document: ParsedDocument) -> tuple[ParsedDocument, tuple[str, ...]]:
    """The document without its running headers and footers, and the different lines that were dropped.

    Only formats with pages or slides have such lines; headings, tables and code are never touched.
    """
    pages: dict[int, list[int]] = defaultdict(list)
    for position, element in enumerate(document.elements):
        if element.page is not None:
            pages[element.page].append(position)
    if len(pages) < _LEAST_PAGES:
        return document, ()
    edges = {position for positions in pages.values() for position in {*positions[:_EDGE], *positions[-_EDGE:]}}
    places: dict[tuple[str, int], set[int]] = defaultdict(set)
    for position in edges:
        element = document.elements[position]
        if (key := _running(element)) is not None:
            places[key].add(element.page or 0)
    needed = max(_LEAST_PAGES, _LEAST_SHARE * len(pages))
    furniture = {key for key, on in places.items() if len(on) >= needed}
    dropped = {position for position in edges if _running(document.elements[position]) in furniture}
    if not dropped or len(dropped) == len(document.elements):
        return document, ()
    lines = dict.fromkeys(" ".join(document.elements[position].text.split()) for position in sorted(dropped))
    kept = tuple(element for position, element in enumerate(document.elements) if position not in dropped)
    return replace(document, elements=kept), tuple(lines)


def _running(element: Element) -> tuple[str, int] | None:
    """What a running line looks like on every page, and how far its counter is from the page's number."""
    text = " ".join(element.text.split())
    if element.kind is not ElementKind.PARAGRAPH or element.page is None or not text or len(text) > _LONGEST:
        return None
    for match in _DIGITS.finditer(text):
        # One number may count the pages; any other must be the same on all of them.
        if len(match[0]) < 5 and abs(int(match[0]) - element.page) <= 20:
            return text[: match.start()] + "#" + text[match.end() :], int(match[0]) - element.page
    return text, 0


def repeated_paragraphs(texts: Sequence[str]) -> frozenset[str]:
    """Short paragraphs that stand in four passages of a document or more, a third of them at least."""
    counts = Counter(part for text in texts for part in set(_paragraphs(text)))
    needed = max(_REPEATED, len(texts) / 3)
    return frozenset(part for part, count in counts.items() if count >= needed and len(part) <= _LONGEST_REPEATED)


def is_boilerplate(text: str, repeated: frozenset[str] = frozenset()) -> bool:
    """Whether a passage is mostly furniture: legal lines, menus, a cookie banner, paragraphs that come back all the time."""
    if len(text) <= _BANNER and _COOKIES.search(text) and len(_CONSENT.findall(text)) >= 2:
        return True
    total = furniture = 0
    for paragraph in _paragraphs(text):
        total += len(paragraph)
        if paragraph in repeated:
            furniture += len(paragraph)
            continue
        furniture += sum(len(line) for line in paragraph.split("\n") if _is_furniture(line.strip(" \t-*•")))
    return total > 0 and furniture >= _MOSTLY * total


def _paragraphs(text: str) -> list[str]:
    return [part.strip() for part in text.split("\n\n") if part.strip()]


def _is_furniture(line: str) -> bool:
    if not line or len(line) > 300 or line.startswith("|"):
        return False
    if _LINE.match(line):
        return True
    # A menu in one line: "Home | Products | Support | Contact us".
    parts = [part for part in _SEPARATORS.split(line) if part]
    menu = sum(bool(_LINE.match(part) or _MENU.match(part)) for part in parts)
    return len(parts) >= 3 and menu * 2 >= len(parts) and max(map(len, parts)) <= 40
