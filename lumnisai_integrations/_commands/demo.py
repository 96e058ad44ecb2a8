"""``lumnis demo``: one case, from a customer's letter to a stored booking, on all four platforms."""

from __future__ import annotations

import argparse
import os
import secrets
import shlex
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from lumnisai_core.local import LocalLumnis, LumiRule, LumiSettings
from lumnisai_integrations._commands.connection import Connection, configured, embedded_connection, step_delay
from lumnisai_integrations._commands.keys import SERVED_KEY
from lumnisai_integrations._commands.output import Screen
from lumnisai_integrations._commands.page import Page, command_here
from lumnisai_integrations._commands.parsers import Commands, add_service_options, flag, missing, new_command

_ABOUT = """\
A harbour office gets a request for a berth. An agent calls a tool of yours, and no personal data reaches its model;
a query engine answers from files and names its sources; the booking is stored in an application as a typed record;
and all of it is one trace. Without a key it runs on an embedded service, whose offline engine answers by rules."""

_EXAMPLES = """\
lumnis demo
lumnis demo --serve    look at the runs, the trace and the record in a browser"""

_SERVE = flag("--serve", "keep the embedded service until Ctrl-C, and show where its window is")

#: Rule of the collection that the demo writes to: everyone sees only their own.
_OWN = LumiRule(read="owner", create="user", write="owner")

#: The services of the neighbouring platforms are the embedded ones unless these variables name others.
_NEIGHBOURS = {"Liminal": "LIMINAL_API_SERVER_URL", "Lucidic": "LUCIDIC_API_KEY"}


def add(commands: Commands) -> None:
    """Add the command to a parser."""
    parser = new_command(commands, "demo", _SERVE, about=_ABOUT, examples=_EXAMPLES)
    add_service_options(parser, user="lumnis-demo")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Tell the story; any failure raises."""
    _check_packages()
    page = Page(Screen())
    key = os.environ.get(SERVED_KEY, "").strip() or f"lmn_{secrets.token_urlsafe(18)}"
    lumi = LumiSettings(rules={"Bookings": _OWN})
    # Slower than for other commands, so that people can watch the steps.
    with LocalLumnis(api_key=key, poll="on-change", step_delay=2 * step_delay(), lumi=lumi) as local:
        service = configured(options, embedded=True) or embedded_connection(options, key, local.base_url)
        page.part("A berth for Alcyone", "One case on Lumnis, Liminal, Lucidic and Lumi.new")
        _show_services(page, service, local)
        page.note("Loading LangChain ...")
        session_id: str = import_module("lumnisai_integrations._commands.story").tell(page, service, local)
        page.part("Done. Next, in this shell")
        _show_commands(page, is_served=options.serve)
        if options.serve:
            local.serve_forever(lambda *_: _show_window(page, service, local, session_id))
    return 0


def _check_packages() -> None:
    """Check that everything is installed before anything begins; the packages themselves load later."""
    for package in ("langchain_core", "llama_index.core", "opentelemetry.sdk"):
        try:
            spec = find_spec(package)
        except ModuleNotFoundError:  # of the package around it
            spec = None
        if spec is None:
            raise missing("demo", package)


def _show_services(page: Page, service: Connection, local: LocalLumnis) -> None:
    """Say which platforms are embedded, and which engine answers."""
    elsewhere = [] if service.is_embedded else ["Lumnis"]
    elsewhere += [name for name, variable in _NEIGHBOURS.items() if os.environ.get(variable, "").strip()]
    if not elsewhere:
        page.note(f"All four are embedded here, at {local.base_url}")
    else:
        here = [name for name in ("Lumnis", *_NEIGHBOURS, "Lumi.new") if name not in elsewhere]
        page.note(f"{', '.join(elsewhere)}: by your keys. Embedded: {', '.join(here)}.")
    if service.is_embedded:
        page.note("The offline engine answers: rules and quotations, no model.")
    else:
        page.note(f"Runs go to {service.description}.")


def _show_commands(page: Page, *, is_served: bool) -> None:
    """Show what to call next, as it works in this shell and folder."""
    command = command_here()
    if not is_served:
        page.note("The runs, the trace and the data in your browser:")
        page.lines([f"  {command} demo --serve"])
    page.note("A conversation:")
    page.lines([f"  {command} chat"])
    if Path("README.md").is_file():
        page.note("A question about a file:")
        page.lines([f'  {command} ask "How do I stop a run?" README.md'])


def _show_window(page: Page, service: Connection, local: LocalLumnis, session_id: str) -> None:
    """Show where the window is, and how other commands find the service."""
    shown = sys.stdout.isatty()
    page.note("The trace in the window, beside the runs and the data:")
    page.lines([f"  {local.base_url}/#/sessions/{session_id}"])
    page.note("It asks for this key:" if shown else f"It asks for a key. Outside a terminal, set it by {SERVED_KEY}.")
    if shown:
        page.lines([f"  {local.api_key}"])
    if service.is_embedded and shown:
        page.note("In another terminal, in this folder:")
        page.lines(
            [
                f"  export LUMNISAI_API_KEY={shlex.quote(local.api_key)}",
                f"  export LUMNISAI_BASE_URL={local.base_url}",
                f"  {command_here()} runs list --user-id {shlex.quote(str(service.settings['user_id']))}",
            ]
        )
    page.note("Stop with Ctrl-C.")
