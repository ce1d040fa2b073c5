"""Which characters a vocabulary lacks."""

from __future__ import annotations

from finetune.retriever_vocabulary import missing_characters

TEXTS = ["退货须在三十天内，退货单", "退货 W and £ 天内。", "内 内"]


def test_chinese_characters_that_occur_often_enough_and_are_not_there() -> None:
    assert missing_characters(TEXTS, {"天", "，"}) == ["内", *sorted("退货")]


def test_rare_ones_are_left_out_unless_wanted() -> None:
    found = missing_characters(TEXTS, set(), least=1)
    assert found[0] == "内"
    assert {"须", "单", "。", "，"} <= set(found)
    assert not {"W", "a", "£", " "} & set(found)


def test_nothing_is_missing_where_all_is_known() -> None:
    assert missing_characters(TEXTS, set("".join(TEXTS))) == []
