"""``cloister readback``: today's keys against older copies."""

from __future__ import annotations

from pathlib import Path

import click

from cloister.app.copies import opened_copy
from cloister.cli.output import Output
from cloister.cli.root import Context, with_context
from cloister.cli.session import configured, open_lab
from cloister.cli.subject_argument import spoken
from cloister.core.errors import BadInput
from cloister.workflows.patients.whose import patient
from cloister.workflows.recovery.readback import Tried, probe_keystore, readback


@click.command("readback")
@click.argument("copy", required=False, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="Records of others to read.",
)
@click.option("--subject", help="Also try all records of this subject; - reads the id.")
@click.option("--issuer", default="local", show_default=True, help="Who gave the id.")
@click.option(
    "--keystore",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Try to open an old copy of the key store instead.",
)
@with_context
def command(
    context: Context,
    copy: Path | None,
    sample: int,
    subject: str | None,
    issuer: str,
    keystore: Path | None,
) -> None:
    """Try what today's keys open in COPY, an older copy of the lab's folder.

    A backup is worth what reads back: this reads. Records of erased subjects must stay
    closed in every copy, however old.

    \b
    Examples:
      cloister readback /mnt/backup/lab --subject sub_...
      cloister readback --keystore /mnt/backup/keystore.db
    """
    output = context.output
    if (copy is None) == (keystore is None):
        raise BadInput("name a copy of the lab, or of the key store with --keystore")
    with open_lab(context) as lab:
        if keystore is not None:
            probed = probe_keystore(lab, keystore)
            output.line(f"{probed.opened} of {probed.total} keys in that key store open today")
            output.value({"keys": probed.total, "opened": probed.opened})
            return
        assert copy is not None
        who = patient(lab, spoken(subject), issuer) if subject else None
        with opened_copy(configured(context), copy) as older:
            found = readback(lab, older, sample, who)
    _say(output, "records of others", found.sample)
    if found.subject is not None:
        _say(output, "records of the subject", found.subject)
    output.value(
        {
            "sample": _value(found.sample),
            "subject": _value(found.subject) if found.subject else None,
        }
    )


def _say(output: Output, what: str, tried: Tried) -> None:
    damaged = f", {tried.damaged} DAMAGED" if tried.damaged else ""
    output.line(
        f"{what}: {tried.readable} of {tried.records} read back,"
        f" {tried.erased} without a key{damaged}"
    )


def _value(tried: Tried) -> dict[str, int]:
    return {
        "records": tried.records,
        "readable": tried.readable,
        "erased": tried.erased,
        "damaged": tried.damaged,
    }
