"""The arguments of a tool call, found in the words of a question by the names and types of the parameters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from lumnisai_core.local.engines.offline_engine import question_pieces as phrases
from lumnisai_core.local.engines.offline_engine.labelled_values import labelled, listed, occurring, switched
from lumnisai_core.local.engines.offline_engine.question_pieces import Piece, Written
from lumnisai_core.local.engines.offline_engine.schema_fields import Leaf, leaves
from lumnisai_core.local.engines.samples.material import Path
from lumnisai_core.local.engines.samples.merging import Schema, Unsatisfiable
from lumnisai_core.local.engines.samples.samples import sample
from lumnisai_core.local.web.json_schema import SchemaError, compile_schema
from lumnisai_core.local.web.text import word_set

#: Which preposition stands before what, by the words of a parameter's name.
_ROLES: Mapping[str, frozenset[str]] = {
    "from": word_set("from origin source start departure sender since begin first"),
    "to": word_set("to destination target recipient receiver end arrival until"),
    "in": word_set("location city place country region area where address town state"),
    "at": word_set("location place venue address time"),
    "about": word_set("topic subject about theme query"),
    "for": word_set("customer person client query keywords"),
    "on": word_set("date day when topic query"),
    "by": word_set("author artist creator"),
    "with": word_set("guest participant attendee"),
}
_NEXT_BEST = word_set("in at for of from to about on by")
#: Parameters that take the question as it is.
_WHOLE = word_set("question input prompt text message request task instruction instructions content")
#: Parameters that take what the question is about.
_SUBJECT = word_set("query q search keywords keyword term terms")
_DATES = word_set("date day when start end")

#: What is said about the use of tools is no argument of theirs.
_INSTRUCTION = re.compile(
    r"(?:(?<=[.!?])\s*|^\s*)(?:please\s+)?(?:use|call|using|with)\s+(?:\w+\s+){0,2}?(?:tool|function)s?\s*(?:[.!?,:]|$)"
    r"(?:\s*to(?!\w))?",
    re.IGNORECASE,
)

Found = dict[Path, Any]


def arguments_from(schema: Schema, question: str, written: Written | None = None) -> Any:
    """Return arguments that satisfy the schema of a tool's parameters.

    Args:
        schema: schema of the parameters.
        question: what is asked.
        written: the call as the question writes it, if it does.

    Raises:
        Unsatisfiable: no value satisfies the schema.
        SchemaError: it is no schema.
    """
    for value in phrases.objects(question):
        if compile_schema(schema).is_valid(value) and _is_about(schema, value):
            return value
    places = leaves(schema)
    found = _written(places, written) if written is not None else {}
    rest = question if written is None else question[: written.start] + question[written.end :]
    rest = _INSTRUCTION.sub("", rest).strip() or rest
    _Search(rest, places, found, complete=bool(found)).run()
    return _build(schema, found)


def _is_about(schema: Schema, value: Mapping[str, Any]) -> bool:
    """Tell whether an object has parameters in it; the empty one satisfies nearly everything."""
    return any(leaf.path[0] in value for leaf in leaves(schema))


def _written(places: list[Leaf], written: Written) -> Found:
    """Give the values of a written call to the parameters: by name, the others in order."""
    top = [leaf for leaf in places if len(leaf.path) == 1]
    found: Found = {}
    for leaf in top:
        if leaf.path[0] in written.named:
            _put(found, leaf, written.named[leaf.path[0]])
    open_places = [leaf for leaf in top if leaf.path[0] not in written.named]
    for leaf, value in zip(open_places, written.given, strict=False):
        _put(found, leaf, value)
    return found


def _put(found: Found, leaf: Leaf, value: Any) -> bool:
    """Keep a value if it fits, as a text if only that fits."""
    for form in (value, *([] if value is None else [str(value), [value]])):
        if leaf.fits(form):
            found[leaf.path] = form
            return True
    return False


class _Search:
    """Looks for one value after another, the surest first; a piece of the question is used once.

    Args:
        complete: whether the values found so far are all that the question gives: only gaps are filled then.
    """

    def __init__(self, question: str, places: list[Leaf], found: Found, *, complete: bool) -> None:
        self._question = question
        self._places = places
        self._found = found
        self._complete = complete
        self._used: list[Piece] = []

    def run(self) -> None:
        """Fill what can be filled."""
        if not self._complete:
            self._by_name()
            self._in_order("string", phrases.dates(self._question), lambda leaf: bool(leaf.words & _DATES))
            self._in_order("string", phrases.tokens(self._question), lambda leaf: leaf.special)
            self._in_order("string", phrases.quotations(self._question), lambda leaf: not leaf.special)
            self._in_order("number", phrases.numbers(self._question), lambda _: True)
            self._by_role()
        self._lists()
        for leaf in self._open():
            if leaf.required:
                self._last_resort(leaf)

    def _open(self) -> list[Leaf]:
        return [leaf for leaf in self._places if leaf.path not in self._found]

    def _take(self, leaf: Leaf, pieces: Iterable[Piece]) -> bool:
        for piece in pieces:
            if not any(piece.overlaps(used) for used in self._used) and leaf.fits(piece.value):
                self._found[leaf.path] = piece.value
                self._used.append(piece)
                return True
        return False

    def _by_name(self) -> None:
        """Choices that occur, switches that are named, and values that stand next to the name of a parameter."""
        for leaf in self._open():
            if leaf.options:
                self._take(leaf, occurring(leaf.options, self._question))
            elif "boolean" in leaf.kinds:
                self._take(leaf, switched(leaf, self._question))
            else:
                self._take(leaf, labelled(leaf, self._question))

    def _in_order(self, kind: str, pieces: Sequence[Piece], suits: Callable[[Leaf], bool]) -> None:
        kinds = {"number", "integer"} if kind == "number" else {kind}
        for leaf in self._open():
            if kinds & leaf.kinds and not leaf.options and suits(leaf):
                self._take(leaf, pieces)

    def _by_role(self) -> None:
        """What follows the preposition that belongs to a parameter's name; else, where needed, any name or phrase."""
        phrased = phrases.after_prepositions(self._question)
        texts = [leaf for leaf in self._open() if "string" in leaf.kinds and not leaf.options and not leaf.special]
        for leaf in texts:
            wanted = [role for role, names in _ROLES.items() if leaf.words & names]
            self._take(leaf, [piece for role in wanted for piece in phrased if piece.kind == role])
        needy = [leaf for leaf in texts if leaf.required] or [
            leaf for leaf in texts if not any(place.required for place in self._places)
        ][:1]
        named = phrases.names(self._question)
        others = [piece for piece in phrased if piece.kind in _NEXT_BEST and piece.value[:1].isupper()]
        rest = [piece for piece in phrased if piece.kind in _NEXT_BEST]
        for leaf in needy:
            if leaf.path not in self._found and not leaf.words & (_WHOLE | _SUBJECT):
                self._take(leaf, [*others, *named, *rest])

    def _lists(self) -> None:
        """Lists take what is enumerated after their name, their choices, or what is left over of their type."""
        for leaf in self._open():
            if "array" not in leaf.kinds or self._complete:
                continue
            if leaf.item_options:
                values = [piece.value for piece in occurring(leaf.item_options, self._question)]
            else:
                values = listed(leaf, self._question) or (self._left_over(leaf) if leaf.required else [])
            if values and leaf.fits(values):
                self._found[leaf.path] = values

    def _left_over(self, leaf: Leaf) -> list[Any]:
        question = self._question
        if leaf.items & {"number", "integer"}:
            pieces = phrases.numbers(question)
        elif "string" in leaf.items:
            pieces = phrases.quotations(question) or phrases.names(question)
        else:
            return []
        return [piece.value for piece in pieces if not any(piece.overlaps(used) for used in self._used)]

    def _last_resort(self, leaf: Leaf) -> None:
        """The default, or the question's own words."""
        if leaf.default and leaf.fits(leaf.default[0]):
            self._found[leaf.path] = leaf.default[0]
        elif "string" in leaf.kinds and not leaf.options and not leaf.special and self._question.strip():
            whole = [self._question.strip()] if leaf.words & _WHOLE else []
            for value in (*whole, phrases.content_words(self._question)):
                if value and leaf.fits(value):
                    self._found[leaf.path] = value
                    return


def _build(schema: Schema, found: Found) -> Any:
    """Return a value with what was found in it; what does not go together is left out, the least sure first."""
    paths = list(found)
    while paths:
        demanded: dict[str, Any] = {}
        for path in paths:
            _demand(demanded, path, found[path])
        base = schema if isinstance(schema, dict) else {}
        try:
            value = sample({**base, "allOf": [*base.get("allOf", ()), demanded]})
        except (Unsatisfiable, SchemaError):
            paths.pop()
            continue
        return value
    return sample(schema)


def _demand(schema: dict[str, Any], path: Path, value: Any) -> None:
    """Add to a schema that there is this value at that path."""
    for name in path:
        schema["type"] = "object"
        schema.setdefault("required", [])
        if name not in schema["required"]:
            schema["required"].append(name)
        schema = schema.setdefault("properties", {}).setdefault(name, {})
    schema["const"] = value
