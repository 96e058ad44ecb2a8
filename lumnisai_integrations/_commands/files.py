"""``lumnis files``: files that agents can read and search."""

from __future__ import annotations

import argparse
import math
import re
import sys
from itertools import islice
from pathlib import Path

from lumnisai_core import Client, DuplicateHandling, ProcessingStatus
from lumnisai_integrations._commands import CommandError, UsageError
from lumnisai_integrations._commands.connection import set_action
from lumnisai_integrations._commands.output import (
    for_each,
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
    new_actions,
    new_command,
    number,
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

#: Files that are fetched at a time.
_PAGE = 100

#: Seconds between two polls for the end of processing.
_POLL_INTERVAL = 0.25


def add(commands: Commands) -> None:
    """Add the command to a parser."""
    actions = new_actions(commands, "files", examples=_EXAMPLES)
    upload = new_command(
        actions,
        "upload",
        summary="upload files",
        about="Prints path and id of each. The service then processes them: --wait waits for that.",
        examples="lumnis files upload tides.md\nlumnis files upload *.pdf --tag harbour --scope tenant --wait",
    )
    upload.add_argument("paths", metavar="PATH", nargs="+", type=Path, help="files to upload")
    _add_tags(upload, "tag for the files; repeat it for more")
    upload.add_argument(
        "--duplicates",
        choices=[str(way) for way in DuplicateHandling],
        default=str(DuplicateHandling.SUFFIX),
        help="what to do if there is a file of that name (default: %(default)s)",
    )
    upload.add_argument("--wait", action="store_true", help="wait until they can be read and searched")
    upload.add_argument(
        "--timeout", type=seconds, default=300.0, metavar="SECONDS", help="how long to --wait (default: %(default)g)"
    )
    listing = new_command(
        actions,
        "list",
        summary="list files",
        about="In a pipe the columns are id, status, bytes, scope, tags, and name.",
        examples="lumnis files list --type pdf\nlumnis files list --status error --json",
    )
    listing.add_argument("--type", metavar="EXTENSION", type=text, help="only files with this extension, such as pdf")
    listing.add_argument(
        "--status", choices=[str(status) for status in ProcessingStatus], help="only files in this status"
    )
    _add_tags(listing, "only files with this tag; repeat it for more")
    add_limit_option(listing)
    search = new_command(
        actions,
        "search",
        summary="search the text of files, best first",
        about="In a pipe the columns are id, score, name, lines, and passage.",
        examples='lumnis files search "spring tides" --limit 3',
    )
    search.add_argument("query", metavar="QUERY", type=text, help="what to search for")
    search.add_argument(
        "--limit",
        type=lambda argument: number(argument, 1, 50),
        default=10,
        metavar="N",
        help="the most files, 1 to 50 (default: %(default)s)",
    )
    search.add_argument("--min-score", type=_score, default=0.0, metavar="SCORE", help="least score, 0 to 1")
    _add_tags(search, "only files with this tag; repeat it for more")
    showing = new_command(
        actions,
        "show",
        summary="show the properties of a file, or its text",
        examples="lumnis files show FILE\nlumnis files show FILE --lines 10-20",
    )
    download = new_command(
        actions,
        "download",
        summary="write a file to the disk",
        examples="lumnis files download FILE\nlumnis files download FILE -o - | head",
    )
    for action in (showing, download):
        action.add_argument("file", metavar="FILE", type=text, help="id of the file")
    showing.add_argument("--text", action="store_true", help="print its text instead")
    showing.add_argument("--lines", metavar="A-B", type=_lines, help="print these lines of its text instead")
    download.add_argument(
        "-o", "--output", metavar="PATH", help="where to write it; - is stdout (default: its name, in this folder)"
    )
    download.add_argument("--force", action="store_true", help="replace an existing file")
    delete = new_command(actions, "delete", summary="delete files for good", examples="lumnis files delete FILE FILE")
    delete.add_argument("files", metavar="FILE", nargs="+", type=text, help="ids of the files")
    delete.add_argument("--hide", action="store_true", help="only hide them")
    for action in (listing, search, showing):
        add_json_option(action)
    actors = (
        (upload, _upload),
        (listing, _list),
        (search, _search),
        (showing, _show),
        (download, _download),
        (delete, _delete),
    )
    for action, act in actors:
        set_action(action, act)


def _add_tags(parser: argparse.ArgumentParser, about: str) -> None:
    parser.add_argument("--tag", metavar="TAG", action="append", type=text, dest="tags", help=about)


def _upload(client: Client, options: argparse.Namespace) -> int:
    def upload(path: Path) -> str:
        try:
            path.name.encode()
        except UnicodeEncodeError:
            raise CommandError("the name of the file is not UTF-8 text: rename it") from None
        uploaded = client.files.upload(path, tags=options.tags, duplicate_handling=options.duplicates)
        if options.wait:
            client.files.wait_until_processed(uploaded.file_id, timeout=options.timeout, poll_interval=_POLL_INTERVAL)
        return uploaded.file_id

    return for_each(options.paths, upload, done="uploaded")


def _list(client: Client, options: argparse.Namespace) -> int:
    files = client.files.iter(
        file_type=options.type, status=options.status, tags=options.tags, page_size=min(options.limit or _PAGE, _PAGE)
    )
    found = islice(files, options.limit)
    if options.json:
        print_json([file.json() for file in found])
        return 0
    rows = (
        (
            file.id,
            str(file.processing_status),
            size_text(file.file_size),
            str(file.file_scope),
            ",".join(file.tags),
            file.file_name,
        )
        for file in found
    )
    print_rows(("id", "status", "size", "scope", "tags", "name"), rows, nothing="There are no files.")
    return 0


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
            write(safe_text(content.text) if sys.stdout.isatty() else content.text)
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
            ("size", size_text(file.file_size)),
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
    # The uploader chose the name: only its last part is used.
    name = options.output or Path(client.files.get(options.file).file_name.replace("\\", "/")).name
    if not name:
        raise UsageError("the file has no name: say where to write it with -o PATH")
    target = Path(name)
    if target.is_dir():
        raise UsageError(f"{target} is a folder: name the file to write with -o PATH")
    if not target.parent.is_dir():
        raise UsageError(f"there is no folder {target.parent}: make it, or name another one with -o PATH")
    if target.exists() and not options.force:
        raise UsageError(f"{target} exists already: use --force, or another name with -o PATH")
    write(str(client.files.download_to(options.file, target)))
    return 0


def _delete(client: Client, options: argparse.Namespace) -> int:
    def delete(file: str) -> None:
        client.files.delete(file, hard_delete=not options.hide)

    return for_each(options.files, delete, done="deleted")


def _score(argument: str) -> float:
    try:
        score = float(argument)
    except ValueError:
        score = math.nan
    if not 0 <= score <= 1:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 1, got {argument!r}")
    return score


def _lines(argument: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)(?:-(\d+))?", argument)
    if found is None or not int(found[1]) or int(found[2] or found[1]) < int(found[1]):
        raise argparse.ArgumentTypeError(f"must be lines such as 10-20 or 10, got {argument!r}")
    return int(found[1]), int(found[2] or found[1])
