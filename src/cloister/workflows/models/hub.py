"""Hub: pretrained models kept in the lab, and put where ``from_pretrained`` looks for them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cloister.core.errors import BadInput, Conflict, NotFound, Tampered
from cloister.core.events import Transaction
from cloister.core.progress import Progress
from cloister.fence import Mount
from cloister.models import hub, snapshot
from cloister.models.hub import Snapshot
from cloister.models.snapshot import Manifest, SnapshotFile
from cloister.policy import Action
from cloister.store import ObjectWriter
from cloister.workflows.lab import Lab
from cloister.workflows.models.originals import written
from cloister.workflows.unseal import sources

PLACE = Path("/cloister/hub")
"""Where a job finds the hub; no such path exists on the host."""
VARIABLES = {
    "HF_HUB_CACHE": str(PLACE),
    "HUGGINGFACE_HUB_CACHE": str(PLACE),
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
}
_WHOLE = 1 << 20
_CHUNK = 4 << 20
_REVISION = 40  # digits of a git commit, which is what the library expects there


@dataclass(frozen=True, slots=True)
class HubRequest:
    """A snapshot to be kept."""

    folder: Path
    license: str
    name: str
    without: tuple[str, ...] = ()
    allow_code: bool = False


def add(lab: Lab, request: HubRequest, progress: Progress) -> Snapshot:
    """Checks and keeps a snapshot; on record with licence and digests when this returns.

    Its bytes are kept as they are: nothing of a patient may be in it. Raises BadInput for a
    file that may not be kept or a folder of patient data, Conflict when the name is taken.
    """
    act = lab.act(Action.ADD)
    snapshot.check_name(request.name, request.license)
    if not request.folder.is_dir():
        raise NotFound("no such folder of a pretrained model")
    _refuse_data(lab, request.folder)
    files = list(snapshot.files_of(request.folder, request.without))
    for path, content in files:
        snapshot.check_file(path, content, allow_code=request.allow_code)
    if not any(path.endswith(".json") for path, _ in files):
        raise BadInput("not a pretrained model: it holds no JSON file, such as config.json")
    with lab.store.writer("derived") as writer:
        kept = []
        for number, (path, content) in enumerate(files):
            progress("keeping", number, len(files))
            kept.append(_keep(writer, path, content))
        manifest = Manifest(request.name, request.license, tuple(kept))
        placements = writer.flush()
    body = {
        "code": int(request.allow_code),
        "files": [one.body() for one in sorted(kept, key=lambda one: one.path)],
        "license": request.license,
        "name": request.name,
        "sha256": manifest.sha256,
    }

    def write(tx: Transaction) -> Snapshot:
        if any(one.name == request.name for one in hub.everything(tx)):
            raise Conflict(
                f"the hub has a {request.name} already",
                hint=f"choose another --name, or `cloister hub rm {request.name}` first",
            )
        lab.store.place(tx, placements)
        lab.ledger.append(tx, [act.event("hub.added", body)])
        return hub.find(tx, request.name)

    return lab.database.write(write)


def remove(lab: Lab, name: str) -> Snapshot:
    """Takes a model from the hub; its bytes go unless another model shares them."""
    act = lab.act(Action.ADD)

    def write(tx: Transaction) -> Snapshot:
        gone = hub.find(tx, name)
        lab.ledger.append(tx, [act.event("hub.removed", {"name": name, "sha256": gone.sha256})])
        shared = {one.sha256 for other in hub.everything(tx) for one in other.contents()}
        mine = {one.sha256 for one in gone.contents()}
        lab.store.discard(tx, sorted(mine - shared))
        return gone

    return lab.database.write(write)


def ls(lab: Lab) -> list[Snapshot]:
    """All models of the hub, by name."""
    lab.act(Action.LIST)
    return lab.read(hub.everything)


def named(
    lab: Lab, argv: Sequence[str], code: bytes, chosen: Sequence[str] | None
) -> tuple[Snapshot, ...]:
    """The models for a job: ``chosen``, or those that a word or the code names.

    Code names a model where it stands between quotes, as in ``from_pretrained("org/name")``.
    Raises NotFound for one that the hub has not.
    """
    if chosen is not None:
        return lab.read(lambda tx: tuple(hub.find(tx, name) for name in sorted(set(chosen))))
    known = lab.read(hub.everything)
    words = {part for word in argv for part in (word, word.partition("=")[2])}

    def is_named(name: str) -> bool:
        quoted = rb"(['\"])%s\1" % re.escape(name.encode())
        return name in words or re.search(quoted, code) is not None

    return tuple(one for one in known if is_named(one.name))


def given_again(tx: Transaction, run: str) -> tuple[Snapshot, ...]:
    """What ``run`` was given, for a run that goes on with its work; raises NotFound."""
    known = {one.model: one for one in hub.everything(tx)}
    models = hub.given(tx, run)
    for model in models:
        if model not in known:
            raise NotFound(
                f"the run was given {model.name} {model.sha256[:12]}: the hub has it no more",
                hint="`cloister hub add` it again, with the same files, name and licence",
            )
    return tuple(known[model] for model in models)


def given_body(run: str, models: Iterable[Snapshot]) -> dict[str, Any]:
    """The event that says which models a run finds."""
    each = [{"license": m.license, "name": m.name, "sha256": m.sha256} for m in models]
    return {"models": each, "run": run}


def mount(lab: Lab, models: Sequence[Snapshot]) -> Mount:
    """The hub as a job sees it: the layout of the library's own cache."""
    return Mount(PLACE, written(_laid_out(lab, models)))


def _laid_out(lab: Lab, models: Sequence[Snapshot]) -> Iterator[tuple[str, Iterable[bytes]]]:
    for model in models:
        folder = "models--" + model.name.replace("/", "--")
        revision = model.sha256[:_REVISION]
        yield f"{folder}/refs/main", (revision.encode(),)
        for one in model.contents():
            yield f"{folder}/snapshots/{revision}/{one.path}", _Content(lab, one)


@dataclass(frozen=True, slots=True)
class _Content:
    """The bytes of one file, checked against its digest as they pass."""

    lab: Lab
    file: SnapshotFile = field(repr=False)

    def __iter__(self) -> Iterator[bytes]:
        read_at, size = self.lab.store.open(self.file.sha256)
        digest = hashlib.sha256()
        for start in range(0, size, _CHUNK):
            chunk = read_at(start, _CHUNK)
            digest.update(chunk)
            yield chunk
        # Large objects are not checked by the store: sealed ones authenticate themselves.
        if digest.hexdigest() != self.file.sha256:
            raise Tampered(
                "a file of a pretrained model is not the one that was added",
                hint="`cloister doctor --scrub`; remove the model and add it again",
            )


def _keep(writer: ObjectWriter, path: str, content: Path) -> SnapshotFile:
    size = content.stat().st_size
    if size < _WHOLE:
        name = writer.add(content.read_bytes())
    else:
        name = writer.add_stream(snapshot.chunks_of(content), size)
    return SnapshotFile(path, name, size)


def _refuse_data(lab: Lab, folder: Path) -> None:
    """A hub keeps bytes as they are, so no folder of patient data may become part of it."""
    real = folder.resolve()
    known = [path.resolve() for path in (*sources(lab), *lab.private)]
    if any(path == real or path in real.parents or real in path.parents for path in known):
        raise BadInput(
            "this folder holds, or lies in, patient data or the lab itself",
            hint="a pretrained model belongs in a folder of its own",
        )
