"""Patterns of personal data that has a form, and the detector that looks for all of them.

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

from lumnisai_core.local.liminal.accounts import ACCOUNTS
from lumnisai_core.local.liminal.credentials import CREDENTIALS
from lumnisai_core.local.liminal.detection import (
    Detection,
    Detector,
    NumberPatterns,
    Pattern,
    plain,
    resolved,
    valid_if,
    words,
)
from lumnisai_core.local.liminal.phones import PhoneNumbers
from lumnisai_core.local.liminal.places import PLACES, PLACES_AT_NUMBERS


class PatternDetector:
    """Finds what has a form: addresses, numbers with checksums, dates, secrets, and names with a title or a cue.

    Phone numbers and national ids are checked by the packages of the extra `liminal-local`. Without them,
    both are found by their form and the words beside them only.

    Args:
        patterns: patterns of your own instead of all these.
    """

    def __init__(self, patterns: Sequence[Pattern] | None = None) -> None:
        self._own = patterns

    @cached_property
    def _patterns(self) -> Sequence[Detector]:
        if self._own is not None:
            return tuple(self._own)
        # Imported with the first text: its packages take longer than the service does to start.
        further: tuple[Pattern, ...] = import_module("lumnisai_core.local.liminal.registries").patterns()
        return (*CREDENTIALS, *PATTERNS, *PLACES, PhoneNumbers(), NumberPatterns((*AT_NUMBERS, *further)))

    def detect(self, text: str) -> list[Detection]:
        """Find the sensitive spans of a text."""
        read = plain(text)
        return resolved(text, (found for pattern in self._patterns for found in pattern.detect(read)))


def _is_ip(span: str) -> bool:
    try:
        address = ipaddress.ip_address(span)
    except ValueError:
        return False
    return address.version == 4 or (len(span) > 5 and any(character.isdigit() for character in span))


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


_MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?"
    r"|Nov(?:ember)?|Dec(?:ember)?)"
)
#: Months of other languages, where the day comes first.
_MONTHS = (
    r"(?:Januar|Jänner|Februar|März|Mai|Juni|Juli|Oktober|Dezember|janvier|février|mars|avril|mai|juin|juillet|août"
    r"|septembre|octobre|novembre|décembre|enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre"
    r"|diciembre|gennaio|febbraio|aprile|maggio|giugno|luglio|settembre|ottobre|dicembre|januari|februari|maart|mei"
    r"|augustus|oktober|janeiro|fevereiro|março|maio|junho|julho|setembro|outubro|novembro|dezembro|stycznia|lutego|marca"
    r"|kwietnia|maja|czerwca|lipca|sierpnia|września|października|listopada|grudnia)"
)
_TITLE = r"(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Herr|Frau|Mme|Mlle|Sra?|Señora?|Signora?|Sig|Dott|Mevrouw|mevrouw|dhr|Pani)\b"
#: A word with a capital letter, and up to four of them, with particles between them and parts joined by a hyphen.
_WORD = r"[A-ZÀ-ÖØ-Þ][\wà-öø-ÿ]*(?:[-'\u2019][A-ZÀ-ÖØ-Þ][\wà-öø-ÿ]*){0,3}"
_REST = rf"(?: (?:{_WORD}\.?|(?:van|von|de|der|den|da|di|la|le|el|al|bin)(?= )))"
_NAME = (
    rf"(?!{_TITLE}|(?:Sir|Madam|Team|All|Customers?|Colleagues?|Friends?|Hiring|Valued)\b){_WORD}{_REST}{{0,3}}(?<!\.)"
)
_FULL_NAME = (
    rf"(?!{_TITLE}|(?:Sir|Madam|Team|All|Customers?|Colleagues?|Friends?|Hiring|Valued)\b){_WORD}{_REST}{{1,3}}"
)

_VERSION = words(
    r"(?:version|release|build|firmware|section|chapter|figure|table|clause|v)(?:\W+(?:or|and|to|from|\d[\d.]*))*\W*$"
)

#: The forms that are known without any model.
PATTERNS: tuple[Pattern, ...] = (
    # Addresses
    Pattern(
        "EMAIL_ADDRESS",
        re.compile(r"(?<![\w.+%-])[\w+%](?:[\w.+%'-]{0,63})@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}(?!\w)"),
        needs="@",
        score=0.99,
    ),
    Pattern(
        "URL",
        re.compile(
            r"\b(?:(?:https?|ftps?|wss?|ssh|s3|postgres(?:ql)?|mysql|mongodb(?:\+srv)?|redis|amqps?)://|www\.)[^\s<>\"]{3,2000}"
        ),
        _without_closing,
        score=0.9,
    ),
    Pattern(
        "IP_ADDRESS",
        re.compile(r"(?<![\w.])(?<!\w/)(?!\d\.\d\.\d\.\d\b)(?:\d{1,3}\.){3}\d{1,3}(?!\w|\.\d)"),
        valid_if(_is_ip),
        against=_VERSION,
        needs=".",
        score=0.95,
    ),
    Pattern(  # four single digits may be a version or a section, too
        "IP_ADDRESS",
        re.compile(r"(?<![\w.])(?:\d\.){3}\d(?!\w|\.\d)"),
        context=words(
            r"ip(?:v4)?\b|host|server|address|dns|ping|resolver|subnet|gateway|proxy|ssh|router|from\b|client"
        ),
        against=_VERSION,
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
    Pattern(  # without a scheme, under the domains that hardly are anything else
        "URL",
        re.compile(
            r"(?<![\w@./-])(?!asp\.net)(?:[a-z0-9](?:[a-z0-9-]{0,60}[a-z0-9])?\.){1,4}"
            r"(?:com|org|net|edu|gov|info|biz|co\.uk)\b(?![\w.-]*@)(?:/[^\s<>\"]{0,2000})?"
        ),
        _without_closing,
        needs=".",
        score=0.8,
    ),
    Pattern(
        "MAC_ADDRESS",
        re.compile(r"(?<![\w.])(?=[\d.]{0,13}[A-Fa-f])[0-9A-Fa-f]{4}(?:\.[0-9A-Fa-f]{4}){2}(?![\w.]\w)"),
        needs=".",
    ),
    Pattern(
        "MAC_ADDRESS",
        re.compile(r"(?<![\w:-])[0-9A-Fa-f]{2}([:-])[0-9A-Fa-f]{2}(?:\1[0-9A-Fa-f]{2}){4}(?![\w:-])"),
        score=1.0,
    ),
    # Dates
    Pattern("DATE_TIME", re.compile(rf"\b{_MONTH}\.? \d{{1,2}}(?:st|nd|rd|th)?\b(?!\.\d)(?:,? (?:19|20)\d{{2}}\b)?")),
    # Names, by what stands beside them
    Pattern("PERSON", re.compile(rf"\b{_TITLE}\.? (?P<value>{_NAME})")),
    Pattern(
        "PERSON",
        re.compile(
            r"\b(?:[Mm]y name is|[Nn]ame:|I am called|[Dd]ear|[Ss]igned,?|[Ii]ch heiße|[Mm]ein Name ist|m'appelle"
            rf"|[Mm]e llamo|[Mm]i chiamo|[Nn]azywam się|[Ii]k heet|[Mm]eu nome é|[Jj]ag heter) (?P<value>{_NAME})"
        ),
    ),
    Pattern("PERSON", re.compile(rf"\b(?P<value>{_FULL_NAME})(?= ?[(<\[][^\s@]{{1,64}}@)"), needs="@"),
)

#: What begins with a digit, or with capital letters before one.
AT_NUMBERS: tuple[Pattern, ...] = (
    *ACCOUNTS,
    *PLACES_AT_NUMBERS,
    Pattern(
        "DATE_TIME",
        re.compile(
            r"(?<![\w-])\d{4}([-/])\d{2}\1\d{2}"
            r"(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?)?(?![\w-])"
        ),
        valid_if(_is_date),
    ),
    Pattern(
        "DATE_TIME", re.compile(r"(?<![\w./-])\d{1,2}([./-])\d{1,2}\1(?:19|20)\d{2}(?![\w/-])"), valid_if(_is_date)
    ),
    Pattern("DATE_TIME", re.compile(rf"\b\d{{1,2}}(?:st|nd|rd|th)?(?: of)? {_MONTH}\b(?:\.?,? (?:19|20)\d{{2}}\b)?")),
    Pattern("DATE_TIME", re.compile(rf"\b\d{{1,2}}\.?(?: de)? {_MONTHS}\b(?:(?: de)? (?:19|20)\d{{2}}\b)?")),
)
