"""How far a target is, remembered beside the lab so that a save need not read all before it."""

from __future__ import annotations

import json
from pathlib import Path

from cloister.core.canonical import canonical
from cloister.core.encoding import to_bytes, to_text
from cloister.core.files import private_folder, write_durably
from cloister.core.signing import PublicKey, Verifier
from cloister.ledger.tree import Frontier
from cloister.recovery.chain import Chain


def load(path: Path, lab: str, log: PublicKey, verify: Verifier) -> Chain:
    """The chain as it was kept; an empty one where nothing usable is.

    It is a short cut: without it, every save is read again.
    """
    chain = Chain(lab, log, verify)
    try:
        kept = json.loads(path.read_bytes())
        if kept["lab"] == lab and kept["log"] == log.text():
            hashes = [to_bytes(text) for text in kept["frontier"]]
            chain.frontier = Frontier(int(kept["size"]), hashes)
            chain.blobs = set(kept["blobs"])
            chain.number, chain.sha256 = int(kept["number"]), str(kept["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return Chain(lab, log, verify)
    return chain


def keep(path: Path, chain: Chain) -> None:
    """Replaces what was kept."""
    private_folder(path.parent)
    kept = {
        "blobs": sorted(chain.blobs),
        "frontier": [to_text(digest) for digest in chain.frontier.hashes],
        "lab": chain.lab,
        "log": chain.log.text(),
        "number": chain.number,
        "sha256": chain.sha256,
        "size": chain.frontier.size,
    }
    write_durably(path, canonical(kept))
