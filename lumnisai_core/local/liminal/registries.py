"""Phone numbers and national ids, checked by phonenumbers and python-stdnum: the extra `liminal-local`."""

from __future__ import annotations

import re
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec

from lumnisai_core.local.liminal.detection import Pattern, valid_if, words

#: Regions whose national phone numbers are recognised; numbers with a country code are those of any country.
REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "NL", "PL", "CH", "AT", "BE", "PT", "SE", "DK", "BR", "IN", "AU", "JP")

_PHONE_CONTEXT = words("tel|phone|telefon|tél|mobil|móvil|cell|call|fax|dial|ring|handy|whatsapp|sms|text me|contact")

#: Type, form, module of python-stdnum, and the context words without which digits alone mean nothing.
_IDS: tuple[tuple[str, str, str, str], ...] = (
    ("AT_SSN", r"\d{4}[ -]?\d{6}", "at.vnr", "svnr|sv-|sozialvers|versicherung|insurance|ssn"),
    ("AU_TFN", r"\d{3} ?\d{3} ?\d{3}", "au.tfn", "tfn|tax file"),
    ("BE_NATIONAL_NUMBER", r"\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}", "be.nn", ""),
    ("BR_CPF", r"\d{3}\.?\d{3}\.?\d{3}-?\d{2}", "br.cpf", ""),
    ("CA_SIN", r"\d{3}[ -]?\d{3}[ -]?\d{3}", "ca.sin", "sin|social insurance"),
    ("CH_AHV", r"756\.?\d{4}\.?\d{4}\.?\d{2}", "ch.ssn", ""),
    ("CN_RESIDENT_ID", r"[1-9]\d{5}(?:19|20)\d{9}[\dX]", "cn.ric", ""),
    ("DE_TAX_ID", r"\d{2} \d{3} \d{3} \d{3}", "de.idnr", ""),
    ("DE_TAX_ID", r"\d{11}", "de.idnr", "steuer|idnr|tax|tin"),
    ("DK_CPR", r"\d{6}-?\d{4}", "dk.cpr", "cpr|personnummer"),
    ("ES_DNI", r"\d{8}[ -]?[A-Z]", "es.dni", ""),
    ("ES_NIE", r"[XYZ][ -]?\d{7}[ -]?[A-Z]", "es.nie", ""),
    ("FI_HETU", r"\d{6}[-+A-FU-Y]\d{3}[\dA-Y]", "fi.hetu", ""),
    ("FR_NIR", r"[12] ?\d{2} ?\d{2} ?\d[\dAB] ?\d{3} ?\d{3} ?\d{2}", "fr.nir", ""),
    ("GB_NHS", r"\d{3}[ -]?\d{3}[ -]?\d{4}", "gb.nhs", "nhs|patient|health"),
    ("IN_AADHAAR", r"\d{4} \d{4} \d{4}", "in_.aadhaar", ""),
    ("IN_PAN", r"[A-Z]{5}\d{4}[A-Z]", "in_.pan", "pan|income tax|permanent account"),
    ("IT_FISCAL_CODE", r"[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]", "it.codicefiscale", ""),
    ("MX_CURP", r"[A-Z]{4}\d{6}[HM][A-Z]{5}[\dA-Z]\d", "mx.curp", ""),
    ("NL_BSN", r"\d{9}", "nl.bsn", "bsn|burgerservice|sofi|citizen service"),
    ("NO_ID", r"\d{6} ?\d{5}", "no.fodselsnummer", ""),
    ("PL_PESEL", r"\d{11}", "pl.pesel", ""),
    ("PT_NIF", r"\d{3} ?\d{3} ?\d{3}", "pt.nif", "nif|contribuinte"),
    ("SE_PERSONNUMMER", r"(?:19|20)?\d{6}[-+]\d{4}", "se.personnummer", ""),
)

#: A British national insurance number has no checksum, but a form of its own.
_NINO = r"(?:(?!BG|GB|NK|KN|TN|NT)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]|ZZ) ?\d{2} ?\d{2} ?\d{2} ?[A-DT]"


@cache
def patterns() -> tuple[Pattern, ...]:
    """Return the patterns whose packages are installed."""
    found: list[Pattern] = []
    if find_spec("phonenumbers") is not None:
        number = r"\(?\d(?:[ .()/\u00a0-]{0,3}\d){6,15}(?: ?(?:x|ext\.?) ?\d{1,5})?"

        def phone(beginning: str) -> re.Pattern[str]:
            return re.compile(rf"(?<![\w.+/-]){beginning}{number}(?!\w|[-.]\d)")

        isbn = words(r"(?:isbn|issn|order|version|part|sku|ref)(?:\W+(?:no|number|and|or|\d[\d-]*))*\W*$")
        written = r"(?=\(|0[\d(]{0,8}[ ./-])"
        found += [
            Pattern("PHONE_NUMBER", phone(r"(?:\+|00)"), valid_if(_is_phone), score=0.97),
            Pattern("PHONE_NUMBER", phone(written), valid_if(_is_phone), against=isbn, score=0.8),
            Pattern("PHONE_NUMBER", phone(""), valid_if(_is_phone), _PHONE_CONTEXT, score=0.9),
        ]
    if find_spec("stdnum") is not None:
        for kind, form, module, context in _IDS:
            whole = re.compile(rf"(?<![\w-]){form}(?!\w|-\d)")
            check = valid_if(partial(_is_id, module))
            found.append(Pattern(kind, whole, check, words(context) if context else None, score=1.0))
        found.append(Pattern("GB_NINO", re.compile(rf"(?<!\w){_NINO}(?!\w)"), score=0.95))
    return tuple(found)


def _is_phone(span: str) -> bool:
    phonenumbers = import_module("phonenumbers")
    number = "+" + span[2:] if span.startswith("00") else span
    for region in (None,) if number.startswith("+") else REGIONS:
        try:
            if phonenumbers.is_valid_number(phonenumbers.parse(number, region)):
                return True
        except phonenumbers.NumberParseException:
            continue
    return False


def _is_id(module: str, span: str) -> bool:
    return bool(import_module(f"stdnum.{module}").is_valid(span))
