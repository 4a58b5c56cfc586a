"""A bundle: one folder that lets a machine without Cloister check what made a model.

Drawn in docs/formats/bundle.md; `cloister_verify.py` reads it. Everything in the folder is
listed in the manifest by SHA-256 and takes part in the verdict; nothing else may lie in it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cloister.core.canonical import canonical
from cloister.core.commitment import Opening
from cloister.core.errors import BadInput
from cloister.core.values import Digest
from cloister.proof.folder import WrittenFile, write_folder
from cloister.proof.multiproof import MultiProof
from cloister.proof.trust import LabKeys

FORMAT = "cloister/bundle/v1"
README = """\
This folder is a Cloister proof bundle.

To check it, on any machine with Python 3.9 or later and the `cryptography` package:

    python cloister_verify.py THIS_FOLDER --trust lab.pub

Take cloister_verify.py and lab.pub from somewhere you trust, not from this folder: the keys
in it are a convenience, and without --trust the best verdict is UNANCHORED.

    manifest.json         every file here, with its SHA-256
    statement.dsse.json   what the lab attests, signed
    checkpoint.txt        the head of the lab's ledger, signed
    events.jsonl          entries of the ledger, one a line
    anchors.json          where they stand in it, and the hashes that prove so
    versions/             the records of each dataset version, one a line
    models/               the models
    disclosures/          openings of commitments, and the contents that were disclosed
    environment.json      the environment the run executed in
    lab.pub               the lab's public keys

Names of patients and files appear nowhere but in disclosed contents.
"""


class BundleKind(StrEnum):
    """What a bundle proves."""

    MODEL = "model"
    ERASURE = "erasure"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model to carry along; its name and digest as the statement has them."""

    digest: Digest
    chunks: Iterable[bytes]


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What opens one commitment: of a record, a label, or a run's output."""

    name: str
    """The record's or label's id; ``output-N`` for the run.output event at index N."""
    opening: Opening
    content: Iterable[bytes] | None = None
    """The plaintext itself, where it is to be shown."""


@dataclass(frozen=True, slots=True)
class BundleParts:
    """All that goes into a bundle, already computed."""

    kind: BundleKind
    lab: str
    about: str
    """The run, or the erasure's operation."""
    keys: LabKeys
    envelope: bytes
    checkpoint: str
    """The signed note over the head that ``proof`` leads to."""
    proof: MultiProof
    leaves: Iterable[bytes]
    """Ledger entries in the order of ``proof.runs``."""
    versions: Sequence[Iterable[bytes]] = ()
    """For each dataset version of the statement, in its order: the leaves of its tree."""
    models: Sequence[ModelFile] = ()
    disclosures: Sequence[Disclosure] = ()
    environment: bytes | None = None
    """The description whose SHA-256 the statement gives."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle on disk."""

    folder: Path
    files: int
    size_bytes: int


def write_bundle(folder: Path, parts: BundleParts) -> Bundle:
    """Writes ``folder`` whole and durable, or not at all.

    Raises Conflict if it exists, NoSpace, BadInput for parts that contradict each other, and
    DurabilityLost if a flush fails.
    """
    with write_folder(folder) as writer:
        for path, chunks in contents(parts):
            writer.add(path, chunks)
        writer.add("manifest.json", [manifest(parts, writer.files)])
    return Bundle(folder, len(writer.files), sum(file.size_bytes for file in writer.files))


def contents(parts: BundleParts) -> Iterator[tuple[str, Iterable[bytes]]]:
    """Every file of a bundle but its manifest: path and bytes, in the order they are made."""
    yield "README.txt", [README.encode()]
    yield "lab.pub", [parts.keys.text().encode()]
    yield "statement.dsse.json", [parts.envelope]
    yield "checkpoint.txt", [parts.checkpoint.encode()]
    yield "anchors.json", [parts.proof.document()]
    yield "events.jsonl", _counted(parts.leaves, sum(count for _, count in parts.proof.runs))
    for number, leaves in enumerate(parts.versions, 1):
        yield f"versions/{number}.jsonl", _lines(leaves)
    for model in parts.models:
        yield model_path(model.digest), _checked(model)
    for disclosure in parts.disclosures:
        yield f"disclosures/{disclosure.name}.json", [_opening(disclosure)]
        if disclosure.content is not None:
            yield f"disclosures/{disclosure.name}.bin", disclosure.content
    if parts.environment is not None:
        yield "environment.json", [parts.environment]


def model_path(model: Digest) -> str:
    """Where a model lies in a bundle: under its own name if that is plain, else its digest."""
    plain = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*", model.name)
    return f"models/{model.name if plain and len(model.name) <= 80 else model.sha256}"


def manifest(parts: BundleParts, written: Sequence[WrittenFile]) -> bytes:
    """The list of all files of a bundle but itself."""
    files = sorted(written, key=lambda file: file.path)
    return canonical(
        {
            "about": parts.about,
            "files": [
                {"path": file.path, "sha256": file.sha256, "size": file.size_bytes}
                for file in files
            ],
            "format": FORMAT,
            "kind": parts.kind.value,
            "lab": parts.lab,
        }
    )


def _opening(disclosure: Disclosure) -> bytes:
    return canonical(
        {
            "name": disclosure.name,
            "salt": disclosure.opening.salt.hex(),
            "sha256": disclosure.opening.plaintext_sha256.hex(),
        }
    )


def _lines(leaves: Iterable[bytes]) -> Iterator[bytes]:
    for leaf in leaves:
        yield leaf + b"\n"


def _counted(leaves: Iterable[bytes], expected: int) -> Iterator[bytes]:
    found = 0
    for found, line in enumerate(_lines(leaves), 1):  # noqa: B007 - counted here
        yield line
    if found != expected:
        raise BadInput(f"a bundle of {expected} proven entries was given {found}")


def _checked(model: ModelFile) -> Iterator[bytes]:
    digest = hashlib.sha256()
    for chunk in model.chunks:
        digest.update(chunk)
        yield chunk
    if digest.hexdigest() != model.digest.sha256:
        raise BadInput(f"{model.digest.name} is not the model the statement names")
