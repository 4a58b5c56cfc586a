"""A run on another machine: its plan, with what that machine has in place of this one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from cloister.core.errors import BadInput
from cloister.core.words import count
from cloister.runs import code
from cloister.workflows.far.places import reach
from cloister.workflows.far.there import There, Wanted
from cloister.workflows.runs._plan import JobPlan

_NAMED = 3


@dataclass(frozen=True, slots=True)
class Lease:
    """What it is to have there for itself; 0 processors: all, with others."""

    cpus: int = 0
    gpus: int = 0
    claims: bool = True
    """Of a cluster; see `reach`."""


@contextmanager
def placed(
    plan: JobPlan,
    on: str,
    environment: Mapping[str, str],
    lease: Lease,
    said: Callable[[str], None],
) -> Iterator[JobPlan]:
    """The plan as the machine ``on`` has it, which is there for it while the block lasts.

    Raises BadInput for what cannot go there and for what the machine has not, NotAllowed for
    one that is unknown, NotFound where nobody answers.
    """
    refuse(plan)
    with reach(on, environment, lease.cpus, lease.gpus, claims=lease.claims) as connection:
        there = There(connection)
        start = replace(plan.start, gpus=lease.gpus)
        wanted = Wanted(start.argv, plan.code.archive, start.variables, lease.cpus, lease.gpus)
        found = there.prepare(wanted, said)
        yield replace(
            plan,
            start=start,
            environment=found.environment,
            there=found.settings,
            place=there,
            meters=there,
            cpus=(),
            gpus=(),
        )


def tell_what_stays(plan: JobPlan, said: Callable[[str], None]) -> None:
    """Says which files of the working folder do not go with the code, if there are any."""
    data = [Path(os.path.realpath(one.path)) for one in plan.attachment.given]
    names = code.besides(plan.start.workdir, plan.code, exclude=[*data, *plan.hidden])
    if names:
        shown = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
        said(
            f"not sent, for it is no code: {count(len(names), 'file')} of the working folder"
            f" ({shown}); what the job needs of it, give as data: `cloister add FOLDER`"
        )


def refuse(plan: JobPlan) -> None:
    """Raises BadInput for what a run on another machine cannot have."""
    require(terminal=plan.terminal, reads=bool(plan.start.reads))


def require(*, terminal: bool, reads: bool) -> None:
    """As ``refuse``, of what was asked for."""
    lacks = {"a terminal": terminal, "files of this machine (--read)": reads}
    for what, asked in lacks.items():
        if asked:
            raise BadInput(
                f"a run on another machine has no {what.removeprefix('a ')}",
                hint="leave it out, or run it here",
            )
