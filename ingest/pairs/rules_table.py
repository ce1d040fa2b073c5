"""Pairs out of table cells, by row and column: "What is the <column> of <row>?" Pure: no I/O."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ingest.pairs.records import Draft, SourceChunk, Style
from ingest.pairs.rules_faq import faq
from ingest.pairs.topics import Corpus, is_chinese, led_by_topic, naming_codes, row_key
from ingest.pairs.units import Row, TableBlock, tables_of
from ingest.pairs.words import ATTRIBUTE_ZH, ATTRIBUTES_EN, EMPTY_CELLS, ROW_IS_ATTRIBUTE

WRITER = "rule:table"
_MOST = 3
_LONGEST_LABEL, _LONGEST_CELL = 60, 160
_INDEX = re.compile(r"^(?:no\.?|nr\.?|#|number|id|编号|序号)$", re.IGNORECASE)
_UNIT = re.compile(r"^(.*?)\s*[(（]([^()（）]{1,14})[)）]\s*$")
_CURRENCY = frozenset("£$€¥")
_SYMPTOM = re.compile(
    r"^(?:what happens|problems?|symptoms?|issues?|faults?|现象|问题|故障|故障现象|问题现象)$", re.IGNORECASE
)
_CODE_COLUMN = re.compile(r"^(?:(?:error |fault )?codes?|(?:故障|错误)?代码)$", re.IGNORECASE)
_REMEDY = re.compile(
    r"^(?:what (?:you can|to) do|solutions?|remed(?:y|ies)|actions?|fix(?:es)?|您可以做什么|解决办法|解决方法|解决方案|处理方法|处理办法|怎么办|排除方法)$",
    re.IGNORECASE,
)
_CAUSE = re.compile(r"^(?:(?:possible |likely |probable )?(?:causes?|reasons?)|(?:可能的?)?原因)$", re.IGNORECASE)
_MEANING = re.compile(r"^(?:meanings?|what it means|含义|意思|意义)$", re.IGNORECASE)
_USE = re.compile(r"^(?:use it for|used for|uses?|use for|purpose)$", re.IGNORECASE)
_HOURS = re.compile(r"^(?:opening )?(?:hours|times)$|^(?:营业|开放|服务|工作|办公)时间$", re.IGNORECASE)
_OFFERS = re.compile(r"^services?$", re.IGNORECASE)
_WHERE = re.compile(r"^(?:地址|位置)$")
_PHONE = re.compile(r"^(?:tele)?phone$|^tel\.?$", re.IGNORECASE)
_MONEY_ZH = re.compile(r"(?:价格|单价|售价|费用|金额|费|价)$")
_AMOUNT = re.compile(r"^\W{0,2}\d")
_PLURAL = re.compile(r"(?<![su])s$")
_SINGULAR = frozenset(["address", "class", "status", "process", "access", "dimensions"])
_ASIDE = re.compile(
    r"^(?:description|notes?|remarks?|details?|comments?|examples?|说明|描述|备注|示例|例子|详情)", re.IGNORECASE
)
_MARKUP = re.compile(r"[{}<>\[\]\\=]|^-\s|\b\w+_\w+\b")
_REFERS = re.compile(r"\b(?:see|above|below|chapter|section)\b|[见详]第|如上|同上|上述|以下|见下|章|节$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell that can be asked for.

    thing, attribute: what has it, and what it is of the thing; unit: of its column, "" for none.
    """

    thing: str
    attribute: str
    unit: str
    value: str
    row: Row
    thing_column: str = ""


def table(chunk: SourceChunk, corpus: Corpus) -> Iterator[Draft]:
    """Questions for a few cells of each table, chosen so that rows and columns differ."""
    for block in tables_of(chunk.text):
        if any(True for _ in faq_columns(chunk, corpus)):
            return
        found = [(cell, draft) for cell in cells(block, chunk, corpus) if (draft := draft_of(cell, chunk, corpus))]
        found.sort(key=lambda entry: (entry[1].style is not Style.PLAIN, _mixed(chunk, entry[1].question)))
        yield from _spread(found)


