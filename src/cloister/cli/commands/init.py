"""``cloister init``: a new lab."""

from __future__ import annotations

import secrets
from pathlib import Path

import click

from cloister.app import config as configuration
from cloister.app.found import found
from cloister.cli.root import Context, with_context
from cloister.cli.session import DEVELOPMENT_SEAL, read_passphrase


@click.command("init")
@click.argument("folder", required=False, type=click.Path(path_type=Path), metavar="[LAB]")
@click.option(
    "--passphrase-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read the passphrase from a file (else CLOISTER_PASSPHRASE_FILE, prompt, or stdin).",
)
@click.option(
    "--save-kit",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also write the recovery kit to FILE, mode 0600.",
)
@with_context
def command(
    context: Context, folder: Path | None, passphrase_file: Path | None, save_kit: Path | None
) -> None:
    """Make a lab in LAB (default: ~/cloister-lab): keys, store, ledger, recovery kit.

    Keys live outside the lab, in the data folder of this user. The recovery kit is shown
    once: print it and keep it away from this machine.

    \b
    Example:
      cloister init /srv/lab --save-kit /media/usb/kit.txt
    """
    output = context.output
    around = configuration.surroundings()
    named = context.lab or around.environment.get("CLOISTER_LAB")
    target = folder or (Path(named) if named else around.home / "cloister-lab")
    passphrase = read_passphrase(passphrase_file, confirm=True)
    made = found(around, target, passphrase, secrets.token_bytes, save_kit)
    output.line(f"lab {made.config.lab} is ready")
    output.pairs(
        [
            ("folder", made.config.folder),
            ("keys", f"{made.config.keys}  (outside the lab)"),
            ("seal", DEVELOPMENT_SEAL),
            (
                "default",
                "yes: commands use it unless told otherwise" if made.is_default else None,
            ),
        ]
    )
    output.line()
    output.line(made.kit.text())
    output.value(
        {
            "lab": made.config.lab,
            "folder": str(made.config.folder),
            "keys": str(made.config.keys),
            "recovery_code": made.kit.code,
        }
    )
