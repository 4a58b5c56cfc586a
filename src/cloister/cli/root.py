"""The command line: every command in a file of its own, loaded when it is called."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any, Concatenate, ParamSpec, TypeVar

import click

from cloister import __version__
from cloister.cli.output import Output

P = ParamSpec("P")
R = TypeVar("R")

EVERYDAY = {
    "init": "Make a lab: keys, store, ledger.",
    "try": "Take your data and script the whole way in a lab that goes away.",
    "add": "Seal a folder of patient data as a dataset version.",
    "check": "Look for what is wrong with a dataset version.",
    "relabel": "Label records that are there, without their folder.",
    "assign": "Give quarantined records their patient.",
    "retract": "Take a wrong add back, before anybody used it.",
    "run": "Run a command on sealed data, inside the fence.",
    "pipeline": "Run tasks in order, each in the fence, each on record.",
    "sweep": "Search for good parameters, as a W&B sweep file says.",
    "why": "Say why a step of a pipeline ran.",
    "shell": "Open a shell in the fence, with the data.",
    "queue": "Show what runs, what waits, for what and why.",
    "logs": "Show what a run said, or says.",
    "stop": "Stop a job and all that it started, or take it from the queue.",
    "ls": "List datasets, records, runs, outputs, models, subjects.",
    "get": "Read a record or a run's output back.",
    "export": "Convert what a run left to a model that can be served; a pipeline for Airflow.",
    "import": "Bring in what another platform tracked.",
    "export-all": "Write all that was tracked as files for a stock MLflow.",
    "tracked": "Runs that scripts tracked: list them, purge deleted ones.",
    "reproduce": "Run a run again, as it was, and compare.",
    "diff": "Compare two runs in all that made them and all they left.",
    "serve": "Serve a run's model over HTTPS.",
    "up": "Serve the console and MLflow's clients; start jobs in their turn.",
    "prove": "Write a bundle that proves what made a run's model.",
    "trace": "Show everything that came of one patient's data.",
    "erase": "Destroy one patient's keys, with a certificate.",
    "audit": "Check the ledger and every row against it.",
    "backup": "Keep the lab in a second place, and see that it is whole.",
    "restore": "Bring the lab back from a backup.",
    "drill": "Rehearse a disaster, and measure how the lab comes back.",
    "doctor": "Check host, keys, store; say how to mend what is weak.",
    "unlock": "Open the keys after a reboot.",
    "lock": "Close the keys until the next unlock.",
    "readback": "Try a copy of the lab, or of the key store, with today's keys.",
    "page": "Write the chain patient to prediction as one HTML page.",
    "verifier": "Write cloister_verify.py, which checks bundles without Cloister.",
    "completion": "Print the shell's completion script.",
    "hub": "Pretrained models for jobs, offline.",
    "dataset": "Tag, compare, split and classify datasets.",
    "keys": "Recovery shares, and a second copy of the keys.",
    "subject": "Pseudonyms, links between names of one patient.",
    "person": "The team: members and their roles.",
    "session": "Who is logged in, and where.",
    "token": "Tokens for programs and notebooks, over HTTPS.",
    "project": "What some members work on and others do not see.",
    "approval": "What a second person has to agree to.",
    "policy": "Rules of the lab's own, in Cedar.",
}


@dataclass(slots=True)
class Context:
    """What every command gets."""

    lab: str | None
    output: Output
    project: str | None = None
    """The one project this command sees; None for all that its user sees."""
    prove: bool = False
    """Whether to ask who is there, before what is grave."""


class Commands(click.Group):
    """Finds a command in the module of its name, so that starting costs one import."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(EVERYDAY)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in EVERYDAY:
            return None
        # Python has words of its own for what these are called here.
        named = {"try": "trial", "import": "bring"}.get(name, name).replace("-", "_")
        module = importlib.import_module(f"cloister.cli.commands.{named}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(EVERYDAY.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in EVERYDAY and not args[0].startswith("-"):
            import difflib

            close = difflib.get_close_matches(args[0], EVERYDAY, 1)
            meant = f" Did you mean {close[0]}?" if close else ""
            raise click.UsageError(f"No such command: {args[0]}.{meant}", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--lab", metavar="FOLDER", help="The lab to use (else CLOISTER_LAB, else found).")
@click.option("--project", metavar="NAME", help="See this project alone; make things in it.")
@click.option("--prove", is_flag=True, help="Ask for the passphrase first, for what is grave.")
@click.option("--json", "as_json", is_flag=True, help="Answer with one JSON value.")
@click.option("--quiet", "-q", is_flag=True, help="No progress, no notes.")
@click.version_option(__version__, prog_name="cloister")
@click.pass_context
def root(
    ctx: click.Context,
    lab: str | None,
    project: str | None,
    prove: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Train and serve models on patient data that may not leave the building, and prove
    what made every one of them."""
    ctx.obj = Context(lab, Output(as_json=as_json, quiet=quiet), project, prove)


class Otherwise(click.Group):
    """What stands first is a subcommand, or else the first word of the one named here."""

    otherwise: str

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, *ctx.help_option_names}:
            args = [self.otherwise, *args]
        return super().parse_args(ctx, args)


def with_context(
    function: Callable[Concatenate[Context, P], R],
) -> Callable[P, R]:
    """Passes the Context first, and takes --json after the command too."""

    @click.option("--json", "as_json", is_flag=True, help="Answer with one JSON value.")
    @click.pass_context
    def call(ctx: click.Context, /, *args: Any, as_json: bool, **kwargs: Any) -> R:
        context: Context = ctx.obj
        context.output.as_json |= as_json
        return function(context, *args, **kwargs)

    return update_wrapper(call, function)  # type: ignore[return-value]
