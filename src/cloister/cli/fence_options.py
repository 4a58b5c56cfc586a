"""The options `run` and `shell` share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from cloister.app import config as configuration
from cloister.cli.output import is_terminal
from cloister.core.errors import BadInput
from cloister.core.values import FenceLevel
from cloister.jobs.asks import Priority
from cloister.workflows.runs.run import RunRequest

_LEVELS = [level.value for level in FenceLevel if level is not FenceLevel.NONE]


@dataclass(frozen=True, slots=True)
class Fencing:
    """What the options said."""

    data: tuple[str, ...]
    variables: tuple[str, ...]
    reads: tuple[Path, ...]
    seed: int
    fence: str
    memory: int | None
    cpus: int | None
    gpus: int
    priority: str
    workdir: Path
    hub: tuple[str, ...]
    no_hub: bool


_HUB = (
    click.option(
        "--hub",
        multiple=True,
        metavar="MODEL",
        help="A model of the hub; repeat. [default: what arguments and code name]",
    ),
    click.option("--no-hub", is_flag=True, help="Give no model of the hub."),
)


_LEASE = (
    click.option(
        "--cpus",
        type=click.IntRange(min=1),
        metavar="N",
        help="Processors to have for itself, and no more. [default: a share]",
    ),
    click.option(
        "--gpus",
        type=click.IntRange(min=0),
        default=0,
        metavar="N",
        help="GPUs to have for itself; it sees no others.",
    ),
    click.option(
        "--priority",
        type=click.Choice([one.value for one in Priority]),
        default=Priority.NORMAL.value,
        show_default=True,
        help="What goes first when jobs wait; high is for admins.",
    ),
)


def fence_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """What a job is given, held to and lent."""
    for option in reversed(
        (
            click.option(
                "--data",
                multiple=True,
                metavar="DATASET[@VERSION][:SPLIT:PART]",
                help="Data to give; repeat for more. [default: what the arguments name]",
            ),
            *_HUB,
            click.option(
                "--env", "variables", multiple=True, metavar="NAME=VALUE", help="A variable."
            ),
            click.option(
                "--read",
                "reads",
                multiple=True,
                type=click.Path(exists=True, path_type=Path),
                help="Show another file or folder, read-only.",
            ),
            click.option(
                "--seed",
                type=click.IntRange(0, 2**32 - 1),
                default=0,
                show_default=True,
                help="PYTHONHASHSEED for the job.",
            ),
            click.option(
                "--fence",
                default=FenceLevel.FULL.value,
                show_default=True,
                type=click.Choice(_LEVELS),
                help="The least fence to accept.",
            ),
            click.option(
                "--memory", type=click.IntRange(min=1), metavar="MIB", help="Memory limit."
            ),
            *_LEASE,
            click.option(
                "--workdir",
                default=".",
                type=click.Path(exists=True, file_okay=False, path_type=Path),
                help="The working folder. [default: this one]",
            ),
        )
    ):
        function = option(function)
    return function


def fenced_request(argv: tuple[str, ...], options: Fencing) -> RunRequest:
    """The request the options describe."""
    terminal = is_terminal(sys.stdin) and is_terminal(sys.stdout)
    return RunRequest(
        argv=argv,
        workdir=options.workdir.resolve(),
        environment=configuration.surroundings().environment,
        data=options.data,
        variables=dict(_variable(text) for text in options.variables),
        seed=options.seed,
        reads=tuple(path.resolve() for path in options.reads),
        required=FenceLevel(options.fence),
        terminal=terminal,
        stdin=sys.stdin.fileno() if terminal else None,
        hub=() if options.no_hub else options.hub or None,
        memory_bytes=options.memory << 20 if options.memory else None,
        cpus=options.cpus,
        gpus=options.gpus,
        priority=Priority(options.priority),
    )


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise BadInput("--env takes NAME=VALUE")
    return name, value
