"""Which data a command means: its arguments name folders that were added, or --data does."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cloister.core.errors import BadInput, NotFound
from cloister.core.events import Transaction
from cloister.datasets import versions
from cloister.policy import Action
from cloister.runs import history
from cloister.runs.command import Start
from cloister.runs.history import Run, RunInput
from cloister.workflows import _seen
from cloister.workflows.data.materialise import View, view
from cloister.workflows.lab import Lab
from cloister.workflows.unseal import sources


@dataclass(frozen=True, slots=True)
class Attached:
    """A dataset version and the path where the job sees it."""

    view: View
    path: Path = field(repr=False)


@dataclass(frozen=True, slots=True)
class Attachment:
    """What a job is given, and which source folders it must not see in its place."""

    given: tuple[Attached, ...]
    withheld: Mapping[str, Path] = field(repr=False)
    """Dataset -> source folder, without links. Its plaintext is nobody's record: what a job
    reads there would be on no list of reads, and what is in quarantine lies there too."""


def attach(
    lab: Lab, argv: Sequence[str], workdir: Path, references: Sequence[str]
) -> Attachment:
    """The data for ``argv`` run in ``workdir``.

    ``references`` (``name[@version][:split:part]``) choose what to give; without them every
    dataset is given whose source folder the working folder or an argument is or lies in, at
    its newest version. Raises NotFound for a reference nothing answers to, BadInput when two
    mean one dataset, or when a folder that is not given stands in the way.
    """
    known = _folders(lab)
    seen = {one.name for one in lab.read(lambda tx: _seen.datasets(lab, tx))}
    named = dict(_named(argv, workdir, {name: known[name] for name in known if name in seen}))

    def query(tx: Transaction) -> tuple[Attached, ...]:
        return tuple(
            _one(lab, tx, reference, known | named) for reference in references or named
        )

    given = lab.read(query)
    names = [one.view.version.dataset for one in given]
    if twice := {name for name in names if names.count(name) > 1}:
        raise BadInput(f"{', '.join(sorted(twice))}: a job gets one part of a dataset, once")
    return Attachment(given, _withheld(given, workdir, known))


def attach_again(
    lab: Lab,
    run: Run,
    start: Start,
    references: Mapping[str, str] | None = None,
    inputs: Sequence[RunInput] | None = None,
) -> Attachment:
    """What ``run`` was given, or of that ``inputs``, where it saw it.

    ``references`` chooses another version of a dataset: name -> ``name@version``. Raises
    NotFound.
    """
    known = _folders(lab)
    chosen = references or {}

    def query(tx: Transaction) -> tuple[Attached, ...]:
        found = []
        for one in history.inputs(tx, run.run) if inputs is None else inputs:
            reference = chosen.get(one.dataset, f"{one.dataset}@{one.number}")
            shown = view(tx, _seen.version(lab, tx, reference, Action.RUN), one.part, run.begun)
            found.append(Attached(shown, start.places[one.dataset]))
        return tuple(found)

    given = lab.read(query)
    return Attachment(given, _withheld(given, start.workdir, known))


def _folders(lab: Lab) -> dict[str, Path]:
    """Dataset -> source folder; a folder of which nothing was recorded is like any other."""
    filled = lab.read(versions.names_filled)
    known = sources(lab).items()
    return {dataset.name: path for path, dataset in known if dataset.name in filled}


def _one(lab: Lab, tx: Transaction, reference: str, folders: Mapping[str, Path]) -> Attached:
    name, _, part = reference.partition(":")
    version = _seen.version(lab, tx, name, Action.RUN)
    if version.dataset not in folders:
        raise NotFound(f"the source folder of {version.dataset} cannot be opened")
    return Attached(view(tx, version, part), folders[version.dataset])


def _named(
    argv: Sequence[str], workdir: Path, known: Mapping[str, Path]
) -> Iterator[tuple[str, Path]]:
    """The datasets that some argument points at, by whatever links, and where it sees them."""
    wanted = {_real(folder): name for name, folder in known.items()}
    met: set[str] = set()
    for argument in ("", *_paths(argv)):
        path = Path(os.path.abspath(workdir / argument))
        for folder in (path, *path.parents):
            name = wanted.get(_real(folder))
            if name is not None and name not in met:
                met.add(name)
                yield name, folder


def _paths(argv: Sequence[str]) -> Iterator[str]:
    for argument in argv[1:]:
        yield argument
        if "=" in argument:  # --data=./scans
            yield argument.partition("=")[2]


def _withheld(
    given: Sequence[Attached], workdir: Path, known: Mapping[str, Path]
) -> Mapping[str, Path]:
    """All other source folders but those that what is given covers."""
    shown = {one.view.version.dataset: _real(one.path) for one in given}
    withheld: dict[str, Path] = {}
    for name, folder in known.items():
        real = _real(folder)
        if name in shown or any(path in real.parents for path in shown.values()):
            continue
        if any(real in (path, *path.parents) for path in (_real(workdir), *shown.values())):
            raise BadInput(
                f"the working folder or data that was asked for lies in the folder of {name}",
                hint=f"give it as well: --data {name}",
            )
        withheld[name] = real
    return withheld


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))
