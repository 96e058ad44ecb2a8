"""``lumnis demo``: the main job in one go."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from pydantic import BaseModel, Field

from lumnisai_core.liminal import Client
from lumnisai_integrations._commands.connection import connection
from lumnisai_integrations._commands.documents import answer_from, own_documents
from lumnisai_integrations._commands.output import Screen
from lumnisai_integrations._commands.parsers import Commands, add_service_options, new_command
from lumnisai_integrations._commands.progress import display_on
from lumnisai_integrations.langchain import ChatLumnis, LiminalGuard, LumnisProgressHandler

_ABOUT = """\
A chain of LangChain with live progress, a follow-up in the same thread, a typed object, a privacy guard, and
a query engine of LlamaIndex. Without a key it runs on an embedded service, whose offline engine quotes the notes and
the files."""

NOTES = """\
The tide table of the port North Quay covers March. Spring tides come two days after new and full moon.
At spring tides the water rises 4.1 m, at neap tides 1.9 m. High water lasts about twenty minutes.
Boats with a draught above 2.5 m leave the harbour only at spring tides. The harbour office opens at 7:30."""


BOOKING = "Dr Mira Okafor <mira@example.org> has booked the berth. Her phone number is +49 30 901820."


class Tide(BaseModel):
    """The tides of one port."""

    port: str = Field(description="Name of the port")
    spring_range_m: float = Field(description="Metres the water rises at spring tides")


def add(commands: Commands) -> None:
    """Add the command to a parser."""
    parser = new_command(commands, "demo", about=_ABOUT, examples="lumnis demo")
    add_service_options(parser, user="lumnis-demo")
    parser.set_defaults(command=run)


class _Read(BaseCallbackHandler):
    """Notes what a model reads."""

    def __init__(self) -> None:
        self.text = ""

    def on_chat_model_start(self, *started: Any, **_known: Any) -> None:
        """Note the last message."""
        _, ((*_, message),) = started
        self.text = message.text


def run(options: argparse.Namespace) -> int:
    """Show a chain with live progress, a follow-up, a typed object, a guard and a query engine; any failure raises."""
    screen = Screen()
    with connection(options, embedded=True) as service:
        screen.note(f"Runs go to {service.description}.")
        with service.client() as client:
            thread_id = client.create_thread(title="Tides of North Quay").thread_id
        model = ChatLumnis(**service.settings, thread_id=thread_id)
        try:
            _three_runs(model, screen)
        finally:
            model.close()
        _guarded_run(ChatLumnis(**service.settings), screen)

        screen.heading("5. LlamaIndex: a query engine with LumnisLLM over this project's own documents")
        question = _show_question(screen, "What happens when I press Ctrl-C?")
        with display_on(screen) as display:
            response, sources = answer_from(own_documents(), question, service, {"on_progress": display})
        screen.answer(response.output_text or "")
        screen.note("Read: " + ", ".join(sources))
    screen.heading('Done. Next: lumnis chat, or lumnis ask "QUESTION" FILE...')
    return 0


def _three_runs(model: ChatLumnis, screen: Screen) -> None:
    screen.heading("1. LangChain: prompt | ChatLumnis | parser, with live progress")
    prompt = ChatPromptTemplate.from_messages([("system", "Answer from these notes:\n{notes}"), ("user", "{question}")])
    chain = prompt | model | StrOutputParser()
    question = _show_question(screen, "When do spring tides come?")
    progress = LumnisProgressHandler(screen.note)
    screen.answer(chain.invoke({"notes": NOTES, "question": question}, config={"callbacks": [progress]}))

    screen.heading("2. A follow-up in the same thread, without repeating the notes")
    question = _show_question(screen, "Which boats leave only at spring tides?")
    screen.answer(str(model.invoke(question).content))

    screen.heading("3. A pydantic object through with_structured_output")
    question = _show_question(screen, "What is the spring range at the port North Quay?")
    tide = model.with_structured_output(Tide).invoke(f"{NOTES}\n\n{question}")
    screen.answer(f"`{tide!r}`")


def _guarded_run(model: ChatLumnis, screen: Screen) -> None:
    screen.heading("4. A privacy guard around the model, with the gateway of LIMINAL_API_SERVER_URL or an embedded one")
    question = _show_question(screen, f"{BOOKING} What is her phone number?")
    read = _Read()
    with _gateway() as gateway:
        answer = LiminalGuard(gateway).model(model).invoke(question, {"callbacks": [read]})
    model.close()
    screen.note(f"The model read: {read.text}")
    screen.answer(answer.text)


@contextmanager
def _gateway() -> Iterator[Client]:
    if os.environ.get("LIMINAL_API_SERVER_URL", "").strip():
        with Client() as client:
            yield client
        return
    from lumnisai_core.local import LocalLumnis  # noqa: PLC0415 - not installed everywhere, and not needed with a gateway

    with LocalLumnis() as local, Client(local.liminal.base_url, token=local.liminal.token) as client:
        yield client


def _show_question(screen: Screen, question: str) -> str:
    screen.question(question)
    return question