def faq_columns(chunk: SourceChunk, corpus: Corpus) -> Iterator[Draft]:
    """Pairs that a table of questions and answers gives already."""
    return (draft for draft in faq(chunk, corpus) if draft.evidence.count("\n") == 0 and "|" in chunk.text)


def _spread(found: list[tuple[Cell, Draft]]) -> Iterator[Draft]:
    things: set[str] = set()
    attributes: set[str] = set()
    left = list(found)
    for strict in (True, False):
        for cell, draft in list(left):
            fresh = cell.thing not in things and (cell.attribute not in attributes or not strict)
            if fresh and len(things) < _MOST:
                things.add(cell.thing)
                attributes.add(cell.attribute)
                left.remove((cell, draft))
                yield draft


def _mixed(chunk: SourceChunk, question: str) -> str:
    """An order that is the same in every run and follows neither rows nor columns."""
    return hashlib.sha256(f"{chunk.text_hash}\0{question}".encode()).hexdigest()


def cells(block: TableBlock, chunk: SourceChunk, corpus: Corpus) -> Iterator[Cell]:
    """The cells of a table that say something about a thing that the table names once."""
    first = 1 if _INDEX.match(block.header[0]) and len(block.header) > 2 and _all_digits(block, 0) else 0
    turned = _is_turned(block.header[first:])
    for row, below in zip(block.rows, (*block.rows[1:], None), strict=True):
        name = _label(block, row, first, chunk, corpus)
        # A name whose next row has none stands for both.
        if not name or (below is not None and not below.cells[first]):
            continue
        for column in range(first + 1, len(row.cells)):
            heading, value = block.header[column], row.cells[column]
            if (
                not heading
                or not _says_something(value)
                or len(heading) > 40
                or name.endswith((f"({value})", f"（{value}）"))
            ):
                continue
            if turned:
                attribute, unit = _split_unit(row.cells[first])
                yield Cell(heading, attribute, unit, value, row)
            else:
                attribute, unit = _split_unit(heading)
                yield Cell(name, attribute, unit, value, row, block.header[first])


def _all_digits(block: TableBlock, column: int) -> bool:
    return all(row.cells[column].isdigit() for row in block.rows)


def _is_turned(header: tuple[str, ...]) -> bool:
    """Whether columns are things and rows what is said of them."""
    things = header[1:]
    coded = [name for name in things if naming_codes(name) and len(name.split()) <= 2 and not ATTRIBUTE_ZH.search(name)]
    if len(things) < 2 or len(coded) == len(things):
        return len(things) >= 2
    attributes = any(ATTRIBUTE_ZH.search(_split_unit(n)[0]) or attribute_en(_split_unit(n)[0]) for n in things)
    return bool(ROW_IS_ATTRIBUTE.match(header[0])) and not attributes and not any(map(_ASIDE.match, things))


def _label(block: TableBlock, row: Row, first: int, chunk: SourceChunk, corpus: Corpus) -> str:
    """What a row is about; with a second cell where several rows share the first. "" where that does not set it apart."""
    name = row.cells[first]
    if not _is_label(name):
        return ""
    if name.isdigit():
        name = f"{block.header[first]} {name}" if block.header[first] else ""
    if _is_turned(block.header[first:]):
        return name
    if (
        corpus.rows[row_key(chunk, row.cells[0])] <= 1
        and sum(other.cells[first] == row.cells[first] for other in block.rows) == 1
    ):
        return name
    for column in range(first + 1, len(row.cells)):
        second = row.cells[column]
        alike = sum(other.cells[first] == row.cells[first] and other.cells[column] == second for other in block.rows)
        # A figure is what is asked for, not what tells rows apart.
        if (
            alike == 1
            and corpus.rows[row_key(chunk, row.cells[0], second)] <= 1
            and _is_label(second)
            and not _AMOUNT.match(second)
        ):
            return f"{name}（{second}）" if is_chinese(name + second) else f"{name} ({second})"
    return ""


