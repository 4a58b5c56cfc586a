"""The environment a run executes in: interpreter and every installed distribution, digested."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cloister.core.canonical import canonical
from cloister.core.errors import BadInput

_NOTES = ("/INSTALLER", "/REQUESTED", "/direct_url.json", "/RECORD", "/uv_cache.json")


@dataclass(frozen=True, slots=True)
class Environment:
    """What would have to be installed to run again."""

    digest: str
    """SHA-256, hex, of the description."""
    description: bytes
    """Canonical JSON: executable and distributions with the SHA-256 of their RECORD."""
    distributions: int


def capture(command: str, path: str, workdir: Path) -> Environment:
    """The environment of ``command``, looked up along ``path`` or, with a /, in ``workdir``.

    RECORD holds the hash of every installed file, so its own hash pins a distribution
    without reading it. Raises BadInput when the command does not exist.
    """
    found = shutil.which(str(workdir / command) if "/" in command else command, path=path)
    if found is None:
        raise BadInput(f"no such command: {command}", hint="is it on PATH, and executable?")
    executable = Path(found)
    distributions = sorted(_distributions(executable), key=lambda item: str(item["name"]))
    description = canonical(
        {
            "distributions": distributions,
            "executable": hashlib.sha256(executable.resolve().read_bytes()).hexdigest(),
            "name": executable.name,
        }
    )
    return Environment(hashlib.sha256(description).hexdigest(), description, len(distributions))


def _distributions(executable: Path) -> Iterator[Mapping[str, str]]:
    for folder in _site_folders(executable):
        for info in folder.glob("*.dist-info"):
            name, _, version = info.name.removesuffix(".dist-info").partition("-")
            record = info / "RECORD"
            if record.is_file():
                digest = hashlib.sha256(record.read_bytes()).hexdigest()
                installed = _installed(record.read_text(errors="surrogateescape"))
            yield {
                "files": hashlib.sha256(installed).hexdigest(),
                "name": name.lower(),
                "record": digest,
                "version": version,
            }


def _installed(record: str) -> bytes:
    """What of a RECORD is the same wherever and however the same distribution is installed.

    Scripts hold the path of their interpreter, and installers leave notes of their own.
    """
    lines = [
        line
        for line in sorted(record.splitlines())
        if not (line.startswith("../") or line.partition(",")[0].endswith((".pyc", *_NOTES)))
    ]
    return "\n".join(lines).encode(errors="surrogateescape")


def _site_folders(executable: Path) -> Iterator[Path]:
    """site-packages of the prefix the executable stands in, a virtual environment's first."""
    prefix = executable.parent.parent
    yield from prefix.glob("lib/python3*/site-packages")
    yield from prefix.glob("lib/python3*/dist-packages")
    settings = prefix / "pyvenv.cfg"
    if settings.is_file() and "include-system-site-packages = true" in settings.read_text():
        yield from executable.resolve().parent.parent.glob("lib/python3*/site-packages")
