"""``cloister get``: plaintext back, on record."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import click

from cloister.cli.output import size
from cloister.cli.root import Context, with_context
from cloister.cli.session import open_lab
from cloister.core.errors import BadInput
from cloister.core.files import write_new
from cloister.core.words import count
from cloister.workflows.get import Content, get_output, get_record, get_version


@click.command("get")
@click.argument("what", metavar="RECORD | RUN | DATASET[@VERSION]")
@click.argument("path", required=False)
@click.option(
    "-o", "--output", "target", type=click.Path(path_type=Path), help="Write here, mode 0600."
)
@with_context
def command(context: Context, what: str, path: str | None, target: Path | None) -> None:
    """Read a record, a run's output PATH (or its log), or a whole version back.

    Each reading is on record before the first byte. What it writes is plaintext: it is
    yours to guard.

    \b
    Examples:
      cloister get rec_k3... -o scan.dcm
      cloister get last metrics.json
      cloister get data1@2 -o ./copy
    """
    with open_lab(context) as lab:
        if what.startswith("rec_"):
            _write(get_record(lab, what), target)
        elif what.startswith("run_") or what == "last":
            _write(get_output(lab, what, path), target)
        else:
            if target is None:
                raise BadInput("name the folder to write to with -o")
            written = get_version(lab, what, target)
            context.output.line(
                f"{count(written.files, 'file')}, {size(written.size_bytes)}"
                + (f"; {count(written.erased, 'record')} erased" if written.erased else "")
            )
            context.output.value(
                {"files": written.files, "bytes": written.size_bytes, "erased": written.erased}
            )


def _write(reading: AbstractContextManager[Content], target: Path | None) -> None:
    if target is not None:
        write_new(target, _chunks(reading))
        return
    if sys.stdout is None:
        raise BadInput("standard output is closed", hint="name a file with -o")
    for chunk in _chunks(reading):
        sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()


def _chunks(reading: AbstractContextManager[Content]) -> Iterator[bytes]:
    """The bytes; nothing is read, or on record as read, before the first is asked for."""
    with reading as content:
        yield from content.chunks
