"""Writes labelled Solidity contracts as files, near-copies of one another in one folder.

The input is the curated SmartBugs collection as one JSON object a line (``name``, ``category``,
``text``). Most contracts in it are copies of a few: a contract belongs to the family of
another when half of the shorter one's phrases of five tokens are in the other, comments and
names aside. A split that puts one family on both sides measures memory, so the family is what
is dealt out, and what Cloister takes for the subject.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

ALIKE = 0.5
PHRASE = 5
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_TOKEN = re.compile(r"[A-Za-z_]\w*|\d+|[^\s\w]")


def phrases(text: str) -> set[tuple[str, ...]]:
    """Every run of five tokens, without the comments."""
    tokens = _TOKEN.findall(_COMMENT.sub(" ", text))
    return {tuple(tokens[at : at + PHRASE]) for at in range(max(1, len(tokens) - PHRASE + 1))}


def families(texts: list[str]) -> list[int]:
    """For each text the number of its family, families numbered in order of appearance."""
    each = [phrases(text) for text in texts]
    parent = list(range(len(texts)))

    def first(of: int) -> int:
        while parent[of] != of:
            of = parent[of]
        return of

    for later in range(len(texts)):
        for earlier in range(later):
            shorter = min(len(each[later]), len(each[earlier]))
            if len(each[later] & each[earlier]) >= ALIKE * shorter:
                a, b = sorted((first(later), first(earlier)))
                parent[b] = a
    numbers = {root: number for number, root in enumerate(dict.fromkeys(map(first, parent)))}
    return [numbers[first(one)] for one in range(len(texts))]


def write(collection: Path, folder: Path) -> int:
    """Writes ``contracts/family-NNN/{reentrant,other}/NAME``; gives how many families."""
    lines = collection.read_text(encoding="utf-8").splitlines()
    contracts = sorted((json.loads(line) for line in lines), key=lambda one: one["name"])
    numbers = families([one["text"] for one in contracts])
    for place, (one, family) in enumerate(zip(contracts, numbers, strict=True)):
        label = "reentrant" if one["category"] == "reentrancy" else "other"
        below = folder / "contracts" / f"family-{family:03}" / label
        below.mkdir(parents=True, exist_ok=True)
        (below / f"{place:03}-{Path(one['name']).name}").write_text(
            one["text"], encoding="utf-8", newline=""
        )
    return len(set(numbers))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("collection", type=Path, help="smartbugs_curated.jsonl")
    parser.add_argument("folder", nargs="?", type=Path, default=Path())
    given = parser.parse_args()
    print(f"{write(given.collection, given.folder)} families of contracts")
