"""``lumnis files``: files that agents can read and search."""

from __future__ import annotations

import argparse
import math
import re
import sys
from itertools import islice
from pathlib import Path

from lumnisai_core import Client, DuplicateHandling, FileMetadata, ProcessingStatus
from lumnisai_integrations._commands.connection import connected
from lumnisai_integrations._commands.errors import CommandError, UsageError
from lumnisai_integrations._commands.output import (
    for_each,
    is_terminal,
    print_fields,
    print_json,
    print_rows,
    safe_text,
    size_text,
    write,
)
from lumnisai_integrations._commands.parsers import (
    Commands,
    add_json_option,
    add_limit_option,
    add_service_options,
    new_command,
    seconds,
    text,
)

_EXAMPLES = """\
lumnis files upload tides.md ports.pdf --tag harbour --wait
lumnis files list --tag harbour
lumnis files search "spring tides"
lumnis files show FILE --text                 its text
lumnis files download FILE -o tides.md
lumnis files delete FILE FILE"""

_PAGE = 100

# Seconds between two looks at a file that is waited for.
_LOOK = 0.25


def add(commands: Commands) -> None:
    """Add the command to a parser."""
    parser = new_command(commands, "files", examples=_EXAMPLES)
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
    made = [
        (_add_upload(actions), _upload),
        (_add_list(actions), _list),
        (_add_search(actions), _search),
        (_add_show(actions), _show),
        (_add_download(actions), _download),
        (_add_delete(actions), _delete),
    ]
    for action, act in made:
        add_service_options(action)
        action.set_defaults(run=run, act=act)


def _add_upload(actions: Commands) -> argparse.ArgumentParser:
    parser = new_command(
        actions,
        "upload",
        summary="upload files",
        about="Prints path and id of each. The service then goes on to process them: --wait waits for that.",
        examples="lumnis files upload tides.md\nlumnis files upload *.pdf --tag harbour --scope tenant --wait",
    )
    parser.add_argument("paths", metavar="PATH", nargs="+", type=Path, help="files to upload")
    _add_tags(parser, "tag for the files; repeat it for more")
    parser.add_argument(
        "--duplicates",
        choices=[str(way) for way in DuplicateHandling],
        default=str(DuplicateHandling.SUFFIX),
        help="what to do where there is a file of that name (default: %(default)s)",
    )
    parser.add_argument("--wait", action="store_true", help="wait until they can be read and searched")
    parser.add_argument(
        "--timeout", type=seconds, default=300.0, metavar="SECONDS", help="how long to --wait (default: %(default)g)"
    )
    return parser


def _add_list(actions: Commands) -> argparse.ArgumentParser:
    parser = new_command(
        actions,
        "list",
        summary="list files",
        about="In a pipe the columns are id, status, bytes, scope, tags, and name.",
        examples="lumnis files list --type pdf\nlumnis files list --status error --json",
    )
    parser.add_argument("--type", metavar="EXTENSION", type=text, help="only files with this extension, such as pdf")
    parser.add_argument(
        "--status", choices=[str(status) for status in ProcessingStatus], help="only files in this status"
    )
    _add_tags(parser, "only files with this tag; repeat it for more")
    add_limit_option(parser)
    add_json_option(parser)
    return parser


def _add_search(actions: Commands) -> argparse.ArgumentParser:
    parser = new_command(
        actions,
        "search",
        summary="search the text of files, best first",
        about="In a pipe the columns are id, score, name, lines, and passage.",
        examples='lumnis files search "spring tides" --limit 3',
    )
    parser.add_argument("query", metavar="QUERY", type=text, help="what to look for")
    parser.add_argument(
        "--limit", type=_most_found, default=10, metavar="N", help="most files, 1 to 50 (default: %(default)s)"
    )
    parser.add_argument("--min-score", type=_score, default=0.0, metavar="SCORE", help="least score, 0 to 1")
    _add_tags(parser, "only files with this tag; repeat it for more")
    add_json_option(parser)
    return parser


def _add_show(actions: Commands) -> argparse.ArgumentParser:
    parser = new_command(
        actions,
        "show",
        summary="show what the service knows about a file, or its text",
        examples="lumnis files show FILE\nlumnis files show FILE --lines 10-20",
    )
    parser.add_argument("file", metavar="FILE", type=text, help="id of the file")
    parser.add_argument("--text", action="store_true", help="print its text instead")
    parser.add_argument("--lines", metavar="A-B", type=_lines, help="print these lines of its text instead")
    add_json_option(parser)
    return parser


def _add_download(actions: Commands) -> argparse.ArgumentParser:
    parser = new_command(
        actions,
        "download",
        summary="write a file to the disk",
        examples="lumnis files download FILE\nlumnis files download FILE -o - | head",
    )
    parser.add_argument("file", metavar="FILE", type=text, help="id of the file")
    parser.add_argument(
        "-o", "--output", metavar="PATH", help="where to; - is standard output (default: its name, in this folder)"
    )
    parser.add_argument("--force", action="store_true", help="replace a file that is there")
    return parser


def _add_delete(actions: Commands) -> argparse.ArgumentParser:
    parser = new_command(actions, "delete", summary="delete files for good", examples="lumnis files delete FILE FILE")
    parser.add_argument("files", metavar="FILE", nargs="+", type=text, help="ids of the files")
    parser.add_argument("--hide", action="store_true", help="only hide them")
    return parser


