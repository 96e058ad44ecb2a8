"""Numbers of documents, persons and accounts: national ids, checked by python-stdnum, and numbers with a label.

Without python-stdnum, which the extra `liminal-local` brings, national ids are found by their labels.
"""

from __future__ import annotations

import re
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec

from lumnisai_core.local.liminal.detection import Pattern, valid_if, words

#: Type, form, module of python-stdnum, and the context words without which digits alone mean nothing.
_IDS: tuple[tuple[str, str, str, str], ...] = (
    ("AT_SSN", r"\d{4}[ -]?\d{6}", "at.vnr", "svnr|sv-|sozialvers|versicherung|insurance|ssn"),
    ("AU_TFN", r"\d{3} ?\d{3} ?\d{3}", "au.tfn", "tfn|tax file"),
    ("BE_NATIONAL_NUMBER", r"\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}", "be.nn", ""),
    ("BG_EGN", r"\d{10}", "bg.egn", "егн|egn|единен"),
    ("BR_CPF", r"\d{3}\.?\d{3}\.?\d{3}-?\d{2}", "br.cpf", ""),
    ("CA_SIN", r"\d{3}[ -]?\d{3}[ -]?\d{3}", "ca.sin", "sin|social insurance"),
    ("CH_AHV", r"756\.?\d{4}\.?\d{4}\.?\d{2}", "ch.ssn", ""),
    ("CN_RESIDENT_ID", r"[1-9]\d{5}(?:19|20)\d{9}[\dX]", "cn.ric", ""),
    ("CZ_RC", r"\d{6}/\d{3,4}", "cz.rc", ""),
    ("DE_TAX_ID", r"\d{11}", "de.idnr", "steuer|idnr|tax|tin"),
    ("DE_TAX_ID", r"\d{2} \d{3} \d{3} \d{3}", "de.idnr", ""),
    ("DK_CPR", r"\d{6}-?\d{4}", "dk.cpr", "cpr|personnummer"),
    ("EE_IK", r"[1-6]\d{10}", "ee.ik", ""),
    ("ES_DNI", r"\d{8}[ -]?[A-Z]", "es.dni", ""),
    ("ES_NIE", r"[XYZ][ -]?\d{7}[ -]?[A-Z]", "es.nie", ""),
    ("FI_HETU", r"\d{6}[-+A-FU-Y]\d{3}[\dA-Y]", "fi.hetu", ""),
    ("FR_NIR", r"[12] ?\d{2} ?\d{2} ?\d[\dAB] ?\d{3} ?\d{3} ?\d{2}", "fr.nir", ""),
    ("GB_NHS", r"\d{3}[ -]?\d{3}[ -]?\d{4}", "gb.nhs", "nhs|patient|health"),
    ("GR_AMKA", r"\d{11}", "gr.amka", "amka|αμκα"),
    ("HR_OIB", r"\d{11}", "hr.oib", "oib|osobni"),
    ("IL_ID", r"\d{9}", "il.idnr", "teudat|id number|israeli"),
    ("IN_AADHAAR", r"\d{4} \d{4} \d{4}", "in_.aadhaar", ""),
    ("IN_PAN", r"[A-Z]{5}\d{4}[A-Z]", "in_.pan", "pan|income tax|permanent account"),
    ("IT_FISCAL_CODE", r"[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]", "it.codicefiscale", ""),
    ("KR_RRN", r"\d{6}-[1-8]\d{6}", "kr.rrn", ""),
    ("LV_PK", r"\d{6}-\d{5}", "lv.pvn", ""),
    ("MX_CURP", r"[A-Z]{4}\d{6}[HM][A-Z]{5}[\dA-Z]\d", "mx.curp", ""),
    ("NL_BSN", r"\d{9}", "nl.bsn", "bsn|burgerservice|sofi|citizen service"),
    ("NO_ID", r"\d{6} ?\d{5}", "no.fodselsnummer", ""),
    ("PL_PESEL", r"\d{11}", "pl.pesel", ""),
    ("PT_NIF", r"\d{3} ?\d{3} ?\d{3}", "pt.nif", "nif|contribuinte"),
    ("RO_CNP", r"[1-9]\d{12}", "ro.cnp", ""),
    ("SE_PERSONNUMMER", r"(?:19|20)?\d{6}[-+]\d{4}", "se.personnummer", ""),
    ("TR_TCKIMLIK", r"[1-9]\d{10}", "tr.tckimlik", ""),
)

