"""Patterns of personal data and secrets that have a form: addresses, numbers with checksums, dates, keys, titled names.

Candidates of all patterns are found first; where two overlap, a validated one wins over a longer one, and that over an
earlier one. A kind without a checksum needs a form that hardly means anything else, or a context word near it.
"""

from __future__ import annotations

import ipaddress
import re
from calendar import monthrange
from collections.abc import Sequence
from functools import cached_property
from importlib import import_module

from lumnisai_core.local.liminal.detection import Detection, Pattern, resolved, valid_if, words


class PatternDetector:
    """Finds what has a form: addresses, numbers with checksums, dates, secrets, and names with a title or a cue.

    Phone numbers and national ids are checked by the packages of the extra `liminal-local`. Without them, phone numbers
    are found by their form, and national ids but those of the US are not.

    Args:
        patterns: patterns of your own instead of all these.
    """

    def __init__(self, patterns: Sequence[Pattern] | None = None) -> None:
        self._own = patterns

    @cached_property
    def _patterns(self) -> Sequence[Pattern]:
        if self._own is not None:
            return tuple(self._own)
        # Imported with the first text: its packages take longer than the service does to start.
        further: tuple[Pattern, ...] = import_module("lumnisai_core.local.liminal.registries").patterns()
        return (*PATTERNS, *further)

    def detect(self, text: str) -> list[Detection]:
        """Find the sensitive spans of a text."""
        return resolved(found for pattern in self._patterns for found in pattern.detect(text))


# Validators: each returns the length of the valid beginning of a candidate, 0 if there is none.


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
    """Check an IBAN, ISO 13616: the length of its country and the remainder 1 modulo 97."""
    wanted = _IBAN_LENGTHS.get(span[:2].upper(), 0)
    places = [index for index, character in enumerate(span) if character.isalnum()]
    if not wanted or len(places) < wanted:
        return 0
    letters = "".join(span[place] for place in places[:wanted]).upper()
    end = places[wanted - 1] + 1
    if span[end : end + 1].isalnum():
        return 0
    return end if int("".join(str(int(letter, 36)) for letter in letters[4:] + letters[:4])) % 97 == 1 else 0


_CARDS = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|6(?:011|5\d\d|4[4-9]\d)\d{12}|3(?:0[0-5]|[68]\d)\d{11}|35\d{14}|62\d{14,17}|(?:5018|5020|5038|5[678]\d\d|6304|6390|6759|676[1-3]|0604)\d{8,15}|(?:2131|1800)\d{11}"
)


def is_card(span: str) -> bool:
    """Check a card number: the form of an issuer and Luhn's checksum."""
    digits = re.sub(r"\D", "", span)
    return _CARDS.fullmatch(digits) is not None and luhn(digits)


def luhn(digits: str) -> bool:
    """Check a row of digits with Luhn's checksum."""
    doubled = "0246813579"
    total = sum(int(doubled[int(d)] if index % 2 else d) for index, d in enumerate(reversed(digits)))
    return total % 10 == 0


def _is_ip(span: str) -> bool:
    try:
        address = ipaddress.ip_address(span)
    except ValueError:
        return False
    return address.version == 4 or (len(span) > 5 and any(character.isdigit() for character in span))


def _is_ssn(span: str) -> bool:
    digits = re.sub(r"\D", "", span)
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return area not in ("000", "666") and group != "00" and serial != "0000"


def _is_date(span: str) -> bool:
    numbers = re.findall(r"\d+", span)
    first, second, third = (int(number) for number in numbers[:3])
    year, orders = (first, [(second, third)]) if first > 31 else (third, [(first, second), (second, first)])
    return any(1 <= month <= 12 and 1 <= day <= monthrange(year, month)[1] for month, day in orders)


def _without_closing(span: str) -> int:
    """Return the length of a URL without the punctuation that ends the sentence around it."""
    end = len(span)
    while span[end - 1] in ".,;:!?'\"*_)]":
        opening = {")": "(", "]": "["}.get(span[end - 1], "")
        if opening and span.count(opening, 0, end) >= span.count(span[end - 1], 0, end):
            break
        end -= 1
    return end


def _is_phone(span: str) -> bool:
    number = re.sub(r"[xe].*", "", span)  # without the extension
    return 8 <= sum(character.isdigit() for character in number) <= 15


def _is_mixed(span: str) -> bool:
    return bool(re.search(r"[a-z]", span) and re.search(r"[A-Z]", span) and re.search(r"\d", span))


_MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?"
    r"|Nov(?:ember)?|Dec(?:ember)?)"
)
_TITLE = r"(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Herr|Frau|Mme)\b"
#: A word with a capital letter, and up to four of them, with particles between them and parts joined by a hyphen.
_WORD = r"[A-ZÀ-ÖØ-Þ][\wà-öø-ÿ]*(?:[-'\u2019][A-ZÀ-ÖØ-Þ][\wà-öø-ÿ]*){0,3}"
_REST = rf"(?: (?:{_WORD}\.?|(?:van|von|de|der|den|da|di|la|le|el|al|bin)(?= )))"
_NAME = rf"(?!{_TITLE}){_WORD}{_REST}{{0,3}}(?<!\.)"
_FULL_NAME = rf"(?!{_TITLE}){_WORD}{_REST}{{1,3}}"

