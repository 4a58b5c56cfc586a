"""Claims: a replay leaks nothing, vouches for nothing hostile, and cannot be served."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from cloister.core.errors import Tampered
from cloister.runs import restoring
from tests.attacks.byte_search import ByteSearch
from tests.conftest import Shell

ONCE = "Qz7rKanaryOutputName", "Wx3vKanaryInTheCode", "Jt5bKanaryVariable"


def test_nothing_of_code_outputs_or_variables_is_readable_in_the_lab(lab: Shell) -> None:
    name, line, variable = ONCE
    script = f"import os; open('{name}', 'wb').write(os.urandom(4)) # {line}\n"
    (lab.folder / "t.py").write_text(script)
    lab("run", "--env", f"TOKEN={variable}", "--", "python3", "t.py")
    (lab.folder / "t.py").write_text(script + f"print('{line}')\n")
    done = lab("reproduce", "last", "--no-reimpose", "code", status=11)
    assert line in done.stdout
    assert name in done.stdout
    search = ByteSearch(ONCE)
    read = 0
    for path in lab.home.rglob("*"):
        if path.is_file():
            read += 1
            assert search.in_bytes(path.read_bytes()) == [], path.name
    assert read > 5


@pytest.mark.parametrize(
    "hostile",
    [
        "zipfile.ZipFile('o.npz', 'w', 8).writestr('a.npy', bytes(400 << 20))",
        "open('o.json', 'w').write('[' * 100_000)",
        "open('o.json', 'w').write('1' * 100_000)",
        "open('o.csv', 'w').write('\"' + 'x' * 300_000)",
    ],
)
def test_hostile_outputs_end_in_a_verdict_and_never_in_a_good_one(
    lab: Shell, hostile: str
) -> None:
    """Each run writes other bytes, so that the reader has to look at them."""
    code = f"import os, zipfile; {hostile}; "
    code += (
        "f = open([n for n in os.listdir() if n[0] == 'o'][0], 'ab'); f.write(os.urandom(8))"
    )
    lab("run", "--", "python3", "-c", code)
    found = json.loads(lab("--json", "reproduce", "last", "--no-explain", status=11).stdout)
    (output,) = found["outputs"]
    assert (found["verdict"], output["verdict"]) == ("DIFFERENT", "DIFFERENT")


def test_an_output_cannot_reach_out_of_the_comparison(lab: Shell) -> None:
    """A pickle that would write a file, in a checkpoint that is read to be compared."""
    (lab.folder / "t.py").write_text(
        "import os, pickle, zipfile\n"
        "class Evil:\n"
        "    def __reduce__(self): return (os.system, ('touch /tmp/it-ran; echo it ran',))\n"
        "with zipfile.ZipFile('m.pt', 'w') as z:\n"
        "    z.writestr('m/data.pkl', pickle.dumps(Evil()))\n"
        "    z.writestr('m/data/0', os.urandom(8))\n"
    )
    Path("/tmp/it-ran").unlink(missing_ok=True)
    lab("run", "--", "python3", "t.py")
    lab("reproduce", "last", "--no-explain", status=11)
    assert not Path("/tmp/it-ran").exists()


def test_a_replay_is_no_model_to_be_served(lab: Shell) -> None:
    from cloister.testing.onnx_models import linear

    (lab.folder / "model.py").write_text(
        f"open('model.onnx', 'wb').write(bytes.fromhex('{linear().hex()}'))"
    )
    lab("run", "--", "python3", "model.py")
    assert lab.json("reproduce", "last")["verdict"] == "IDENTICAL"
    assert len(lab.json("ls", "--models")) == 1
    replay = lab.json("ls", "--runs")[-1]["run"]
    assert "E101" in lab("serve", replay, status=2).stderr


def test_an_archive_cannot_write_outside_its_folder() -> None:
    for name in ("../out", "a/../../out", "/etc/out", "a//b"):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            info = tarfile.TarInfo(f"files/{name}")
            info.size = 1
            tar.addfile(info, io.BytesIO(b"x"))
        with pytest.raises(Tampered):
            restoring.unpack(buffer.getvalue())


def test_a_link_planted_in_the_restored_folder_is_not_followed(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    inside.mkdir()
    outside.write_text("mine")
    (inside / "train.py").symlink_to(outside)
    tree = restoring.Tree({"train.py": b"theirs"}, frozenset(), ())
    folder = os.open(inside, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with pytest.raises(OSError, match="exists"):
            restoring.write(tree, folder)
    finally:
        os.close(folder)
    assert outside.read_text() == "mine"


def test_a_verdict_that_was_altered_in_its_table_is_noticed(scans: Shell) -> None:
    scans("run", "--", "sh", "-c", "echo 1 > o; head -c 8 /dev/urandom > p")
    scans("reproduce", "last", "--no-explain", status=11)
    scans.sql("UPDATE run_verdict SET verdict = 'IDENTICAL', cause = NULL")
    assert "run_verdict" in scans("audit", status=6).stdout
