"""Each rule on text as companies write it, English and Chinese, and on text that must not make a pair."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ingest.pairs.records import Draft, SourceChunk
from ingest.pairs.rules import MOST_A_CHUNK, RuleWriter
from ingest.pairs.rules_faq import faq
from ingest.pairs.rules_lines import contacts, facts, labels
from ingest.pairs.rules_table import table
from ingest.pairs.rules_text import definition, how_question, procedure
from ingest.pairs.topics import Corpus, topic_of
from tests.unit.ingest.pairs.passages import passage


def asked(drafts: object) -> list[tuple[str, str, str]]:
    return [(d.question, d.answer, d.short) for d in drafts]  # type: ignore[attr-defined]  # an iterable of drafts


def corpus(*chunks: SourceChunk) -> Corpus:
    return Corpus.of(chunks)


def test_a_heading_that_is_a_question_is_answered_by_its_section() -> None:
    english = passage("Debit and credit cards. Cheques are not possible.", "FAQ", "Which ways of paying do you accept?")
    chinese = passage("支持银行卡和扫码支付，不支持货到付款。", "常见问题", "可以用哪些方式付款？")
    (one,), (other,) = (list(faq(c, corpus(english, chinese))) for c in (english, chinese))
    assert (one.question, one.answer, one.language) == (english.heading_path[-1], english.text, "en")
    assert (other.question, other.answer, other.language) == (chinese.heading_path[-1], chinese.text, "zh")


def test_a_question_whose_section_goes_on_is_not_answered_by_half_of_it() -> None:
    first = passage("Students get 6 %.", "FAQ", "Who gets a discount?", ordinal=0)
    second = passage("Teachers get 5 %.", "FAQ", "Who gets a discount?", ordinal=1)
    assert list(faq(first, corpus(first, second))) == []


def test_a_question_that_leans_on_its_page_is_led_by_the_title() -> None:
    chunk = passage("Yes, for up to 14 days.", "FAQ", "Can it be used offline?", title="Pocket Translator")
    (draft,) = faq(chunk, corpus(chunk))
    assert draft.question == "Pocket Translator: Can it be used offline?"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Q: Do you ship to Norway?\nA: Yes, within 6 days.\n\nQ: Can I collect it?\nA: In Leeds only.",
         [("Do you ship to Norway?", "Yes, within 6 days."), ("Can I collect it?", "In Leeds only.")]),
        ("问：发票怎么开？\n答：下单时填写抬头，签收后发送。", [("发票怎么开？", "下单时填写抬头，签收后发送。")]),
        ("| Question | Answer |\n|---|---|\n| Do you rent out bicycles? | Yes, from £9 a day. |",
         [("Do you rent out bicycles?", "Yes, from £9 a day.")]),
        ("| 问题 | 回答 |\n|---|---|\n| 周末可以退房吗 | 可以，十二点以前。 |", [("周末可以退房吗？", "可以，十二点以前。")]),
        # Questions to the reader, rhetorical ones, and lists of them, are not asked by customers.
        ("- Where will it stand?\n- How many people live there?\n\nNotes: Practise in pairs.", []),
        ("Need an integration that is missing?\n\nBuild it with the kit.", []),
        ("Q: What does it cost?\nA: See the price list.", []),
    ],
)  # fmt: skip
def test_questions_in_the_text(text: str, expected: list[tuple[str, str]]) -> None:
    chunk = passage(text, "Service")
    assert [(d.question, d.answer) for d in faq(chunk, corpus(chunk))] == expected
    assert all(d.evidence in text for d in faq(chunk, corpus(chunk)))


@pytest.mark.parametrize(
    ("heading", "text", "question"),
    [
        ("Chatflow", "Chatflow is a special type of app that answers at every turn.", "What is Chatflow?"),
        ("The Circle", "The Circle is our free programme for members.", "What is the Circle?"),
        ("工作空间", "工作空间是团队的完整环境。", "工作空间是什么？"),
        ("适用范围", "本政策所称“大家电”，指洗碗机和冰箱。", "“大家电”指什么？"),
        ("Refunds", "Refunds are paid within 5 working days of the inspection.", ""),
        ("Delivery", "The driver is an employee of a partner.", ""),
        ("工作空间", "工作空间是否可见由管理员决定。", ""),
        ("Overview", "Overview is a word that names nothing.", ""),
    ],
)
def test_definitions(heading: str, text: str, question: str) -> None:
    chunk = passage(text, heading)
    assert [d.question for d in definition(chunk, corpus(chunk))] == ([question] if question else [])


@pytest.mark.parametrize(
    ("heading", "question"),
    [
        ("Filling in salt", "How do I fill in salt?"),
        ("Setting the softener", "How do I set the softener?"),
        ("Storing and cleaning the filters", "How do I store and clean the filters?"),
        ("How to return an order", "How do I return an order?"),
        ("Change your address", "How do I change my address?"),
        ("Claims process", "What are the steps of the claims process?"),
        ("拆除运输螺栓", "如何拆除运输螺栓？"),
        ("如何申请退款", "如何申请退款？"),
        ("报修申请流程", "报修申请有哪些步骤？"),
        # Names of things, however verb-like they begin.
        ("Lower basket", ""), ("Order number", ""), ("Wedding rings", ""), ("Programme data", ""), ("Setup steps", ""), ("Overview", ""), ("迁移路径", ""), ("配置选项", ""), ("技术数据", ""),
    ],
)  # fmt: skip
def test_headings_that_name_a_procedure(heading: str, question: str) -> None:
    assert how_question(heading) == question


def test_steps_are_answered_whole_and_verbatim() -> None:
    text = "Use coarse salt only.\n\n1 Take out the lower basket.\n\n2 Add 1.2 kg of salt.\n\n3 Close the lid tightly.\n\nRinse at once."
    chunk = passage(text, "4 Before the first wash", "4.3 Filling in salt")
    (draft,) = procedure(chunk, corpus(chunk))
    assert draft.question == "How do I fill in salt?"
    assert draft.answer == "1 Take out the lower basket.\n2 Add 1.2 kg of salt.\n3 Close the lid tightly."
    assert draft.evidence in text


def test_steps_that_may_go_on_in_the_next_passage_are_left() -> None:
    first = passage("1. Unplug it.\n2. Open the lid.", "Cleaning the pump", ordinal=0)
    second = passage("3. Take out the wheel.", "Cleaning the pump", ordinal=1)
    assert list(procedure(first, corpus(first, second))) == []


@pytest.mark.parametrize(
    "text",
    [
        "1. Semantic retrieval finds by meaning.\n2. Keyword matching finds by words.",  # a list, and no steps
        "1. Start the container:\n2. Then run the following:",  # what is run is missing
        "Plates may be up to 31 cm. Tall glasses lean to the side.",  # tells nothing to do
    ],
)
def test_what_is_no_procedure(text: str) -> None:
    chunk = passage(text, "Configuring retrieval")
    assert list(procedure(chunk, corpus(chunk))) == []


def test_orders_in_prose_are_a_procedure() -> None:
    chunk = passage(
        "按住“温度”和“转速”3 秒，显示屏出现钥匙图案。再按一次即可解除。",
        "8 日常使用",
        "8.3 启用儿童锁",
        title="洗衣机 WM-700",
    )
    (draft,) = procedure(chunk, corpus(chunk))
    assert draft.question.endswith("如何启用儿童锁？")
    assert "WM-700" in draft.question
    assert draft.answer == chunk.text


PRICES = "| Model | Colour | Price (£) |\n|---|---|---|\n| FD-180 | white | 349.00 |\n| FD-250 | black | 579.00 |"
DATA = "| Item | FD-200 | FD-250 |\n|---|---|---|\n| Rated power | 2000 W | 1850 W |\n| Inside light | no | yes |"


def test_cells_by_row_and_column_with_the_unit_of_the_column() -> None:
    chunk = passage(PRICES, "Appliances")
    found = asked(table(chunk, corpus(chunk)))
    assert any(question.startswith("What is the price of FD-") for question, _, _ in found) or any(
        "colour" in q for q, _, _ in found
    )
    for question, answer, short in found:
        assert short in PRICES
        if "price" in question:
            assert answer == f"The price of {question[21:-1]} is £{short}."


def test_a_table_of_attributes_by_product_is_read_the_other_way() -> None:
    chunk = passage(DATA, "Technical data")
    questions = {d.question for d in table(chunk, corpus(chunk))}
    assert questions == {"What is the rated power of FD-200?", "What is the rated power of FD-250?"}


def test_rows_that_share_a_name_are_told_apart_or_left() -> None:
    told = "| Model | Colour | Price |\n|---|---|---|\n| RF-360 | white | £559 |\n| RF-360 | black | £599 |"
    chunk = passage(told, "Appliances")
    questions = {d.question for d in table(chunk, corpus(chunk))}
    assert questions == {"What is the price of RF-360 (white)?", "What is the price of RF-360 (black)?"}
    first = passage("| Model | Price |\n|---|---|\n| RF-360 | £559 |", "Appliances", ordinal=0)
    second = passage("| Model | Price |\n|---|---|\n| RF-360 | £599 |", "Appliances", ordinal=1)
    assert list(table(first, corpus(first, second))) == []


def test_chinese_tables() -> None:
    chunk = passage("| 型号 | 净重 | 价格（元） |\n|---|---|---|\n| WM-700 | 62 公斤 | 2199 |", "整机")
    (draft,) = table(chunk, corpus(chunk))
    assert (draft.question, draft.answer) in {
        ("WM-700 的净重是多少？", "WM-700 的净重是 62 公斤。"),
        ("WM-700 的价格是多少？", "WM-700 的价格是 2199 元。"),
    }
    faults = passage(
        "| 现象 | 解决办法 |\n|---|---|\n| 毛巾发硬 | 选择加漂，定期除垢 |", "洗涤效果", title="洗衣机 WM-700"
    )
    (draft,) = table(faults, corpus(faults))
    assert draft.short == "选择加漂，定期除垢"
    assert all(name in draft.question for name in ("毛巾发硬", "WM-700"))


@pytest.mark.parametrize(
    "text",
    [
        "| Part | FD-200 | FD-250 |\n|---|---|---|\n| Cutlery drawer | no | yes |",  # yes and no answer no "what"
        "| Field | Note |\n|---|---|\n| user_id | - placed in metadata |",
        "| 字段 | 说明 |\n|---|---|\n| user_id | {{value}} |",
        "| Programme | Remark |\n|---|---|\n| Eco | see chapter 7 |",
        "|  | Monday | Tuesday |\n|---|---|---|\n| 9:00 | Anna | Bert |",
    ],
)
def test_cells_that_cannot_be_asked_for(text: str) -> None:
    chunk = passage(text, "Data")
    assert list(table(chunk, corpus(chunk))) == []


@pytest.mark.parametrize(
    ("sentence", "question", "short"),
    [
        ("The motor of the WM-700 is guaranteed for 5 years.", "For how long is the motor of the WM-700 guaranteed?", "for 5 years"),
        ("We keep functional spare parts for at least 10 years.", "For how long do you keep functional spare parts?", "for at least 10 years"),
        ("You can cancel your booking until 20:00.", "Until when can I cancel my booking?", "until 20:00"),
        ("The exchange offer ends on 31 August 2026.", "When does the exchange offer end?", "on 31 August 2026"),
        ("A second item costs £20.", "How much does a second item cost?", "£20"),
        ("The repair takes about 40 minutes.", "How long does the repair take?", "about 40 minutes"),
        ("The factory setting of the softener is 3.", "What is the factory setting of the softener?", "3"),
        ("Each plan supports up to 10 seats.", "How many seats does each plan support at most?", "up to 10 seats"),
        ("Anna Bergman is the head of the customer service.", "Who is the head of the customer service?", "Anna Bergman"),
        ("The heating element is fitted by a service partner.", "By whom is the heating element fitted?", "a service partner"),
    ],
)  # fmt: skip
def test_english_figures(sentence: str, question: str, short: str) -> None:
    chunk = passage(sentence, "Guarantee of washing machines")
    (draft,) = facts(chunk, corpus(chunk))
    assert draft.question.lower().endswith(question.lower())
    assert (draft.answer, draft.short) == (sentence, short)


@pytest.mark.parametrize(
    "sentence",
    [
        "It lasts for 5 years.",  # nobody knows what
        "This offer ends on 31 August 2026.",
        "If we are late by more than 2 hours, the fee is refunded.",
        "Orders are not kept for 7 days.",
        "Delivery takes 3 days and costs £4.",
        "The agreement can be spread over 6, 12 or 24 instalments.",
        "Press Start for 3 seconds.",
        "After that a change costs £15.",
        "You can move the day free of charge until 20:00 two days before.",
    ],
)
def test_english_sentences_that_cannot_be_turned(sentence: str) -> None:
    chunk = passage(sentence, "Guarantee of washing machines")
    assert list(facts(chunk, corpus(chunk))) == []


@pytest.mark.parametrize(
    ("sentence", "question", "short"),
    [
        ("付费维修更换的零件保修 6 个月。", "付费维修更换的零件保修几个月？", "6 个月"),
        ("OV-72P 的高温自洁一次约需 150 分钟，期间炉门锁定。", "OV-72P 的高温自洁一次约需多少分钟？", "150 分钟"),
        ("没有故障的上门检测收取检测费 60 元。", "没有故障的上门检测收取检测费多少钱？", "60 元"),
        ("机器按重量计有 84 % 的材料可以回收。", "机器按重量计有百分之多少的材料可以回收？", "84 %"),
        ("下单后 7 天内，若官网同款降价，可以申请退还差价。", "下单后多少天内，若官网同款降价，可以申请退还差价？", "7 天"),
    ],
)  # fmt: skip
def test_chinese_figures(sentence: str, question: str, short: str) -> None:
    chunk = passage(sentence, "保修与服务条款")
    (draft,) = facts(chunk, corpus(chunk))
    assert draft.question.endswith(question)
    assert (draft.answer, draft.short) == (sentence, short)


@pytest.mark.parametrize(
    "sentence",
    [
        "该产品保修 3 年，自签收之日起计算。",
        "其中运费为 30 元，由顾客承担。",
        "洗衣机保修 3 年，冰箱保修 5 年，烤箱保修 2 年。",
        "如需帮助，请阅读第 8 章的说明。",
        "点击按钮后等待 3 秒，再次点击按钮确认。",
    ],
)
def test_chinese_sentences_that_cannot_be_asked(sentence: str) -> None:
    chunk = passage(sentence, "保修与服务条款")
    questions = [d.question for d in facts(chunk, corpus(chunk))]
    assert questions in ([], ["保修与服务条款：洗衣机保修几年？"], ["关于保修与服务条款，洗衣机保修几年？"])


def test_labelled_lines_and_contacts() -> None:
    notice = passage(
        "型号：WM-700，白色\n生产时间：2025 年 3 月至 6 月\n注意：请勿转送他人 3 次\n更改语言：点击头像",
        "涉及的产品",
        title="进水管安全通知",
    )
    # Below another title the same heading speaks of other products: without one nothing is asked.
    assert list(labels(replace(notice, title=""), corpus(notice))) == []
    questions = [d.question for d in labels(notice, corpus(notice))]
    assert [question[-6:] for question in questions] == ["型号是什么？", "时间是什么？"]
    assert all("进水管安全通知" in question for question in questions)
    desk = passage("Delivery desk: 0808 157 0466, Monday to Saturday 7:00 to 20:00.", "If something goes wrong")
    (draft,) = contacts(desk, corpus(desk))
    assert (draft.question, draft.short) == ("What is the telephone number of the delivery desk?", "0808 157 0466")
    line = passage("退换货专线 021-0000-0844，每天 9:00 至 21:00。", "联系我们")
    (draft,) = contacts(line, corpus(line))
    assert (draft.question, draft.short) == ("退换货专线是多少？", "021-0000-0844")


def test_contents_and_running_titles_make_no_pairs() -> None:
    contents = passage("9.2 Filters . . . . . . . . . . 18 9.3 Spray arms . . . . . . . . . 18", "Contents")
    assert list(RuleWriter(corpus(contents)).write(contents)) == []


def test_five_pairs_a_passage_and_one_question_a_fact() -> None:
    rows = "\n".join(f"| FD-{n}00 | {n} kg | £{n}9 |" for n in range(1, 9))
    sentences = " ".join(f"The repair of model M-{n}00 takes {n} days." for n in range(2, 9))
    chunk = passage(f"{sentences}\n\n| Model | Weight | Price |\n|---|---|---|\n{rows}", "Appliances")
    drafts = list(RuleWriter(corpus(chunk)).write(chunk))
    assert len(drafts) == MOST_A_CHUNK
    assert len({(d.evidence, d.short) for d in drafts}) == MOST_A_CHUNK


def test_the_same_pairs_in_every_run_and_all_of_them_verbatim() -> None:
    chunk = passage(PRICES, "Appliances")
    writer = RuleWriter(corpus(chunk))
    first: list[Draft] = list(writer.write(chunk))
    assert first == list(writer.write(chunk))
    assert all(d.evidence in chunk.text and d.short in d.evidence for d in first)


def test_topics_name_what_a_heading_alone_does_not() -> None:
    manual = passage("Text.", "3 Installation", "3.2 Levelling", title="Dishwashers FD-200 and FD-250")
    assert topic_of(manual, corpus(manual)) == "Levelling (Dishwashers FD-200 and FD-250)"
    page = passage("Text.", "Overview", title="Loop")
    assert topic_of(page, corpus(page)) == "Loop"
    clause = passage("Text.", "If you would rather not wait", title="Safety notice")
    assert topic_of(clause, corpus(clause)) == "Safety notice"
