"""Why a sweep, or a trial, ended as it did: the words of the record, in words to read."""

from __future__ import annotations

from collections.abc import Mapping

WHYS: Mapping[str, str] = {
    "exit": "its command failed",
    "killed": "its process was killed",
    "refused": "it could not be begun",
    "no-metric": "it never logged the metric",
    "no-number": "the metric it logged last is no number",
    "cap": "run_cap is reached",
    "grid": "every cell of the grid was tried",
    "target": "the target is reached",
    "failures": "nothing but failures",
    "asked": "somebody asked for it",
    "count": "--count is reached",
    "away": "none of its machines can be reached",
    "lost": "its machine does not answer",
}
