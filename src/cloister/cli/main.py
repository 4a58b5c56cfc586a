"""The outermost loop of the process: arguments in, exit status out."""

from __future__ import annotations

import sys
import traceback

import click

from cloister.cli.output import Output
from cloister.cli.root import root
from cloister.core.errors import CloisterError

INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> None:
    """Runs one command and exits: 0, the error's own status, or the job's."""
    sys.exit(call(arguments))


def call(arguments: list[str] | None = None) -> int:
    """Runs one command; gives its exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    before_command = given[: given.index("--")] if "--" in given else given
    output = Output(as_json="--json" in before_command, quiet=False)
    status: object = 0
    try:
        status = root.main(given, prog_name="cloister", standalone_mode=False)
    except CloisterError as error:
        output.failure(error)
        status = error.exit_status
    except click.exceptions.Exit as stop:
        status = stop.exit_code
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        status = INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader went away: nothing more can be said
    except Exception as error:  # noqa: BLE001 - the outermost loop: no payload may be shown
        _internal(error)
        status = 1
    return status if isinstance(status, int) else 0


def _internal(error: Exception) -> None:
    """Where a defect of ours struck; its message might hold patient data."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    name = place.filename.rpartition("/cloister/")[2]
    click.echo(
        f"error E000: internal error {type(error).__name__} at {name}:{place.lineno}\n"
        "  next: nothing acknowledged was lost; please report this line",
        err=True,
    )
