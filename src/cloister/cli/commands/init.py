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
@click.option(
    "--keyd",
    type=click.Path(path_type=Path),
    metavar="SOCKET",
    help="Keep the keys in the key service of another OS user, which listens at SOCKET.",
)
@with_context
def command(
    context: Context,
    folder: Path | None,
    passphrase_file: Path | None,
    save_kit: Path | None,
    keyd: Path | None,
) -> None:
    """Make a lab in LAB (default: ~/cloister-lab): keys, store, ledger, recovery kit.

    Keys live outside the lab, in the data folder of this user or, better, with a key service
    that runs as a user of its own. The recovery kit is shown once: print it and keep it away
    from this machine.

    \b
    Examples:
      cloister init /srv/lab --save-kit /media/usb/kit.txt
      cloister init /srv/lab --keyd /run/cloister-keyd/keyd.sock
    """
    output = context.output
    around = configuration.surroundings()
    named = context.lab or around.environment.get("CLOISTER_LAB")
    target = folder or (Path(named) if named else around.home / "cloister-lab")
    passphrase = read_passphrase(passphrase_file, confirm=True)
    service = configuration.service_at(keyd) if keyd else None
    made = found(around, target, passphrase, secrets.token_bytes, save_kit, service)
    where = made.config.keys.folder or made.config.keys.socket
    output.line(f"lab {made.config.lab} is ready")
    output.pairs(
        [
            ("folder", made.config.folder),
            ("keys", f"{where}  (outside the lab)"),
            ("seal", DEVELOPMENT_SEAL if made.development_seal else None),
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
            "keys": str(where),
            "recovery_code": made.kit.code,
        }
    )
