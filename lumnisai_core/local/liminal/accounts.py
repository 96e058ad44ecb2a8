"""Numbers of accounts and of persons with a form of their own: cards, IBANs, social security numbers of the US."""

from __future__ import annotations

import re

from lumnisai_core.local.liminal.detection import Pattern, valid_if, words

_IBAN_LENGTHS = {
    country[:2]: int(country[2:])
    for country in re.findall(
        r"\w+",
        """AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 EG29 ES24 FI18
        FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20
        LU20 LV21 LY25 MC27 MD24 ME22 MK19 MR27 MT31 MU30 NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 SC31 SE24
        SI19 SK24 SM27 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20""",
    )
}


def iban_length(span: str) -> int:
    """Check an IBAN, ISO 13616: a country, and the remainder 1 modulo 97, first with the length of the country."""
    wanted = _IBAN_LENGTHS.get(span[:2].upper(), 0)
    ends = [at + 1 for at, character in enumerate(span) if character.isalnum() and not span[at + 1 : at + 2].isalnum()]
    letters = {end: "".join(filter(str.isalnum, span[:end])).upper() for end in ends if wanted}
    lengths = sorted(letters, key=lambda end: (len(letters[end]) != wanted, -end))
    return next((end for end in lengths if len(letters[end]) >= 15 and _remainder(letters[end]) == 1), 0)


def _remainder(iban: str) -> int:
    return int("".join(str(int(letter, 36)) for letter in iban[4:] + iban[:4])) % 97


_CARDS = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|6(?:011|5\d\d|4[4-9]\d)\d{12}|3(?:0[0-5]|[68]\d)\d{11}|35\d{14}|62\d{14,17}|(?:5018|5020|5038|5[678]\d\d|6304|6390|6759|676[1-3]|0604)\d{8,15}|(?:2131|1800)\d{11}"
)


def card_length(span: str) -> int:
    """Check a card number, the form of an issuer and Luhn's checksum; it ends at the end of a group of digits."""
    for end in sorted((match.end() for match in re.finditer(r"\d+", span)), reverse=True):
        digits = re.sub(r"\D", "", span[:end])
        if _CARDS.fullmatch(digits) and luhn(digits):
            return end
    return 0


def luhn(digits: str) -> bool:
    """Check a row of digits with Luhn's checksum."""
    doubled = "0246813579"
    total = sum(int(doubled[int(d)] if index % 2 else d) for index, d in enumerate(reversed(digits)))
    return total % 10 == 0


def _is_ssn(span: str) -> bool:
    digits = re.sub(r"\D", "", span)
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return area not in ("000", "666") and group != "00" and serial != "0000"


_IBAN = r"(?<!\w)[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]){11,30}"

#: All begin with a digit, or with two letters before one.
ACCOUNTS: tuple[Pattern, ...] = (
    Pattern("IBAN_CODE", re.compile(_IBAN, re.IGNORECASE), iban_length, score=1.0),
    Pattern(
        "CREDIT_CARD",
        re.compile(r"(?<![\w-])(?!(?<=\d{4}[ -])\d{4}[ -])\d(?:[ -]?\d){11,18}(?!\w|-\d)"),
        card_length,
        score=1.0,
    ),
    Pattern("US_SSN", re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])"), valid_if(_is_ssn)),
    Pattern(
        "US_SSN",
        re.compile(r"(?<![\w-])\d{3} ?\d{2} ?\d{4}(?![\w-])"),
        valid_if(_is_ssn),
        context=words("ssn|social security"),
    ),
)
