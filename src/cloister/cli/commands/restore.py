"""``cloister restore``: the lab, from a backup."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from cloister.app import config as configuration
from cloister.app.restoring import Restored, RestoreRequest, restore
from cloister.cli.output import size
from cloister.cli.root import Context, with_context
from cloister.cli.session import read_passphrase
from cloister.core.errors import BadInput
from cloister.core.words import count
from cloister.keys.recovery import RecoveryKit
from cloister.keys.sheets import read_sheet


@click.command("restore")
@click.argument("source", metavar="FROM")
@click.option(
    "--to",
    "folder",
    required=True,
    type=click.Path(path_type=Path),
    help="A new or empty folder for the lab.",
)
@click.option(
    "--kit", metavar="FILE", help="The recovery kit; - reads it. [default: the passphrase]"
)
@click.option(
    "--share",
    "share_files",
    multiple=True,
    metavar="FILE",
    help="A recovery share, words or a saved page; once for each that is needed.",
)
@click.option(
    "--keys",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A copy of the keys folder, where this machine has none of the lab's keys.",
)
@click.option(
    "--keyd",
    type=click.Path(path_type=Path),
    metavar="SOCKET",
    help="The key service of an OS user of its own, which has the lab's keys.",
)
@click.option(
    "--database",
    metavar="URI",
    help="Put ledger and tables on a PostgreSQL server: postgresql://user@host/database.",
)
@click.option("--at", metavar="TIME|SIZE", help="Not the newest: the last save up to then.")
@click.option(
    "--copy-only", is_flag=True, help="A copy to read from; the lab stays where it is."
)
@click.option(
    "--passphrase-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read the passphrase from a file (else CLOISTER_PASSPHRASE_FILE, prompt, or stdin).",
)
@with_context
def command(
    context: Context,
    source: str,
    folder: Path,
    kit: str | None,
    share_files: tuple[str, ...],
    keys: Path | None,
    keyd: Path | None,
    database: str | None,
    at: str | None,
    copy_only: bool,
    passphrase_file: Path | None,
) -> None:
    """Bring the lab back from the backup FROM, checked against its keys and audited.

    Whoever was erased since stays erased, whatever the backup holds. The ledger says that
    the lab was restored, and from where it went on.

    \b
    Examples:
      cloister restore /mnt/second/lab --to ~/cloister-lab --kit kit.txt --keys /mnt/third/keys
      cloister restore /mnt/second/lab --to ./may --at 2026-05-04T12:00:00Z --copy-only
    """
    output = context.output
    service = configuration.service_at(keyd) if keyd else None
    paper = _read_kit(kit) if kit else None
    shares = tuple(read_sheet(_read(file)) for file in share_files)
    if database is not None:
        configuration.check_database(database)
    request = RestoreRequest(
        source, folder, keys, at, copy_only, paper, shares, service, database
    )
    with output.progress() as progress:
        done = restore(
            configuration.surroundings(),
            request,
            lambda: read_passphrase(passphrase_file, confirm=False),
            progress,
        )
    _say(context, done, copy_only)


def _read_kit(kit: str) -> RecoveryKit:
    return RecoveryKit.read(_read(kit))


def _read(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput("the recovery kit cannot be read") from error


def _say(context: Context, done: Restored, copy_only: bool) -> None:
    output, point = context.output, done.point
    what = "a copy to read from: cloister readback" if copy_only else "back"
    output.line(f"lab {done.config.lab} is {what}")
    lost = None
    if done.before is not None:
        lost = (
            f"entries {point.head.size:,} to {done.before.size - 1:,}, which this user had"
            " seen: the ledger says so"
        )
    output.pairs(
        [
            ("folder", done.config.folder),
            ("database", done.config.server),
            ("from", f"save {point.number} of {point.time[:19]}Z"),
            ("ledger", f"{point.head.size:,} entries, root {point.head.root.hex()}"),
            ("fetched", f"{count(len(point.blobs), 'blob')}, {size(done.fetched_bytes)}"),
            ("audit", f"whole: {done.report.rows:,} rows in {done.report.seconds:.1f} s"),
            ("LOST", lost),
            ("erased", f"{count(done.erased, 'subject')} again" if done.erased else None),
            ("NO KEY", f"for {count(done.missing, 'subject')}" if done.missing else None),
        ]
    )
    output.value(
        {
            "lab": done.config.lab,
            "folder": str(done.config.folder),
            "save": point.number,
            "time": point.time,
            "size": point.head.size,
            "root": point.head.root.hex(),
            "blobs": len(point.blobs),
            "fetched_bytes": done.fetched_bytes,
            "lost_from": done.before.size if done.before else None,
            "erased": done.erased,
            "missing_keys": done.missing,
            "default": done.is_default,
        }
    )
