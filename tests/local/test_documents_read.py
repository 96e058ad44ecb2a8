"""PDF and DOCX files: their text, in order, and the reason when one cannot be read."""

from __future__ import annotations

import importlib
import io
from pathlib import Path
from typing import Any

import docx
import pypdf
import pytest
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

from lumnisai_core import file_texts as texts
from tests.local.support import Api
from tests.local.test_files import put

PAGES = ("The tide at Brest is high.", "The moon pulls the sea.", "Fishing boats leave at noon.")


def pdf(*pages: str, password: str | None = None, owner: str | None = None) -> bytes:
    """Write a PDF with one line on each page."""
    writer = pypdf.PdfWriter()
    font = DictionaryObject()
    for name, value in (("/Type", "/Font"), ("/Subtype", "/Type1"), ("/BaseFont", "/Helvetica")):
        font[NameObject(name)] = NameObject(value)
    for text in pages:
        page = writer.add_blank_page(300, 300)
        content = DecodedStreamObject()
        content.set_data(f"BT /F1 12 Tf 20 200 Td ({text}) Tj ET".encode("latin-1"))
        page[NameObject("/Contents")] = writer._add_object(content)
        fonts = DictionaryObject({NameObject("/F1"): writer._add_object(font)})
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
    if password is not None:
        writer.encrypt(password, owner, algorithm="RC4-128")
    written = io.BytesIO()
    writer.write(written)
    return written.getvalue()


def word() -> bytes:
    """Write a DOCX with paragraphs around a table."""
    document = docx.Document()
    document.add_heading("Tides", 1)
    document.add_paragraph("The tide at Brest is high.")
    table = document.add_table(rows=2, cols=2)
    for row, cells in enumerate((("Port", "Metres"), ("Brest", "7"))):
        for column, text in enumerate(cells):
            table.cell(row, column).text = text
    document.add_paragraph("Caf\u00e9s open at noon.")
    written = io.BytesIO()
    document.save(written)
    return written.getvalue()


def text_of(api: Api, name: str, data: bytes) -> str:
    file = put(api, name, data)
    assert file["processing_status"] == "completed", file["error_message"]
    return str(api.ok("GET", f"/v1/files/{file['id']}/content")["text"])


def reason(api: Api, name: str, data: bytes) -> str:
    file = put(api, name, data)
    assert file["processing_status"] == "error"
    assert api.refused(409, "GET", f"/v1/files/{file['id']}/content") == "CONTENT_NOT_AVAILABLE"
    return str(file["error_message"])


def test_pages_are_read_in_order(api: Api) -> None:
    """Pages are separated by an empty line, and are found by what they say."""
    assert text_of(api, "tides.pdf", pdf(*PAGES)) == "\n\n".join(PAGES)
    hits = api.ok("POST", "/v1/files/search", json={"query": "moon", "file_types": ["pdf"]})["results"]
    assert hits[0]["file"]["mime_type"] == "application/pdf"


def test_paragraphs_and_tables_are_read_in_order(api: Api) -> None:
    """A table stands where it is in the document, a line for each row."""
    expected = "Tides\n\nThe tide at Brest is high.\n\nPort\tMetres\nBrest\t7\n\nCaf\u00e9s open at noon."
    assert text_of(api, "tides.docx", word()) == expected


def test_documents_without_text_are_empty(api: Api) -> None:
    """A scan has pages but no text."""
    assert text_of(api, "scan.pdf", pdf("", "")).strip() == ""


def test_an_encrypted_pdf_is_read_only_if_no_password_is_needed(api: Api) -> None:
    """With a password for readers the reason says so; one for owners only forbids changes."""
    assert text_of(api, "open.pdf", pdf(*PAGES, password="", owner="secret")) == "\n\n".join(PAGES)
    assert "encrypted" in reason(api, "closed.pdf", pdf(*PAGES, password="secret"))


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("cut.pdf", pdf(*PAGES)[:200], "PDF file cannot be read"),
        ("text.pdf", b"not a document", "PDF file cannot be read"),
        ("empty.pdf", b"", "PDF file cannot be read"),
        ("cut.docx", word()[:2000], "DOCX file cannot be read"),
        ("text.docx", b"not a document", "DOCX file cannot be read"),
        ("empty.docx", b"", "DOCX file cannot be read"),
        ("locked.docx", bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 512, "encrypted"),
    ],
)
def test_broken_documents_have_a_reason(api: Api, name: str, data: bytes, words: str) -> None:
    """The file is kept, its status is error and the message names the kind of file."""
    message = reason(api, name, data)
    assert words in message
    assert "/" not in message


def test_a_document_that_unpacks_to_too_much_is_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The size is known before anything is unpacked."""
    path = tmp_path / "bomb.docx"
    path.write_bytes(word())
    monkeypatch.setattr(texts, "_MAX_UNPACKED", 1000)
    with pytest.raises(texts.Unreadable, match="larger than 1000 bytes"):
        texts.read_text(path, "docx")


@pytest.mark.parametrize(("kind", "package"), [("pdf", "pypdf"), ("docx", "python-docx")])
def test_without_its_reader_the_reason_names_the_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str, package: str
) -> None:
    """The readers are an extra."""

    def missing(module: str) -> Any:
        raise ImportError(module)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(texts.Unreadable, match=package):
        texts.read_text(tmp_path / "a", kind)
