"""``cloister keys``: recovery shares, and a second copy of the keys."""

from __future__ import annotations

from pathlib import Path

import click

from cloister.app.sheets import check_place, save_sheets
from cloister.cli.output import Output
from cloister.cli.root import Context, with_context
from cloister.cli.session import NO_COPY, configured, open_lab, read_passphrase
from cloister.cli.sheets import sheets_value, show_sheets
from cloister.core.errors import BadInput
from cloister.keys.sheets import ShareKit, parse_scheme
from cloister.keys.values import CopyStatus
from cloister.workflows.recovery import safeguard


@click.group("keys")
def command() -> None:
    """Recovery shares, and a second copy of the keys on another disk."""


@command.command("shares")
@click.argument("scheme", metavar="KofN")
@click.option(
    "--save-shares",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Write one page a sheet to a new FOLDER instead of showing the words.",
)
@click.option(
    "--passphrase-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read the passphrase from a file (else CLOISTER_PASSPHRASE_FILE, prompt, or stdin).",
)
@with_context
def shares(
    context: Context, scheme: str, save_shares: Path | None, passphrase_file: Path | None
) -> None:
    """Split a new recovery secret: any K of N sheets of paper open the keys.

    The sheets or the code there were until now are void. The passphrase is asked for, even
    while the keys are open.

    \b
    Example:
      cloister keys shares 3of5 --save-shares /media/usb/sheets
    """
    wanted = parse_scheme(scheme)
    if save_shares is not None:
        check_place(configured(context), save_shares)
    passphrase = read_passphrase(passphrase_file, confirm=False)
    with open_lab(context) as lab:
        kit = safeguard.split_recovery(lab, passphrase, wanted)
    assert isinstance(kit, ShareKit)
    if save_shares is not None:
        save_sheets(kit, save_shares)
    show_sheets(context.output, kit, save_shares)
    context.output.value(sheets_value(kit, save_shares))


@command.command("copy")
@click.argument("folder", required=False, type=click.Path(path_type=Path), metavar="[FOLDER]")
@click.option("--suspend", is_flag=True, help="Go on without the copy for now.")
@click.option("--forget", is_flag=True, help="Give the copy up and destroy it.")
@with_context
def copy(context: Context, folder: Path | None, suspend: bool, forget: bool) -> None:
    """Keep a second copy of the keys in FOLDER, on another disk; without FOLDER, look at it.

    From then on every new key is on both disks before it is used, and an erasure destroys the
    epoch key on both. While the copy cannot be reached no key is made or destroyed. FOLDER is
    a keys folder by itself: putting its files in the place of a lost one is all it takes.

    \b
    Examples:
      cloister keys copy /mnt/second/lab-keys
      cloister keys copy --suspend
      cloister keys copy
    """
    if sum((folder is not None, suspend, forget)) > 1:
        raise BadInput("keys copy: a folder, --suspend or --forget, one of them")
    with open_lab(context) as lab:
        if folder is not None:
            status = safeguard.keep_copy(lab, folder)
        elif suspend:
            status = safeguard.suspend_copy(lab)
        elif forget:
            status = safeguard.forget_copy(lab)
        else:
            status = lab.keys.status().copy
    _show(context.output, status, forget)


def _show(output: Output, status: CopyStatus, forgotten: bool) -> None:
    if forgotten:
        output.line("no second copy is kept any more")
        if status.why:
            output.line(f"  {status.folder}: {status.why}; destroy that disk")
    else:
        output.line(_SAYS[status.state])
    cleared = ", ".join(map(str, status.cleared)) or None
    output.pairs(
        [
            ("folder", status.folder or None),
            ("copy", status.id or None),
            ("why", None if forgotten else status.why or None),
            ("cleared", cleared and f"the key of epoch {cleared}: erased there now, too"),
        ]
    )
    output.value(
        {
            "state": status.state,
            "folder": status.folder,
            "copy": status.id,
            "why": status.why,
            "cleared": list(status.cleared),
        }
    )


_SAYS = {
    "none": NO_COPY,
    "kept": "the second copy is up to date",
    "suspended": "the second copy is SUSPENDED: new keys are on one disk alone",
    "unreachable": "the second copy CANNOT BE REACHED: no key can be made or destroyed",
}
