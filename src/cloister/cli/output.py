"""How commands speak: aligned lines for people, JSON for programs, errors that help."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

import click

from cloister.core.errors import CloisterError
from cloister.core.progress import Progress

_UNITS = ("B", "KB", "MB", "GB", "TB")


class Output:
    """Where one command writes: plain lines or, with --json, a single value at its end."""

    def __init__(self, *, as_json: bool, quiet: bool) -> None:
        self.as_json = as_json
        self.quiet = quiet

    def line(self, text: str = "") -> None:
        """One line for people."""
        if not self.as_json:
            click.echo(_printable_lines(text))

    def pairs(self, rows: Iterable[tuple[str, object]]) -> None:
        """Names and values, aligned; a value of None leaves its line out."""
        shown = [(name, str(value)) for name, value in rows if value is not None]
        width = max((len(name) for name, _ in shown), default=0)
        for name, value in shown:
            self.line(f"  {name:<{width}}  {value}")

    def table(self, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Columns as wide as they must be; numbers to the right."""
        cells = [[_cell(value) for value in row] for row in rows]
        widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
        right = [bool(rows) and isinstance(row, int) for row in (rows[0] if rows else header)]
        for row in ([*header], *cells):
            padded = [
                cell.rjust(width) if to_right else cell.ljust(width)
                for cell, width, to_right in zip(row, widths, right, strict=True)
            ]
            self.line("  ".join(padded).rstrip())

    def listed(
        self, header: Sequence[str], rows: Sequence[Sequence[object]], nothing: str
    ) -> None:
        """The rows as a table, ``nothing`` where there are none; with --json an object each."""
        if rows:
            self.table(header, rows)
        else:
            self.line(nothing)
        self.value([dict(zip(header, row, strict=True)) for row in rows])

    def value(self, value: Any) -> None:
        """The answer for programs; a byte that is not UTF-8 is an escaped lone surrogate."""
        if self.as_json:
            text = json.dumps(value, ensure_ascii=False, indent=2, default=str)
            click.echo(text.encode("utf-8", "backslashreplace").decode())

    def note(self, text: str) -> None:
        """Something to know, on stderr."""
        if not self.quiet:
            click.echo(_printable_lines(text), err=True)

    def failure(self, error: CloisterError) -> None:
        """What went wrong and what to do next, on stderr."""
        if self.as_json:
            body = {"code": error.code, "message": error.message, "hint": error.hint}
            click.echo(json.dumps({"error": body}, ensure_ascii=False), err=True)
            return
        mark = click.style("error", fg="red", bold=True)
        click.echo(f"{mark} {error.code}: {error.message}", err=True)
        if error.hint:
            click.echo(f"  next: {error.hint}", err=True)

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """A bar on stderr while a terminal watches; silence otherwise."""
        if self.as_json or self.quiet or not is_terminal(sys.stderr):
            yield lambda _what, _done, _of: None
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description:<12}"),
            BarColumn(),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            tasks: dict[str, Any] = {}

            def show(what: str, done: int, of: int) -> None:
                if what not in tasks:
                    tasks[what] = bar.add_task(what, total=of or 1)
                bar.update(tasks[what], completed=done, total=max(of, done))

            yield show


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person is at the other end; Python has None for a stream that is closed."""
    return stream is not None and stream.isatty()


def typed() -> str:
    """One line of standard input; empty at its end."""
    return sys.stdin.readline().rstrip("\r\n") if sys.stdin is not None else ""


def forsake(stream: TextIO) -> None:
    """Sends what is still to be written on ``stream`` nowhere: its reader went away."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def size(size_bytes: int) -> str:
    """``4.2 MB``, in powers of ten."""
    value = float(size_bytes)
    for unit in _UNITS:
        if value < 1000 or unit == _UNITS[-1]:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError


def printable(text: str) -> str:
    """``text`` on one line, with nothing in it that a terminal would act upon."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else _escaped(one) for one in text)


def _printable_lines(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))


def _escaped(one: str) -> str:
    if "\udc80" <= one <= "\udcff":  # a byte of a file name that is not UTF-8 (PEP 383)
        return f"\\x{ord(one) - 0xDC00:02x}"
    return one.encode("unicode_escape").decode()


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else printable(str(value))
