"""Identity, tax and health numbers of many countries, by presidio's recognizers.

Only the recognizers are used, without its language models: each is a pattern and a checksum. Digits that pass a
checksum are common (one in ten or eleven of all article numbers does), so a number counts only where the passage also
names the kind of number; an IBAN, whose checksum and length by country are sure enough, counts by itself.
Loading takes a second, once a process; nothing is loaded before a passage has both a word and a digit that ask for it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from ingest.cleaning.findings import Finding, finding

# kind, presidio's recognizer, words that must stand in the passage, whether its own checksum must have been right.
_NUMBERS: tuple[tuple[str, str, str, bool], ...] = (
    ("ssn", "UsSsnRecognizer", r"\bssns?\b|social security|社会安全号|社会保障号", False),
    ("tax_number", "UsItinRecognizer", r"\bitin\b|individual taxpayer", False),
    ("nino", "UkNinoRecognizer", r"national insurance|\bni (?:number|no)\b|\bnino\b", False),
    ("health_number", "NhsRecognizer", r"\bnhs\b|national health service", True),
    ("identity_number", "EsNifRecognizer", r"\b(?:dni|nif)\b", True),
    ("identity_number", "EsNieRecognizer", r"\bnie\b", True),
    ("tax_number", "ItFiscalCodeRecognizer", r"codice fiscale|\bfiscal code|\bc\.?f\.?:", True),
    ("identity_number", "PlPeselRecognizer", r"\bpesel\b", True),
    ("identity_number", "SgFinRecognizer", r"\b(?:nric|fin)\b", False),
    ("identity_number", "InAadhaarRecognizer", r"\baadhaar\b|\buidai\b", True),
    ("tax_number", "InPanRecognizer", r"\bpan (?:card|number|no)\b|permanent account number", False),
    ("tax_number", "AuTfnRecognizer", r"\btfn\b|tax file number", True),
    ("health_number", "AuMedicareRecognizer", r"\bmedicare\b", True),
    ("identity_number", "KrRrnRecognizer", r"\brrn\b|resident registration|주민등록", False),
    ("identity_number", "FiPersonalIdentityCodeRecognizer", r"\bhetu\b|henkilötunnus|personal identity code", True),
    ("identity_number", "SePersonnummerRecognizer", r"\bpersonnummer\b|personal identity number", True),
    ("tax_number", "DeTaxIdRecognizer", r"steuer-?id|steueridentifikationsnummer|\btax id", True),
    ("ssn", "DeSocialSecurityRecognizer", r"sozialversicherung|rentenversicherung|\bsv-?nummer", True),
    ("identity_number", "TrNationalIdRecognizer", r"kimlik|\btckn\b", True),
    ("identity_number", "ThTninRecognizer", r"thai (?:national )?id|เลขประจำตัวประชาชน|เลขบัตรประชาชน", True),
    ("ssn", "CaSinRecognizer", r"\bsin (?:number|no)\b|\bsin:|social insurance", False),
)
_WORDS = tuple(re.compile(words, re.IGNORECASE | re.ASCII) for _, _, words, _ in _NUMBERS)
_ANY_WORD = re.compile("|".join(f"(?:{words})" for _, _, words, _ in _NUMBERS), re.IGNORECASE | re.ASCII)
# To its patterns a Chinese character is a letter, and a number beside one is no number.
_HAN = re.compile(r"[\u3000-\u9fff\uff00-\uffef]")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?=(?: ?[A-Z0-9]){11})")
# Below it, presidio has found the bare pattern of digits and does not believe in it itself.
_PATTERN, _SURE = 0.3, 1.0


def find_national_numbers(text: str) -> list[Finding]:
    """Numbers that a state or a bank gives to a person, in a passage with narrow digits."""
    found = []
    plain = _HAN.sub(" ", text)
    if _IBAN.search(plain):
        found += _results("IbanRecognizer", "iban", plain, _SURE)
    if _ANY_WORD.search(text) and any(char.isdigit() for char in text):
        for (kind, recognizer, _, checked), words in zip(_NUMBERS, _WORDS, strict=True):
            if words.search(text):
                found += _results(recognizer, kind, plain, _SURE if checked else _PATTERN)
    return found


def load() -> None:
    """Load the library now instead of with the first passage that needs it."""
    _recognizer("IbanRecognizer")


def _results(recognizer: str, kind: str, text: str, least: float) -> list[Finding]:
    library = _recognizer(recognizer)
    results = library.analyze(text, library.supported_entities, None)
    return [finding(kind, text, result.start, result.end) for result in results if result.score >= least]


@lru_cache(maxsize=64)
def _recognizer(name: str) -> Any:
    from ingest.parse.partition import without_models

    with without_models():
        from presidio_analyzer import predefined_recognizers

    return getattr(predefined_recognizers, name)()
