"""Values between tasks: sealed outputs of the runs that gave them, opened for takers."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from cloister.core.errors import Erased, Tampered
from cloister.core.ids import RunId
from cloister.pipelines.values import file_names
from cloister.runs import history
from cloister.workflows.lab import Lab
from cloister.workflows.models.originals import Left, left_by
from cloister.workflows.unseal import unseal_output

PATH = ".cloister/value"
"""What the value of a task is called among the outputs of its run."""
_ROOM = 256 << 20

Files = tuple[tuple[str, bytes], ...]


@dataclass(slots=True)
class Values:
    """The values of a pipeline's runs; a few stay in memory, none outlives the process."""

    lab: Lab
    _kept: OrderedDict[str, tuple[bytes, Files]] = field(
        default_factory=OrderedDict, repr=False
    )
    _size: int = 0

    def put(self, run: RunId, value: bytes, files: Files) -> None:
        """Keeps what was just sealed, for whoever takes it next."""
        self._kept[run] = value, files
        self._size += _weight(value, files)
        while self._size > _ROOM and len(self._kept) > 1:
            _, (old, old_files) = self._kept.popitem(last=False)
            self._size -= _weight(old, old_files)

    def get(self, run: RunId) -> tuple[bytes, Files]:
        """The value of a run and the files that it names.

        Raises Erased when the run's key was destroyed, Tampered when the sealed bytes are not
        what was sealed, or the value not what the record says.
        """
        if run not in self._kept:
            self.put(run, *read(self.lab, run))
        self._kept.move_to_end(run)
        return self._kept[run]


def read(lab: Lab, run: RunId) -> tuple[bytes, Files]:
    """From the store."""
    left = left_by(lab, lab.read(lambda tx: history.outputs(tx, run)))
    value = _content(left, PATH, run)
    names = list(dict.fromkeys(file_names(value)))
    return value, tuple((name, _content(left, name, run)) for name in names)


def _content(left: Left, path: str, run: RunId) -> bytes:
    if path not in left.by_path:
        raise Erased(f"a value of {run} is not there any more", hint="run the pipeline again")
    output = left.by_path[path]
    content = b"".join(left.chunks(output))
    opening = unseal_output(output, left.keys[output.seal]).opening
    if opening is None or opening.plaintext_sha256 != hashlib.sha256(content).digest():
        raise Tampered(f"a value of {run} is not what was sealed", hint="cloister audit")
    return content


def _weight(value: bytes, files: Sequence[tuple[str, bytes]]) -> int:
    return len(value) + sum(len(content) for _, content in files)
