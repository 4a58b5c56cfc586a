"""``cloister try``: the whole way with one's own data and script, in a lab that goes away."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from cloister.app import config as configuration
from cloister.cli.root import Context, with_context
from cloister.cli.tour import Tour, TourEnded


@click.command("try")
@click.option("--subject-column", metavar="COLUMN", help="As for `add`.")
@click.option("--subject-pattern", metavar="REGEX", help="As for `add`.")
@click.option("--labels", metavar="FILE", help="As for `add`.")
@click.option("--label-column", multiple=True, metavar="COLUMN", help="As for `add`.")
@click.argument("folder", type=click.Path(exists=True, file_okay=False))
@click.argument("argv", nargs=-1, required=True, metavar="-- COMMAND...")
@with_context
def command(context: Context, /, folder: str, argv: tuple[str, ...], **options: Any) -> int:
    """Take FOLDER and COMMAND the whole way in a lab that is removed afterwards.

    The commands are shown as you would type them: init, add, run, prove with its check,
    one patient's withdrawal, audit. FOLDER and this working folder stay as they are, and
    so does any lab of yours; the new one lies in a private temporary folder.

    \b
    Example:
      cloister try ./study --subject-column patient_id -- python train.py --data ./study
    """
    place = Path(tempfile.mkdtemp(prefix="cloister-try-"))
    around = configuration.surroundings().environment
    tour = Tour(place, Path.cwd(), around, shown=not context.output.as_json)
    try:
        tour.prepare()
        context.output.value(_walk(tour, folder, _words(options), argv))
    except TourEnded as stop:
        context.output.note(f"the tour ends here: {stop}")
        return stop.status
    finally:
        tour.end()
        shutil.rmtree(place, ignore_errors=True)
        context.output.line("\nThe lab of this tour is gone; nothing else has changed.")
    return 0


def _words(options: dict[str, Any]) -> list[str]:
    """The options of `add`, as they were given."""
    words: list[str] = []
    for name, value in options.items():
        option = "--" + name.replace("_", "-")
        for one in value if isinstance(value, tuple) else (value,):
            words += [option, str(one)] if one is not None else []
    return words


def _walk(tour: Tour, folder: str, rules: list[str], argv: tuple[str, ...]) -> dict[str, Any]:
    """Every step of it; what programs may want to know of them."""
    tour.heading("A lab, for as long as this takes")
    tour.run("init", str(tour.lab))
    tour.heading("Your data in, sealed")
    tour.run("add", folder, *rules)
    tour.heading("Your command, unmodified, in the fence")
    tour.run("run", "--", *argv)
    tour.run("ls", "last")
    models = tour.ask("ls", "--models")
    if models:
        tour.heading("What made the model, proven to a machine without Cloister")
        _prove(tour)
    else:
        tour.heading("The command left no model that can be served, so there is no proof")
    withdrawn = _withdraw(tour)
    tour.heading("The record, whole")
    tour.run("audit")
    return {"models": len(models), "withdrawn": withdrawn, "audit": tour.ask("audit")}


def _prove(tour: Tour) -> None:
    bundle, verifier = str(tour.place / "bundle"), str(tour.place / "cloister_verify.py")
    tour.run("prove", "last", "-o", bundle)
    tour.run("verifier", verifier)
    words = [verifier, bundle, "--trust", str(tour.lab / "lab.pub")]
    tour.show("python", *words)
    to = None if tour.shown else sys.stderr.fileno()
    done = subprocess.run([sys.executable, "-I", *words], stdout=to, check=False)  # noqa: S603
    if done.returncode:
        raise TourEnded(("verify",), done.returncode)


def _withdraw(tour: Tour) -> bool:
    """The first patient of all; False where nobody's data came in."""
    subjects = [row["subject"] for row in tour.ask("ls", "--subjects")]
    if not subjects:
        tour.heading("Nothing of it is known to be anybody's: see --subject-column")
        return False
    tour.heading("One patient withdraws")
    tour.run("erase", subjects[0], "--dry-run")
    tour.run("erase", subjects[0], "--reason", "a rehearsal", "--yes")
    record = tour.ask("trace", subjects[0])["records"][0]
    tour.run("get", str(record), expect=5)
    return True
