"""Postal addresses in the forms of several countries: streets with numbers, boxes, towns with postcodes."""

from __future__ import annotations

import re

from lumnisai_core.local.liminal.detection import Pattern

_WORD = r"[A-ZÀ-ÖØ-ÞŁŚŻŹĆ][\w'.-]{0,30}"
_WORDS = rf"{_WORD}(?: {_WORD}){{0,4}}"
_ROAD = (
    r"(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Square|Sq|Terrace|Ter|Way|Place|Pl|Close"
    r"|Crescent|Highway|Hwy|Parkway|Pkwy|Circle|Cir|Trail|Trl|Route|Gardens|Grove|Mews|Hill|Walk|Row|Quay|Loop|Alley"
    r"|Marg|Nagar|Chowk)"
)
_ROOM = r"(?:[,\n]? ?(?:Apt|Suite|Unit|Flat|Apartment|Studio|Floor|#)\.? ?\w{1,6})?"
_PREFIXED = (
    r"(?:[Cc]alle|[Cc]/|Av(?:enida|da)?\.?|Paseo|[Pp]laza|[Pp]za\.?|[Cc]amino|Ronda|Rambla|Carrer|Vía|Via|Viale|Vicolo"
    r"|Piazza|Corso|Largo|Borgo|Strada|Contrada|Incrocio|Canale|Stretto|Rotonda|[Rr]ue|[Aa]venue|[Bb]oulevard|[Bb]d|[Qq]uai"
    r"|[Cc]hemin|[Pp]lace|[Ii]mpasse|[Aa]llée|[Rr]oute|[Rr]ua|Travessa|Praça|Alameda|Rodovia|Estrada|[Uu]l\.|[Uu]lica|[Aa]l\."
    r"|[Aa]leja|[Pp]l\.|[Pp]lac|[Oo]s\.|Acceso|Cañada|Glorieta|Pasadizo|Urbanización|Cuesta|Callejón|Alameda|Vial|Pasaje"
    r"|Vereda|Ladeira|Recanto|Aeroporto|Parque|Trevo|Vila|Condomínio|Distrito|Fazenda|Favela|Lagoa|Morro|Quadra|Setor)"
)
_SUFFIXED = (
    r"(?:[A-ZÀ-ÖØ-Þ][\w-]{2,30}?(?:straße|strasse|str\.|weg|platz|allee|gasse|ufer|damm|laan|straat|plein|kade|gracht|dreef"
    r"|steeg|singel|gatan|vägen|gränd|vej|gade|katu|gata|veien|stigen)|(?:Straße|Strasse|Str\.|Allee|Platz|Weg|Gasse))"
)
_STATES = (
    r"A[LKZR]|C[AOT]|D[CE]|FL|GA|HI|I[DLNA]|K[SY]|LA|M[EDAINSOT]|N[EVHJMYCD]|O[HKR]|PA|RI|S[CD]|T[NX]|UT|V[TA]|W[AVIY]"
    r"|A[AEP]|PR|GU|VI|AS|MP|FM|MH|PW"
)
_TAIL = rf"(?:, {_WORDS}, (?:{_STATES})(?: \d{{5}}(?:-\d{{4}})?)?)?"

#: Those that begin with a word.
PLACES: tuple[Pattern, ...] = (
    Pattern(
        "LOCATION",
        re.compile(rf"\b{_PREFIXED} (?:{_WORDS}|\w{{1,20}}(?: {_WORD}){{1,4}}),? (?:n[°º.]? ?)?\d{{1,5}}[a-zA-Z]?\b"),
    ),
    Pattern("LOCATION", re.compile(rf"\b(?:{_WORD} ){{0,2}}{_SUFFIXED} \d{{1,5}}(?: ?[a-zA-Z]\b)?(?:/\d{{1,4}})?")),
    Pattern(
        "LOCATION",
        re.compile(
            r"\bP\.? ?O\.? Box \d{1,6}\b|\b[Pp]ostfach \d{1,7}\b|\bBox \d{2,5}\b|\b(?:Apt|Suite|Flat)\.? \d{2,5}\b"
        ),
    ),
    Pattern("LOCATION", re.compile(rf"\b{_WORDS}, (?:{_STATES}) \d{{5}}(?:-\d{{4}})?\b")),
    Pattern(
        "LOCATION",
        re.compile(
            r"\b(?:PSC|Unit|USS|USNS|USNV|USCGC) [\w]{1,20},? (?:Box \d{1,5},?\s{1,2})?(?:[AFD]PO A[AEP] \d{5})"
        ),
    ),
    Pattern("LOCATION", re.compile(r"\b(?:[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}|[A-Z]\d[A-Z] \d[A-Z]\d)\b")),
)

#: Before a year or a count.
_NOT_A_HOUSE = re.compile(r"\b(?:in|since|until|by|top|the|ran)\s$", re.IGNORECASE)

#: Those that begin with a number.
PLACES_AT_NUMBERS: tuple[Pattern, ...] = (
    Pattern(
        "LOCATION",
        re.compile(rf"(?<![\w.,])\d{{1,6}}[A-Z]?,? {_WORDS} {_ROAD}\b\.?{_ROOM}{_TAIL}"),
        against=_NOT_A_HOUSE,
    ),
    Pattern("LOCATION", re.compile(rf"(?<![\w.,])\d{{1,5}},? {_PREFIXED} (?:{_WORDS}|\w{{1,20}}(?: {_WORD}){{1,4}})")),
)
