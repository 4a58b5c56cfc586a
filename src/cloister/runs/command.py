"""How a run was started, as it is sealed: every byte of it, for names are not always UTF-8."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cloister.core.canonical import canonical
from cloister.core.commitment import commit_to
from cloister.core.encoding import to_bytes, to_text
from cloister.core.errors import NotFound
from cloister.core.ids import Randomness

PURPOSE = "command"
"""The purpose under which a run's command line is sealed."""


@dataclass(frozen=True, slots=True)
class Start:
    """All that must be said again to start the same run."""

    argv: tuple[str, ...] = field(repr=False)
    workdir: Path = field(repr=False)
    variables: Mapping[str, str] = field(repr=False)
    """The job's whole environment."""
    reads: tuple[Path, ...] = field(default=(), repr=False)
    """What it was shown beside data and interpreter."""
    places: Mapping[str, Path] = field(default_factory=dict, repr=False)
    """Dataset -> the path where the job saw it."""
    memory_bytes: int | None = None
    gpus: int = 0
    """How many it was lent."""
    checkpoints: tuple[str, ...] = field(default=(), repr=False)
    """Patterns of files that were sealed while it ran."""
    every_s: float = 0.0


def write(start: Start, randomness: Randomness) -> tuple[str, bytes]:
    """A salted commitment to the command line, and what to seal: all of ``start``, the salt."""
    words = [_text(word) for word in start.argv]
    opening = commit_to(canonical(words), randomness)
    sealed: dict[str, Any] = {
        "argv": words,
        "memory": start.memory_bytes,
        "places": {name: _text(path) for name, path in start.places.items()},
        "reads": [_text(path) for path in start.reads],
        "salt": to_text(opening.salt),
        "variables": [[_text(name), _text(value)] for name, value in start.variables.items()],
        "workdir": _text(start.workdir),
    }
    if start.gpus:
        sealed["gpus"] = start.gpus
    if start.checkpoints:
        patterns = [_text(pattern) for pattern in start.checkpoints]
        sealed["checkpoints"] = {"every_ms": round(start.every_s * 1000), "patterns": patterns}
    return opening.commitment(), canonical(sealed)


def write_words(argv: Sequence[str], randomness: Randomness) -> tuple[str, bytes]:
    """As ``write`` for a run that nobody starts again, such as a conversion."""
    words = [_text(word) for word in argv]
    opening = commit_to(canonical(words), randomness)
    return opening.commitment(), canonical({"argv": words, "salt": to_text(opening.salt)})


def read(plain: bytes) -> tuple[str, ...]:
    """The command line in what was sealed."""
    return _words(json.loads(plain)["argv"])


def read_start(plain: bytes) -> Start:
    """How the run was started; raises NotFound where less was kept."""
    sealed = json.loads(plain)
    if "workdir" not in sealed:
        raise NotFound(
            "the record of this run holds its command line alone: it is a conversion, a task of"
            " a pipeline or its replay, or of an earlier version",
            hint="a task: `cloister reproduce RUN` in a terminal; else run the command again",
        )
    watched = sealed.get("checkpoints", {"every_ms": 0, "patterns": []})
    variables = [_words(pair) for pair in sealed["variables"]]
    return Start(
        argv=_words(sealed["argv"]),
        workdir=Path(*_words([sealed["workdir"]])),
        variables={name: value for name, value in variables},  # noqa: C416 - pairs, checked
        reads=tuple(map(Path, _words(sealed["reads"]))),
        places={name: Path(*_words([path])) for name, path in sealed["places"].items()},
        memory_bytes=sealed["memory"],
        gpus=sealed.get("gpus", 0),
        checkpoints=_words(watched["patterns"]),
        every_s=watched["every_ms"] / 1000,
    )


def _text(word: str | Path) -> str:
    return to_text(os.fsencode(word))


def _words(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(os.fsdecode(to_bytes(text)) for text in texts)
