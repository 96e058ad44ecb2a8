"""``lumnis experiment``: compare variants over a data set, as a file describes them, with thresholds for CI."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lumnisai_core import JobProgress, ProgressLine, lucidic
from lumnisai_core.display import one_line
from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations._commands import UsageError
from lumnisai_integrations._commands.connection import connection
from lumnisai_integrations._commands.output import print_json, safe_text, write
from lumnisai_integrations._commands.parsers import (
    QUIET,
    SCOPE,
    Commands,
    add_service_options,
    argument,
    flag,
    new_command,
    number,
)
from lumnisai_integrations.experiments import (
    Check,
    Experiment,
    ExperimentFile,
    Results,
    check_all,
    to_junit,
    to_markdown,
)

_ABOUT = """\
The file is YAML, TOML or JSON and has variants, data, scorers and thresholds. Functions that it names are imported and
called: run only files that you trust. The exit status is 0 if every threshold is reached and no trial failed, unless
failed_at_most allows some."""

_EXAMPLES = """\
lumnis experiment harbour.yaml
lumnis experiment harbour.yaml --junit junit.xml --markdown summary.md
lumnis experiment harbour.yaml --ledger harbour.jsonl   resume what was interrupted; finished trials are free
lumnis experiment harbour.yaml --save today.json --before yesterday.json"""


def add(commands: Commands) -> None:
    """Add the command to a parser."""
    parser = new_command(
        commands,
        "experiment",
        argument("file", type=Path, help="the experiment: a file that ends in .yaml, .yml, .toml or .json"),
        argument(
            "--ledger", type=Path, metavar="FILE", help="file that keeps finished trials (default: that of the file)"
        ),
        flag("--rescore", "score finished trials again, for scorers whose code has changed"),
        argument("--max-in-flight", type=number(int, 1), metavar="NUMBER", help="the most trials at once"),
        argument("--before", type=Path, metavar="FILE", help="saved results, than which no variant may be worse"),
        argument("--save", type=Path, metavar="FILE", help="save the results"),
        argument("--junit", type=Path, metavar="FILE", help="write a report in JUnit's XML"),
        argument("--markdown", type=Path, metavar="FILE", help="write a report in Markdown"),
        flag("--json", "print means, differences and thresholds as JSON"),
        QUIET,
        about=_ABOUT,
        examples=_EXAMPLES,
    )
    add_service_options(parser, SCOPE)
    parser.set_defaults(command=_run)


def _run(options: argparse.Namespace) -> int:
    for path in (options.save, options.junit, options.markdown):
        if path is not None and not path.parent.is_dir():
            raise UsageError(f"{path} cannot be written: there is no folder {path.parent}")
    with ExitStack() as stack:
        try:
            file = ExperimentFile.read(options.file)
            before = Results.load(options.before) if options.before is not None else None
            experiment = file.experiment(**_clients(file, options, stack), **_changes(options))
        except ValidationError as error:
            raise UsageError(str(error)) from error
        except OSError as error:
            raise UsageError(f"{error.filename}: {error.strerror}") from error
        results = _run_shown(experiment, options)
    # Nothing that fails from here on may lose what the runs have cost.
    if options.save is not None:
        results.save(options.save)
    if not options.json and not options.quiet:
        write(safe_text(str(results)))
    checks = check_all(results, file.thresholds, before=before)
    for path, report in ((options.junit, to_junit), (options.markdown, to_markdown)):
        if path is not None:
            path.write_text(report(results, checks), "utf-8", errors="replace")
    if options.json:
        print_json(_plain(results, checks))
    for check in checks:
        line = one_line(f"{'passed' if check.passed else 'FAILED'}: {check.text}: {check.found}")
        if not options.json and not options.quiet:
            write(line)
        elif not check.passed:
            sys.stderr.write(f"lumnis: {line}\n")
    return 0 if all(check.passed for check in checks) else 1


def _clients(file: ExperimentFile, options: argparse.Namespace, stack: ExitStack) -> dict[str, Any]:
    """Make the clients that the experiment needs, for the length of the command."""
    clients: dict[str, Any] = {}
    if file.makes_runs:
        service = stack.enter_context(connection(options, embedded=True))
        clients["client"] = stack.enter_context(service.client())
    if file.is_recorded:
        clients["lucidic"] = stack.enter_context(lucidic.Client())
    return clients


def _changes(options: argparse.Namespace) -> dict[str, Any]:
    chosen = {"ledger": options.ledger, "max_in_flight": options.max_in_flight}
    return {name: value for name, value in chosen.items() if value is not None}


def _run_shown(experiment: Experiment, options: argparse.Namespace) -> Results:
    """Run the experiment with its progress on standard error, if there is any."""
    with ExitStack() as stack:
        line = ProgressLine(sys.stderr)

        def show(progress: JobProgress) -> None:
            if progress.done == 1:
                stack.callback(line.close)
            line(progress)

        return experiment.run(rescore=options.rescore, progress=False if options.quiet else show)


def _plain(results: Results, checks: list[Check]) -> dict[str, Any]:
    return {
        "name": results.name,
        "trials": len(results),
        "variants": [asdict(one) for one in results.summary()],
        "differences": [asdict(one) for one in results.differences()],
        "checks": [asdict(one) for one in checks],
    }
