"""``lumnis demo``: the main job in one go."""

from __future__ import annotations

import argparse

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from pydantic import BaseModel, Field

from lumnisai_integrations._commands.connection import connection
from lumnisai_integrations._commands.documents import answer_from, own_documents
from lumnisai_integrations._commands.output import Screen
from lumnisai_integrations._commands.parsers import Commands, add_service_options, new_command
from lumnisai_integrations._commands.progress import display_on
from lumnisai_integrations.langchain import ChatLumnis, LumnisProgressHandler

_ABOUT = """\
A chain of LangChain with live progress, a follow-up in the same thread, a typed object, and a query engine of
LlamaIndex. Without a key it runs on an embedded service, whose offline engine quotes the notes and the files."""

NOTES = """\
The tide table of the port North Quay covers March. Spring tides come two days after new and full moon.
At spring tides the water rises 4.1 m, at neap tides 1.9 m. High water lasts about twenty minutes.
Boats with a draught above 2.5 m leave the harbour only at spring tides. The harbour office opens at 7:30."""


class Tide(BaseModel):
    """The tides of one port."""

    port: str = Field(description="Name of the port")
    spring_range_m: float = Field(description="Metres the water rises at spring tides")


def add(commands: Commands) -> None:
    """Add the command to a parser."""
    parser = new_command(commands, "demo", about=_ABOUT, examples="lumnis demo")
    add_service_options(parser, user="lumnis-demo")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Show a chain with live progress, a follow-up, a typed object and a query engine; any failure raises."""
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

        screen.heading("4. LlamaIndex: a query engine with LumnisLLM over this project's own documents")
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


def _show_question(screen: Screen, question: str) -> str:
    screen.question(question)
    return question
