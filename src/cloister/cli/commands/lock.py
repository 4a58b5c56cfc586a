"""``cloister lock``: the keys, closed."""

from __future__ import annotations

import click

from cloister.cli.root import Context, with_context
from cloister.cli.session import configured
from cloister.core.errors import KeyServiceDown
from cloister.keys.launch import at


@click.command("lock")
@click.option("--stop", is_flag=True, help="End the key service's process as well.")
@with_context
def command(context: Context, stop: bool) -> None:
    """Forget the keys until the next `cloister unlock`; running jobs keep what they hold."""
    config = configured(context)
    client = at(config.keys)
    try:
        client.stop() if stop else client.lock()
    except KeyServiceDown:
        context.output.note("the key service does not run")
    context.output.line(f"the keys of {config.lab} are locked")
    context.output.value({"lab": config.lab, "state": "stopped" if stop else "locked"})
