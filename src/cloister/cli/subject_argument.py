"""How a patient is named on the command line without landing in its history."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

from cloister.cli.output import is_terminal, typed
from cloister.core.errors import BadInput


def subject_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """SUBJECT and --issuer."""
    argument = click.argument("subject", metavar="SUBJECT")
    issuer = click.option(
        "--issuer", default="local", show_default=True, help="Who gave the id."
    )
    return argument(issuer(function))


def spoken(subject: str) -> str:
    """The subject meant: a pseudonym, an id, or ``-`` to read the id from standard input.

    An id given as an argument lands in shell history and the process list; one that is
    piped in, or typed at the prompt, does not.
    """
    if subject != "-":
        return subject
    if is_terminal(sys.stdin):
        return str(click.prompt("Subject id", hide_input=True, err=True))
    text = typed()
    if not text:
        raise BadInput("no subject id on standard input")
    return text
