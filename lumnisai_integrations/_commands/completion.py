"""``lumnis completion``: a script for the completion of a shell."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import shtab

from lumnisai_integrations._commands.output import write
from lumnisai_integrations._commands.parsers import SUMMARIES, Commands, Parser, argument, new_command

_ABOUT = """\
Commands whose extras are not installed are completed without their options."""

_EXAMPLES = """\
lumnis completion bash > ~/.local/share/bash-completion/completions/lumnis
lumnis completion zsh > ~/.zfunc/_lumnis"""


def add(commands: Commands) -> None:
    """Add the command to a parser."""
    shell = argument("shell", metavar="SHELL", choices=shtab.SUPPORTED_SHELLS, help="the shell")
    new_command(commands, "completion", shell, about=_ABOUT, examples=_EXAMPLES).set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Print the script."""
    parser = Parser(prog="lumnis")
    commands = parser.add_subparsers(metavar="COMMAND")
    for name, summary in SUMMARIES.items():
        try:
            import_module(f"{__package__}.{name}").add(commands)
        except ImportError:
            commands.add_parser(name, help=summary)
    for action in _actions(parser):
        if action.type is Path:
            action.complete = shtab.FILE  # type: ignore[attr-defined] # where shtab looks for it
    write(shtab.complete(parser, shell=options.shell))
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the arguments of a parser and of the parsers of its commands."""
    for action in parser._actions:  # argparse has no public list
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from _actions(inner)
