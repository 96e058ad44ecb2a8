"""``lumnis demo``: the main job in one go."""

from __future__ import annotations

import argparse

from lumnisai_integrations._commands.parsers import Commands, add_service_options, new_command

_ABOUT = """\
A chain of LangChain with live progress, a follow-up in the same thread, a typed object, and a query engine of
LlamaIndex. Without a key it runs on an embedded service, whose offline engine quotes what it is given."""

_EXAMPLES = "lumnis demo"


def add(commands: Commands) -> None:
    """Add the command to a parser."""
    parser = new_command(commands, "demo", about=_ABOUT, examples=_EXAMPLES)
    add_service_options(parser, scope=False, user="lumnis-demo")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Show the main job."""
    from lumnisai_integrations._commands.demonstration import demonstrate  # noqa: PLC0415 - loads both frameworks

    return demonstrate(options)
