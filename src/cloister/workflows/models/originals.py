"""What a run left, as another run is to see it: the file to convert, what is beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from cloister.core.errors import BadInput, Erased, NotFound
from cloister.fence import File, Files
from cloister.keys.seal import SealedReader
from cloister.runs.history import RunOutput
from cloister.workflows.lab import Lab
from cloister.workflows.unseal import open_keys, unseal_output

_MODELS = (
    ".joblib", ".pkl", ".pickle", ".pt", ".pth", ".ts", ".jit", ".safetensors", ".ubj", ".lgb",
    ".txt", ".json", ".bin", ".sav",
)  # fmt: skip
_SURELY = _MODELS[: _MODELS.index(".txt")]
_BESIDE = ("config.json",)


@dataclass(frozen=True, slots=True)
class Left:
    """The outputs of a run by path, and what opens them."""

    lab: Lab
    by_path: Mapping[str, RunOutput] = field(repr=False)
    keys: Mapping[bytes, bytes] = field(repr=False)

    def choose(self, wanted: str | None) -> tuple[str, RunOutput]:
        """The model file: the one named, or the only one; raises NotFound, BadInput."""
        if wanted is not None:
            if wanted not in self.by_path:
                raise NotFound("the run left no such file", hint="see `cloister ls RUN`")
            return wanted, self.by_path[wanted]
        for suffixes in (_SURELY, _MODELS):
            found = [path for path in self.by_path if path.lower().endswith(suffixes)]
            if len(found) == 1:
                return found[0], self.by_path[found[0]]
            if found:
                break
        said = f"{len(found)} files that may be models" if found else "no file that is a model"
        raise BadInput(
            f"the run left {said}", hint="name one with --file; `cloister ls RUN` shows them"
        )

    def beside(self, path: str) -> dict[str, RunOutput]:
        """The model file and what belongs to it, by the names they get."""
        folder = PurePosixPath(path).parent
        found = {PurePosixPath(path).name: self.by_path[path]}
        for name in _BESIDE:
            if str(folder / name) in self.by_path:
                found[name] = self.by_path[str(folder / name)]
        return found

    def chunks(self, output: RunOutput) -> Iterable[bytes]:
        """The content of one output."""
        read_at, size = self.lab.store.open(output.object)
        return SealedReader(read_at, size, self.keys[output.seal], output.seal).chunks()


def left_by(lab: Lab, outputs: Sequence[RunOutput]) -> Left:
    """What is readable of a run's outputs; raises Erased when none is."""
    files = [output for output in outputs if output.kind == "output"]
    keys = open_keys(lab, [output.key for output in files])
    if files and not keys:
        raise Erased("what the run left was destroyed: nobody can read it again")
    known = [output for output in files if output.seal in keys]
    by_path = {unseal_output(one, keys[one.seal]).path: one for one in known}
    return Left(lab, by_path, keys)


def written(files: Iterable[tuple[str, Iterable[bytes]]]) -> Files:
    """What shows ``files`` to a job; to be filled in once."""
    return Files(lambda: (File(path, chunks) for path, chunks in files))
