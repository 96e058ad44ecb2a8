"""``lumnis files``: files that agents can read and search."""

from __future__ import annotations

import argparse
import re
import sys
from itertools import islice
from pathlib import Path

from lumnisai_core import Client, DuplicateHandling, FileMetadata, ProcessingStatus
from lumnisai_integrations._commands import CommandError, UsageError
from lumnisai_integrations._commands.connection import Actions, whole_file_id
from lumnisai_integrations._commands.output import (
    Cell,
    for_each,
    print_fields,
    print_json,
    print_rows,
    safe_text,
    size_text,
    write,
)
from lumnisai_integrations._commands.parsers import JSON, LIMIT, argument, flag, number

#: Seconds between two polls for the end of processing.
_POLL_INTERVAL = 0.25

_files = Actions(
    "files",
    """\
lumnis files upload tides.md ports.pdf --tag harbour --wait
lumnis files list --tag harbour
lumnis files search "spring tides"
lumnis files show FILE --text                 its text
lumnis files download FILE -o tides.md
lumnis files delete FILE FILE""",
)
add = _files.add

_DUPLICATES = [*map(str, DuplicateHandling)]
_FILE = argument("file", help="id of the file, or its beginning")
_WITH_TAG = argument("--tag", action="append", dest="tags", metavar="TAG", help="only files with this tag; repeatable")


def _lines(word: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)(?:-(\d+))?", word)
    if found is None or not int(found[1]) or int(found[2] or found[1]) < int(found[1]):
        raise argparse.ArgumentTypeError(f"must be lines such as 10-20 or 10, got {word!r}")
    return int(found[1]), int(found[2] or found[1])


@_files.action(
    "upload",
    "upload files",
    argument("paths", metavar="PATH", nargs="+", type=Path, help="files to upload"),
    argument("--tag", action="append", dest="tags", metavar="TAG", help="tag for the files; repeatable"),
    argument(
        "--duplicates",
        metavar="ACTION",
        choices=_DUPLICATES,
        default="suffix",
        help="what to do if there is a file of that name",
    ),
    flag("--wait", "wait until they can be read and searched"),
    argument("--timeout", type=number(float, 0), default=300, help="seconds to --wait"),
    about="Prints path and id of each. The service then processes them: --wait waits for that.",
    examples="lumnis files upload tides.md\nlumnis files upload *.pdf --tag harbour --scope tenant --wait",
)
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


@_files.action(
    "list",
    "list files",
    argument("--type", metavar="EXTENSION", help="only files with this extension, such as pdf"),
    argument("--status", metavar="STATUS", choices=[*map(str, ProcessingStatus)], help="only files in this status"),
    _WITH_TAG,
    LIMIT,
    JSON,
    about="In a pipe the columns are id, status, bytes, scope, tags, and name.",
    examples="lumnis files list --type pdf\nlumnis files list --status error --json",
)
def _list(client: Client, options: argparse.Namespace) -> None:
    files = client.files.iter(file_type=options.type, status=options.status, tags=options.tags)
    found = islice(files, options.limit)
    if options.json:
        print_json([file.json() for file in found])
        return
    names = ("status", "size", "scope", "tags", "name")
    rows = ((file.id, *map(_fields_of(file).get, names)) for file in found)
    print_rows(("id", *names), rows, nothing="There are no files.")


def _fields_of(file: FileMetadata) -> dict[str, Cell]:
    return {
        "file": file.id,
        "name": file.file_name,
        "uploaded as": file.original_file_name if file.original_file_name != file.file_name else None,
        "type": file.mime_type or file.file_type,
        "size": size_text(file.file_size),
        "status": str(file.processing_status),
        "error": file.error_message,
        "scope": str(file.file_scope),
        "user": file.user_id,
        "tags": ",".join(file.tags),
        "created": file.created_at,
    }


@_files.action(
    "search",
    "search the text of files, best first",
    argument("query", help="what to search for"),
    argument("--limit", type=number(int, 1, 50), default=10, help="the most files, 1 to 50"),
    argument("--min-score", type=number(float, 0, 1), default=0.0, help="least score, 0 to 1"),
    _WITH_TAG,
    JSON,
    about="In a pipe the columns are id, score, name, lines, and passage.",
    examples='lumnis files search "spring tides" --limit 3',
)
def _search(client: Client, options: argparse.Namespace) -> None:
    found = client.files.search(options.query, limit=options.limit, min_score=options.min_score, tags=options.tags)
    if options.json:
        print_json(found.json())
        return
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


@_files.action(
    "show",
    "show the properties of a file, or its text",
    _FILE,
    flag("--text", "print its text instead"),
    argument("--lines", metavar="A-B", type=_lines, help="print these lines of its text instead"),
    JSON,
    examples="lumnis files show FILE\nlumnis files show FILE --lines 10-20",
)
def _show(client: Client, options: argparse.Namespace) -> None:
    file_id = whole_file_id(client, options.file)
    if options.text or options.lines:
        start, end = options.lines or (None, None)
        content = client.files.get_content(file_id, start_line=start, end_line=end)
        if options.json:
            print_json(content.json())
        else:
            write(safe_text(content.text) if sys.stdout.isatty() else content.text)
        return
    file = client.files.get(file_id)
    if options.json:
        print_json(file.json())
    else:
        print_fields(_fields_of(file))


@_files.action(
    "download",
    "write a file to the disk",
    _FILE,
    argument(
        "-o", "--output", metavar="PATH", help="where to write it (default: its name, in this folder); - is stdout"
    ),
    flag("--force", "replace an existing file"),
    examples="lumnis files download FILE\nlumnis files download FILE -o - | head",
)
def _download(client: Client, options: argparse.Namespace) -> None:
    file_id = whole_file_id(client, options.file)
    if options.output == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(client.files.download(file_id))
        sys.stdout.buffer.flush()
        return
    # The uploader chose the name: only its last part is used.
    name = options.output or Path(client.files.get(file_id).file_name.replace("\\", "/")).name
    if not name:
        raise UsageError("the file has no name: say where to write it with -o PATH")
    target = Path(name)
    if target.is_dir():
        raise UsageError(f"{target} is a folder: name the file to write with -o PATH")
    if not target.parent.is_dir():
        raise UsageError(f"there is no folder {target.parent}: make it, or name another one with -o PATH")
    if target.exists() and not options.force:
        raise UsageError(f"{target} exists already: use --force, or another name with -o PATH")
    write(str(client.files.download_to(file_id, target)))


@_files.action(
    "delete",
    "delete files for good",
    argument("files", metavar="FILE", nargs="+", help="ids of the files, or their beginnings"),
    flag("--hide", "only hide them"),
    examples="lumnis files delete FILE FILE",
)
def _delete(client: Client, options: argparse.Namespace) -> int:
    def delete(file: str) -> None:
        client.files.delete(whole_file_id(client, file), hard_delete=not options.hide)

    return for_each(options.files, delete, done="deleted")