def _is_label(name: str) -> bool:
    return (
        0 < len(name) <= _LONGEST_LABEL
        and name.casefold() not in EMPTY_CELLS
        and not _MARKUP.search(name)
        and sum(char.isalpha() or (char.isdigit() and name.isdigit()) for char in name) >= 1
        and (name[0].isalnum() or name[0] in '“"（(')
    )


def _says_something(value: str) -> bool:
    bare = value.strip().casefold()
    return (
        0 < len(value) <= _LONGEST_CELL
        and bare not in EMPTY_CELLS
        and bare.split()[0] not in ("no", "none", "无")
        and not _MARKUP.search(value)
        and not _REFERS.search(value)
        and any(char.isalnum() for char in value)
    )


def _split_unit(name: str) -> tuple[str, str]:
    match = _UNIT.match(name)
    if match is None or (len(match[2]) > 8 and " " in match[2]):
        return name.strip(), ""
    return match[1].strip(), match[2].strip()


def draft_of(cell: Cell, chunk: SourceChunk, corpus: Corpus) -> Draft | None:
    """The pair of a cell; a keyword query where its column is not what a thing can be asked for."""
    chinese = is_chinese(cell.thing + cell.attribute + cell.value) or is_chinese(cell.attribute)
    question, answer = _worded_zh(cell) if chinese else _worded_en(cell)
    style = Style.PLAIN
    if not question:
        return None
    if re.fullmatch(r"name|名称|标题|title", cell.attribute, re.IGNORECASE) and not naming_codes(cell.thing):
        return None
    described = _ASIDE.match(cell.attribute)
    if described and cell.thing[:1].islower():
        return None
    named = (
        not described
        and not _CODE_COLUMN.match(cell.thing_column)
        and _is_name(cell.thing)
        and corpus.labels[cell.row.cells[0]] <= 1
    )
    led = question if named else led_by_topic(question, chunk, corpus, int(_mixed(chunk, question)[:2], 16))
    if not led:
        return None
    language = "zh" if chinese else "en"
    return Draft(led, answer, (chunk,), WRITER, language, cell.row.line, cell.value, style=style)


def _is_name(thing: str) -> bool:
    """Whether a row's name tells by itself what it is: "Cardiff Slate Quay", 上海浦东店."""
    if is_chinese(thing):
        return bool(re.search(r".{3,}(?:店|公司|中心|分行|支行|门店|酒店|医院|学院|大学|机场|车站)$", thing))
    words = thing.split()
    return len(words) >= 2 and all(word[:1].isupper() for word in words) and not any(char in thing for char in ",;:&/")


def valued(cell: Cell) -> str:
    """A value with the unit of its column: "£429.00", "0.94 kWh"."""
    if not cell.unit or not _AMOUNT.match(cell.value) or cell.unit.lower() in cell.value.lower():
        return cell.value
    if not re.fullmatch(r"[\d.,:\s\-–~至到to/]+", cell.value) or re.search(r"[:：]", cell.unit):
        return cell.value
    return f"{cell.unit}{cell.value}" if cell.unit in _CURRENCY else f"{cell.value} {cell.unit}"


def attribute_en(name: str) -> str:
    """An English column's name inside a sentence, if a thing can be asked for it; "" if not."""
    name = name.replace("_", " ").strip()
    words = re.findall(r"[A-Za-z\-]+", name.partition(",")[0])
    last = words[-1].lower() if words else ""
    if not words or len(words) > 5 or (last not in ATTRIBUTES_EN and last.removesuffix("s") not in ATTRIBUTES_EN):
        return ""
    head, comma, tail = name.partition(", ")
    bare = f"{head} ({tail})" if comma else name
    return bare if bare[:2].isupper() else bare[:1].lower() + bare[1:]


