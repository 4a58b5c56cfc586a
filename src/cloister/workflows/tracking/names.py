"""Names for runs that their scripts leave nameless."""

from __future__ import annotations

from cloister.core.ids import Randomness

_HOW = (
    "amber", "ample", "brisk", "bright", "calm", "clear", "crisp", "early", "even", "fair",
    "fleet", "fresh", "gentle", "grand", "keen", "kind", "light", "lively", "mild", "neat",
    "noble", "plain", "prime", "quick", "quiet", "rapid", "round", "sharp", "silver", "smooth",
    "steady", "swift",
)  # fmt: skip
_WHAT = (
    "alder", "aspen", "badger", "beech", "birch", "brook", "cedar", "crane", "delta", "dove",
    "elm", "falcon", "fern", "finch", "fjord", "harbor", "hazel", "heron", "lark", "maple",
    "meadow", "otter", "pine", "plover", "reed", "river", "robin", "stork", "swallow", "tern",
    "willow", "wren",
)  # fmt: skip
_WHERE = (
    "bay", "bend", "bluff", "cape", "cliff", "cove", "crest", "dale", "dell", "dune", "field",
    "ford", "garden", "glade", "grove", "heath", "hill", "hollow", "isle", "lake", "marsh",
    "moor", "orchard", "pass", "peak", "point", "pond", "ridge", "shore", "spring", "vale",
    "wood",
)  # fmt: skip


def run_name(randomness: Randomness) -> str:
    """Three words, easy to say aloud; no digits, which could look like somebody's id."""
    how, what, where = randomness(3)
    return f"{_HOW[how % 32]}-{_WHAT[what % 32]}-{_WHERE[where % 32]}"
