"""Phone numbers in all the ways they are written, checked by phonenumbers if the extra `liminal-local` is installed.

A number is recognised by its country code, by a form that hardly means anything else, by the rules of a country, or by
a word beside it. The surer the sign, the higher the score.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec

from lumnisai_core.local.liminal.detection import Detection, words

#: Regions whose national phone numbers are recognised; numbers with a country code are those of any country.
REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "NL", "PL", "CH", "AT", "BE", "PT", "SE", "DK", "BR", "IN", "AU", "JP")

_CANDIDATE = re.compile(
    r"(?<![\w.+/-])\(?\+?\(?\d(?:[ .()/-]{0,4}\d){5,16}(?P<extension> ?(?:x|ext\.?|#) ?\d{1,5})?(?!\w|[.-]\d)"
)
_BEFORE = words(
    r"(?:tele)?phone|tel\b|mobile|cell(?:ular|phone)?\b|call|fax|dial|ring\b|hotline|landline|whats ?app|sms\b"
    r"|text(?: me| us| him| her| them)?\b|reach\b|contact|messages? to|answering|registered\b|number is|desk:|office:"
    r"|telefon|ruf|handy|mobil|erreich|durchwahl|tél|portable|appel|joindre|numéro est|teléfono|móvil|celular|llam"
    r"|numero è|cellulare|chiam|mobiel|bel\b|nummer is|numer to|komórk|dzwoń|dzwoni|zadzwo|ligue|ligar|puh\b|puhelin"
    r"|tlf|ringa"
)
#: An e-mail address right before, as in lists of contacts.
_CONTACT = re.compile(r"@[\w.-]{1,80}[\"'\s,;|:/-]{1,6}$")
_AFTER = re.compile(r"[\s(,-]{1,3}(?:office|fax|mobile?|cell|home|work|desk|phone|tel|handy)\b", re.IGNORECASE)
_AGAINST = words(
    r"(?:isbn|issn|ean|upc|doi|order|version|part|sku|ref|serial|lot|batch|bytes|invoice|ticket|model|rfc|iso|iec|cas"
    r"|patent)(?:\W+(?:no|number|nr|id|and|or|[A-Z]*\d[\d-]*))*\W*$"
)
_NORTH_AMERICAN = re.compile(r"(?:1[ .-]?)?(?:\(\d{3}\) ?\d{3}[ .-]?\d{4}|\d{3}([.-])\d{3}\1?\d{4})")
_TRUNK = re.compile(r"\(?0[1-9]\d{0,4}\)?(?:[ ./-]{1,3}\(?\d{2,8}\)?){1,5}|\(0[1-9]\d{1,4}\)\d{4,8}")
_DATE = re.compile(r"\d{1,4}([./-])\d{1,2}\1\d{2,4}(?!\d)")


class PhoneNumbers:
    """Finds phone numbers: type `PHONE_NUMBER`."""

    def detect(self, text: str) -> Iterator[Detection]:
        """Find the phone numbers of a text."""
        for match in _CANDIDATE.finditer(text):
            start, end = match.span()
            number = text[start : match.start("extension")] if match["extension"] else match[0]
            digits = re.sub(r"\D", "", number)
            before = text[max(0, start - 60) : start]
            score = _score(number, digits, before, text[end : end + 12])
            if score:
                # A bracket around the whole number does not belong to it.
                closed = text[start] == "(" and ")" not in number
                yield Detection("PHONE_NUMBER", start + closed, end, score)


def _score(number: str, digits: str, before: str, after: str) -> float:
    """Return how sure it is that a row of digits is a phone number; 0 if it is none."""
    if number.lstrip("(").startswith("+"):
        return 0.9 if 8 <= len(digits) <= 16 else 0.0
    has_word = bool(_CONTACT.search(before) or _AFTER.match(after)) or _names_a_phone(
        before, digits, is_grouped=number != digits
    )
    if _DATE.fullmatch(number) or (not has_word and _AGAINST.search(before)):
        return 0.0
    if has_word and len(digits) <= 16:
        return 0.9 if len(digits) >= 8 else 0.7
    if number.startswith("00"):
        return 0.9 if _is_valid("+" + digits[2:]) else 0.0
    if _NORTH_AMERICAN.fullmatch(number):
        return 0.85
    if _TRUNK.fullmatch(number) and 8 <= len(digits) <= 12:
        return 0.8
    if re.fullmatch(r"0[1-9]\d{8,9}|\(\d{2,5}\) ?\d{3,5}[ -]?\d{3,5}", number):
        return 0.6 if _is_valid(number) else 0.0
    return 0.0


def _names_a_phone(before: str, digits: str, *, is_grouped: bool) -> bool:
    """Whether a word before says that it is a phone number; a short number needs it near, one without groups beside."""
    if len(digits) >= 8:
        return _BEFORE.search(before) is not None
    near = (
        before[-25:]
        if is_grouped
        else (re.search(r"[^\W\d]+\W{1,3}(?:(?:me|us|is|at|on|no|number)\W{1,3}){0,2}$", before) or [""])[0]
    )
    return _BEFORE.search(near) is not None


@cache
def _library() -> bool:
    return find_spec("phonenumbers") is not None


def _is_valid(number: str) -> bool:
    """Whether a number is valid in its country, or without a country code, in one of the regions."""
    if not _library():
        return False
    phonenumbers = import_module("phonenumbers")
    for region in (None,) if number.startswith("+") else REGIONS:
        try:
            if phonenumbers.is_valid_number(phonenumbers.parse(number, region)):
                return True
        except phonenumbers.NumberParseException:
            continue
    return False
