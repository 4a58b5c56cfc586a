"""``cloister init``: a new lab."""

from __future__ import annotations

import secrets
from pathlib import Path

import click

from cloister.app import config as configuration
from cloister.app.found import Founded, Paper, found
from cloister.cli.output import Output
from cloister.cli.root import Context, with_context
from cloister.cli.session import DEVELOPMENT_SEAL, NO_COPY, read_passphrase
from cloister.cli.sheets import sheets_value, show_sheets
from cloister.core.errors import BadInput
from cloister.keys.sheets import ShareKit, parse_scheme


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
@click.option(
    "--shares",
    metavar="KofN",
    help="Split the recovery kit: any K of N sheets open the keys (SLIP-39).",
)
@click.option(
    "--save-shares",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Write one page a sheet to a new FOLDER instead of showing the words.",
)
@click.option(
    "--database",
    metavar="URI",
    help="Keep ledger and tables on a PostgreSQL server: postgresql://user@host/database.",
)
@with_context
def command(
    context: Context,
    folder: Path | None,
    passphrase_file: Path | None,
    save_kit: Path | None,
    keyd: Path | None,
    shares: str | None,
    save_shares: Path | None,
    database: str | None,
) -> None:
    """Make a lab in LAB (default: ~/cloister-lab): keys, store, ledger, recovery kit.

    Keys live outside the lab, in the data folder of this user or, better, with a key service
    that runs as a user of its own. The recovery kit is shown once: print it and keep it away
    from this machine.

    \b
    Examples:
      cloister init /srv/lab --save-kit /media/usb/kit.txt
      cloister init /srv/lab --keyd /run/cloister-keyd/keyd.sock
      cloister init /srv/lab --database postgresql://lab@db.hospital/lab
      cloister init --shares 3of5 --save-shares /media/usb/sheets
    """
    scheme = parse_scheme(shares) if shares else None
    if (scheme is None and save_shares) or (scheme and save_kit):
        raise BadInput("--save-kit saves a code, --save-shares the sheets of --shares")
    output = context.output
    around = configuration.surroundings()
    named = context.lab or around.environment.get("CLOISTER_LAB")
    target = folder or (Path(named) if named else around.home / "cloister-lab")
    if database is not None:
        configuration.check_database(database)
    passphrase = read_passphrase(passphrase_file, confirm=True)
    service = configuration.service_at(keyd) if keyd else None
    paper = Paper(save_shares or save_kit, scheme)
    made = found(around, target, passphrase, secrets.token_bytes, paper, service, database)
    _show(output, made, save_shares)


def _show(output: Output, made: Founded, sheets: Path | None) -> None:
    where = made.config.keys.folder or made.config.keys.socket
    output.line(f"lab {made.config.lab} is ready")
    is_default = "yes: commands use it unless told otherwise" if made.is_default else None
    output.pairs(
        [
            ("folder", made.config.folder),
            ("database", made.config.server),
            ("keys", f"{where}  (outside the lab)"),
            ("seal", DEVELOPMENT_SEAL if made.development_seal else None),
            ("default", is_default),
        ]
    )
    output.line()
    recovery: dict[str, object]
    if isinstance(made.kit, ShareKit):
        show_sheets(output, made.kit, sheets)
        recovery = {"recovery_shares": sheets_value(made.kit, sheets)}
    else:
        output.line(made.kit.text())
        recovery = {"recovery_code": made.kit.code}
    output.note(NO_COPY)
    value = {
        "lab": made.config.lab,
        "folder": str(made.config.folder),
        "keys": str(where),
    }
    output.value(value | recovery)
