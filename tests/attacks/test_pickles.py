"""Claim: converting a model runs no code that its file brings, whatever the file does."""

from __future__ import annotations

import os
import pickle
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from cloister.export.inside import unpickle
from cloister.export.inside.allowed import Allowed
from cloister.export.inside.failing import Refused
from cloister.export.inside.walk import walk
from tests.conftest import Shell
from tests.export.converting import convert
from tests.export.opcodes import attacks, call, named, text, whole

NAMES = sorted(attacks(""))


class _Trap:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = str(mark)

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.mark,)


@pytest.mark.parametrize("name", NAMES)
def test_the_walk_refuses_before_anything_is_loaded(name: str, tmp_path: Path) -> None:
    content = attacks(f"touch {tmp_path}/sprung")[name]
    with pytest.raises(Refused):
        walk(BytesIO(content), Allowed())


@pytest.mark.parametrize("name", NAMES)
def test_the_loader_alone_would_refuse_as_well(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpickle, "walk", lambda *_: None)
    file = tmp_path / "model.pkl"
    file.write_bytes(attacks(f"touch {tmp_path}/sprung")[name])
    with pytest.raises(
        (Refused, pickle.UnpicklingError, KeyError, AttributeError, TypeError, ValueError)
    ):
        unpickle.load_pickle(file, Allowed())
    assert not (tmp_path / "sprung").exists()


def test_a_name_off_the_list_is_said() -> None:
    with pytest.raises(Refused, match=r"posix\.mkdir|os\.mkdir"):
        walk(BytesIO(pickle.dumps(_Trap(Path("x")))), Allowed())


def test_a_class_that_a_package_merely_imported_is_not_found() -> None:
    allowed = Allowed()
    allowed.check("sklearn.pipeline", "defaultdict")  # by its name it might be one
    with pytest.raises(Refused, match="not a class of that package"):
        allowed.find("sklearn.pipeline", "defaultdict")
    with pytest.raises(Refused, match="not a class of that package"):
        allowed.find("sklearn.pipeline", "clone")  # a function


def test_arrays_of_objects_in_a_joblib_file_are_walked_too(tmp_path: Path) -> None:
    import joblib
    import numpy as np

    file, mark = tmp_path / "model.joblib", tmp_path / "sprung"
    joblib.dump({"array": np.array([_Trap(mark)], dtype=object)}, file)
    with pytest.raises(Refused, match=r"\.mkdir"):
        unpickle.load_pickle(file, Allowed())
    assert not mark.exists()


@pytest.mark.parametrize("method", ["zlib", "gzip", "bz2", "xz", "lzma"])
def test_compression_hides_nothing(tmp_path: Path, method: str) -> None:
    import joblib

    file, mark = tmp_path / "model.joblib", tmp_path / "sprung"
    joblib.dump([1, _Trap(mark)], file, compress=(method, 3))
    with pytest.raises(Refused, match=r"\.mkdir"):
        unpickle.load_pickle(file, Allowed())
    assert not mark.exists()


def test_every_pickle_of_a_torch_archive_is_walked(tmp_path: Path) -> None:
    mark = tmp_path / "sprung"

    def save(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("model/data.pkl", whole(b"}"))
            archive.writestr("model/more.pkl", pickle.dumps(_Trap(mark)))
            archive.writestr("model/version", "3\n")

    done = convert(tmp_path, "model.pt", save, inputs=["2"])
    assert "mkdir" in done.report["failed"]
    assert not mark.exists()


def test_a_class_of_the_users_is_found_in_their_own_file_only(tmp_path: Path) -> None:
    own = tmp_path / "train.py"
    own.write_text("import os\nfrom collections import OrderedDict\nclass Net: pass\n")
    allowed = Allowed(own)
    for name in ("OrderedDict", "os"):
        with pytest.raises(Refused, match="defines no class"):
            allowed.find("__main__", name)
    with pytest.raises(Refused):
        Allowed().check("__main__", "Net")


def test_what_was_made_cannot_be_called_again() -> None:
    made = call(named("collections", "OrderedDict"))
    with pytest.raises(Refused, match="calls something that it made itself"):
        walk(BytesIO(whole(call(made, text("x")))), Allowed())


def test_a_bomb_of_a_file_is_cut_off_before_it_is_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gzip
    import zlib

    monkeypatch.setattr(unpickle, "_LARGEST_BYTES", 1 << 20)
    for name, content in (
        ("a", zlib.compress(bytes(8 << 20))),
        ("b", gzip.compress(bytes(8 << 20))),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(Refused, match="more than any model"):
            unpickle.load_pickle(tmp_path / name, Allowed())


def test_a_reference_outside_is_refused_but_in_an_archive_of_storages() -> None:
    content = whole(text("storage") + b"Q")
    with pytest.raises(Refused, match="outside itself"):
        walk(BytesIO(content), Allowed())
    assert walk(BytesIO(content), Allowed(), persistent=True)


def test_a_hostile_pickle_of_a_run_is_refused_and_nothing_is_registered(scans: Shell) -> None:
    (scans.folder / "train.py").write_text(
        "import os, pickle\n"
        "class Trap:\n"
        "    def __reduce__(self):\n"
        "        return os.system, ('touch sprung',)\n"
        "pickle.dump(Trap(), open('model.pkl', 'wb'))\n"
    )
    scans("run", "--", "python", "train.py", "scans")
    failed = scans("export", "last", status=2)
    assert "posix.system" in failed.stderr
    run = scans.json("ls", "--runs")[-1]
    assert (run["state"], run["models"]) == ("failed", 0)
    kept = {row["path"] for row in scans.json("ls", "last")}
    assert "sprung" not in kept
    assert "model.onnx" not in kept
