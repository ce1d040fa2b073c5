"""Text that gives orders to a model instead of informing a reader (prompt injection), scored by what speaks for it.

Manuals give orders too ("ignore the message and press OK", "you are now connected"), and handbooks of support speak of
customers; so only what addresses a model counts: its instructions, its prompt, its role, its chat markers. Weak signs
add up; from 1.0 on a passage is flagged. What is hidden from readers (hidden.py) is read as a model would read it.
"""

from __future__ import annotations

import re

from ingest.cleaning.hidden import as_read, carries_bits, decoded, revealed_tags

FLAGGED = 1.0

_WHOSE = r"(?:(?:all|any|every|the|your|my|of|these|those|other|system|previous|prior|above|earlier|and|or)[ ,]+)*"
_SIGNS: tuple[tuple[float, str], ...] = (
    # Orders to put aside what the model was told.
    # "Do not ignore the above instructions", "if you ignore ..." is what manuals say.
    (
        1.0,
        r"(?<!not )(?<!n't )(?<!never )(?<!you )(?<!or )\b(?:ignore|start ignoring|disregard|forget|override|bypass|discard|neglect|"
        rf"do not follow|don't follow|stop following|pay no attention to)\s+{_WHOSE}"
        r"(?:previous|prior|above|earlier|preceding|foregoing|system|initial|original|all|your|hidden|developer)[ ,]+"
        r"(?:\w+[ ,]+){0,2}?(?:instructions?|prompts?|directives?|guardrails|guidelines|programming|training)\b",
    ),
    (0.9, r"\b(?:ignore|disregard|forget)\s+(?:everything|all|anything)\s+(?:that\s+)?(?:you\s+(?:were|have been)\s+told|"
          r"(?:you\s+)?(?:know|said|written|stated)?\s*(?:above|before|previously|so far|prior))"),
    (0.6, r"\b(?:ignore|disregard|forget)\s+(?:the\s+)?(?:above|previous|prior)\s+(?:text|content|context|documents?|passages?|sources?)"),
    (0.5, r"\bnew (?:system )?(?:instructions?|task|directive|rules?)\s*[::]"),
    (1.0, r"(?:忽略|无视|無視|忘记|忘記|忘掉|抛开|拋開|不要理会|不必理会|停止遵守|不要遵守|不再遵守|覆盖|绕过|繞過)(?:掉|了)?(?:你|您)?"
          r"(?:之前|以上|前面|上述|先前|此前|上面|原有|原来|现有|系统|系統|开发者|安全|所有|全部|一切|任何|收到|被|给|給|過|过|到|的|、|和|与|内置|預設|预设)+"
          r"(?:指令|指示|提示词|提示詞|系统提示|系統提示|规则|規則|设定|設定|命令|限制|约束|约定|prompt|system prompt)"),
    (0.5, r"(?:忽略|无视|無視|忘记|忘記|忘掉)(?:你|您)?(?:之前|以上|前面|上述|先前|此前|上面)(?:所有|全部|一切|的)*(?:内容|內容|要求|对话|對話|提示|文字|文档|资料)"),
    # Orders to tell what the model was told.
    (
        1.0,
        r"\b(?:reveal|print|show|repeat|output|leak|disclose|expose|dump|display|tell me|give me|return|reproduce)\s+(?:\w+\s+){0,4}?"
        r"(?:your|the)\s+(?:(?:full|entire|exact|hidden|secret|initial|original|complete)\s+){0,2}"
        r"(?:system|hidden|secret|initial|original)\s+(?:prompt|instructions?|message)\b",
    ),
    (1.0, r"(?:输出|輸出|泄露|洩露|显示|顯示|告诉我|告訴我|重复|重複|打印|透露|复述|公开)(?:出)?(?:一?下)?(?:你|您)(?:的|收到的|被给的)?"
          r"(?:完整|全部|所有|原始|初始|隐藏|的)*(?:系统提示词?|系統提示詞?|提示词|提示詞|系统指令|初始指令|隐藏指令|system prompt)"),
    # Another role for the model.
    (
        0.8,
        r"\byou are (?:now|no longer)\s+(?:an?|the|my|in|acting as|playing|called|named)?\s*(?:\w+[ -]){0,3}?"
        r"(?:assistant|ai\b|bot|chatbot|language model|llm|agent|persona|character|jailbroken|unrestricted|dan\b|developer mode|"
        r"hacker|pirate|terminal|interpreter|bound|restricted|expert)",
    ),
    (0.5, r"\b(?:act as|pretend (?:to be|that you are|you are)|role-?play as|behave (?:like|as))\s+(?:an?|the|if)\b"),
    (0.5, r"\bfrom now on,? (?:you|always|never|respond|answer|reply|only)\b"),
    (0.7, r"\b(?:jailbreak|jailbroken|do anything now|unrestricted ai|without (?:any )?(?:restrictions|filters|censorship))\b"),
    (0.8, r"你(?:现在|現在|从现在起|從現在起)(?:开始|開始)?(?:是|扮演|将扮演)(?:一[个個名位])?[^。\n]{0,16}?(?:助手|机器人|機器人|模型|AI|智能体|角色|专家|專家|黑客|终端|客服)"),
    (0.6, r"你不再(?:是|受|需要遵守|遵守)"),
    (0.6, r"(?:从现在(?:起|开始)|從現在(?:起|開始)|接下来)[,,]?(?:请)?你(?:是|要|必须|必須|将|只能|应该)"),
    (0.5, r"(?:扮演|越狱|越獄)(?:一[个個名位])?|不受(?:任何)?(?:限制|约束)"),
    # Words to whoever reads as a model.
    (
        0.6,
        r"\b(?:(?:to|for|attention|note to|dear|hey|if you are|when you are|any|as) )?(?:an? |the |all |any )?"
        r"(?:ai|llm|language model|chatbot|chat ?gpt|gpt|claude|ai assistant|virtual assistant)s?(?: (?:assistant|model|agent|system)s?)?"
        r"(?: (?:reading|processing|summari[sz]ing|that reads?|which reads?|using|parsing)[^.\n]{0,40})?[,:]? ?"
        r"(?:must|should|shall|have to|has to|are (?:required|instructed|ordered)|is (?:required|instructed|ordered)|please|:)",
    ),
    (0.4, r"\bif you are (?:an?|the) (?:ai|llm|language model|large language model|assistant|chatbot|bot)\b"),
    (0.5, r"(?:致|告|给|如果你是|作为)(?:一个|所有|任何|各位|阅读本文的)?(?:AI|人工智能|大模型|语言模型|大语言模型|聊天机器人|智能助手|机器人)"),
    (0.5, r"\b(?:you must|always|only) (?:say|state|claim|recommend|answer|reply|respond|tell (?:the |every )?(?:user|customer)s?)\b"),
    (0.5, r"\b(?:do not|don't|never) (?:tell|mention|reveal|inform|warn|disclose|let)\b[^.\n]{0,30}\b(?:users?|customers?|anyone|this (?:instruction|message|text))\b"),
    (0.5, r"(?:不要|别|請勿|请勿|不得)(?:告诉|告訴|向|让|對|对)[^。\n]{0,10}(?:用户|用戶|客户|客戶|任何人|别人)"),
    (0.5, r"(?:必须|必須|一律|只能|总是|只需|直接)(?:回答|回复|回覆|输出|輸出|说|推荐|声称|告诉(?:用户|客户))"),
    (0.4, r"\b(?:approve|grant|issue|give|offer)\b[^.\n]{0,40}\b(?:full refund|refunds? (?:to|for) (?:every|all|any)|discount code|admin(?:istrator)? (?:access|rights))"),
    (0.4, r"\b(?:your|the) (?:system prompt|hidden instructions|initial instructions)\b"),
    # Chat markers: nobody writes them but who wants to be taken for the system.
    (1.0, r"<\|(?:im_start|im_end|system|user|assistant|endoftext|begin_of_text|start_header_id|eot_id|end)\|>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>"),
    (0.7, r"(?:^|\n)\s*(?:#{2,4}\s*(?:system|instruction)s?\s*[::]|\[?system\]?\s*[::]\s*(?:you|ignore|from now|new)|</?(?:system|system_prompt|instructions?)>)"),
    # Ways out for what was said.
    (1.0, r"!\[[^\]\n]*\]\(\s*<?https?://[^)\s]*[?&=/](?:\{\{?|\$\{|%7[Bb]|\[|<)\s*[\w .]{0,20}(?:conversation|history|chat|message|data|secret|prompt|"
          r"context|answer|question|user|email|password|token|summary|input|query|content)"),
    (0.8, r"\b(?:send|post|forward|upload|exfiltrate|append|transmit|email)\b[^.\n]{0,50}\b(?:conversation|chat history|chat log|system prompt|api keys?|"
          r"passwords?|credentials|user(?:'s)? data|customer(?:'s)? data|previous messages)\b[^.\n]{0,50}(?:https?://|[\w.\-]+@[\w\-]+\.)"),
    (0.8, r"(?:发送|發送|上传|转发|附加|提交)[^。\n]{0,30}(?:对话|聊天记录|密码|密钥|提示词|用户数据|客户数据)?[^。\n]{0,20}(?:到|至|给)\s*(?:https?://|[\w.\-]+@)"),
)  # fmt: skip
# One expression looks whether any of the words is there at all: nine tenths of all passages end here.
_WORTH_A_LOOK = re.compile(
    r"ignor|disregard|forget|overrid|bypass|prompt|instruct|you are n|from now on|act as|pretend|play as|jailbr|do anything now|"
    r"restrict|assistant|\bai\b|llm|language model|chatbot|gpt|claude|you must|always|never|do not|don't|system|<\||\[/?INST|"
    r"<<|_of_turn|!\[|send|forward|upload|append|exfiltrat|\btask\b|directive|refund|"
    r"忽略|无视|無視|忘记|忘記|忘掉|抛开|理会|遵守|覆盖|绕过|繞過|提示|指令|你现在|你現在|不再|从现在|從現在|接下来你|扮演|越狱|越獄|人工智能|模型|机器人|"
    r"助手|不要|请勿|必须|必須|一律|只能|总是|只需|直接|发送|發送|上传|转发|限制|约束",
    re.IGNORECASE,
)
_COMPILED = tuple((weight, re.compile(pattern, re.IGNORECASE | re.ASCII)) for weight, pattern in _SIGNS)
_HIDDEN, _BITS = 1.0, 1.0
# What is hidden counts double: who has nothing to hide writes plainly.
_ENCODED = 2.0


def instruction_score(text: str) -> float:
    """How much speaks for a passage being an order to a model; 0.0 for nothing, flagged from ``FLAGGED`` on."""
    score = 0.0
    tags = revealed_tags(text)
    if tags:
        score += _HIDDEN
    if carries_bits(text):
        score += _BITS
    score += _signs(as_read(text))
    for plain in decoded(text):
        score += _ENCODED * _signs(plain)
    return score


def _signs(text: str) -> float:
    if not _WORTH_A_LOOK.search(text):
        return 0.0
    return sum(weight for weight, pattern in _COMPILED if pattern.search(text))
