"""Environments built anew from what a run recorded, and kept by their digest."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloister.core.errors import BadInput, NotFound, NotVerified
from cloister.core.files import exclusive, private_folder
from cloister.runs import environment
from cloister.runs.environment import Environment

_TIMEOUT_S = 1800
_OURS = frozenset({"cloister", "pip", "setuptools"})
"""Not needed by a script; Cloister itself is seldom in a folder of wheels."""


@dataclass(frozen=True, slots=True)
class LockedEnvironments:
    """A cache of virtual environments, and where their wheels come from."""

    cache: Path
    wheels: Path | None = None
    """A folder of wheels; None asks the index this machine is set up for."""
    allowed: bool = True
    """Whether building is wanted at all."""

    def build(self, recorded: Environment, command: str, path: str, workdir: Path) -> Path:
        """The folder of the environment; built once, and the same bytes as recorded.

        Raises NotFound when a distribution cannot be had, BadInput when the recorded
        interpreter is not here, NotVerified when what was installed is not what was recorded.
        """
        described = json.loads(recorded.description)
        base = _base(described, command, path, workdir)
        private_folder(self.cache)
        name = hashlib.sha256(recorded.description + os.fsencode(base)).hexdigest()[:32]
        place = self.cache / name
        with exclusive(self.cache / f"{name}.lock"):
            if not (place / "built").is_file():
                shutil.rmtree(place, ignore_errors=True)
                try:
                    self._build(described, base, place)
                except BaseException:
                    shutil.rmtree(place, ignore_errors=True)
                    raise
                (place / "built").touch()
        return place

    def _build(self, described: Mapping[str, Any], base: Path, place: Path) -> None:
        _call([str(base), "-I", "-m", "venv", "--without-pip", str(place)], "make it")
        wanted = [one for one in described["distributions"] if one["name"] not in _OURS]
        python = place / "bin" / str(described["name"])
        if not python.exists():
            python = place / "bin/python"
        if wanted:
            _call(self._install(wanted, place / "bin/python"), "install into it")
        found = environment.capture(str(python), "", place)
        _check(wanted, json.loads(found.description)["distributions"])

    def _install(self, wanted: Sequence[Mapping[str, str]], python: Path) -> list[str]:
        source = ["--no-index", "--find-links", str(self.wheels)] if self.wheels else []
        pins = [f"{one['name'].replace('_', '-')}=={one['version']}" for one in wanted]
        # No wheel runs code of its own while it is installed; a source archive would.
        safe = ["--only-binary", ":all:", "--no-deps", "--no-compile"]
        quiet = ["--disable-pip-version-check", "--no-input", "--quiet"]
        pip = [sys.executable, "-I", "-m", "pip", "--python", str(python), "install"]
        return [*pip, *quiet, *safe, *source, *pins]


def _base(described: Mapping[str, Any], command: str, path: str, workdir: Path) -> Path:
    """The recorded interpreter, which must still be here."""
    named = str(workdir / command) if "/" in command else command
    found = shutil.which(named, path=path) or shutil.which("python3", path=path)
    program = Path(found).resolve() if found else None
    digest = hashlib.sha256(program.read_bytes()).hexdigest() if program else ""
    if program is None or digest != described["executable"]:
        raise BadInput(
            "the interpreter that the run used is not here any more",
            hint="install the same one, or replay with what is here: --here",
        )
    if not program.name.startswith("python"):
        raise BadInput(f"the run's command is {program.name}: no Python environment to build")
    return program


def _check(wanted: Sequence[Mapping[str, str]], found: Sequence[Mapping[str, str]]) -> None:
    installed = {one["name"]: one for one in found}
    for one in wanted:
        have = installed.get(one["name"])
        if have is None or have["files"] != one.get("files", have["files"]):
            raise NotVerified(
                f"{one['name']} {one['version']}: what was installed is not what was recorded",
                hint="somebody published other files under this version; find the old wheel",
            )


def _call(command: Sequence[str], what: str) -> None:
    try:
        subprocess.run(  # noqa: S603 - an interpreter the run used, and our own pip
            command,
            check=True,
            capture_output=True,
            timeout=_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired, OSError) as error:
        said = getattr(error, "stderr", None) or b""
        lines = said.decode(errors="replace").strip().splitlines()
        last = next((line for line in lines if "No matching" in line or "ERROR" in line), "")
        raise NotFound(
            f"the recorded environment cannot be built: could not {what}: {last[:300]}",
            hint="give the folder that holds its wheels: --wheels FOLDER",
        ) from error
