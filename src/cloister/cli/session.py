"""From a command's context to an open lab."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click

from cloister.app import config as configuration
from cloister.app.config import Config
from cloister.app.platform import opened
from cloister.cli.output import is_terminal, typed
from cloister.cli.root import Context
from cloister.core.errors import BadInput
from cloister.ledger import HeadStatus
from cloister.recovery import register
from cloister.web.door import answer, available
from cloister.workflows.lab import Lab
from cloister.workflows.people.projects import in_project
from cloister.workflows.resume import resume


def configured(context: Context) -> Config:
    """The lab this command is about."""
    around = configuration.surroundings()
    config = configuration.load(around, configuration.locate(around, context.lab))
    configuration.claim_runtime(config)
    return config


NO_COPY = (
    "NO SECOND COPY of the keys: if this disk breaks, every patient is lost"
    " (cloister keys copy FOLDER)"
)
DEVELOPMENT_SEAL = "DEVELOPMENT SEAL: the key service runs as your own user"


COPY_STATES = {
    "suspended": "the second copy of the keys is SUSPENDED: new keys are on one disk alone",
    "unreachable": "the second copy of the keys CANNOT BE REACHED: no key is made or destroyed",
}


@contextmanager
def open_lab(context: Context) -> Iterator[Lab]:
    """The lab, open; what a killed command left is set right first."""
    around = configuration.surroundings()
    with opened(configured(context), around.uid) as found:
        if found.head is HeadStatus.FIRST_CONTACT:
            context.output.note(
                "UNVERIFIED: this user sees the lab's ledger for the first time; from now on a"
                " rewritten or rolled-back one is refused."
            )
        if found.upgraded_from is not None:
            context.output.note(
                "an earlier release wrote this lab's database; it was brought up to date. As it"
                f" was: {found.upgraded_from}"
            )
        status = found.lab.keys.status()
        if status.development_seal:
            context.output.note(DEVELOPMENT_SEAL)
        if status.copy.state in COPY_STATES:
            context.output.note(COPY_STATES[status.copy.state])
        for line in resume(found.lab):
            context.output.note(line)
        lab = _proved(found.lab) if context.prove else found.lab
        lab = replace(lab, doorkeeper=answer if available() else None)
        if context.project is None:
            yield lab
        else:
            yield in_project(lab, context.project)


def _proved(lab: Lab) -> Lab:
    """The lab as whoever knows the passphrase gets it; raises WrongPassphrase."""
    lease = lab.keys.lease_held
    lab.keys.unlock(read_passphrase(None, confirm=False))
    lab.keys.lease_held = lease  # it was asked to compare, and for nothing else
    return replace(lab, actor=replace(lab.actor, present=True))


def note_without_backup(context: Context, lab: Lab) -> None:
    """Says so where nothing would bring back what was just put into the lab."""
    if not lab.read(register.ever_saved):
        context.output.note(
            "no backup yet: a broken disk takes this lab with it (cloister backup init)"
        )


def read_passphrase(file: Path | None, *, confirm: bool) -> str:
    """The passphrase, from a file or CLOISTER_PASSPHRASE_FILE, else asked for."""
    named = (file,) if file else configuration.surroundings().passphrase_file
    if named:
        text = _read(*named)
    elif is_terminal(sys.stdin):
        text = click.prompt(
            "Passphrase", hide_input=True, confirmation_prompt=confirm, err=True
        )
    else:
        text = typed()
    if not text:
        raise BadInput(
            "no passphrase", hint="type it, pipe it in, or name a file with --passphrase-file"
        )
    return text


def _read(file: Path) -> str:
    try:
        return file.read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            "the passphrase file cannot be read", hint="see CLOISTER_PASSPHRASE_FILE"
        ) from error