def _worded_en(cell: Cell) -> tuple[str, str]:
    """Question and answer; ("", "") for a column that is no attribute."""
    thing, value, column = cell.thing, valued(cell).rstrip("."), cell.attribute
    if _SYMPTOM.match(cell.thing_column):
        if _REMEDY.match(column):
            return f"{thing}: what can I do?", f"{thing}: {value}."
        if _CAUSE.match(column):
            return f"{thing}: what can be the cause?", f"{thing}: a possible cause is: {value}."
        return "", ""
    if _CODE_COLUMN.match(cell.thing_column):
        if _MEANING.match(column):
            return f"What does code {thing} mean?", f"Code {thing} means: {value}."
        if _REMEDY.match(column):
            return f"What can I do when code {thing} is shown?", f"When code {thing} is shown: {value}."
        return (
            (
                f"What is the {attribute_en(column)} of code {thing}?",
                f"The {attribute_en(column)} of code {thing} is: {value}.",
            )
            if attribute_en(column)
            else ("", "")
        )
    if _USE.match(column):
        return f"What is {thing} used for?", f"{thing} is used for: {value}."
    if _OFFERS.match(column):
        return f"Which services does {thing} offer?", f"{thing} offers these services: {value}."
    if _ASIDE.match(column):
        if (
            not column.lower().startswith("desc")
            or _CODE_COLUMN.match(cell.thing_column)
            or len(value.split()) < 3
            or " " not in thing
        ):
            return "", ""
        return f"What is {thing}?", f"{thing}: {value}."
    if _HOURS.match(column.replace("_", " ")):
        return f"What are the opening hours of {thing}?", f"The opening hours of {thing} are: {value}."
    if _PHONE.match(column):
        return f"What is the phone number of {thing}?", f"The phone number of {thing} is {value}."
    attribute = attribute_en(column)
    if not attribute:
        return "", ""
    last = attribute.split()[-1]
    verb = "are" if _PLURAL.search(last) and last not in _SINGULAR else "is"
    preposition = "for" if naming_codes(attribute) else "of"
    said = f"{value}" if len(value) < 60 and not re.search(r"[;:]|[.!?] ", value) else f": {value}"
    return (
        f"What {verb} the {attribute} {preposition} {thing}?",
        f"The {attribute} {preposition} {thing} {verb}{'' if said[0] == ':' else ' '}{said}.",
    )


def _worded_zh(cell: Cell) -> tuple[str, str]:
    thing, value, column = cell.thing, valued(cell).rstrip("。"), cell.attribute
    if _SYMPTOM.match(cell.thing_column) and (_REMEDY.match(column) or _CAUSE.match(column)):
        if _REMEDY.match(column):
            return f"出现“{thing}”怎么办？", f"{thing}：{value}。"
        return f"出现“{thing}”可能是什么原因？", f"{thing}，可能的原因：{value}。"
    if _CODE_COLUMN.match(cell.thing_column):
        if _MEANING.match(column):
            return f"代码 {thing} 是什么意思？", f"代码 {thing} 的{column}是：{value}。"
        if _REMEDY.match(column):
            return f"显示代码 {thing} 时怎么办？", f"显示代码 {thing} 时：{value}。"
        return "", ""
    if not ATTRIBUTE_ZH.search(column):
        return "", ""
    if naming_codes(column):
        return f"{thing}的 {column}是多少？", f"{thing}的 {column}是 {value}。"
    gap = " " if thing[-1:].isascii() else ""
    if _WHERE.match(column):
        return f"{thing}{gap}在哪里？", f"{thing}{gap}的{column}是{value}。"
    if (
        "、" in value
        and not _AMOUNT.match(value)
        and re.search(r"型号|颜色|服务|类型|格式|地区|城市|功能|权限|角色", column)
    ):
        return f"{thing}{gap}的{column}有哪些？", f"{thing}{gap}的{column}有：{value}。"
    asks = "是多少" if _AMOUNT.match(value) and not re.search(r"[：:，；]", value) else "是什么"
    return (
        f"{thing}{gap}的{column}{asks}？",
        f"{thing}{gap}的{column}是{'：' if re.search(r'[，；]', value) else ' ' if value[0].isascii() else ''}{value}。",
    )
