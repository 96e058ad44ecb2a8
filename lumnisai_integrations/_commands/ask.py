"""``lumnis ask``: a question to the agent, or to files through a LlamaIndex query engine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lumnisai_core import Client, RunUpdate
from lumnisai_integrations._commands.connection import connection
from lumnisai_integrations._commands.screen import Screen
from lumnisai_integrations._shared.progress import reasoning_text


def ask(question: str, files: Sequence[Path], *, user_id: str, quiet: bool) -> int:
    """Answer a question on standard output; progress and sources go to standard error.

    Args:
        question: What the user wants to know.
        files: Text files that hold the answer; none for a question to the agent itself.
        user_id: User the run is for.
        quiet: Whether to show nothing but the answer.

    Returns:
        0

    Raises:
        CommandError: A file cannot be used.
        LumnisAIError: The service cannot be reached, refuses, or the run fails.
    """
    screen = Screen(apart=True, quiet=quiet)
    if files:
        _ask_files(question, files, user_id, screen)
    else:
        _ask_agent(question, user_id, screen)
    return 0


def _ask_agent(question: str, user_id: str, screen: Screen) -> None:
    def tell(update: RunUpdate) -> None:
        screen.note(reasoning_text(update))

    with connection() as service:
        screen.note(f"Asking {service.description}.")
        with Client(service.api_key, base_url=service.base_url, user_id=user_id) as client:
            response = client.invoke(question, on_progress=tell)
    screen.answer(response.output_text or "")


def _ask_files(question: str, files: Sequence[Path], user_id: str, screen: Screen) -> None:
    # LlamaIndex takes a second to load, which a question without files need not wait for.
    from lumnisai_integrations._commands.documents import read_documents
    from lumnisai_integrations._commands.query import answer_from

    documents = read_documents(files)
    with connection() as service:
        screen.note(
            f"Asking {service.description} about {len(documents)} {'file' if len(documents) == 1 else 'files'}."
        )
        answer = answer_from(documents, question, service=service, user_id=user_id, progress=screen.note)
    screen.answer(answer.text)
    screen.note("Read: " + ", ".join(answer.sources))
