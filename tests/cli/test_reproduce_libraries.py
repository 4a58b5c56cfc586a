"""`cloister reproduce` and installed packages: what changed, put back from wheels."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Shell

CODE = "import tinylib, pathlib; pathlib.Path('o.json').write_text(str(tinylib.answer()))"


def write_wheel(folder: Path, version: str, answer: float) -> None:
    """A wheel of a library of one function."""
    folder.mkdir(exist_ok=True)
    info = f"tinylib-{version}.dist-info"
    files = {
        "tinylib.py": f"def answer(): return {answer!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: tinylib\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\ntiny = tinylib:answer\n",
    }
    record = ""
    for name, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode()
        record += f"{name},sha256={digest.rstrip('=')},{len(text)}\n"
    files[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
    with zipfile.ZipFile(folder / f"tinylib-{version}-py3-none-any.whl", "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)


def install(place: Path, wheels: Path, version: str) -> None:
    if not place.exists():
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
    pip = [sys.executable, "-m", "pip", "--python", place / "bin/python", "install", "-q"]
    where = ["--no-index", "--find-links", wheels, "--disable-pip-version-check"]
    subprocess.run([*pip, *where, f"tinylib=={version}"], check=True)


@pytest.fixture
def upgraded(lab: Shell) -> Shell:
    """A run with version 1.0 of a library, whose environment has 2.0 since."""
    wheels, place = lab.folder / "wheels", lab.folder.parent / "env"
    write_wheel(wheels, "1.0", 1.5)
    write_wheel(wheels, "2.0", 1.75)
    install(place, wheels, "1.0")
    lab("run", "--", "python3", "-c", CODE, env=path_of(lab, place))
    install(place, wheels, "2.0")
    return lab


def path_of(lab: Shell, place: Path) -> dict[str, str]:
    return {"PATH": f"{place / 'bin'}:{lab.environment['PATH']}"}


def verdict(lab: Shell, *words: str, status: int, **options: Any) -> Any:
    first = lab.json("ls", "--runs")[0]["run"]
    return json.loads(
        lab("--json", "reproduce", first, *words, status=status, **options).stdout
    )


def test_another_version_of_a_library_is_named_when_it_can_be_put_back(upgraded: Shell) -> None:
    found = verdict(upgraded, status=11)
    assert found["cause"] == "unknown"
    assert found["untested"][0]["factor"] == "libraries"
    found = verdict(upgraded, "--wheels", "wheels", status=11)
    assert found["cause"] == "libraries"
    (difference,) = found["differences"]
    assert difference["detail"] == ["tinylib 1.0 -> 2.0"]


def test_the_recorded_environment_is_built_anew_and_kept(upgraded: Shell) -> None:
    words = ("--locked", "--wheels", "wheels")
    assert verdict(upgraded, *words, status=0)["verdict"] == "IDENTICAL"
    built = list((upgraded.home / ".cache/cloister/environments").glob("*/built"))
    assert len(built) == 1
    before = built[0].stat().st_mtime_ns
    assert verdict(upgraded, *words, status=0)["differences"] == []
    assert built[0].stat().st_mtime_ns == before


def test_other_files_under_the_same_version_are_refused(upgraded: Shell) -> None:
    write_wheel(upgraded.folder / "wheels", "1.0", 1.6)
    words = ("reproduce", "last", "--locked", "--wheels", "wheels")
    assert "E504" in upgraded(*words, status=6).stderr
    assert not list((upgraded.home / ".cache/cloister/environments").glob("*/built"))


def test_a_wheel_that_is_not_there_is_said(upgraded: Shell) -> None:
    (upgraded.folder / "wheels/tinylib-1.0-py3-none-any.whl").unlink()
    words = ("reproduce", "last", "--locked", "--wheels", "wheels")
    assert "tinylib" in upgraded(*words, status=2).stderr


def test_here_is_the_environment_of_the_callers_shell(upgraded: Shell) -> None:
    other = upgraded.folder.parent / "other"
    install(other, upgraded.folder / "wheels", "1.0")
    found = verdict(upgraded, "--here", status=0, env=path_of(upgraded, other))
    assert found["verdict"] == "IDENTICAL"
    found = verdict(upgraded, "--here", "--no-explain", status=11)  # the library is not there
    assert "tinylib 1.0 -> -" in found["differences"][0]["detail"]
