"""Sentences of our own: templates in seven languages, filled with Faker's people of many countries, and harmless ones.

The same seed gives the same sentences. The harmless ones look like personal data and are none: versions, product
numbers, hashes, prices, code.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from tests.privacy.scoring import Gold, Sentence

if TYPE_CHECKING:
    from faker import Faker

#: The locales of the English templates, and that of each other language.
LOCALES = ("en_US", "en_GB", "en_IN", "en_CA", "de_DE", "fr_FR", "es_ES", "it_IT", "nl_NL", "pl_PL", "sv_SE", "pt_BR")

ENGLISH = """
Please write to {email} before Friday.
You can reach {name} at {phone} or {email}.
From: {name} <{email}>
To: "{name}" <{email}>
Reply-To: {email}; Cc: {email}
My name is {name} and I live at {address}.
The refund goes to {iban}, account holder {name}.
Her card {card} was charged twice.
Card number: {card}, expires 09/29
{"user": "{name}", "email": "{email}", "phone": "{phone}"}
{"card": "{card}", "ip": "{ip}"}
| {name} | {email} | {phone} |
| {iban} | {card} | {ip} |
\U0001f30a Ahoy {name}! Ring me on {phone} \U0001f680
Failed login for {email} from {ip}.
{ip} - - "GET /health HTTP/1.1" 200 12
The request came from {ip}.
The device {mac} joined the network at {ip}.
Interface en0 has the address {mac}.
See {url} for the profile of {name}.
Her SSN is {ssn}, please keep it safe.
Social security number: {ssn}
{name}, born {date}, SSN {ssn}
Tel. {phone}, fax {phone}
Phone: {phone}
Mobile: {phone}; office: {phone}
Call me back on {phone}, thanks.
Our courier could not reach {phone}.
Please text {phone} when the boat is ready.
Dear {name}, your card {card} is ready.
Hi {first}, did {name} call you?
Yesterday {first} met {name} in {city}.
Invoice for {name}, {address}, paid by {iban}.
Wire 1,200 EUR to {iban} (BIC NTSBDEB1XXX).
IBAN: {iban}
export AWS_ACCESS_KEY_ID={aws}
GITHUB_TOKEN={github}
The bot uses the token {slack} in our workspace.
password reset link: {url}
ssh {first}@{ip4} does not work any more.
curl -H "Authorization: Bearer {jwt}" {url}
The patient {name} (born on {date}) lives in {city}.
Ship it to {street}, {city}.
The meeting with {name} of {org} is on {date}.
{name}'s e-mail address is {email}.
We have {email}, {email} and {email} on the list.
name,email,phone\n{name},{email},{phone}
ticket opened by {name} ({email}), callback {phone}
**{name}** wrote: "my number is {phone}"
> {email} wrote on {date}:
User {email} has IP {ip} and MAC {mac}.
She said: my card is {card}, and the code is 4 digits.
Send the contract to {name}, {street}, {city}, or to {email}.
Passport {passport} belongs to {name}.
National ID: {id}
His national insurance number or national ID is {id}.
The tax office knows {name} under ID number {id}.
id={id}; mail={email}
Contact: {phone} ({name})
""".strip().splitlines()

OTHERS = {
    "de_DE": """
Guten Tag, mein Name ist {name}, Sie erreichen mich unter {phone}.
Bitte überweisen Sie den Betrag auf {iban}.
Frau {name} wohnt in der {street} in {city}.
Rechnung an {name}, {address}.
E-Mail: {email}, Telefon: {phone}
Die Kreditkarte {card} wurde gesperrt.
Der Zugriff kam von {ip}.
Rufen Sie {phone} an oder schreiben Sie an {email}.
""",
    "fr_FR": """
Bonjour, je m'appelle {name} et mon numéro est le {phone}.
Merci de virer la somme sur le compte {iban}.
Mme {name} habite {address}.
Écrivez à {email} ou appelez le {phone}.
Sa carte {card} est bloquée.
Le numéro de sécurité sociale de {name} est {id}.
Connexion depuis {ip}.
Tél. : {phone}
""",
    "es_ES": """