#: What stands before a number of a document, a person or an account that says what it is, in several languages.
_LABELS = (
    r"passport|pasaporte|passeport|passaporto|paspoort\w*|paszport\w*|reisepass\w*"
    r"|passnummer|passnr|driver'?s? licen[cs]e|drivers? licen[cs]e|driving licen[cs]e|dl|führerschein\w*"
    r"|permis de conduire|licencia de conducir|patente|rijbewijs\w*"
    r"|prawo jazdy|national ids?|national identity|identity card|identity number|identification (?:card|number|no)"
    r"|id (?:card|number|no|nr)|voter id|tax (?:id|number|file number)|taxpayer id\w*"
    r"|tin|nino|national insurance|social (?:security|insurance)"
    r"|ssn|sin|medicare|nhs|health insurance|insurance number|policy number|medical record|mrn|patient (?:id|number)"
    r"|member (?:id|number)|employee (?:id|number)|customer (?:id|number)|steuer-?(?:id\w*|nummer|nr)"
    r"|sozialversicherungs\w*|svnr|personalausweis\w*|ausweis\w*|krankenversicherungs\w*|carte d'identité"
    r"|sécurité sociale|nir|numéro fiscal|dni|nie|nif|cif|documento|seguridad social|codice fiscale|carta d'identità"
    r"|partita iva|bsn|burgerservicenummer|dowód|dowodu|pesel|nip|cpf|rg|cnpj|personnummer|fødselsnummer|cpr"
    r"|henkilötunnus|hetu|aadhaa?r|pan|curp|(?:bank )?account (?:number|no)"
    r"|kontonummer|routing number|sort code|número de cuenta|license plate|licence plate|vin"
)
_BETWEEN = r"(?: ?(?:number|card|no|nr|id|nummer|numer|num[eé]ro|is|was|of|est|es|è|to|#)\b\.?){0,3}[\s:=#\"'|]{0,4}"
_LABELLED = r"(?<![A-Za-z\d])(?:[A-Z]{1,5}[ -]?)?\d(?:[ ./-]?[A-Z]{0,3}\d){4,20}[A-Z]{0,2}(?!\w)"

#: A British national insurance number has no checksum, but a form of its own.
_NINO = r"(?:(?!BG|GB|NK|KN|TN|NT)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]|ZZ) ?\d{2} ?\d{2} ?\d{2} ?[A-DT]"


#: The rest of a phone number is not an id, whatever its checksum.
_COUNTRY_CODE = re.compile(r"\+\d{0,3}[ .()-]*$")


@cache
def patterns() -> tuple[Pattern, ...]:
    """Return the patterns of ids: labelled ones, and those that python-stdnum checks if it is installed."""
    found = [
        Pattern(
            "ID_NUMBER",
            re.compile(_LABELLED),
            context=words(rf"(?:{_LABELS})\b{_BETWEEN}$"),
            against=re.compile(r"(?:\d|^)\W{0,8}$"),  # no word, so there is no label to look for
            score=0.8,
        ),
        Pattern("GB_NINO", re.compile(rf"(?<!\w){_NINO}(?!\w)"), score=0.95),
    ]
    if find_spec("stdnum") is not None:
        for kind, form, module, context in _IDS:
            whole = re.compile(rf"(?<![\w-]){form}(?!\w|-\d)")
            check = valid_if(partial(_is_id, module))
            found.append(Pattern(kind, whole, check, words(context) if context else None, _COUNTRY_CODE, score=1.0))
    return tuple(found)


def _is_id(module: str, span: str) -> bool:
    return bool(import_module(f"stdnum.{module}").is_valid(span))
