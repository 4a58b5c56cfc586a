"""``cloister unlock``: the keys, after a reboot."""

from __future__ import annotations

from pathlib import Path

import click

from cloister.cli.root import Context, with_context
from cloister.cli.session import configured, read_passphrase
from cloister.keys import launch


@click.command("unlock")
@click.option(
    "--passphrase-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read the passphrase from a file (else CLOISTER_PASSPHRASE_FILE, prompt, or stdin).",
)
@click.option("--recovery", is_flag=True, help="Use the recovery code; sets a new passphrase.")
@with_context
def command(context: Context, passphrase_file: Path | None, recovery: bool) -> None:
    """Start the key service if it does not run, and open the keys."""
    config = configured(context)
    client = launch.reach(config.keys)
    if recovery:
        code = click.prompt("Recovery code", hide_input=True, err=True)
        launch.unlock_with_recovery(
            client, code, read_passphrase(passphrase_file, confirm=True)
        )
    else:
        launch.unlock(client, read_passphrase(passphrase_file, confirm=False))
    status = client.status()
    context.output.line(f"the keys of {config.lab} are open (epoch {status.epoch})")
    context.output.value({"lab": config.lab, "state": status.state, "epoch": status.epoch})
