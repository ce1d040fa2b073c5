"""What a passage is about, in words that make a question of it standalone; and what else the knowledge base holds.

"How do I level it?" is no question to anybody who is not reading the page. So a question that names nothing by itself is
led by the name of what its passage is about: its heading, its document's title, or both.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from ingest.pairs.records import SourceChunk
from ingest.pairs.units import clean_heading, tables_of
from ingest.sparse import product_codes, product_names

_HAN = re.compile(r"[\u3400-\u9fff]")
# Headings that every document has; they name nothing.
_GENERIC = re.compile(
    r"^(?:(?:an? |the )?(?:overview|introduction|intro|contents?|summary|general|notes?|tips?|examples?|details?|description|usage|"
    r"steps?|procedure|process|configuration|configure|settings?|set ?up|installation|install|requirements?|prerequisites?|limits?|"
    r"limitations?|options?|features?|faqs?|frequently asked questions|q ?& ?a|questions|support|contact(?: us)?|help|more|other|others|"
    r"misc(?:ellaneous)?|appendix|references?|resources|next steps?|what's next|getting started|quick ?start|background|scope|"
    r"purpose|definitions?|terms|parameters?|inputs?|outputs?|variables?|output variables|access|types?|upgrade|verify|test|"
    r"troubleshooting|best practices|use cases?|how it works|why this matters|important|warnings?|basics?|advanced|sheet ?\d+|table ?\d*)|"
    r"概述|简介|介绍|前言|总则|目录|说明|详情|备注|注意|注意事项|提示|示例|例子|用法|步骤|流程|操作步骤|配置|配置步骤|设置|安装|要求|前提|前提条件|限制|"
    r"选项|功能|功能说明|常见问题|常见问题解答|问题|支持|联系我们|联系方式|帮助|更多|其他|其它|附录|参考|资源|下一步|快速开始|快速入门|入门|背景|范围|"
    r"适用范围|目的|定义|术语|参数|输入|输出|变量|输出变量|访问|类型|升级|验证|测试|故障排除|最佳实践|使用场景|应用场景|工作原理|重要|警告|基础|高级|"
    r"高级配置|总结|附则|整机|参数说明|字段说明)$",
    re.IGNORECASE,
)
_CLAUSE = re.compile(
    r"^(?:if|when|what|how|why|where|who|which|before|after|while|is|are|do|does|did|can|your?|i|we|should|could|need)\b|"
    r"^(?:如何|怎么|怎样|什么|如果|为什么|为何|您|你|当|哪|是否|若)|(?:做什么|怎么办|哪些|什么)$|^(?:涉及|相关|适用|受影响|影响)(?:的)?(?:产品|型号|机型|范围|对象|商品)$|"
    r"^(?:affected|related|relevant|applicable) \w+$",
    re.IGNORECASE,
)
_SITE = re.compile(r"\s+[|·–—]\s+.*$")
_LONGEST_EN, _LONGEST_ZH = 70, 30
# "E04", "A4", "H2" stand in many products' manuals.
_SHORTEST_CODE = 4
_FILE_LIKE = re.compile(r"[_/\\]|\.\w{2,4}$")


def is_chinese(text: str) -> bool:
    """Whether a text is to be worded in Chinese: Han characters make up a fifth of its letters."""
    han = len(_HAN.findall(text))
    return han * 5 >= sum(char.isalpha() for char in text) > 0


@dataclass(frozen=True, slots=True)
class Corpus:
    """What writers must know of the rest of a knowledge base.

    headings: in how many documents a heading stands, by its words in lower case.
    sections: how many passages a section has.
    rows:     how often a row's first cell, alone or with another cell, stands in the tables of a section.
    labels:   in how many sections a row of this name stands.
    spoken:   ids of the passages that hold a product code, by code.
    written:  how a code is written: "fd200" as "FD-200".
    """

    headings: Counter[str] = field(default_factory=Counter)
    sections: Counter[str] = field(default_factory=Counter)
    rows: Counter[int] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    spoken: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    written: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, chunks: Iterable[SourceChunk]) -> Corpus:
        """Read every passage once; holds headings, row labels and codes, no texts."""
        corpus = cls()
        seen: set[tuple[str, str]] = set()
        labelled: set[int] = set()
        for chunk in chunks:
            corpus.sections[chunk.section] += 1
            for heading in chunk.heading_path:
                key = (chunk.document, clean_heading(heading).lower())
                if key not in seen:
                    seen.add(key)
                    corpus.headings[key[1]] += 1
            for table in tables_of(chunk.text):
                for row in table.rows:
                    if (key_of_row := row_key(chunk, row.cells[0])) not in labelled:
                        labelled.add(key_of_row)
                        corpus.labels[row.cells[0]] += 1
                    corpus.rows.update(row_key(chunk, row.cells[0], cell) for cell in ("", *row.cells[1:]))
            for name in product_names("\n".join((chunk.title, *chunk.heading_path, chunk.text))):
                for code in naming_codes(name):
                    corpus.spoken[code].add(chunk.id)
                    corpus.written.setdefault(code, name)
        return corpus

    def is_whole(self, chunk: SourceChunk) -> bool:
        """Whether a passage is all there is of its section."""
        return self.sections[chunk.section] <= 1


def row_key(chunk: SourceChunk, name: str, second: str = "") -> int:
    """A row of a section's tables, by its first cell or by two of its cells; a number, since there may be millions."""
    return hash((chunk.section, name, second))


