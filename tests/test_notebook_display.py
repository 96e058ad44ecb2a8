"""How models look in a notebook: foreign text can do no harm there, and nothing else is changed."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from lumnisai_core import FileMetadata, ResponseList, ResponseObject, ThreadList, ThreadObject
from lumnisai_core.display import safe_markdown, table_html, table_text
from lumnisai_core.lumnis.models import FileSearchResults

PLAIN = [
    "A *neap* tide is **small**.",
    "1 < 2, x <= y, i <3 you, a << b, 5 <",
    "```python\nif a < 3 and b:\n    print(1)\n```",
    "Use `a < b` and `!x`.",
    "Costs $5. $a < b$ holds.",
    "[tides](https://example.com/a?b=c&d) and [mail](mailto:a@example.com), [here](#top), [there](page.html)",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    "[note]: see below",
    "",
]

HARMFUL = {
    "<script>alert(1)</script>": "&lt;script>alert(1)&lt;/script>",
    "<!-- a -->": "&lt;!-- a -->",
    "<https://example.com>": "&lt;https://example.com>",
    "<<b>": "<&lt;b>",
    "![x](https://example.com/x.png)": "&#33;[x](https://example.com/x.png)",
    "![x][y]": "&#33;[x][y]",
    "[x](javascript:alert(1))": "[x]&#40;javascript:alert(1))",
    "[x]( JavaScript:alert(1))": "[x]&#40; JavaScript:alert(1))",
    "[x](java&#115;cript&colon;alert(1))": "[x]&#40;java&#115;cript&colon;alert(1))",
    "[x](data:text/html,y)": "[x]&#40;data:text/html,y)",
    "[x]: vbscript:y": "[x]&#58; vbscript:y",
    "[x]: y[z](javascript:a)": "[x]: y[z]&#40;javascript:a)",
    "`<b>`": "<code>&#60;b&#62;</code>",
    "`__init__ <b>`": "<code>&#95;&#95;init&#95;&#95; &#60;b&#62;</code>",
    "`vec![1]`": "<code>vec&#33;&#91;1&#93;</code>",
    "``` html\n<b>\n\n$x$\n```": "<pre><code>&#60;b&#62;&#10;&#10;&#36;x&#36;&#10;</code></pre>\n",
    "~~~\n<b>": "<pre><code>&#60;b&#62;</code></pre>\n",
    "1. ```\n   <b>\n   ```": "1. <pre><code>   &#60;b&#62;&#10;</code></pre>\n",
    "$a<b$": "$a\\lt b$",
}


@pytest.mark.parametrize("text", PLAIN)
def test_markdown_without_anything_harmful_stays_as_it_is(text: str) -> None:
    assert safe_markdown(text) == text


@pytest.mark.parametrize(("text", "safe"), HARMFUL.items())
def test_harmful_markdown_is_shown_as_it_is_written(text: str, safe: str) -> None:
    assert safe_markdown(text) == safe


@pytest.mark.parametrize(
    "text", ["a `<b>` c", "```html\n<p title='x'>\n\n  *y* _z_ $1\n```", "- one\n  ```\n  <b>\n  ```\n- two"]
)
def test_code_looks_the_same(text: str) -> None:
    def seen(markdown: str) -> str:
        tagless = re.sub(r"<[^>]*>", "", MarkdownIt("commonmark").render(markdown))
        return "".join(unescape(tagless).split())

    assert seen(safe_markdown(text)) == seen(text)


CODE = ["`", "``", "```", "```x\n", "~~~\n", "\n", "\n\n", "    ", "- ", "1. ", "> ", "$", "$$", "\\", "a", " ", "|"]
TAGS = ["<", "<script>", "</b>", "<!--", "<?", "![", "[x]", "](", "]: ", "javascript:", "&colon;", "(", ")", "http://x"]
FRAGMENTS = st.sampled_from(CODE + TAGS)


@given(st.lists(FRAGMENTS, max_size=25).map("".join))
def test_no_tag_image_or_script_survives_however_code_is_opened_and_closed(text: str) -> None:
    """Only the elements that code is put into are left, and what a Markdown renderer makes of it agrees."""
    safe = safe_markdown(text)
    assert set(re.findall(r"<[a-z/!?][^>]*>?", safe, re.IGNORECASE)) <= {"<code>", "</code>", "<pre>", "</pre>"}
    rendered = MarkdownIt("commonmark", {"html": True}).render(safe)
    assert "<img" not in rendered
    assert "<script" not in rendered
    assert not re.search(r'href="\s*javascript', rendered, re.IGNORECASE)


@pytest.mark.parametrize(
    "text", ["`" * 50_000, "` " * 50_000, "$a" * 50_000, "```\n" * 20_000, "](" * 50_000, "- " * 50_000]
)
def test_odd_markdown_is_read_in_reasonable_time(text: str) -> None:
    """The time limit of a test is far above what is needed, and far below what quadratic reading would take."""
    safe_markdown(text)


def run(**fields: object) -> ResponseObject:
    return ResponseObject.model_validate({"response_id": "r-1", "status": "succeeded", **fields})


def test_an_answer_is_markdown_with_its_object_and_documents() -> None:
    made = run(output_text="**Small** <b>.", structured_response={"size": "<i>"}, artifacts=[{"name": "a <u>"}])
    text = made._repr_mimebundle_()["text/markdown"]
    assert text.startswith("**Small** &lt;b>.\n\n")
    assert "&#34;size&#34;&#58; &#34;&#60;i&#62;&#34;" in text
    assert text.endswith("- a &lt;u>")


def test_an_object_that_the_text_repeats_is_shown_once() -> None:
    text = run(output_text='{"size": 1}', structured_response={"size": 1})._repr_mimebundle_()["text/markdown"]
    assert text == '```json\n{\n  "size": 1\n}\n```'


def test_a_text_that_only_looks_like_an_object_is_kept() -> None:
    text = run(output_text="{Small}", structured_response={"size": 1})._repr_mimebundle_()["text/markdown"]
    assert text.startswith("{Small}\n\n```json")


def test_models_inside_a_cell_are_written_as_json() -> None:
    thread = ThreadObject(thread_id="t-1")
    assert table_text([{"one": thread, "two": [thread]}]).splitlines()[1].count('"thread_id": "t-1"') == 2


def test_a_long_answer_says_how_much_is_left_out() -> None:
    text = run(output_text="a" * 150_000)._repr_mimebundle_()["text/markdown"]
    assert len(text) < 100_100
    assert text.endswith("… and 50,000 more characters in `output_text`")


@pytest.mark.parametrize("fields", [{"status": "failed", "error": {"message": "<b>"}}, {"output_text": " "}])
def test_a_run_without_an_answer_says_why(fields: dict[str, object]) -> None:
    html = run(thread_id="t-1", progress=[{"message": "Reading <i>."}], **fields)._repr_mimebundle_()["text/html"]
    assert "<b>" not in html
    assert "<i>" not in html
    for text in ("r-1", "t-1", "Reading &lt;i&gt;."):
        assert text in html
    assert ("&lt;b&gt;" in html) == ("error" in fields)


def test_a_page_is_a_table_that_says_how_much_there_is() -> None:
    threads = ThreadList(threads=[ThreadObject(thread_id="t-1", title="<script>x</script>", response_count=2)], total=7)
    html = threads._repr_mimebundle_()["text/html"]
    assert "<script" not in html
    assert "&lt;script&gt;x&lt;/script&gt;" in html
    assert "1 of 7" in html
    assert ResponseList()._repr_mimebundle_()["text/html"] == "<div>0 of 0</div>"


def test_other_models_are_tables_of_their_fields() -> None:
    file = {"id": "f-1", "file_name": "a&b.md", "tags": ["x", "y"], "strange": {"k": "<v>"}}
    html = FileMetadata.model_validate(file)._repr_mimebundle_()["text/html"]
    for text in ("a&amp;b.md", "x, y", "{&quot;k&quot;: &quot;&lt;v&gt;&quot;}"):
        assert text in html
    assert "error_message" not in html  # has no value
    found = FileSearchResults.model_validate({"results": [{"file": file, "chunks": [{"chunk_text": "<p>"}]}]})
    assert "&lt;p&gt;" in found._repr_mimebundle_()["text/html"]


def test_rows_may_be_of_any_kind() -> None:
    moment = datetime(2026, 3, 1, 6, 10, tzinfo=UTC)
    rows = [{"a": 1.23456789, "b": None, "c": moment}, {"a": "x\n y" + "z" * 300, "d": ["p", 1]}]
    lines = table_text(rows).splitlines()
    assert lines[0].split() == ["a", "c", "d"]  # b has no value
    assert lines[1].split() == ["1.2346", "2026-03-01", "06:10:00", "UTC"]
    assert lines[2].startswith("x yzzz")
    assert lines[2].endswith('["p", 1]')
    assert "…" in lines[2]
    assert "<td" in table_html([3, "<b>"])
    assert "&lt;b&gt;" in table_html([3, "<b>"])


def test_a_long_list_says_how_much_is_left_out() -> None:
    assert table_html(range(1234)).count("<tr>") == 101
    assert "… and 1,134 more" in table_html(range(1234))
    assert table_text([]) == "nothing"
    assert table_html([]) == "<div>nothing</div>"


@pytest.mark.processes
def test_models_show_themselves_and_nothing_is_imported_before() -> None:
    code = (
        "import sys, lumnisai_core as core; late = 'lumnisai_core.display'; assert late not in sys.modules;"
        "run = core.ResponseObject(response_id='r', status='succeeded', output_text='*a*');"
        "assert run._repr_mimebundle_(include=None, exclude=None) == {'text/markdown': '*a*'};"
        "assert late in sys.modules and 'IPython' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
