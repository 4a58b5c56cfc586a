"""``cloister completion``: the shell's own."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from cloister.cli.root import Context, root, with_context


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@with_context
def command(context: Context, shell: str) -> None:
    """Print the completion script for SHELL.

    \b
    Example:
      cloister completion bash > ~/.local/share/bash-completion/completions/cloister
    """
    found = get_completion_class(shell)
    assert found is not None
    context.output.line(found(root, {}, "cloister", "_CLOISTER_COMPLETE").source())
