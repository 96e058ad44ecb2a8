"""Keys of `lumnis serve` and of the other commands: from files and the environment, never in an output that is kept."""

from __future__ import annotations

import os
import stat
from datetime import datetime
from pathlib import Path

import pytest

from lumnisai_core import Client
from lumnisai_integrations._commands import CommandError
from lumnisai_integrations._commands.keys import SERVED_KEY, key_of, tenants_of
from lumnisai_integrations.cli import main
from tests.test_cli import served


def _file(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_missing_key_file_is_made_for_the_owner_only(tmp_path: Path) -> None:
    """It holds a fresh key, and keeps it."""
    path = tmp_path / "lumnis.key"
    key = key_of(path, make=True)
    assert key.startswith("lmn_local_")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert key_of(path) == key_of(path, make=True) == key


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o604])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    """The error says what to do, without the key."""
    path = _file(tmp_path / "k", "lmn_k", mode)
    for read in (key_of, tenants_of):
        with pytest.raises(CommandError, match="chmod 600") as caught:
            read(path)
        assert "lmn_k" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "# nothing\n", "lmn_k\nlmn_k2\n"])
def test_a_key_file_holds_one_key(tmp_path: Path, text: str) -> None:
    """Comments and empty lines do not count."""
    with pytest.raises(CommandError, match="one line with a key") as caught:
        key_of(_file(tmp_path / "k", text))
    assert "lmn_k" not in str(caught.value)
    assert key_of(_file(tmp_path / "k", "\n# mine\n lmn_k \n")) == "lmn_k"


def test_tenants_are_read_with_the_expiry_of_their_keys(tmp_path: Path) -> None:
    """A wrong line is named by its number."""
    path = _file(tmp_path / "t", "# keys\nacme=lmn_1\nacme = lmn_2 2030-01-31\nglobex=lmn_3\n")
    expected = [("acme", "lmn_1", None), ("acme", "lmn_2", datetime(2030, 1, 31)), ("globex", "lmn_3", None)]
    assert tenants_of(path) == expected
    for line in ("lmn_4", "acme=", "=lmn_4", "acme=lmn_4 soon"):
        with pytest.raises(CommandError, match="entry 2 must have the form NAME=KEY") as caught:
            tenants_of(_file(path, f"acme=lmn_1\n{line}\n"))
        assert "lmn_4" not in str(caught.value)


def test_no_key_is_in_an_output_that_is_no_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a fresh one, nor one of the environment, a file or a tenant; all of them are good."""
    tenants = _file(tmp_path / "tenants", "acme=lmn_file_tenant\n")
    with served(folder=tmp_path) as (_, printed):
        assert "lmn_" not in printed
        assert "--api-key-file" in printed
    monkeypatch.setenv(SERVED_KEY, "lmn_from_environment")
    with served("--tenant-file", str(tenants), folder=tmp_path) as (base_url, printed):
        assert "lmn_" not in printed
        for key in ("lmn_from_environment", "lmn_file_tenant"):
            with Client(key, base_url=base_url, scope="tenant") as client:
                assert client.tenant.get().name
    with served("--api-key-file", "own.key", folder=tmp_path) as (base_url, printed):
        assert "lmn_" not in printed
        with Client(key_of(tmp_path / "own.key"), base_url=base_url, scope="tenant") as client:
            assert client.list_threads().total == 0
        os.environ.pop("LUMNISAI_API_KEY", None)
        arguments = ["threads", "list", "--api-key-file", str(tmp_path / "own.key"), "--base-url", base_url]
        assert main(arguments) == 0
