"""A process that stores objects until it is stopped, and says which ones are safe.

``python -m tests.store.worker FOLDER SEED ROUNDS`` prints ``ready``, then for each round
``stored NAME...`` once it was placed, or ``failed ErrorClass`` and goes on.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from cloister.core.errors import CloisterError
from tests.store.small_store import SmallStore, small_store


def main(folder: str, seed: str, rounds: str) -> None:
    chance = random.Random(int(seed))
    with small_store(Path(folder)) as lab:
        print("ready", flush=True)
        for _ in range(int(rounds)):
            try:
                names = store_some(lab, chance)
            except CloisterError as error:
                print("failed", type(error).__name__, flush=True)
            else:
                print("stored", *names, flush=True)


def store_some(lab: SmallStore, chance: random.Random) -> list[str]:
    """A few small objects, a large one, a stream: as an `add` would."""
    with lab.store.writer(chance.choice(["raw", "derived"])) as writer:
        names = [writer.add(chance.randbytes(chance.randrange(20_000))) for _ in range(5)]
        names.append(writer.add(chance.randbytes((1 << 20) + chance.randrange(1000))))
        pieces = [chance.randbytes(300_000) for _ in range(4)]
        names.append(writer.add_stream(iter(pieces), 1_200_000))
        lab.place(writer.flush())
    return names


if __name__ == "__main__":
    main(*sys.argv[1:])
