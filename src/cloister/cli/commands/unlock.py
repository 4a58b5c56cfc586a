"""``cloister unlock``: the keys, after a reboot."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from cloister.cli.output import Output, is_terminal, typed
from cloister.cli.root import Context, with_context
from cloister.cli.session import COPY_STATES, configured, read_passphrase
from cloister.core.errors import BadInput
from cloister.keys import KeyClient, launch
from cloister.keys.sheets import read_sheet
from cloister.keys.values import ShareSet


@click.command("unlock")
@click.option(
    "--passphrase-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read the passphrase from a file (else CLOISTER_PASSPHRASE_FILE, prompt, or stdin).",
)
@click.option(
    "--recovery", is_flag=True, help="Use the recovery code or shares; sets a new passphrase."
)
@click.option(
    "--share",
    "share_files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Read a share from FILE (words, or a saved page); repeat. Others are asked for.",
)
@with_context
def command(
    context: Context,
    passphrase_file: Path | None,
    recovery: bool,
    share_files: tuple[Path, ...],
) -> None:
    """Start the key service if it does not run, and open the keys.

    \b
    Examples:
      cloister unlock
      cloister unlock --recovery
    """
    config = configured(context)
    client = launch.reach(config.keys)
    shares = client.status().shares
    if share_files and not (recovery and shares):
        raise BadInput("--share goes with --recovery, where the keys have shares")
    if recovery and shares:
        words = _shares(context.output, client, shares, share_files)
        new = read_passphrase(passphrase_file, confirm=True)
        launch.unlock_with_shares(client, words, new)
    elif recovery:
        code = click.prompt("Recovery code", hide_input=True, err=True)
        launch.unlock_with_recovery(
            client, code, read_passphrase(passphrase_file, confirm=True)
        )
    else:
        launch.unlock(client, read_passphrase(passphrase_file, confirm=False))
    status = client.status()
    context.output.line(f"the keys of {config.lab} are open (epoch {status.epoch})")
    if status.copy.state in COPY_STATES:
        context.output.note(COPY_STATES[status.copy.state])
    context.output.value(
        {
            "lab": config.lab,
            "state": status.state,
            "epoch": status.epoch,
            "second_copy": status.copy.state,
        }
    )


def _shares(
    output: Output, client: KeyClient, shares: ShareSet, files: tuple[Path, ...]
) -> list[str]:
    """As many shares as are needed, each checked as it comes; a slip is typed again."""
    words = [read_sheet(_read(file)) for file in files]
    client.check_shares(words)
    output.note(
        f"set {shares.name}: {shares.threshold} of {shares.count} sheets are needed,"
        f" in any order; {len(words)} read"
    )
    while len(words) < shares.threshold:
        number = len(words) + 1
        text = _ask(f"Sheet {number} of the {shares.threshold} needed, its 23 words")
        if not text:
            missing = shares.threshold - len(words)
            raise BadInput(
                f"{len(words)} of the {shares.threshold} shares that are needed",
                hint=f"{missing} more: fewer than that tell nothing at all",
            )
        try:
            found = client.check_shares([*words, read_sheet(text)])
        except BadInput as error:
            if not is_terminal(sys.stdin):
                raise
            output.failure(error)
            continue
        words.append(read_sheet(text))
        output.note(f"sheet {found[-1]} is good")
    return words


def _ask(question: str) -> str:
    """One line: typed unseen at a terminal, else the next of standard input."""
    if is_terminal(sys.stdin):
        answer: str = click.prompt(question, hide_input=True, err=True, default="")
        return answer
    return typed()


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput("a file of a share cannot be read") from error
