"""Answers as Markdown in the window: what is shown as what, and what stays a text."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lumnisai_core.local import LocalLumnis
from tests.browser.page import Page

LINK = 'rel="noopener noreferrer nofollow" target="_blank"'
TABLE = (
    "<div><table><thead><tr><th>a</th><th>b | c</th></tr></thead><tbody>"
    "<tr><td><strong>1</strong></td><td>2</td></tr><tr><td>4</td><td></td></tr></tbody></table></div>"
)

#: Markdown, and the elements that it becomes; the order of attributes is that of the alphabet.
SHOWN = [
    ("plain", "<p>plain</p>"),
    ("one\ntwo\n\nthree", "<p>one<br>two</p><p>three</p>"),
    ("# A\n### B ###\n####### C", "<h2>A</h2><h4>B</h4><p>####### C</p>"),
    ("a **b** *c* __d__ _e_ ~~f~~", "<p>a <strong>b</strong> <em>c</em> <strong>d</strong> <em>e</em> <s>f</s></p>"),
    ("***both*** and **a *b* c**", "<p><strong><em>both</em></strong> and <strong>a <em>b</em> c</strong></p>"),
    ("**a *b***", "<p><strong>a <em>b</em></strong></p>"),
    ("**open and *closed* only", "<p>**open and <em>closed</em> only</p>"),
    ("2 * 3 * 4, snake_case_name, a ** b", "<p>2 * 3 * 4, snake_case_name, a ** b</p>"),
    (r"\*not\* \[a\](b) \\", r"<p>*not* [a](b) \</p>"),
    ("`a*b*` ``c`d`` `open", "<p><code>a*b*</code> <code>c`d</code> `open</p>"),
    ("- a\n- b\n  - c\n\ntext", "<ul><li>a</li><li>b<ul><li>c</li></ul></li></ul><p>text</p>"),
    ("1. a\n   - b\n2. c", "<ol><li>a<ul><li>b</li></ul></li><li>c</li></ol>"),
    ("3) a\n4) b", '<ol start="3"><li>a</li><li>b</li></ol>'),
    ("- [ ] a\n- [x] b", "<ul><li>☐ a</li><li>☑ b</li></ul>"),
    ("- a\n\n  more\n- b", "<ul><li><p>a</p><p>more</p></li><li>b</li></ul>"),
    ("Here:\n- a", "<p>Here:</p><ul><li>a</li></ul>"),
    ("> a\n> > b", "<blockquote><p>a</p><blockquote><p>b</p></blockquote></blockquote>"),
    ("a\n\n---\n***", "<p>a</p><hr><hr>"),
    ("```py\nif a < b:\n\n  **c**\n```", "<figure><pre><code>if a &lt; b:\n\n  **c**</code></pre></figure>"),
    ("~~~\nopen", "<figure><pre><code>open</code></pre></figure>"),
    (
        "It:\n| a | b \\| c |\n|:-:|--:|\n| **1** | 2 | 3 |\n| 4 |",
        f"<p>It:</p>{TABLE}",
    ),
    ("a | b\nno table", "<p>a | b<br>no table</p>"),
    ("[a *b*](https://example.org/x?y=1)", f'<p><a href="https://example.org/x?y=1" {LINK}>a <em>b</em></a></p>'),
    ('[a](https://example.org "t") b', f'<p><a href="https://example.org/" {LINK}>a</a> b</p>'),
    ("[mail](mailto:ines@example.org)", f'<p><a href="mailto:ines@example.org" {LINK}>mail</a></p>'),
    (
        "see https://example.org/a_(b).",
        f'<p>see <a href="https://example.org/a_(b)" {LINK}>https://example.org/a_(b)</a>.</p>',
    ),
    ("<https://example.org>", f'<p><a href="https://example.org/" {LINK}>https://example.org</a></p>'),
    ("![map](https://example.org/m.png)", f'<p><a href="https://example.org/m.png" {LINK}>Image: map</a></p>'),
]

#: What could run, load or lead somewhere else: it stays a text.
TEXTS = [
    "<img src=x onerror='window.ran = true'>",
    "<script>window.ran = true</script>",
    "[a](javascript:window.ran=true)",
    "[a](JaVaScRiPt:window.ran=true)",
    "[a](data:text/html,x)",
    "[a](vbscript:x)",
    "[a](file:///etc/passwd)",
    "[a](//example.org)",
    "[a](/v1/users)",
    "[a](https:example.org)",
    "[a](https://)",
    "![a](data:image/png;base64,xx)",
    "<javascript:window.ran=true>",
    "[a](javas cript:x)",
    "[[a](b)](c)",
    "&lt;b&gt;",
]

#: Texts that slow renderers take minutes for, or that fill their stack.
HUGE = [
    "*a ",
    "[",
    "[a](",
    "`",
    "` ``",
    "> ",
    "  - a\n",
    "**",
    "_a*",
    "<http://",
    "a|",
    "|\n|-|\n",
    "#",
    "![",
    "~~~\n",
    "1. ",
    "\\",
]


@pytest.fixture(scope="module")
def service() -> Iterator[LocalLumnis]:
    """A service that nobody asks anything."""
    with LocalLumnis() as local:
        yield local


@pytest.fixture
def blank(page: Page, service: LocalLumnis) -> Page:
    """The page before a key is entered, with a place for answers."""
    page.open(service)
    page.evaluate("void (document.body.append(window.place = document.createElement('div')))")
    return page


def shown(page: Page, text: str) -> str:
    """Return the elements that a text becomes, without classes and buttons."""
    page.evaluate("void drawMarkdown(place, arguments[0])", text)
    page.evaluate("void place.querySelectorAll('button').forEach(button => button.remove())")
    attributes = "void place.querySelectorAll('*').forEach(one => ['class', 'tabindex', 'aria-label'].forEach("
    page.evaluate(f"{attributes}name => one.removeAttribute(name)))")
    order = "[...one.attributes].sort((a, b) => a.name < b.name ? -1 : 1).forEach(({ name, value }) => {"
    again = "one.removeAttribute(name); one.setAttribute(name, value); })"
    page.evaluate(f"void place.querySelectorAll('a').forEach(one => {order}{again})")
    return str(page.evaluate("place.innerHTML"))


def test_markdown_becomes_elements(blank: Page) -> None:
    """Paragraphs, headings, emphasis, code, lists, quotes, tables, rules and links."""
    wrong = {text: (found, expected) for text, expected in SHOWN if (found := shown(blank, text)) != expected}
    assert wrong == {}


def test_nothing_of_an_answer_can_run_or_load_or_lead_elsewhere(blank: Page) -> None:
    """Markup and other addresses are shown as they were written."""
    for text in TEXTS:
        shown(blank, text)
        assert blank.evaluate("place.textContent") == text
        assert blank.evaluate("place.querySelectorAll('a, img, script, b').length") == 0, text
    assert blank.evaluate("window.ran") is None


def test_huge_and_odd_texts_are_shown(blank: Page) -> None:
    """Whatever their signs, they keep their length and the page stays usable; the longest are plain texts."""
    for piece in HUGE:
        text = piece * (90_000 // len(piece))
        blank.evaluate("void drawMarkdown(place, arguments[0])", text)
        assert blank.evaluate("place.children.length") >= 1, piece
    blank.evaluate("void drawMarkdown(place, '**a** '.repeat(100000))")
    assert blank.evaluate(
        "[place.children.length, place.textContent.length, place.querySelectorAll('strong').length]"
    ) == [
        1,
        600_000,
        0,
    ]


def test_only_blocks_that_change_are_made_anew(blank: Page) -> None:
    """So a growing answer costs little, and a selection in it stays."""
    blank.evaluate("void drawMarkdown(place, '# A\\n\\none')")
    blank.evaluate("void (window.before = [...place.children])")
    blank.evaluate("void drawMarkdown(place, '# A\\n\\none *two*\\n\\n- three')")
    assert blank.evaluate("[...place.children].map((one, index) => one === before[index])") == [True, False, False]
    blank.evaluate("void drawMarkdown(place, '# A')")
    assert blank.evaluate("place.children.length") == 1
