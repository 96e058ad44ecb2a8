"""Detection of personal data without a model: what is found, what is not, and which overlapping span wins."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from lumnisai_core.local import Detection, PatternDetector
from lumnisai_core.local.liminal.detection import resolved, terms_in

#: Whether the extra `liminal-local` is installed.
WITH_REGISTRIES = find_spec("phonenumbers") is not None and find_spec("stdnum") is not None

#: A text, in which the expected spans are between « and », and their types.
FOUND = [
    ("Mail «ann.b+c@mail.example.org».", "EMAIL_ADDRESS"),
    ("{'to': '«o'neil@example.co.uk»'}", "EMAIL_ADDRESS"),
    ("Pay «DE89 3704 0044 0532 0130 00» IN FULL", "IBAN_CODE"),
    ("iban «gb82west12345698765432», please", "IBAN_CODE"),
    ("Card «4111 1111 1111 1111», «3782-822463-10005»", "CREDIT_CARD CREDIT_CARD"),
    ("«4111-1111-1111-1111» «378282246310005», «5555555555554444» 12", "CREDIT_CARD CREDIT_CARD CREDIT_CARD"),
    ("Cisco «001A.2B3C.4D5E», site «example.com/path»", "MAC_ADDRESS URL"),
    ("Seit «31-12-1999» und «1999/12/31»", "DATE_TIME DATE_TIME"),
    ("Mastercard 2 series «2223003122003222»", "CREDIT_CARD"),
    ("SSN «536-22-1234» or social security «536221234»", "US_SSN US_SSN"),
    ("From «192.168.0.17». And «2001:db8::8a2e:370:7334»", "IP_ADDRESS IP_ADDRESS"),
    ("The server version 2.1 runs at «10.0.0.1»", "IP_ADDRESS"),
    ("NIC «00:1A:2b:3c:4D:5e» up", "MAC_ADDRESS"),
    ("See («https://example.org/a_(b)?c=1»).", "URL"),
    ("Call «+49 (0) 30 901820» or tel. «030 901820 12»", "PHONE_NUMBER PHONE_NUMBER"),
    ("US: «(212) 555-0143», «212-555-0143 x12»", "PHONE_NUMBER PHONE_NUMBER"),
    ("Ring «0151 4960251», fax «01.49.79.84.47», or «868-917-1218» mobile", "PHONE_NUMBER PHONE_NUMBER PHONE_NUMBER"),
    ("Messages to «468 3505» or «799 8384» home", "PHONE_NUMBER PHONE_NUMBER"),
    ("«+41 (0)43 363 95 32», «+1-748-279-4603x598», «+4747966697»", "PHONE_NUMBER PHONE_NUMBER PHONE_NUMBER"),
    ("«ann@example.org»,«799 086 598»", "EMAIL_ADDRESS PHONE_NUMBER"),
    ("a\\n«03834492235»\\n and «01512 34 567»", "PHONE_NUMBER PHONE_NUMBER"),
    ("Tel. «\uff10\uff13\uff10\u2011901820\u201112»", "PHONE_NUMBER"),
    ("Passport no. «F07764265», driver's license «D123-4567-8901»", "ID_NUMBER ID_NUMBER"),
    ("Account number: «12345678», policy number «AB 123456»", "ID_NUMBER ID_NUMBER"),
    ("The IBAN «GB34LBEP3900009541858» of an odd length", "IBAN_CODE"),
    ("Ping «8.8.8.8», please; host «1.2.3.4».", "IP_ADDRESS IP_ADDRESS"),
    ("\\nhttps is «https://a.example/b\\n»".replace("\\n»", "»\\n"), "URL"),
    ("DB «postgres://ann:pw@db.example:5432/x»", "CONNECTION_STRING"),
    ("Lives at «742 Evergreen Terrace», «PO Box 1234», «SW1A 1AA»", "LOCATION LOCATION LOCATION"),
    ("Wohnt in der «Lindenstraße 12a», «Calle Mayor 5»", "LOCATION LOCATION"),
    ("Am «14. März 2025», le «5 mai 2024», el «3 de mayo de 2024»", "DATE_TIME DATE_TIME DATE_TIME"),
    ("Born «1984-02-29», seen on «14 March 2025» and «June 3rd».", "DATE_TIME DATE_TIME DATE_TIME"),
    ("Seit «31.12.1999»", "DATE_TIME"),
    ("key «AKIAIOSFODNN7EXAMPLE»", "AWS_ACCESS_KEY"),
    ("aws secret: «wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY»", "AWS_SECRET_KEY"),
    (f"«ghp_{'a1B2' * 9}»", "GITHUB_TOKEN"),
    ("password: «hunter2x», api_key='«a1b2c3d4e5»'", "PASSWORD PASSWORD"),
    (f"«glpat-{'a1B2' * 6}» or «sk-{'a1B2' * 6}»", "API_KEY API_KEY"),
    ("«xoxb-123456789012-abcdefABCDEF»", "SLACK_TOKEN"),
    ("«-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----» end", "PRIVATE_KEY"),
    ("cut «-----BEGIN PRIVATE KEY-----» MIIE", "PRIVATE_KEY"),
    ("Dear Dr «Mira O'Neil-Okafor», my name is «Jan van der Berg».", "PERSON PERSON"),
    ("«Mira Okafor» <«mira@example.org»>", "PERSON EMAIL_ADDRESS"),
]

#: The same with the packages of the extra.
FOUND_WITH_REGISTRIES = [
    ("Rufen Sie «0049 30 901820» an", "PHONE_NUMBER"),
    ("London: «(020) 7946 0958», Paris «01 42 68 53 00»", "PHONE_NUMBER PHONE_NUMBER"),
    ("Il mio numero è «+39 05876297208».", "PHONE_NUMBER"),
    ("SIN «123-456-782»", "CA_SIN"),
    ("CURP «HEGG560427MVZRRL04»", "MX_CURP"),
    ("CNP «1630615123457»", "RO_CNP"),
    ("TC «10000000146»", "TR_TCKIMLIK"),
    ("rč «710319/2745», isikukood «37605030299»", "CZ_RC EE_IK"),
    ("«RSSMRA85T10A562S»", "IT_FISCAL_CODE"),
    ("DNI «12345678Z», NIE «X1234567L»", "ES_DNI ES_NIE"),
    ("PESEL «44051401359»", "PL_PESEL"),
    ("BSN «111222333»", "NL_BSN"),
    ("CPF «390.533.447-05»", "BR_CPF"),
    ("NIR «2 95 10 99 126 111 93»", "FR_NIR"),
    ("NHS number «943 476 5919»", "GB_NHS"),
    ("NI «AB 12 34 56 C»", "GB_NINO"),
    ("Steuer-ID «36 574 261 809»", "DE_TAX_ID"),
    ("«811218-9876»", "SE_PERSONNUMMER"),
    ("HETU «131052-308T»", "FI_HETU"),
    ("NN «85.07.30-033.28»", "BE_NATIONAL_NUMBER"),
    ("AHV «756.9217.0769.85»", "CH_AHV"),
    ("Aadhaar «2341 2341 2346»", "IN_AADHAAR"),
]

NOT_FOUND = [
    "Upgrade to version 5.0.34 or 3.3.9.9.",
    "SKU 482-1093-B77, part no. 12-345-6789",
    "Trace 3f2b8c1e-9d4a-4e0b-8f6a-2c7d1e5b9a30 failed.",
    "ISBN 978-3-16-148410-0 and 0-306-40615-2",
    "sha1 2fd4e1c67a2d28fced849ee1bb76e7391b93eb12",
    "It costs $1,299.99 or 12,000 EUR, 3.50 each.",
    "Order 4111111111111112 and DE89 3704 0044 0532 0130 01",
    "At 12:30:45 std::vector<int> a::b, 300.1.2.3, 1.2.3.4.5",
    "SSN-like 000-12-3456, 666-12-3456 and 123-00-4567",
    "On 2025-02-30 or 31.02.2024 nothing happened.",
    "Chapter 3.2.1.4 and bytes 0-1023/146515 of 1 234 567 units.",
    "The password: required, the secret is out.",
    "Order number 100-234-5678, invoice 0123456789, EAN 4006381333931",
    "1234 5678 9012 3456 is a sample, 120.0.0.0.1 and Chrome/119.0.0.0 are versions.",
    "Call 5 functions 1234567 times; the fax machine 4500123 took 7890123 bytes.",
    "In 1999 Wall Street fell. Dear Sir or Madam, the Box 5 is red.",
    "May I march? See @home, a@b, x@localhost",
    "ghp_short xoxb-1 AKIA123 -----BEGIN PUBLIC KEY-----",
]


def marked(text: str) -> str:
    """Return a text with its findings between marks."""
    for found in reversed(PatternDetector().detect(text)):
        text = f"{text[: found.start]}«{text[found.start : found.end]}»{text[found.end :]}"
    return text


@pytest.mark.parametrize(("text", "types"), FOUND)
def test_what_has_a_form_is_found(text: str, types: str) -> None:
    """The whole span and nothing around it, with its type."""
    clean = text.replace("«", "").replace("»", "")
    assert marked(clean) == text
    assert " ".join(found.type for found in PatternDetector().detect(clean)) == types


@pytest.mark.skipif(not WITH_REGISTRIES, reason="needs the extra liminal-local")
@pytest.mark.parametrize(("text", "types"), FOUND_WITH_REGISTRIES)
def test_phone_numbers_and_national_ids_are_found(text: str, types: str) -> None:
    """By the rules of their countries; with a context word where digits alone mean nothing."""
    test_what_has_a_form_is_found(text, types)


@pytest.mark.parametrize("text", NOT_FOUND)
def test_what_only_looks_like_it_is_not_found(text: str) -> None:
    """Wrong checksums, impossible dates, versions, product numbers, hashes, code."""
    assert marked(text) == text


def test_a_surer_span_wins_over_a_longer_one_and_that_over_an_earlier_one() -> None:
    """None of the chosen spans overlap, they are in order, and what any of them covers stays covered."""
    text = "abcdefghijkl"
    sure, long, short = Detection("A", 5, 9, 1.0), Detection("B", 0, 8, 0.5), Detection("C", 0, 4, 0.5)
    assert resolved(text, [long, short, sure]) == [long._replace(end=5), sure]
    assert resolved(text, [short, long]) == [long]
    assert resolved(text, [Detection("D", 2, 7, 0.5), short]) == [short._replace(end=2), Detection("D", 2, 7, 0.5)]
    assert resolved("ab- (cd).", [Detection("D", 0, 9, 0.5), Detection("E", 0, 2)]) == [
        Detection("E", 0, 2),
        Detection("D", 5, 7, 0.5),
    ]


def test_terms_are_whole_words_in_any_case() -> None:
    """Signs in them stand for themselves."""
    found = list(terms_in("C++ and c++; Gulls, GULL.", ["c++", "gull"]))
    assert [(one.start, one.end, one.custom_term) for one in found] == [(0, 3, "c++"), (8, 11, "c++"), (20, 24, "gull")]


@pytest.mark.parametrize(
    "piece",
    ["0(", "1 ", "a.", "x@", ":", "(", "Dr A", "A-", "http://)", "DE12 ", "1-", "Rue Aa ", "1 Aa ", "passport 1"],
)
def test_long_texts_without_meaning_are_read_in_time(piece: str) -> None:
    """No pattern looks at a text again from each of its places; the time limit of a test is enough for each."""
    PatternDetector().detect(piece * 8_000)
