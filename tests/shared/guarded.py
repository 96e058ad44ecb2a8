"""What tests of the guard share: values that must stay hidden, and a gateway to hide them with."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from lumnisai_core.liminal import Client
from lumnisai_core.local import LocalLumnis

MAIL, PHONE, CARD = "mira@example.org", "+49 30 901820", "4111 1111 1111 1111"
CLEAR = (MAIL, PHONE, CARD)

#: A sentence with all of them.
ASKED = f"Tell {MAIL} or {PHONE} that {CARD} was charged."

#: What models of the tests answer with: all placeholders that they got, some of them altered.
_TOKEN = re.compile(r"\b[A-Z][A-Z_]*_\d+\b")


def clear_values(seen: Iterable[object]) -> list[str]:
    """Return the clear values in what was seen, each with what is around it."""
    text = "\n".join(one.decode("utf-8", "replace") if isinstance(one, bytes) else repr(one) for one in seen)
    plain = text.replace("\\", "")
    return [plain[max(0, plain.index(value) - 200) : plain.index(value) + 60] for value in CLEAR if value in plain]


def placeholders(seen: object) -> list[str]:
    """Return the placeholders in what a model got, in order."""
    return list(dict.fromkeys(_TOKEN.findall(str(seen))))


def answer_to(seen: object) -> str:
    """Return an answer with the placeholders in what a model got, written in several ways."""
    forms = ("{}", "**{}**", "<{}>")
    names = [form.format(name) for form, name in zip(forms * 9, placeholders(seen), strict=False)]
    return f"Done: {', '.join(names)}."


def arguments_for(seen: object) -> dict[str, object]:
    """Return arguments of a tool with the placeholders in what a model got."""
    return {"to": (placeholders(seen) or ["nobody"])[0], "others": [name.lower() for name in placeholders(seen)]}


def pieces(text: str) -> list[str]:
    """Cut a text into pieces of three characters, which splits every placeholder."""
    return [text[start : start + 3] for start in range(0, len(text), 3)] or [""]


def json_pieces(value: object) -> list[str]:
    """Cut a document likewise."""
    return pieces(json.dumps(value))


def gateway_client(service: LocalLumnis) -> Client:
    """Return a client of a service's gateway."""
    return Client(service.liminal.base_url, token=service.liminal.token)
