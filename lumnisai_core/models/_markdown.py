"""Foreign Markdown without the parts that could do harm to who looks at it. Pure.

Programs that show Markdown disagree about where code begins and ends, so nothing here is left as it is because it
seems to be code: a ``<`` that could begin a tag never survives, in code blocks neither. What seems to be code and holds
something harmful is written as an element of our own, in which it is shown as it was.
"""

from __future__ import annotations

import re
from html import unescape

_PARTS = re.compile(
    # A code block, also as an item of a list: everything to the closing fence, or to the end.
    r"^(?P<before>[ \t]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?)(?P<fence>`{3,}|~{3,})[^`\n]*\n"
    r"(?P<block>.*?)(?:^[ \t]*(?P=fence)[`~]*[ \t]*$|\Z)"
    # Code inside a paragraph.
    r"|(?<!`)(?P<ticks>`+)(?!`)(?P<code>(?:(?!\n[ \t]*\n).){1,1000}?)(?<!`)(?P=ticks)(?!`)"
    # A formula.
    r"|(?P<formula>\$\$[^$]{1,2000}\$\$|\$[^$\n]{1,300}\$)",
    re.MULTILINE | re.DOTALL,
)

# What follows a `<` that is only a sign: white space, a digit, `=`, another `<`, or nothing.
_TAG = re.compile(r"<(?![\s\d=<]|\Z)")
_IMAGE = re.compile(r"!(?=\[)")
_TARGET = re.compile(r"\]([(:])(?=\s*(\S{1,300}))")  # looks ahead, as another link may follow at once
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_SCHEMES = frozenset({"http", "https", "mailto"})
_NOT_IN_ADDRESSES = re.compile(r"[\x00-\x20\\]")
_NOT_PLAIN = re.compile(r"[^\w ,.;=]|_")


def safe_markdown(text: str) -> str:
    """Return Markdown that looks the same, without raw HTML, images and links to anywhere but the web and mail.

    Tags are shown as they are written, images become links, and links of other kinds become their text.

    Args:
        text: Markdown of any origin.
    """
    pieces, end = [], 0
    for part in _PARTS.finditer(text):
        pieces += [_harmless(text[end : part.start()]), _code_or_formula(part)]
        end = part.end()
    return "".join([*pieces, _harmless(text[end:])])


def _code_or_formula(part: re.Match[str]) -> str:
    whole = part[0]
    if part["formula"] is not None:
        return _harmless(_TAG.sub(r"\\lt ", whole))
    if _harmless(whole) == whole:
        return whole
    if part["code"] is not None:
        return f"<code>{_entities(part['code'].strip())}</code>"
    return f"{_harmless(part['before'])}<pre><code>{_entities(part['block'])}</code></pre>\n"


def _harmless(text: str) -> str:
    return _TARGET.sub(_known_target, _IMAGE.sub("&#33;", _TAG.sub("&lt;", text)))


def _known_target(link: re.Match[str]) -> str:
    mark, target = link.groups()
    scheme = _SCHEME.match(_NOT_IN_ADDRESSES.sub("", unescape(target)))
    if scheme is None or scheme[1].lower() in _SCHEMES:
        return link[0]
    return f"]&#{ord(mark)};"


def _entities(code: str) -> str:
    # In one line, and without a sign that could mean something in Markdown.
    return _NOT_PLAIN.sub(lambda sign: f"&#{ord(sign[0])};", code)
