"""Names, kinds and tags of files: pure functions."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Callable

from lumnisai_core.local.web.errors import InvalidRequest

_MAX_NAME = 200
_MAX_TAGS = 10
_MAX_TAG = 50
_UNNAMEABLE = re.compile(r"[\x00-\x1f\x7f]")


def clean_name(name: str) -> str:
    """Return the last part of a name, without what no file system takes; empty if nothing is left."""
    last = re.split(r"[\\/]", _UNNAMEABLE.sub("", name))[-1].strip()
    if last.strip(".") == "":
        return ""
    stem, dot, ending = last.rpartition(".")
    return last if len(last) <= _MAX_NAME else f"{stem[: _MAX_NAME - len(ending) - 1]}{dot}{ending}"[:_MAX_NAME]


def file_type(name: str) -> str:
    """Return the ending of a name in lower case; `bin` without one."""
    return name.rpartition(".")[2].lower() if "." in name.strip(".") else "bin"


def mime_type(name: str, given: str | None) -> str:
    """Return the media type that a name suggests, or else the one the sender gave."""
    told = (given or "").partition(";")[0].strip().lower()
    return mimetypes.guess_type(name)[0] or told or "application/octet-stream"


def free_name(name: str, taken: Callable[[str], bool]) -> str:
    """Return the name, with a number before its ending if it is taken."""
    stem, dot, ending = name.rpartition(".") if "." in name.strip(".") else (name, "", "")
    number, candidate = 0, name
    while taken(candidate):
        number += 1
        candidate = f"{stem}_({number}){dot}{ending}"
    return candidate


def read_tags(text: str | None) -> list[str]:
    """Read comma-joined tags: trimmed, in lower case, each once.

    Raises:
        InvalidRequest: there are too many, or one is too long.
    """
    tags = list(dict.fromkeys(tag.strip().lower() for tag in (text or "").split(",") if tag.strip()))
    if len(tags) > _MAX_TAGS or any(len(tag) > _MAX_TAG for tag in tags):
        message = f"at most {_MAX_TAGS} tags of at most {_MAX_TAG} characters"
        raise InvalidRequest([{"loc": ["body", "tags"], "msg": message, "type": "value_error"}])
    return tags