#: The forms that are known without any model.
PATTERNS: tuple[Pattern, ...] = (
    # Secrets first: they are certain, and other forms can be found inside them.
    Pattern(
        "PRIVATE_KEY",
        re.compile(
            r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----(?:.{0,20000}?-----END [A-Z ]{0,30}PRIVATE KEY-----)?", re.S
        ),
        needs="PRIVATE KEY",
        score=1.0,
    ),
    Pattern("AWS_ACCESS_KEY", re.compile(r"\b(?:AKIA|ASIA|AGPA|AROA)[0-9A-Z]{16}\b"), score=1.0),
    Pattern(
        "AWS_SECRET_KEY",
        re.compile(r"(?<![\w/+=])[A-Za-z0-9/+]{40}(?![\w/+=])"),
        valid_if(_is_mixed),
        context=words("aws|secret|access.?key"),
        score=1.0,
    ),
    Pattern(
        "GITHUB_TOKEN", re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36,251}|github_pat_\w{22,251})\b"), needs="_", score=1.0
    ),
    Pattern("SLACK_TOKEN", re.compile(r"\bxox[abeoprs]-[A-Za-z0-9-]{10,250}"), needs="xox", score=1.0),
    Pattern("API_KEY", re.compile(r"\b(?:sk|rk|pk)[-_][A-Za-z0-9_-]{20,250}\b|\bAIza[\w-]{35}\b"), score=1.0),
    Pattern("JWT", re.compile(r"\beyJ[\w-]{10,4000}\.eyJ[\w-]{10,4000}\.[\w-]{10,4000}"), needs="eyJ", score=1.0),
    # Addresses
    Pattern(
        "EMAIL_ADDRESS",
        re.compile(r"(?<![\w.+%-])[\w+%](?:[\w.+%'-]{0,63})@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}(?!\w)"),
        needs="@",
        score=0.99,
    ),
    Pattern("URL", re.compile(r"\b(?:https?://|ftp://|www\.)[^\s<>\"]{3,2000}"), _without_closing, score=0.9),
    Pattern(
        "IP_ADDRESS",
        re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?!\w|\.\d)"),
        valid_if(_is_ip),
        against=words(r"(?:version|release|build|firmware|section)(?:\W+(?:or|and|to|from|\d[\d.]*))*\W*$"),
        needs=".",
        score=0.95,
    ),
    Pattern(
        "IP_ADDRESS",
        re.compile(r"(?<![\w:])[0-9A-Fa-f]{0,4}:(?:[0-9A-Fa-f]{0,4}:){1,6}(?:[0-9A-Fa-f]{1,4}|:)?(?![\w:])"),
        valid_if(_is_ip),
        needs=":",
        score=0.95,
    ),
    Pattern(
        "MAC_ADDRESS",
        re.compile(r"(?<![\w:-])[0-9A-Fa-f]{2}([:-])[0-9A-Fa-f]{2}(?:\1[0-9A-Fa-f]{2}){4}(?![\w:-])"),
        score=1.0,
    ),
    # Numbers with a checksum
    Pattern(
        "IBAN_CODE",
        re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]){11,30}", re.IGNORECASE),
        iban_length,
        score=1.0,
    ),
    Pattern("CREDIT_CARD", re.compile(r"(?<![\w-])\d(?:[ -]?\d){11,18}(?![\w-])"), valid_if(is_card), score=1.0),
    # Numbers without one
    Pattern("US_SSN", re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])"), valid_if(_is_ssn), needs="-"),
    Pattern(
        "US_SSN",
        re.compile(r"(?<![\w-])\d{3} ?\d{2} ?\d{4}(?![\w-])"),
        valid_if(_is_ssn),
        context=words("ssn|social security"),
    ),
    Pattern(
        "PHONE_NUMBER",
        re.compile(r"(?<![\w+])\+\d(?:[ ./()-]{0,3}\d){6,14}(?: ?(?:x|ext\.?) ?\d{1,5})?(?!\w)"),
        valid_if(_is_phone),
        needs="+",
        score=0.9,
    ),
    Pattern(
        "PHONE_NUMBER",
        re.compile(
            r"(?<![\w.-])(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[-.])[2-9]\d{2}[-.]\d{4}(?:(?: ?x| ext\.? ?)\d{1,5})?(?![\w-])"
        ),
    ),
    Pattern(
        "PHONE_NUMBER",
        re.compile(r"(?<![\w+])\(?\d(?:[ ./()-]{0,3}\d){6,14}(?: ?(?:x|ext\.?) ?\d{1,5})?(?!\w)"),
        valid_if(_is_phone),
        context=words("tel|phone|mobile|cell|call|fax|dial|ring|handy|whatsapp|sms|text me"),
        score=0.7,
    ),
    # Dates
    Pattern(
        "DATE_TIME",
        re.compile(
            r"(?<![\w-])\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?)?(?![\w-])"
        ),
        valid_if(_is_date),
        needs="-",
    ),
    Pattern("DATE_TIME", re.compile(r"(?<![\w./-])\d{1,2}([./])\d{1,2}\1(?:19|20)\d{2}(?![\w/])"), valid_if(_is_date)),
    Pattern("DATE_TIME", re.compile(rf"\b\d{{1,2}}(?:st|nd|rd|th)?(?: of)? {_MONTH}\b(?:\.?,? (?:19|20)\d{{2}}\b)?")),
    Pattern("DATE_TIME", re.compile(rf"\b{_MONTH}\.? \d{{1,2}}(?:st|nd|rd|th)?\b(?!\.\d)(?:,? (?:19|20)\d{{2}}\b)?")),
    # Names, by what stands beside them
    Pattern("PERSON", re.compile(rf"\b{_TITLE}\.? (?P<value>{_NAME})")),
    Pattern(
        "PERSON",
        re.compile(rf"\b(?:[Mm]y name is|[Nn]ame:|I am called|[Dd]ear|[Ss]igned,?) (?P<value>{_NAME})"),
    ),
    Pattern("PERSON", re.compile(rf"\b(?P<value>{_FULL_NAME})(?= ?[(<\[][^\s@]{{1,64}}@)"), needs="@"),
)
