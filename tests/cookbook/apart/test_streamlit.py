"""The chat page of the cookbook in Streamlit's own tests of applications."""

from __future__ import annotations

from pathlib import Path

import pytest
import streamlit
from streamlit.testing.v1 import AppTest

from lumnisai_core import Client
from lumnisai_core.local import LocalLumnis, OfflineEngine, Script, ScriptedEngine
from tests.conftest import Serve
from tests.cookbook import pages

pytestmark = pytest.mark.timeout(300)  # processes of their own, which take their time on a busy machine


def opened(local: LocalLumnis, folder: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """Open the page in front of a service."""
    for name, value in local.environment().items():
        monkeypatch.setenv(name, value)
    streamlit.cache_resource.clear()  # another test's client
    pages.save("streamlit", folder)
    return AppTest.from_file(str(folder / "chat.py"), default_timeout=30).run()


def shown(page: AppTest) -> str:
    """Return the conversation, a line for each message, as the cookbook writes it."""
    lines = [(message.name, message.markdown[-1].value) for message in page.chat_message]
    return "".join(f"{role:10} {text}\n" for role, text in lines)


def test_a_conversation_is_one_thread(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two questions and their answers, as the cookbook shows them; the second knows the first."""
    local = serve(OfflineEngine(step_delay=0))
    page = opened(local, tmp_path, monkeypatch)
    for question in ("Neap tides are small. Which tides are small?", "Which tides did I ask about?"):
        page.chat_input[0].set_value(question).run()
        assert not page.exception
        assert [status.state for status in page.status] == ["complete"]
    assert shown(page) == pages.outputs_of("streamlit")[0]
    with Client(local.api_key, base_url=local.base_url, user_id="user-123") as client:
        assert client.list_threads().total == 1
    page.sidebar.button[0].click().run()
    assert not page.chat_message


def test_a_failure_is_part_of_the_conversation(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its reason is shown, and the next question is answered."""
    scripts = [Script(error=("AGENT_ERROR", "The register is closed.")), Script(output_text="Now it is open.")]
    page = opened(serve(ScriptedEngine(scripts)), tmp_path, monkeypatch)
    page.chat_input[0].set_value("Open?").run()
    assert "The register is closed." in page.error[0].value
    assert [status.state for status in page.status] == ["error"]
    page.chat_input[0].set_value("And now?").run()
    assert not page.exception
    assert shown(page).endswith("assistant  Now it is open.\n")
