"""Running the verifier in this process, and repairing a manifest the way a forger would."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import Any

from cloister.core.canonical import canonical
from cloister.proof.bundle import BundleParts, write_bundle
from tests.proof.small_lab import SmallLab

SOURCE = Path(__file__).parents[2] / "src" / "cloister_verify.py"


def _load() -> Any:
    """The verifier from the tree: an installed copy may be of another day."""
    spec = util.spec_from_file_location("cloister_verify", SOURCE)
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    sys.modules["cloister_verify"] = module
    spec.loader.exec_module(module)
    return module


verifier = _load()


@dataclass(frozen=True)
class Verdict:
    status: int
    reason: str
    computed: list[Any]
    attested: list[Any]
    warnings: list[str]

    @property
    def verified(self) -> bool:
        return self.status == verifier.VERIFIED

    @property
    def refused(self) -> bool:
        # a check that broke is refused too, but it is a bug of the verifier
        return self.status == verifier.REFUSED and "the check broke" not in self.reason


def judge(folder: Path, trust: Path | None = None, **options: str) -> Verdict:
    """What `cloister_verify.py` says, without starting a process."""
    arguments = [str(folder)] + (["--trust", str(trust)] if trust else [])
    for name, value in options.items():
        arguments += [f"--{name}", value]
    report = verifier.Report()
    try:
        status, reason = verifier.check(verifier.read_options(arguments), report), ""
    except verifier.Refused as error:
        status, reason = verifier.REFUSED, str(error)
    except verifier.Misused as error:
        status, reason = verifier.USAGE, str(error)
    return Verdict(status, reason, report.computed, report.attested, report.warnings)


@dataclass(frozen=True)
class Delivered:
    """A bundle as the auditor gets it: the folder, and keys got elsewhere."""

    folder: Path
    trust: Path

    def judge(self, **options: str) -> Verdict:
        return judge(self.folder, self.trust, **options)

    def edit(self, path: str, old: bytes, new: bytes) -> None:
        """Replaces bytes of one file, and repairs the manifest so that it lists the result."""
        file = self.folder / path
        content = file.read_bytes()
        assert old in content, f"{old!r} is not in {path}"
        self.put(path, content.replace(old, new, 1))

    def put(self, path: str, content: bytes) -> None:
        (self.folder / path).parent.mkdir(exist_ok=True)
        (self.folder / path).write_bytes(content)
        self.relist()

    def relist(self) -> None:
        manifest = self.manifest()
        paths = [file for file in self.folder.rglob("*") if file.is_file()]
        manifest["files"] = sorted(
            (
                {
                    "path": str(file.relative_to(self.folder)),
                    "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
                    "size": file.stat().st_size,
                }
                for file in paths
                if file.name != "manifest.json"
            ),
            key=lambda entry: str(entry["path"]),
        )
        self.write_manifest(manifest)

    def manifest(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "manifest.json").read_bytes())
        return found

    def write_manifest(self, manifest: dict[str, Any]) -> None:
        (self.folder / "manifest.json").write_bytes(canonical(manifest))


def deliver(home: Path, lab: SmallLab, parts: BundleParts | None = None) -> Delivered:
    write_bundle(home / "bundle", parts or lab.parts())
    return Delivered(home / "bundle", lab.trust(home))
