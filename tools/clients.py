"""Several releases of MLflow's own client, each in an environment of its own, served here.

The newest that can be installed and the minor before it. Environments are kept in
build/clients, and made once; a release that cannot be installed is a failure.
Usage: python tools/clients.py [RELEASE ...].
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / "build/clients"
RELEASES = ("3.16", "3.17")
TESTS = (
    "tests/web/test_mlflow_client.py",
    "tests/web/test_mlflow_models.py",
    "tests/web/test_mlflow_artifacts.py",
    "tests/web/test_mlflow_traces.py",
)
NEEDED = ("hypothesis>=6.150,<7", "pytest>=9,<10", "pytest-timeout>=2.4,<3")


def main() -> int:
    """Runs the tests with each; non-zero if any fails."""
    failed = [one for one in sys.argv[1:] or RELEASES if not passes(one)]
    print(f"failed: {', '.join(failed)}" if failed else "every release is served")
    return bool(failed)


def passes(release: str) -> bool:
    """Whether the client of that release does all that the tests ask of it."""
    try:
        python = environment(release)
    except subprocess.CalledProcessError:
        print(f"MLflow {release} cannot be installed", flush=True)
        return False
    said = "import mlflow; print(mlflow.__version__)"
    found = subprocess.run([python, "-c", said], check=True, capture_output=True, text=True)
    print(f"MLflow {found.stdout.strip()}", flush=True)
    command = [python, "-m", "pytest", "-q", "-m", "not slow", "-p", "no:cacheprovider"]
    return subprocess.run([*command, *TESTS], cwd=ROOT, check=False).returncode == 0


def environment(release: str) -> Path:
    """The Python of an environment with that client and what serves it."""
    place = PLACE / release
    python = place / "bin/python"
    if not (place / "done").exists():
        venv.create(place, with_pip=True, clear=True)
        wanted = [f"mlflow=={release}.*", *NEEDED, "-e", f"{ROOT}[up,postgres]"]
        subprocess.run([python, "-m", "pip", "install", "-q", *wanted], check=True)
        (place / "done").touch()
    return python


if __name__ == "__main__":
    raise SystemExit(main())
