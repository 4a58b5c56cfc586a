"""How much the base install brings along.

    python -m benchmarks.install [--at FOLDER]

`pip install .`, without extras, into a fresh virtual environment; pip and setuptools, which
came with the environment, are not counted. Needs the package index, or what pip has cached;
says so and measures nothing where neither is there. Wanted: at most 25 distributions, 150 MB.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import venv
from pathlib import Path

from benchmarks.line import append
from benchmarks.shell import seconds

PROJECT = Path(__file__).parent.parent
TOOLS = ("pip", "setuptools", "wheel")


def size_mb(packages: Path) -> float:
    """What lies on the disk in site-packages, compiled files too, but for the tools."""
    files = (
        file
        for entry in packages.iterdir()
        if entry.name.split("-")[0] not in {*TOOLS, "_distutils_hack", "pkg_resources"}
        for file in (entry.rglob("*") if entry.is_dir() else [entry])
    )
    return round(sum(file.stat().st_blocks * 512 for file in files if file.is_file()) / 1e6, 1)


def installed(folder: Path) -> dict[str, object] | None:
    """The distributions and the megabytes; None where pip could not install."""
    venv.create(folder, with_pip=True)
    python = str(folder / "bin" / "python")
    pip_command = [python, "-m", "pip", "--disable-pip-version-check"]
    pip = subprocess.run(
        [*pip_command, "install", "-q", str(PROJECT)],
        capture_output=True,
        text=True,
        check=False,
    )
    if pip.returncode:
        print(f"install: skipped, pip could not install: {pip.stderr.strip()[-300:]}")
        return None
    listed = json.loads(subprocess.check_output([*pip_command, "list", "--format=json"]))
    names = sorted(one["name"] for one in listed if one["name"] not in TOOLS)
    (packages,) = folder.glob("lib/python*/site-packages")
    return {
        "distributions": len(names),
        "wanted_distributions": 25,
        "size_mb": size_mb(packages),
        "wanted_mb": 150,
        "names": names,
    }


def main() -> None:
    """Measures and adds one line to the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="the same")
    parser.add_argument("--at", type=Path, help="a folder for the environment")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.at) as folder:
        found: list[dict[str, object] | None] = []
        took_s = seconds(lambda: found.append(installed(Path(folder))))
        if found[0] is not None:
            append("install", found[0] | {"took_s": round(took_s, 1)})


if __name__ == "__main__":
    main()
