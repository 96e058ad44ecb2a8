"""Credentials: private keys, access keys and tokens of services, passwords beside their label."""

from __future__ import annotations

import re

from lumnisai_core.local.liminal.detection import Pattern, valid_if, words


def _is_mixed(span: str) -> bool:
    return bool(re.search(r"[a-z]", span) and re.search(r"[A-Z]", span) and re.search(r"\d", span))


#: Tokens that begin with the name of their service.
_TOKENS = (
    r"AIza[\w-]{35}|ya29\.[\w-]{20,250}|glpat-[\w-]{20,60}|npm_[A-Za-z0-9]{36}|pypi-[\w-]{16,250}|dop_v1_[0-9a-f]{64}"
    r"|(?:sk|rk|pk)[-_][\w-]{20,250}|SG\.[\w-]{16,32}\.[\w-]{30,60}|hf_[A-Za-z0-9]{30,40}|shp(?:at|ca|pa|ss)_[0-9a-f]{32}"
    r"|(?:AC|SK)[0-9a-f]{32}|xapp-[\w-]{20,250}|key-[0-9a-f]{32}|sq0[a-z]{3}-[\w-]{22,50}"
)

CREDENTIALS: tuple[Pattern, ...] = (
    Pattern(
        "PRIVATE_KEY",
        re.compile(
            r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
            r"(?:.{0,20000}?-----END [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----)?",
            re.S,
        ),
        needs="PRIVATE KEY",
        score=1.0,
    ),
    Pattern("AWS_ACCESS_KEY", re.compile(r"\b(?:AKIA|ASIA|AGPA|AROA|AIDA|ANPA)[0-9A-Z]{16}\b"), needs="A", score=1.0),
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
    Pattern("JWT", re.compile(r"\beyJ[\w-]{10,4000}\.eyJ[\w-]{10,4000}\.[\w-]{10,4000}"), needs="eyJ", score=1.0),
    Pattern("API_KEY", re.compile(rf"(?<![\w-])(?:{_TOKENS})(?![\w-])"), score=1.0),
    Pattern(
        "CONNECTION_STRING",
        re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://[^\s:@/]{0,100}:[^\s@/]{1,200}@[^\s<>\"']{1,500}"),
        needs="://",
        score=1.0,
    ),
    Pattern(
        "PASSWORD",
        re.compile(
            r"\b(?:password|passwd|pwd|passphrase|passwort|kennwort|contraseña|mot de passe"
            r"|(?:api|secret|access)[_-]?key|(?:client|app)[_-]?secret|auth[_-]?token)[\"']?\s?[:=]\s?[\"']?(?P<value>[^\s\"'<>{}()\[\],;]{6,200})",
            re.IGNORECASE,
        ),
        valid_if(lambda span: any(map(str.isdigit, span)) and not span.isdigit()),
        score=0.8,
    ),
)
