"""Generate the blocking half of the client and its tests from the asyncio half.

``python -m tests.mirror`` rewrites every generated file; a test compares them with what it would write. The
transformation works on tokens: ``async`` and ``await`` go, names are replaced by the table below, and the
same names are replaced inside texts. A rule that matches nothing anywhere is an error.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import tempfile
import tokenize
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

#: Folders that are written, and the folders generated from them.
FOLDERS = {
    "lumnisai_core/_transport/_async": "lumnisai_core/_transport/_sync",
    "lumnisai_core/lumnis/_async": "lumnisai_core/lumnis/_sync",
    "lumnisai_core/liminal/_async": "lumnisai_core/liminal/_sync",
    "lumnisai_core/lucidic/_async": "lumnisai_core/lucidic/_sync",
    "lumnisai_core/lumi/_async": "lumnisai_core/lumi/_sync",
    "tests/core/_async": "tests/core/_sync",
}

#: Names in the asyncio half and their blocking twins. Classes only lose their ``Async``.
NAMES = {
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
    "__anext__": "__next__",
    "_async": "_sync",
    "aclose": "close",
    "aclosing": "closing",
    "anext": "next",
    "async_beside": "beside",
    "async_client": "client",
    "async_each": "each",
    "async_grace": "grace",
    "async_notify": "notify",
    "async_outcome": "outcome",
    "async_returned": "returned",
    "async_sleep": "sleep",
    "check_async_callback": "check_callback",
}

#: Phrases in texts and docstrings.
PHRASES = {
    "Asyncio client": "Blocking client",
    "several event loops and threads; connections are opened on first use, one set for each\n"
    "    loop, and closed with it": "several threads, also inside a running event loop; connections are opened on"
    "\n    first use and shared",
}


#: Types that stand for their last argument, and how many tokens stand in front of that.
_WRAPPERS = {"Coroutine": len(["Coroutine", "[", "Any", ",", "Any", ","]), "Awaitable": len(["Awaitable", "["])}


def mirrored(source: str, used: Counter[str] | None = None) -> str:
    """Turn asyncio source into blocking source, not yet formatted.

    Args:
        source: Text of a module of the asyncio half.
        used: Counts how often each rule matched.
    """
    used = Counter() if used is None else used
    tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    lines = source.splitlines(keepends=True)
    pieces: list[str] = []
    at = (1, 0)
    skip_blanks = False
    dropped = _dropped(tokens)
    for index, token in enumerate(tokens):
        between = _text_between(lines, at, token.start)
        pieces.append(between.lstrip(" ") if skip_blanks else between)
        at = token.end
        skip_blanks = index in dropped and token.string != "]"
        if index not in dropped:
            pieces.append(_mirrored_token(token, used))
    return "".join(pieces)


def _mirrored_token(token: tokenize.TokenInfo, used: Counter[str]) -> str:
    if token.type == tokenize.NAME:
        return _mirrored_name(token.string, used)
    if token.type in (tokenize.STRING, tokenize.COMMENT):
        return _mirrored_text(token.string, used)
    return token.string


def _mirrored_name(name: str, used: Counter[str]) -> str:
    used[name] += 1
    return NAMES.get(name) or re.sub(r"^(_?)Async(?=[A-Z])", r"\1", name)


def _mirrored_text(text: str, used: Counter[str]) -> str:
    for phrase, replacement in PHRASES.items():
        if phrase in text:
            used[phrase] += 1
            text = text.replace(phrase, replacement)

    text = re.sub(r"\w+", lambda word: _mirrored_name(word[0], used), text)
    return re.sub(r"\b(async|await) (?=[a-z_]+[ .(])", "", text)


def _dropped(tokens: list[tokenize.TokenInfo]) -> set[int]:
    """Find the tokens that go: ``async``, ``await``, and of ``Coroutine[Any, Any, X]`` and the like all but ``X``."""
    dropped: set[int] = set()
    for index, token in enumerate(tokens):
        if token.type == tokenize.NAME and token.string in ("async", "await"):
            dropped.add(index)
        elif token.string in _WRAPPERS and tokens[index + 1].string == "[":
            inner = index + _WRAPPERS[token.string]
            dropped.update(range(index, inner))
            depth = 1
            end = inner
            while depth:
                depth += {"[": 1, "]": -1}.get(tokens[end].string, 0)
                end += 1
            dropped.add(end - 1)
    return dropped


def _text_between(lines: list[str], start: tuple[int, int], end: tuple[int, int]) -> str:
    if start[0] == end[0]:
        return lines[start[0] - 1][start[1] : end[1]] if start[0] <= len(lines) else ""
    first = lines[start[0] - 1][start[1] :]
    middle = lines[start[0] : end[0] - 1]
    last = lines[end[0] - 1][: end[1]] if end[0] <= len(lines) else ""
    return "".join([first, *middle, last])


def generated() -> dict[Path, str]:
    """Return every generated file with the text it should have.

    Raises:
        ValueError: A rule matched nothing and should be removed.
    """
    used: Counter[str] = Counter()
    texts = {}
    for written, target in FOLDERS.items():
        for source in sorted((ROOT / written).rglob("*.py")):
            relative = source.relative_to(ROOT)
            head = f"# Generated from {relative.as_posix()} by `make sync`; edit that file.\n"
            text = source.read_text(encoding="utf-8")
            texts[ROOT / target / source.relative_to(ROOT / written)] = head + mirrored(text, used)
    unused = [rule for rule in (*NAMES, *PHRASES) if not used[rule]]
    if unused:
        raise ValueError(f"These mirror rules match nothing: {unused}")
    return _formatted(texts)


def _formatted(texts: dict[Path, str]) -> dict[Path, str]:
    """Format all files at once, in a copy of the tree that has nothing else."""
    with tempfile.TemporaryDirectory() as name:
        copies = {path: Path(name) / path.relative_to(ROOT) for path in texts}
        for path, text in texts.items():
            copies[path].parent.mkdir(parents=True, exist_ok=True)
            copies[path].write_text(text, encoding="utf-8")
        shutil.copy(ROOT / "pyproject.toml", name)
        options = ["--quiet", "--no-cache", "--config", f"src = ['{ROOT.as_posix()}']"]  # where imports are looked up
        for command in (["check", "--select", "I,F401", "--fix"], ["format"]):
            subprocess.run([sys.executable, "-m", "ruff", *command, *options, name], check=True, cwd=name)
        return {path: copy.read_text("utf-8") for path, copy in copies.items()}


def stale() -> list[str]:
    """Name the generated files that differ from what would be written, and those that should not be there."""
    texts = generated()
    different = [path for path, text in texts.items() if not path.is_file() or path.read_text("utf-8") != text]
    known = {path for target in FOLDERS.values() for path in (ROOT / target).rglob("*.py")}
    return sorted(path.relative_to(ROOT).as_posix() for path in [*different, *(known - texts.keys())])


def main(arguments: list[str]) -> int:
    """Write the generated files and remove those whose source is gone; with ``--check`` only compare."""
    if arguments == ["--check"]:
        different = stale()
        for name in different:
            sys.stderr.write(f"{name} is not what its source gives: run `make sync`\n")
        return 1 if different else 0
    texts = generated()
    for target in FOLDERS.values():
        for path in (ROOT / target).rglob("*.py"):
            if path not in texts:
                path.unlink()
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{len(texts)} files written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
