"""`lumnis files` in a pipe."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lumnisai_core import Client
from tests.cli.conftest import Lumnis

TIDES = "# Tides\n\nNeap tides are small.\nSpring tides follow the full moon.\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a file in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tides.md").write_text(TIDES)
    return tmp_path


@pytest.fixture
def file(lumnis: Lumnis, key: str, folder: Path) -> str:
    """The id of that file, uploaded."""
    done = lumnis("files", "upload", "tides.md", "--tag", "Harbour", "--tag", "moon", "--wait")
    assert (done.status, done.err) == (0, "")
    return done.rows[0][1]


def test_what_is_uploaded_is_listed(lumnis: Lumnis, file: str) -> None:
    """By type, status and tag."""
    assert lumnis("files", "list").rows == [[file, "completed", str(len(TIDES)), "user", "harbour,moon", "tides.md"]]
    assert lumnis("files", "list", "--type", "pdf").rows == []
    assert lumnis("files", "list", "--tag", "moon", "--status", "completed").rows != []
    assert json.loads(lumnis("files", "list", "--json", "--limit", "all").out)[0]["id"] == file


def test_files_that_cannot_be_uploaded_do_not_keep_others_from_it(lumnis: Lumnis, file: str, folder: Path) -> None:
    """Each is named; a file of the same name gets a number."""
    (folder / "潮汐.txt").write_text("潮")
    done = lumnis("files", "upload", "nowhere.md", ".", "潮汐.txt", "tides.md")
    assert (done.status, [row[0] for row in done.rows]) == (1, ["潮汐.txt", "tides.md"])
    assert [line.split(":")[1] for line in done.err.splitlines()] == [" nowhere.md", " ."]
    assert len(lumnis("files", "list").rows) == 3
    assert lumnis("files", "upload", "tides.md", "--duplicates", "error").status == 1
    assert "rename it" in lumnis("files", "upload", "caf\udce9.txt").err


def test_files_of_the_tenant_are_apart(lumnis: Lumnis, file: str, client: Client) -> None:
    """With --scope tenant for uploads and lists."""
    made = lumnis("files", "upload", "tides.md", "--scope", "tenant").rows[0][1]
    listed = [row[:1] + row[3:4] for row in lumnis("files", "list", "--scope", "tenant", "--limit", "all").rows]
    assert [made, "tenant"] in listed
    assert lumnis("files", "delete", made, "--scope", "tenant").status == 0


def test_a_search_shows_passages(lumnis: Lumnis, file: str) -> None:
    """With file, score and lines."""
    (row,) = lumnis("files", "search", "full moon").rows
    assert (row[0], row[2]) == (file, "tides.md")
    assert 0 < float(row[1]) <= 1
    assert "Spring tides follow the full moon." in row[4]
    assert json.loads(lumnis("files", "search", "full moon", "--json").out)["results"][0]["file"]["id"] == file
    assert lumnis("files", "search", "full moon", "--limit", "99").status == 2


def test_a_file_is_shown(lumnis: Lumnis, file: str) -> None:
    """What is known of it, its text, or some lines of that."""
    shown = lumnis("files", "show", file).out
    for part in (f"file\t{file}", "name\ttides.md", f"size\t{len(TIDES)}", "tags\tharbour,moon"):
        assert part in shown
    assert lumnis("files", "show", file, "--text").out == TIDES
    assert lumnis("files", "show", file, "--lines", "3").out == "Neap tides are small.\n"
    assert json.loads(lumnis("files", "show", file, "--lines", "3-4", "--json").out)["end_line"] == 4
    assert json.loads(lumnis("files", "show", file, "--json").out)["file_name"] == "tides.md"


def test_a_download_replaces_nothing_unasked(lumnis: Lumnis, file: str, folder: Path) -> None:
    """It takes the file's name, or another."""
    assert "--force" in lumnis("files", "download", file).err
    (folder / "tides.md").write_text("old")
    assert lumnis("files", "download", file, "-o", str(folder)).status == 2
    nowhere = lumnis("files", "download", file, "-o", str(folder / "sub" / "tides.md"))
    assert (nowhere.status, f"there is no folder {folder / 'sub'}:" in nowhere.err) == (2, True)
    assert lumnis("files", "download", file, "--force").status == 0
    assert (folder / "tides.md").read_text() == TIDES
    assert lumnis("files", "download", file, "-o", "copy.md").status == 0
    assert (folder / "copy.md").read_text() == TIDES


def test_a_file_can_be_piped(lumnis: Lumnis, key: str, client: Client) -> None:
    """Byte for byte, without a line break at the end."""
    made = client.files.upload("潮\r\n\tx".encode(), file_name="odd.txt").file_id
    assert lumnis("files", "download", made, "-o", "-").out == "潮\r\n\tx"


def test_a_name_with_a_path_stays_in_this_folder(lumnis: Lumnis, key: str, client: Client, folder: Path) -> None:
    """The uploader chose the name."""
    made = client.files.upload(b"x", file_name="..\\evil.txt").file_id
    done = lumnis("files", "download", made)
    assert (done.status, Path(done.out.strip()).name) == (0, done.out.strip())
    assert (folder / done.out.strip()).read_text() == "x"


def test_files_are_deleted(lumnis: Lumnis, file: str) -> None:
    """Those that are not there are named."""
    done = lumnis("files", "delete", file, "nowhere")
    assert (done.status, done.rows) == (1, [[file, "deleted"]])
    assert "nowhere" in done.err
    assert lumnis("files", "list").out == ""