def _add_tags(parser: argparse.ArgumentParser, about: str) -> None:
    parser.add_argument("--tag", metavar="TAG", action="append", type=text, dest="tags", help=about)


def run(options: argparse.Namespace) -> int:
    """Do what was asked for.

    Raises:
        CommandError: There is no key, or a path cannot be used.
        LumnisAIError: The service cannot be reached or refuses.
    """
    with connected(options) as client:
        status: int = options.act(client, options)
    return status


def _upload(client: Client, options: argparse.Namespace) -> int:
    def upload(path: Path) -> str:
        _check_name(path)
        made = client.files.upload(path, tags=options.tags, duplicate_handling=options.duplicates)
        if options.wait:
            client.files.wait_until_processed(made.file_id, timeout=options.timeout, poll_interval=_LOOK)
        return made.file_id

    return for_each(options.paths, upload, done="uploaded")


def _check_name(path: Path) -> None:
    try:
        path.name.encode()
    except UnicodeEncodeError:
        raise CommandError("the name of the file is not UTF-8 text: rename it") from None


def _list(client: Client, options: argparse.Namespace) -> int:
    files = client.files.iter(
        file_type=options.type, status=options.status, tags=options.tags, page_size=min(options.limit or _PAGE, _PAGE)
    )
    found = islice(files, options.limit)
    if options.json:
        print_json([file.json() for file in found])
        return 0
    rows = (
        (file.id, str(file.processing_status), _size(file), str(file.file_scope), ",".join(file.tags), file.file_name)
        for file in found
    )
    print_rows(("id", "status", "size", "scope", "tags", "name"), rows, nothing="There are no files.")
    return 0


def _size(file: FileMetadata) -> str:
    return size_text(file.file_size) if is_terminal(sys.stdout) else str(file.file_size)


def _search(client: Client, options: argparse.Namespace) -> int:
    found = client.files.search(options.query, limit=options.limit, min_score=options.min_score, tags=options.tags)
    if options.json:
        print_json(found.json())
        return 0
    rows = (
        (
            result.file.id,
            f"{chunk.similarity_score or result.overall_score:.2f}",
            result.file.file_name,
            f"{chunk.start_line}-{chunk.end_line}" if chunk.start_line is not None else "",
            chunk.chunk_text,
        )
        for result in found.results
        for chunk in result.chunks
    )
    print_rows(("id", "score", "name", "lines", "passage"), rows, nothing="Nothing was found.")
    return 0


def _show(client: Client, options: argparse.Namespace) -> int:
    if options.text or options.lines:
        start, end = options.lines or (None, None)
        content = client.files.get_content(options.file, start_line=start, end_line=end)
        if options.json:
            print_json(content.json())
        else:
            write(safe_text(content.text) if is_terminal(sys.stdout) else content.text)
        return 0
    file = client.files.get(options.file)
    if options.json:
        print_json(file.json())
        return 0
    print_fields(
        [
            ("file", file.id),
            ("name", file.file_name),
            ("uploaded as", file.original_file_name if file.original_file_name != file.file_name else None),
            ("type", file.mime_type or file.file_type),
            ("size", _size(file)),
            ("status", str(file.processing_status)),
            ("error", file.error_message),
            ("scope", str(file.file_scope)),
            ("user", file.user_id),
            ("tags", ",".join(file.tags)),
            ("created", file.created_at),
        ]
    )
    return 0


def _download(client: Client, options: argparse.Namespace) -> int:
    if options.output == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(client.files.download(options.file))
        sys.stdout.buffer.flush()
        return 0
    # Names come from whoever uploaded the file: only the last part of them counts.
    name = options.output or Path(client.files.get(options.file).file_name.replace("\\", "/")).name
    if not name:
        raise UsageError("the file has no name: say where to write it with -o PATH")
    target = Path(name)
    if target.is_dir():
        raise UsageError(f"{target} is a folder: name the file to write with -o PATH")
    if not target.parent.is_dir():
        raise UsageError(f"there is no folder {target.parent}: make it, or use another one with -o PATH")
    if target.exists() and not options.force:
        raise UsageError(f"{target} is there already: use --force, or another name with -o PATH")
    write(str(client.files.download_to(options.file, target)))
    return 0


def _delete(client: Client, options: argparse.Namespace) -> int:
    def delete(file: str) -> None:
        client.files.delete(file, hard_delete=not options.hide)

    return for_each(options.files, delete, done="deleted")


def _most_found(given: str) -> int:
    if not given.isdecimal() or not 1 <= int(given) <= 50:
        raise argparse.ArgumentTypeError(f"{given!r} is no limit: use a number from 1 to 50")
    return int(given)


def _score(given: str) -> float:
    try:
        score = float(given)
    except ValueError:
        score = math.nan
    if not 0 <= score <= 1:
        raise argparse.ArgumentTypeError(f"{given!r} is no score: use a number from 0 to 1")
    return score


def _lines(given: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)(?:-(\d+))?", given)
    if found is None or not int(found[1]) or int(found[2] or found[1]) < int(found[1]):
        raise argparse.ArgumentTypeError(f"{given!r} is no range of lines: write 10-20, or 10")
    return int(found[1]), int(found[2] or found[1])