Hola, me llamo {name} y mi teléfono es {phone}.
El DNI de {name} es {id}.
Transfiera el importe a {iban}.
Vivo en {street}, {city}.
Escriba a {email} o llame al {phone}.
La tarjeta {card} ha sido bloqueada.
Acceso desde {ip}.
NIF: {id}
""",
    "it_IT": """
Buongiorno, mi chiamo {name}, il mio numero è {phone}.
Il codice fiscale di {name} è {id}.
Faccia il bonifico su {iban}.
Abito in {street}, {city}.
Scriva a {email} o chiami il {phone}.
La carta {card} è stata bloccata.
Accesso da {ip}.
Codice fiscale: {id}
""",
    "nl_NL": """
Hallo, ik ben {name} en mijn nummer is {phone}.
Het BSN van {name} is {id}.
Maak het bedrag over naar {iban}.
Ik woon in de {street} in {city}.
Mail naar {email} of bel {phone}.
De kaart {card} is geblokkeerd.
Inloggen vanaf {ip}.
BSN: {id}
""",
    "pl_PL": """
Dzień dobry, nazywam się {name}, mój numer to {phone}.
PESEL: {id}
Proszę przelać kwotę na {iban}.
Mieszkam przy {street}, {city}.
Proszę pisać na {email} lub dzwonić pod {phone}.
Karta {card} została zablokowana.
Logowanie z {ip}.
PESEL pacjenta {name}: {id}
""",
}

HARMLESS = """
Upgrade to version 5.0.34 or 3.3.9.9.
Chrome 120.0.6099.129 crashed again.
Release 2024.10.1.2 fixes the leak.
The firmware 10.4.1.7 is stable.
SKU 482-1093-B77 is out of stock.
Part no. 12-345-6789 fits both boats.
Order 4111111111111112 was shipped.
Order number 100-234-5678 is on its way.
Trace 3f2b8c1e-9d4a-4e0b-8f6a-2c7d1e5b9a30 failed.
The commit 2fd4e1c67a2d28fced849ee1bb76e7391b93eb12 broke it.
md5 d41d8cd98f00b204e9800998ecf8427e
sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
ISBN 978-3-16-148410-0
ISBN-10 0-306-40615-2
ISSN 2049-3630
It costs $1,299.99 or 12,000 EUR.
The total is 1 234 567,89 PLN.
We sold 1.234.567 units in 2023.
The population is 8,336,817.
Divide 22 by 7 and get 3.142857142857.
Pi is 3.14159265358979 and e is 2.71828182845905.
The array holds 1000000 entries of 64 bits.
At 12:30:45 std::vector<int> a::b failed.
Foo::Bar::baz() is deprecated.
Address 0x7ffeefbff5c8 is not mapped.
The ratio is 16:9 and the scale 1:50000.
Port 8080 and port 65535 are open.
HTTP 404 and 500 are errors; 200 is fine.
Page 12 of 345, section 4.5.6.7 and figure 2.10.
Chapter 3.2.1.4 describes the engine.
RFC 2616 and ISO 13616-1:2020 apply.
ISO 8601 and IEC 61850-7-420 apply.
The ticket PROJ-12345 blocks PROJ-678.
Invoice 2023-000123 is paid.
Flight LH 454 leaves at gate B42.
Room 101, floor 3, building 7.
The temperature is -12.5 to 38.2 degrees.
Use 2 x 250 ml and 3 x 500 g.
Mix 1 part to 3 parts at 1200 rpm.
The score was 3-2 after 120 minutes.
Set timeout=30000 and retries=5.
id: 550e8400-e29b-41d4-a716-446655440000
{"count": 1234567890, "ok": true}
{"timestamp_ns": 1700000000000000000}
The epoch is 1700000000.
Bytes 0-1023/146515 were sent.
Content-Length: 1234567890123
The model has 7000000000 parameters.
a@b and @home are not addresses.
Use @property and @dataclass in the class.
Follow the decorator @app.route("/") here.
Run git push origin@v2 now.
x@localhost is a test.
npm install lodash@4.17.21 left-pad@1.3.0
pip install numpy==1.26.4 pandas==2.1.3
image: registry/app@sha256:abc123
C:\\Windows\\System32\\drivers\\etc\\hosts
/usr/local/lib/python3.11/site-packages
May I march in May? June is a name, too.
The Great Gatsby was read in class.
Apple and Orange are fruits; Amazon is a river.
Monday is the first day of the week.
Paris in the spring is a phrase.
The Newton method and the Gauss algorithm converge.
A Turing machine halts or does not.
Our Kanban board has Sprint 42.
New York Times bestseller list, number 7.
Batch 20240115 is ready.
Lot A1234567 expires soon.
Serial SN-0012-3456-7890 was replaced.
Model XR-7700-220 draws 240 V.
The part weighs 0.000123 kg.
Coordinates 52.520008, 13.404954 are the square.
EAN 4006381333931 is the marker.
UPC 036000291452 is the tissue box.
DOI 10.1000/182 and 10.1038/nphys1170
arXiv:2305.12345 is cited.
Patent US 7,654,321 B2 was granted.
CAS 7732-18-5 is water.
The gene BRCA1 and the protein P53.
Colour #ff00ff and #00FF00.
CVE-2021-44228 has score 10.0.
KB5034441 fails with 0x80070643.
Windows NT 10.0.19045.3803 is old.
curl/8.4.0 and OpenSSL/3.1.4 are used.
Python 3.11.7 (main, gcc 12.2.0)
ext4, raid5, ipv6 and sha1 are words.
-----BEGIN PUBLIC KEY----- is public.
AKIA is a prefix, and ghp_ is one, too.
token: xoxb- is only a prefix.
Try sk-learn or scikit-learn.
1, 2, 3, 4, 5, 6, 7, 8, 9, 10
000-00-0000 is not a number anybody has.
The number 123-00-4567 is not valid.
300.1.2.3 and 1.2.3.4.5 are not addresses.
DE89 3704 0044 0532 0130 01 has a wrong checksum.
Between 10 and 20 of 1000 samples, p < 0.001.
""".strip().splitlines()

_Make: TypeAlias = Callable[["Faker", random.Random], str]


def _letters(chance: random.Random, count: int, alphabet: str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") -> str:
    return "".join(chance.choice(alphabet) for _ in range(count))


_MIXED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def _spaced(number: str, chance: random.Random, *gaps: str) -> str:
    """Write a number of a card or account as it is, or in groups of four."""
    gap = chance.choice(("", *gaps))
    return gap.join(re.findall(".{1,4}", number)) if gap else number


def _phone(fake: Faker, chance: random.Random) -> str:
    written = str(fake.phone_number())
    if chance.random() < 0.1:  # as Germans, Austrians, Swiss and Swedes write it
        digits = re.sub(r"\D", "", written)
        return f"+{chance.choice((41, 43, 46, 49))} (0) {chance.randint(20, 89)} {digits[-6:]}"
    return written


#: Faker's names of national ids, by locale.
_IDS = {
    "cs_CZ": "birth_number",
    "de_AT": "ssn",
    "de_CH": "ssn",
    "en_CA": "ssn",
    "en_GB": "ssn",
    "en_IN": "aadhaar_id",
    "es_ES": "nif",
    "et_EE": "ssn",
    "fi_FI": "ssn",
    "fr_FR": "ssn",
    "hr_HR": "ssn",
    "it_IT": "ssn",
    "nl_BE": "ssn",
    "nl_NL": "ssn",
    "no_NO": "ssn",
    "pl_PL": "ssn",
    "pt_BR": "cpf",
    "ro_RO": "ssn",
    "sv_SE": "ssn",
    "tr_TR": "ssn",
    "zh_CN": "ssn",
}


#: The kinds of fields, each with a name of Faker or a function.
_FIELDS: dict[str, tuple[str, str | _Make]] = {
    "email": ("EMAIL", "email"),
    "phone": ("PHONE", _phone),
    "name": ("PERSON", lambda fake, _: f"{fake.first_name()} {fake.last_name()}"),
    "first": ("PERSON", "first_name"),
    "address": ("ADDRESS", lambda fake, _: ", ".join(fake.address().splitlines())),
    "street": ("ADDRESS", lambda fake, _: ", ".join(fake.street_address().splitlines())),
    "city": ("ADDRESS", "city"),
    "iban": ("IBAN", lambda fake, chance: _spaced(fake.iban(), chance, " ")),
    "card": ("CARD", lambda fake, chance: _spaced(fake.credit_card_number(), chance, " ", "-")),
    "ssn": ("SSN", "ssn"),
    "ip": ("IP", lambda fake, chance: fake.ipv6() if chance.random() < 0.2 else fake.ipv4()),
    "ip4": ("IP", "ipv4"),
    "mac": ("MAC", "mac_address"),
    "url": ("URL", lambda fake, chance: f"{fake.uri()}?id={chance.randrange(10**6)}"),
    "aws": ("SECRET", lambda _, chance: f"AKIA{_letters(chance, 16)}"),
    "github": ("SECRET", lambda _, chance: f"ghp_{_letters(chance, 36, _MIXED)}"),
    "slack": ("SECRET", lambda _, chance: f"xoxb-{_letters(chance, 12, '0123456789')}-{_letters(chance, 24, _MIXED)}"),
    "jwt": ("SECRET", lambda _, chance: ".".join(f"eyJ{_letters(chance, 30, _MIXED)}" for _ in range(3))),
    "passport": ("NATIONAL_ID", "passport_number"),
    "date": ("DATE", "date"),
    "org": ("ORG", "company"),
}


def sentences(seed: int = 7, rounds: int = 12) -> Sequence[Sentence]:
    """Return the sentences with personal data: each English template once a locale, each other one three times."""
    from faker import Faker  # noqa: PLC0415 - in the environment of `make privacy` only

    chance = random.Random(seed)
    Faker.seed(seed)
    fakers = {locale: Faker(locale) for locale in sorted({*LOCALES, *OTHERS, *_IDS})}
    made = [
        _filled(template, LOCALES[at % len(LOCALES)], fakers, chance) for at in range(rounds) for template in ENGLISH
    ]
    for locale, templates in OTHERS.items():
        made += [_filled(template, locale, fakers, chance) for template in templates.strip().splitlines() * 3]
    return made


def harmless() -> Sequence[Sentence]:
    """Return the sentences without any personal data."""
    return [Sentence(text) for text in HARMLESS]


def _filled(template: str, locale: str, fakers: dict[str, Faker], chance: random.Random) -> Sentence:
    pieces: list[str] = []
    spans: list[Gold] = []
    length = 0
    for at, piece in enumerate(re.split(r"\{(\w+)\}", template)):
        text = piece
        if at % 2:
            kind, text = _made(piece, locale, fakers, chance)
            spans.append(Gold(kind, length, length + len(text)))
        pieces.append(text)
        length += len(text)
    return Sentence("".join(pieces), tuple(spans))


def _made(field: str, locale: str, fakers: dict[str, Faker], chance: random.Random) -> tuple[str, str]:
    if field == "id":
        country = locale if locale in OTHERS and locale in _IDS else chance.choice(sorted(_IDS))
        return "NATIONAL_ID", str(getattr(fakers[country], _IDS[country])())
    kind, make = _FIELDS[field]
    fake = fakers["en_US" if field == "ssn" else locale]
    return kind, str(getattr(fake, make)()) if isinstance(make, str) else make(fake, chance)
