"""The folder of a store is the documented one: names, modes, retention, by golden file."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path

from cloister.store.layout import SMALL_BYTES
from cloister.testing.clock import ManualClock
from tests.store.small_store import small_store

GOLDEN = Path(__file__).parent.parent / "golden" / "store-layout-1.txt"


def drawn(store: Path) -> str:
    """Each file with its mode, size and SHA-256, then the retention log."""
    lines = []
    for path in sorted(store.rglob("*")):
        mode = path.stat().st_mode & 0o777
        lines.append(f"{mode:o} {path.relative_to(store)}")
        if path.is_file():
            content = path.read_bytes()
            lines[-1] += f" {len(content)} {hashlib.sha256(content).hexdigest()}"
    return "\n".join([*lines, "", (store / ".retention").read_text()])


def test_the_folder_is_the_documented_one(tmp_path: Path) -> None:
    clock = ManualClock()
    with small_store(tmp_path, clock) as lab:
        lab.keep([b"first", b"", b"the third object"])
        lab.keep([b"large" * SMALL_BYTES])
        lab.keep([b"made here"], "derived")
        raw = [placement.blob for placement in lab.placements() if "raw" in placement.blob]
        lab.backend.retain(raw[:1], clock.now() + timedelta(days=10_000))
    assert drawn(tmp_path / "store") == GOLDEN.read_text()
