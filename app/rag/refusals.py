"""What a customer reads when the files do not hold the answer, or may not, in the customer's language."""

from __future__ import annotations

from collections.abc import Sequence

_REFUSALS = {
    "en": "I could not find this in our documents, so I would rather not guess. Shall I pass your question to a colleague?",
    "zh": "我在我们的资料里没有找到相关内容，不想随意猜测。需要我把您的问题转给人工客服吗？",
    "de": "Dazu habe ich in unseren Unterlagen nichts gefunden und möchte nicht raten. Soll ich Ihre Frage an eine Kollegin "
    "oder einen Kollegen weitergeben?",
    "fr": "Je n'ai rien trouvé à ce sujet dans nos documents et je préfère ne pas deviner. Voulez-vous que je transmette "
    "votre question à un collègue ?",
    "es": "No he encontrado nada al respecto en nuestros documentos y prefiero no adivinar. ¿Quiere que pase su pregunta a "
    "un compañero?",
    "it": "Non ho trovato nulla al riguardo nei nostri documenti e preferisco non tirare a indovinare. Vuole che passi la "
    "domanda a un collega?",
    "pt": "Não encontrei nada sobre isso nos nossos documentos e prefiro não adivinhar. Quer que eu passe a sua pergunta a "
    "um colega?",
    "nl": "Ik heb hierover niets gevonden in onze documenten en wil niet gokken. Zal ik uw vraag doorgeven aan een collega?",
    "ja": "当社の資料に該当する内容が見つかりませんでした。推測でのお答えは控えます。担当者におつなぎしましょうか。",
    "ko": "저희 자료에서 해당 내용을 찾지 못했습니다. 추측으로 답변드리지 않겠습니다. 상담원에게 연결해 드릴까요?",
    "ru": "Я не нашёл этого в наших документах и не хочу гадать. Передать ваш вопрос сотруднику?",
    "pl": "Nie znalazłem tego w naszych dokumentach i wolę nie zgadywać. Czy przekazać pytanie pracownikowi?",
    "tr": "Belgelerimizde bununla ilgili bir bilgi bulamadım ve tahmin yürütmek istemem. Sorunuzu bir çalışanımıza ileteyim mi?",
    "ar": "لم أجد ذلك في مستنداتنا ولا أود التخمين. هل أحوّل سؤالك إلى أحد الزملاء؟",
}


_CLOSEST = {
    "en": "I am not certain that this answers your question. The closest passage in our documents says:",
    "zh": "我不确定这是否回答了您的问题。我们的资料里最接近的内容是：",
}


_AWAY = {
    "en": "I cannot look this up at the moment. Please try again in a few minutes, or let a colleague take over.",
    "zh": "我暂时无法查询资料。请过几分钟再试，或由人工客服为您处理。",
    "de": "Ich kann das im Moment nicht nachsehen. Bitte versuchen Sie es in einigen Minuten noch einmal, oder lassen Sie "
    "sich von einer Kollegin oder einem Kollegen helfen.",
    "fr": "Je ne peux pas consulter nos documents pour le moment. Réessayez dans quelques minutes, ou laissez un collègue "
    "prendre le relais.",
    "es": "En este momento no puedo consultarlo. Inténtelo de nuevo en unos minutos o deje que le atienda un compañero.",
}


_WHICH = {
    "en": ("I am not sure what you are asking for. Our documents speak of {}. Which of these do you mean?", ", "),
    "zh": ("我不太确定您问的是什么。我们的资料里提到：{}。您指的是哪一个？", "、"),
    "de": ("Ich bin nicht sicher, wonach Sie fragen. Unsere Unterlagen sprechen von {}. Was davon meinen Sie?", ", "),
    "fr": ("Je ne suis pas sûr de ce que vous cherchez. Nos documents parlent de {}. Lequel voulez-vous dire ?", ", "),
    "es": ("No estoy seguro de qué busca. Nuestros documentos hablan de {}. ¿A cuál se refiere?", ", "),
}
_ONE = {
    "en": "I am not sure that our documents answer this. What comes closest is about {}. Could you say more precisely what you need?",
    "zh": "我不确定我们的资料能否回答这个问题。最接近的内容是关于{}的。您能说得更具体一些吗？",
    "de": "Ich bin nicht sicher, ob unsere Unterlagen das beantworten. Am nächsten kommt {}. Können Sie genauer sagen, was Sie "
    "brauchen?",
    "fr": "Je ne suis pas sûr que nos documents y répondent. Le plus proche concerne {}. Pouvez-vous préciser votre demande ?",
    "es": "No estoy seguro de que nuestros documentos lo respondan. Lo más cercano trata de {}. ¿Puede precisar qué necesita?",
}


def asking_back(language: str, subjects: Sequence[str]) -> str:
    """A question to the customer that names what the passages are about, in their own words."""
    if len(subjects) == 1:
        return _ONE.get(language, _ONE["en"]).format(_quoted(subjects[0], language))
    text, between = _WHICH.get(language, _WHICH["en"])
    return text.format(between.join(_quoted(subject, language) for subject in subjects))


def _quoted(subject: str, language: str) -> str:
    return f"「{subject}」" if language == "zh" else f"“{subject}”"


def away(language: str) -> str:
    """What is said when nothing can be looked up."""
    return _AWAY.get(language, _AWAY["en"])


def closest(language: str) -> str:
    """What stands before a quote that may miss the question."""
    return _CLOSEST.get(language, _CLOSEST["en"])


def refusal(language: str) -> str:
    """The refusal in a language, English where we have no text."""
    return _REFUSALS.get(language, _REFUSALS["en"])
