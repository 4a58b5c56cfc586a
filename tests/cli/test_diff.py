"""`cloister diff`, as typed."""

from __future__ import annotations

from tests.conftest import Shell

CODE = """
import json, pathlib, sys
RATE = 0.5
loss = RATE * len(list(pathlib.Path("scans").rglob("*.txt")))
json.dump({"loss": loss, "name": "x"}, open("metrics.json", "w"))
open("same.txt", "w").write("same")
"""


def test_all_that_differs_is_told_and_nothing_else(scans: Shell) -> None:
    script = scans.folder / "train.py"
    script.write_text(CODE)
    scans("run", "--", "python3", "train.py", "scans")
    script.write_text(CODE.replace("0.5", "0.25"))
    (scans.folder / "scans/P003/2.txt").write_text("read again")
    scans("add", "scans", "--subject-pattern", "^(P[0-9]+)/")
    words = ("--seed", "3", "--env", "OMP_NUM_THREADS=1")
    scans("run", *words, "--", "python3", "train.py", "scans", "--now")
    first, second = [row["run"] for row in scans.json("ls", "--runs")]

    found = scans.json("diff", first, second)
    assert [(one["first"], one["second"]) for one in found["data"]] == [("@1", "@2")]
    (change,) = found["code"]
    assert (change["path"], change["line"], change["after"]) == ("train.py", 3, "RATE = 0.25")
    assert found["libraries"] == []
    settings = {one["name"]: (one["first"], one["second"]) for one in found["settings"]}
    assert settings["PYTHONHASHSEED"] == ("0", "3")
    assert settings["threads"][1] == "1"
    assert [one["name"] for one in found["metrics"]] == ["metrics.json loss"]
    assert [(one["first"], one["second"]) for one in found["metrics"]] == [("6", "3")]
    assert [one["name"] for one in found["command"]] == ["command"]
    outputs = {one["path"]: one["verdict"] for one in found["outputs"]["files"]}
    assert outputs == {"metrics.json": "DIFFERENT", "same.txt": "IDENTICAL"}

    shown = scans("diff", first, "last").stdout
    assert "RATE = 0.25" in shown
    assert "outputs DIFFERENT" in shown
    assert "nothing differs" in scans("diff", first, first).stdout
    assert scans.json("audit")["whole"]
