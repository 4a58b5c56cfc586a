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


def run_name(randomness: Randomness) -> str:
    """Two words and a number, easy to say aloud."""
    how, what, high, low = randomness(4)
    number = (high << 8 | low) % 1000
    return f"{_HOW[how % len(_HOW)]}-{_WHAT[what % len(_WHAT)]}-{number}"