def title_of(chunk: SourceChunk) -> str:
    """The document's title as a name in a sentence; "" where it is a file's name, a whole paragraph, or says nothing."""
    title = clean_heading(_SITE.sub("", " ".join(chunk.title.split())))
    longest = _LONGEST_ZH if is_chinese(title) else _LONGEST_EN
    stem = re.sub(r"[\W_]+", "", chunk.document.rpartition("/")[2].rpartition(".")[0]).lower()
    named_by_file = stem == re.sub(r"[\W_]+", "", title).lower() and len(chunk.heading_path) == 0
    return "" if len(title) > longest or _FILE_LIKE.search(title) or named_by_file or is_generic(title) else title


def heading_of(chunk: SourceChunk) -> str:
    """The nearest heading without its number; "" where there is none."""
    return clean_heading(chunk.heading_path[-1]) if chunk.heading_path else ""


def is_generic(heading: str) -> bool:
    """Whether a heading says nothing without what stands above it, or is half a sentence: "If you cannot wait"."""
    return len(heading) < 2 or bool(_GENERIC.match(heading) or _CLAUSE.match(heading))


def is_everywhere(heading: str) -> bool:
    """Whether a heading is one that every document has."""
    return len(heading) < 2 or bool(_GENERIC.match(heading))


def topic_of(chunk: SourceChunk, corpus: Corpus) -> str:
    """What a passage is about, as a name: "Levelling (Dishwashers FD-200 and FD-250)"; "" where nothing names it."""
    heading, title = heading_of(chunk), title_of(chunk)
    longest = _LONGEST_ZH if is_chinese(heading) else _LONGEST_EN
    if is_generic(heading) or len(heading) > longest or heading.endswith(("?", "？")):
        above = next((h for h in map(clean_heading, reversed(chunk.heading_path[:-1])) if not is_generic(h)), "")
        return title or (above if len(above) <= longest else "")
    if not title or title.lower() in heading.lower() or naming_codes(heading):
        return heading
    if corpus.headings[heading.lower()] > 1 or naming_codes(title) or _sectional(heading):
        return f"{title}，{heading}" if is_chinese(heading) else f"{heading} ({title})"
    return heading


def _sectional(heading: str) -> bool:
    """Whether a heading is too short to name anything by itself."""
    return len(heading) <= 3 if is_chinese(heading) else " " not in heading


def names_something(question: str, chunk: SourceChunk) -> bool:
    """Whether a question tells by itself what it is about: a product code, a name, the document's title."""
    if naming_codes(question):
        return True
    title = title_of(chunk)
    return bool(title) and title.lower() in question.lower()


def naming_codes(text: str) -> set[str]:
    """Product codes that name a product by themselves: "FD-200", and not "E04" or "30min", which many have."""
    return {code for code in product_codes(text) if code[0].isalpha() and len(code) >= _SHORTEST_CODE}


def led_by_topic(question: str, chunk: SourceChunk, corpus: Corpus, variant: int = 0) -> str:
    """A question with what it is about before it, unless it says so itself; "" where it needs a topic and there is none.

    variant: which wording of several.
    """
    if names_something(question, chunk):
        return question
    topic = topic_of(chunk, corpus)
    # A Chinese topic before an English question is nobody's question.
    if not topic or (is_chinese(topic) and not is_chinese(question)):
        return ""
    if _holds(question, topic):
        return question
    if is_chinese(question):
        return f"关于{topic}，{question}" if variant % 2 else f"{topic}：{question}"
    lowered = question if question[:2].isupper() or _is_name(question) else question[:1].lower() + question[1:]
    return f"Regarding {topic}, {lowered}" if variant % 2 else f"{topic}: {question}"


def _is_name(question: str) -> bool:
    first, _, _ = question.partition(" ")
    return first == "I"


def _holds(question: str, topic: str) -> bool:
    """Whether a question holds the words of its topic already."""
    asked = question.lower()
    if is_chinese(topic):
        return topic in question
    words = [word for word in re.findall(r"\w+", topic.lower()) if len(word) > 3]
    return bool(words) and all(word.rstrip("s") in asked for word in words)
