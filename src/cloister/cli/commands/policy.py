"""``cloister policy``: the lab's own rules, in Cedar."""

from __future__ import annotations

from pathlib import Path

import click

from cloister.cli.root import Context, with_context
from cloister.cli.session import open_lab
from cloister.core.errors import BadInput
from cloister.workflows.people import policies


@click.group("policy")
def command() -> None:
    """Rules of your own, in Cedar, beside those every lab starts from."""


@command.command("set")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@with_context
def set_(context: Context, file: Path) -> None:
    """Let the policies in FILE hold from now on; an empty file takes all of yours back.

    They are checked first, and kept in the ledger with who set them.

    \b
    Example:
      cloister policy set night.cedar
    """
    try:
        text = file.read_text()
    except UnicodeDecodeError as error:
        raise BadInput("the file is not UTF-8 text") from error
    with open_lab(context) as lab:
        ids = policies.set_policies(lab, text)
    said = f"hold from now on: {', '.join(ids)}" if ids else "the lab has none of its own"
    context.output.line(said)
    context.output.value({"policies": ids})


@command.command("show")
@click.option("--shipped", is_flag=True, help="Those every lab starts from.")
@with_context
def show(context: Context, shipped: bool) -> None:
    """Print the lab's own policies."""
    from cloister.policy.cedar import shipped as starting

    with open_lab(context) as lab:
        text = policies.show_policies(lab)
    text = starting() if shipped else text
    context.output.line(text.rstrip() or "none: the lab goes by the shipped ones alone")
    context.output.value({"text": text})


@command.command("try")
@click.argument("member")
@click.argument("action")
@with_context
def try_(context: Context, member: str, action: str) -> None:
    """Say whether MEMBER, logged in just now, may do ACTION, and why.

    \b
    Example:
      cloister policy try ada export
    """
    with open_lab(context) as lab:
        answer = policies.try_policy(lab, member, action)
    context.output.line(f"{'yes' if answer.allowed else 'no'}: {answer.reason}")
    context.output.value({"allowed": answer.allowed, "reason": answer.reason})
