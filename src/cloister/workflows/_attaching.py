"""Which data a command means: its arguments name folders that were added, or --dataset does."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cloister.core.errors import NotFound
from cloister.core.events import Transaction
from cloister.datasets import versions
from cloister.workflows.lab import Lab
from cloister.workflows.materialise import View, view
from cloister.workflows.unseal import sources


@dataclass(frozen=True, slots=True)
class Attached:
    """A dataset version and the path where the job sees it."""

    view: View
    path: Path


def attach(
    lab: Lab, argv: Sequence[str], workdir: Path, references: Sequence[str]
) -> tuple[Attached, ...]:
    """The data for ``argv`` run in ``workdir``.

    ``references`` (``name[@version][:split:part]``) choose what to give; without them every
    dataset is given whose source folder an argument names or lies in, at its newest version.
    Raises NotFound for a reference nothing answers to.
    """
    known = {dataset.name: path for path, dataset in sources(lab).items()}
    wanted = list(references) or list(_named(argv, workdir, known))

    def query(tx: Transaction) -> tuple[Attached, ...]:
        return tuple(_one(tx, reference, known) for reference in wanted)

    return lab.read(query)


def _one(tx: Transaction, reference: str, known: dict[str, Path]) -> Attached:
    name, _, part = reference.partition(":")
    version = versions.resolve(tx, name)
    if version.dataset not in known:
        raise NotFound(f"the source folder of {version.dataset} cannot be opened")
    return Attached(view(tx, version, part), known[version.dataset])


def _named(argv: Sequence[str], workdir: Path, known: dict[str, Path]) -> Iterator[str]:
    """The datasets that some argument points at, once each."""
    given = {Path(os.path.abspath(workdir / path)) for path in _paths(argv)}
    for name, folder in known.items():
        if any(path == folder or folder in path.parents for path in given):
            yield name


def _paths(argv: Sequence[str]) -> Iterator[str]:
    for argument in argv[1:]:
        yield argument
        if "=" in argument:  # --data=./scans
            yield argument.partition("=")[2]
