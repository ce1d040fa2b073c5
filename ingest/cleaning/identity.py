"""Numbers that check themselves: Chinese identity cards and bank cards. Pure functions over digits, no search."""

from __future__ import annotations

from datetime import date

from ingest.cleaning.findings import wordset

# First two digits of the place of registration (GB/T 2260); 81-83 are residence permits of Hong Kong, Macau, Taiwan.
_REGIONS = wordset(
    "11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65 71 81 82 83"
)
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS = "10X98765432"
# Issuer ranges (first, last prefix) and the lengths their cards have.
_ISSUERS = (
    ("62", "62", (16, 17, 18, 19)),  # UnionPay
    ("9558", "9558", (19,)),  # ICBC, from before UnionPay
    ("4", "4", (16, 19)),  # Visa
    ("51", "55", (16,)),  # Mastercard
    ("2221", "2720", (16,)),
    ("34", "34", (15,)),  # American Express
    ("37", "37", (15,)),
    ("6011", "6011", (16, 19)),  # Discover
    ("644", "659", (16, 19)),
    ("3528", "3589", (16,)),  # JCB
    ("300", "305", (14,)),  # Diners Club
    ("36", "36", (14,)),
    ("38", "39", (14,)),
    ("2200", "2204", (16,)),  # Mir
)


def is_identity_card(value: str) -> bool:
    """Whether 18 characters are a Chinese resident identity number (GB 11643: region, date, ISO 7064 mod 11-2)."""
    if len(value) != 18 or not (value[:17].isascii() and value[:17].isdigit()) or value[17] not in "0123456789Xx":
        return False
    if value[:2] not in _REGIONS or not _is_birthday(value[6:14]):
        return False
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, value[:17], strict=True))
    return _CHECKS[total % 11] == value[17].upper()


def is_old_identity_card(value: str) -> bool:
    """Whether 15 digits may be an identity number of before 1999: region and date only, it has no check digit."""
    if len(value) != 15 or not (value.isascii() and value.isdigit()):
        return False
    return value[:2] in _REGIONS and _is_birthday(f"19{value[6:12]}")


def is_bank_card(digits: str) -> bool:
    """Whether digits are a payment card's number: a known issuer's range, its length, and the Luhn check (ISO 7812)."""
    return passes_luhn(digits) and any(
        len(digits) in lengths and first <= digits[: len(first)] <= last for first, last, lengths in _ISSUERS
    )


def passes_luhn(digits: str) -> bool:
    """The Luhn check; false for what has no two different digits."""
    if not (digits.isascii() and digits.isdigit()) or len(set(digits)) < 2:
        return False
    doubled = (int(digit) * 2 for digit in digits[-2::-2])
    total = sum(value - 9 if value > 9 else value for value in doubled) + sum(map(int, digits[-1::-2]))
    return total % 10 == 0


def _is_birthday(digits: str) -> bool:
    try:
        born = date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return False
    # Nobody who holds a card was born before 1900 or is still to be born.
    return date(1900, 1, 1) <= born <= date.today()
