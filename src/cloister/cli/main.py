"""The outermost loop of the process: arguments in, exit status out."""

from __future__ import annotations

import sys
import traceback

import click

from cloister.cli.output import Output, forsake
from cloister.cli.root import root
from cloister.core.errors import BadInput, CloisterError

INTERRUPTED = 130
UNHEARD = 141
"""Whoever read our output went away; as if SIGPIPE had ended us."""


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
        _misused(output, error)
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        output.note("interrupted")
        status = INTERRUPTED
    except SystemExit:  # click's own answer to a closed pipe
        status = UNHEARD
    except Exception as error:  # noqa: BLE001 - the outermost loop: no payload may be shown
        output.failure(_defect(error))
        status = 1
    return _said(status if isinstance(status, int) else 0)


def _said(status: int) -> int:
    """``status``, unless nobody listens any more to what was said."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except BrokenPipeError:
            forsake(stream)
            status = status or UNHEARD
    return status


def _misused(output: Output, error: click.ClickException) -> None:
    if output.as_json:
        output.failure(BadInput(error.format_message(), hint="cloister COMMAND --help"))
    else:
        error.show()


def _defect(error: Exception) -> CloisterError:
    """Where a defect of ours struck; its message might hold patient data."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    name = place.filename.rpartition("/cloister/")[2]
    return CloisterError(
        f"internal error {type(error).__name__} at {name}:{place.lineno}",
        hint="nothing acknowledged was lost; please report this line",
    )
