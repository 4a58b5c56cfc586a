"""``cloister doctor``: what is weak, and how to mend it."""

from __future__ import annotations

import click

from cloister.app import config as configuration
from cloister.app.doctor import Health, examine, scrub
from cloister.cli.root import Context, with_context
from cloister.cli.session import configured
from cloister.core.errors import IntegrityError
from cloister.core.words import count

_MARKS = {Health.SOUND: "ok", Health.WEAK: "weak", Health.BROKEN: "BROKEN"}


@click.command("doctor")
@click.option("--scrub", "with_scrub", is_flag=True, help="Read every stored byte as well.")
@with_context
def command(context: Context, with_scrub: bool) -> None:
    """Check fence, keys, folders, disk and extras; with --scrub every sealed object.

    \b
    Exit status: 0 nothing is broken (weak points are named), 6 something is.
    """
    output = context.output
    config = configured(context)
    findings = examine(config, configuration.surroundings())
    if with_scrub:
        with output.progress() as progress:
            findings += scrub(config, progress)
    for finding in findings:
        output.line(f"  {_MARKS[finding.health]:<6}  {finding.what:<12}  {finding.says}")
        if finding.remedy and finding.health is not Health.SOUND:
            output.line(f"  {'':<6}  {'':<12}  next: {finding.remedy}")
    output.value(
        [
            {"what": f.what, "health": f.health.value, "says": f.says, "remedy": f.remedy}
            for f in findings
        ]
    )
    broken = [finding for finding in findings if finding.health is Health.BROKEN]
    if broken:
        raise IntegrityError(f"{count(len(broken), 'thing')} broken", hint="see above")
