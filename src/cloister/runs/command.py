"""A command line as it is sealed: every byte of it, for names are not always UTF-8."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from cloister.core.canonical import canonical
from cloister.core.commitment import commit_to
from cloister.core.encoding import to_bytes, to_text
from cloister.core.ids import Randomness

PURPOSE = "command"
"""The purpose under which a run's command line is sealed."""


def write(argv: Sequence[str], randomness: Randomness) -> tuple[str, bytes]:
    """A salted commitment to ``argv``, and what to seal: the words and the salt."""
    words = [to_text(os.fsencode(word)) for word in argv]
    opening = commit_to(canonical(words), randomness)
    return opening.commitment(), canonical({"argv": words, "salt": to_text(opening.salt)})


def read(plain: bytes) -> tuple[str, ...]:
    """The command line in what was sealed."""
    return tuple(os.fsdecode(to_bytes(word)) for word in json.loads(plain)["argv"])
