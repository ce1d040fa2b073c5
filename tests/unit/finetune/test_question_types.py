"""What a question asks for, in both languages."""

from __future__ import annotations

import pytest

from finetune.question_types import QUESTION_TYPES, question_type

TABLE = {
    "who": ["Who opened the shop?", "By whom is it applied?", "Whose motor is it?", "谁发明了它？", "這是誰寫的?", "由哪位工程师设计？"],
    "when": [
        "When does the shop open?",
        "In what year did it open?",
        "Can you tell me when it ends?",
        "店什么时候开门？",
        "成立于哪一年？",
        "佛教大約於幾世紀時傳入日本?",
        "政府撤退至臺灣於西元幾年?",
        "爆发的具体时间是？",
    ],
    "where": ["Where is the shop?", "In which country was it made?", "店在哪里？", "球場位在哪一個國家境內?", "这台机器在哪生产？"],
    "how many": [
        "How many litres does it hold?",
        "How long is the motor guaranteed?",
        "What is the price of the filter?",
        "保修期有多长？",
        "有几名队员？",
        "费用是多少？",
    ],
    "what": [
        "What is a filter?",
        "And in the manual, which page is it on?",
        "教堂被称为什么？",
        "此條約的主要意義為何?",
        "他的职业是？",
        "最后一集在哪一集？",
    ],
    "why": ["Why does it leak?", "How come it leaks?", "For what reason was it built?", "灯为什么不亮？", "为何漏水？", "原因是什么？"],
    "how": ["How do I clean it?", "怎么清洁滤网？", "關島是如何免除的？"],
    "yes-no": [
        "Does it leak?",
        "Can I cancel when it has been sent?",
        "Avia Hotel: Is breakfast included?",
        "Hi, could I pay later?",
        "I wonder if it is loud.",
        "Do you know whether there is a lift?",
        "能退货吗？",
        "是否包邮",
        "能不能退",
        "会漏水嗎?",
    ],
    "other": ["The shop in Leeds", "I need a filter.", "", "???", "简述其重要性"],
}  # fmt: skip


@pytest.mark.parametrize(("kind", "question"), [(kind, q) for kind, questions in TABLE.items() for q in questions])
def test_question_type(kind: str, question: str) -> None:
    assert question_type(question) == kind


def test_every_type_is_tested() -> None:
    assert set(TABLE) == set(QUESTION_TYPES)
